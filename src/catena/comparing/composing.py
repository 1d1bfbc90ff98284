"""The comparison of Composers: how well does each predict the next event, frame or symbol?"""

from __future__ import annotations

from catena.comparing.generating import Generating, terms_of
from catena.comparing.result import Terms
from catena.tasks.music_forms import unit_in


class Composing(Generating):
    """Generators of pieces in a form: of what `Composer.encode` gives, in the form's space."""

    def _terms(self) -> Terms:
        return terms_of(self.space, "compose", unit_in(self.space))
