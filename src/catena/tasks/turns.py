"""What dialogues are made of."""

from __future__ import annotations

from typing import NamedTuple


class Turn(NamedTuple):
    """What one says.

    Args:
        text: the words.
        speaker: whose they are, where the data says so.
    """

    text: str
    speaker: str | None = None
