"""The structured perceptron: weights move towards the right path, away from the one taken for it.

For one sentence after the other, with ŷ the path that scores best by the weights so far,

    θ ← θ + w (f(x, y) - f(x, ŷ))

where w is the sentence's weight. What is kept is the mean of θ over all sentences seen. With s of
them seen before a change, it is θ - Σ s w (f(x, y) - f(x, ŷ)) / (all sentences seen), so that a
sentence touches its own features alone. Where steps have sets of labels, y is the best of the paths
that the sets allow.

Source: Collins (Discriminative training methods for hidden Markov models, 2002).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from catena.features.examples import Examples
from catena.features.state import Changing, StateFeatures
from catena.kernels.chain.dispatch import best
from catena.kernels.chain.potentials import Potentials
from catena.kernels.features import Rows
from catena.ladder.rung import at_least, whole


@dataclass(frozen=True)
class Perceptron:
    """Learn a CRF's weights by the structured perceptron; its penalties have no part in it.

    Args:
        epochs: how often the data is seen.
        averaged: keep the mean of the weights over all updates, not the last ones.
        patience: where held-out data judges, stop after so many epochs without a better one; None
            never stops for that.
        minutes: stop after so long; None sets no limit.
    """

    kind: ClassVar[str] = "perceptron"
    epochs: int = 10
    averaged: bool = True
    patience: int | None = 5
    minutes: float | None = None

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, 1)
        if self.patience is not None:
            whole("patience", self.patience, 1)
        if self.minutes is not None:
            at_least("minutes", self.minutes, 0)

    @property
    def batch(self) -> int:
        """Sentences that a step is computed from."""
        return 1


class PerceptronRule:
    """A `Rule`.

    Args:
        examples: what to learn from.
        features: which attributes have weights for which labels.
        moves: int64 `[k]`, from * width + to: the moves that have weights.
        averaged: whether `theta` is the mean.
    """

    def __init__(
        self, examples: Examples, features: StateFeatures, moves: Tensor, averaged: bool
    ) -> None:
        self.examples, self.features, self.moves = examples, features, moves
        self.averaged, self.seen = averaged, 0
        self._weighs = torch.zeros(features.width**2, dtype=torch.float64)
        self._weighs[moves] = 1.0
        self._ends = self._weighs.new_zeros(features.width)
        starts = examples.lengths.cumsum(0) - examples.lengths
        self._places = list(zip(starts.tolist(), examples.lengths.tolist(), strict=True))
        size = len(features) + len(moves)
        self._set(self._weighs.new_zeros(size), self._weighs.new_zeros(size))
        self.begin_epoch()

    def begin_epoch(self) -> None:
        self._steps, self._wrong = 0, 0

    def told(self) -> dict[str, float]:
        return {"wrong": self._wrong / max(self._steps, 1)}

    def update(self, numbers: Tensor) -> None:
        for number in numbers.tolist():
            self._learn(number)
            self.seen += 1

    def theta(self) -> Tensor:
        theta = self._theta(self._now, self._moves_now)
        if self.averaged:
            theta -= self._theta(self._sums, self._moves_sums) / max(self.seen, 1)
        return theta

    def tensors(self) -> dict[str, Tensor]:
        return {
            "theta": self._theta(self._now, self._moves_now),
            "sums": self._theta(self._sums, self._moves_sums),
        }

    def facts(self) -> dict[str, Any]:
        return {"seen": self.seen, "steps": self._steps, "wrong": self._wrong}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self._set(tensors["theta"], tensors["sums"])
        self.seen, self._steps, self._wrong = facts["seen"], facts["steps"], facts["wrong"]

    # -- inside -----------------------------------------------------------------------------

    def _set(self, theta: Tensor, sums: Tensor) -> None:
        self._now, self._moves_now = self._spread(theta)
        self._sums, self._moves_sums = self._spread(sums)

    def _spread(self, theta: Tensor) -> tuple[Changing, Tensor]:
        """The weights of features, and of all moves, `[width * width]`."""
        weights, of_moves = theta.split([len(self.features), len(self.moves)])
        moves = torch.zeros_like(self._weighs).index_put((self.moves,), of_moves)
        return Changing(self.features, weights), moves

    def _theta(self, weights: Changing, moves: Tensor) -> Tensor:
        return torch.cat([weights.weights(), moves[self.moves]])

    def _learn(self, number: int) -> None:
        begin, length = self._places[number]
        if not length:
            return
        rows = self._rows(begin, begin + length)
        scores, right = self._now.scores(rows), self.examples.labels[begin : begin + length]
        taken = self._best(scores)
        if right.dtype == torch.bool:
            right = self._best(scores.masked_fill(~right, -torch.inf))
        wrong = int((taken != right).sum())
        self._steps, self._wrong = self._steps + length, self._wrong + wrong
        if wrong:
            self._move(rows, right, taken, float(self.examples.weight[number]))

    def _rows(self, begin: int, end: int) -> Rows:
        data = self.examples.data
        offsets = data.offsets[begin : end + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        values = None if data.values is None else data.values[first:last]
        return Rows(offsets - first, data.ids[first:last], values)

    def _best(self, scores: Tensor) -> Tensor:
        """int64 `[length]`: the best path by the weights so far."""
        transitions = self._moves_now.view(self.features.width, -1)
        lengths = torch.tensor([len(scores)])
        paths, _ = best(Potentials(scores, lengths, transitions, self._ends, self._ends), 1)
        return paths[:, 0]

    def _move(self, rows: Rows, right: Tensor, taken: Tensor, weight: float) -> None:
        paths = torch.stack([right, taken])
        each = torch.tensor([[weight], [-weight]], dtype=torch.float64).expand(2, len(right))
        change = each.new_zeros(len(right), self.features.width).scatter_add_(1, paths.T, each.T)
        moves = (paths[:, :-1] * self.features.width + paths[:, 1:]).flatten()
        of_moves = each[:, 1:].flatten() * self._weighs[moves]
        columns = self._now.columns(rows)
        for weights, table, times in (
            (self._now, self._moves_now, 1),
            (self._sums, self._moves_sums, self.seen),
        ):
            weights.add(columns, change * times)
            table.index_add_(0, moves, of_moves, alpha=times)
