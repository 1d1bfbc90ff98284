"""Several Translators of one vocabulary that translate together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from catena.ensemble import Mean, ensemble
from catena.errors import CatenaError
from catena.model import SequenceModel
from catena.search import Beam
from catena.sequences import Sequences
from catena.tasks.translate import Alignment, Evaluation, Pair, Translator
from catena.tasks.writing import Written


class TranslatorEnsemble:
    """Translators that predict each symbol together, e.g. of the same data and different seeds.

    Args:
        translators: fitted, with the same symbols on both sides.
        mean: "arithmetic" of their probabilities, or "geometric".

    `source_` and `target_` are the symbols that they have in common.

    Raises:
        CatenaError: for none, for one that is not fitted, and for other symbols than the first's.
    """

    def __init__(self, translators: Sequence[Translator], mean: Mean = "arithmetic") -> None:
        if not translators:
            raise CatenaError("an ensemble needs at least one translator")
        first = translators[0]
        for number, one in enumerate(translators, 1):
            one._check_fitted()
            if (one.source_.describe(), one.target_.describe()) != (
                first.source_.describe(),
                first.target_.describe(),
            ):
                raise CatenaError(
                    f"translator {number} of the ensemble has other symbols than the first: "
                    "fit them to the same pairs with the same unit and vocabulary"
                )
        self.source_, self.target_ = first.source_, first.target_
        # All that a Translator does with its network is done with the networks together.
        self._translator = copy(first)
        self._translator.model_ = _Networks([one.model_ for one in translators], mean)  # type: ignore[assignment]

    def translate(self, lines: Sequence[str], how: int | Beam = 5, **options: Any) -> list[str]:
        """The best translation of each line; see `Translator.translate` for the options."""
        return self._translator.translate(lines, how, **options)

    def candidates(
        self,
        lines: Sequence[str],
        how: int | Beam = 5,
        begin: Sequence[str] | None = None,
        **options: Any,
    ) -> list[list[Written]]:
        """What the search found for each line, best first; see `Translator.candidates`."""
        return self._translator.candidates(lines, how, begin, **options)

    def align(self, pairs: Iterable[Pair]) -> list[Alignment]:
        """What each symbol of the targets was read off their sources by, on the average."""
        return self._translator.align(pairs)

    def score(self, pairs: Iterable[Pair]) -> np.ndarray:
        """log p of each target given its source, in nats: `[n]`; see `Translator.score`."""
        return self._translator.score(pairs)

    def evaluate(self, pairs: Iterable[Pair], how: int | Beam = 5, **options: Any) -> Evaluation:
        """How good the translations of the sources are; see `Translator.evaluate`."""
        return self._translator.evaluate(pairs, how, **options)


class _Networks(nn.Module):
    """What a Translator asks of its network, of several at once."""

    def __init__(self, networks: Sequence[nn.Module], mean: Mean) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.mean: Mean = mean

    def given(self, sources: Sequences, tracking: bool = False) -> SequenceModel:
        """The model of the targets of n sources."""
        models = [network.given(sources, tracking=tracking) for network in self.networks]  # type: ignore[operator]
        return ensemble(models, self.mean)

    def log_prob(self, sources: Sequences, targets: Sequences) -> Sequences:
        """log p of every step of the targets and of their ends, in nats."""
        return self.given(sources).score(targets).log_prob

    def weights(self, sources: Sequences, targets: Sequences) -> Sequences:
        """The mean of how much each attended to each step of a source, `[total, longest]`."""
        each = [network.weights(sources, targets) for network in self.networks]  # type: ignore[operator]
        return each[0].with_values(torch.stack([own.values for own in each]).mean(0))
