"""AdaGrad (Duchi, Hazan and Singer 2011), for penalised likelihoods of sparse features.

Minimised is F(θ) = Σ_n -log p(y_n | x_n) + l1 ‖θ‖₁ + l2 ‖θ‖², batch after batch. With g the
gradient of a batch's part of the first sum and B batches in all, each weight has a rate of its own,

    G ← G + g²,    h = rate / √G
    θ ← θ - h g
    θ ← sign(θ) max(0, |θ| - h l1 / B) / (1 + 2 h l2 / B)

A batch changes G and takes gradients only of the features that it has. The last line is put off for
the others until they are met again: k of them at the same h are one, with r = 1 / (1 + 2 h l2 / B),

    θ ← sign(θ) max(0, r^k |θ| - (h l1 / B) (r + r² + .. + r^k))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.examples import Examples, ranges
from catena.features.objective import Objective
from catena.features.state import StateFeatures
from catena.features.vocabulary import Encoded
from catena.ladder.rung import at_least, whole


@dataclass(frozen=True)
class AdaGrad:
    """Learn a CRF by AdaGrad, a batch of sentences at a time: for data too large for L-BFGS.

    Args:
        epochs: how often the data is seen.
        batch: sentences that a step is computed from.
        rate: the first step of every weight, in nats.
        patience: where held-out data judges, stop after so many epochs without a better one; None
            never stops for that.
        minutes: stop after so long; None sets no limit.
    """

    kind: ClassVar[str] = "adagrad"
    epochs: int = 15
    batch: int = 16
    rate: float = 0.2
    patience: int | None = 5
    minutes: float | None = None

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, 1)
        whole("batch", self.batch, 1)
        if not 0 < self.rate < float("inf"):
            raise CatenaError(f"rate must be a number above 0, not {self.rate}")
        if self.patience is not None:
            whole("patience", self.patience, 1)
        if self.minutes is not None:
            at_least("minutes", self.minutes, 0)


class AdaGradRule:
    """A `Rule`.

    Args:
        examples: what to learn from.
        features: which attributes have weights for which labels.
        moves: int64 `[k]`, from * width + to: the moves that have weights.
        rate: the first step of every weight.
        l1, l2: each batch's share of the penalties, l1 / B and l2 / B.
    """

    def __init__(
        self,
        examples: Examples,
        features: StateFeatures,
        moves: Tensor,
        rate: float,
        l1: float,
        l2: float,
    ) -> None:
        self.examples, self.features, self.moves = examples, features, moves
        self.rate, self.l1, self.l2, self.batches = rate, l1, l2, 0
        size = len(features) + len(moves)
        self._theta = torch.zeros(size, dtype=torch.float64)
        self._squares = torch.zeros_like(self._theta)
        self._penalised = torch.zeros(size, dtype=torch.int64)
        self._of_moves = torch.arange(len(features), size)
        self.begin_epoch()

    def begin_epoch(self) -> None:
        self._steps, self._nats = 0, 0.0

    def told(self) -> dict[str, float]:
        return {"train": self._nats / max(self._steps, 1)}

    def update(self, numbers: Tensor) -> None:
        examples = self.examples.pick(numbers)
        data, features, places = self._part(examples.data)
        self._penalise(places)
        objective = Objective(
            data, examples.labels, examples.lengths, features, self.moves, examples.weight
        )
        nats, gradient = objective(self._theta[places])
        squares = self._squares[places] + gradient.square()
        # Where no gradient was ever seen there is no step to take.
        step = torch.where(squares > 0, self.rate * gradient / squares.sqrt(), 0.0)
        self._theta[places] -= step
        self._squares[places] = squares
        self.batches += 1
        self._steps, self._nats = self._steps + len(data), self._nats + nats

    def theta(self) -> Tensor:
        self._penalise(torch.arange(len(self._theta)))
        return self._theta.clone()

    def tensors(self) -> dict[str, Tensor]:
        return {"theta": self._theta, "squares": self._squares, "penalised": self._penalised}

    def facts(self) -> dict[str, Any]:
        return {"batches": self.batches, "steps": self._steps, "nats": self._nats}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        self._theta, self._squares = tensors["theta"], tensors["squares"]
        self._penalised, self.batches = tensors["penalised"], facts["batches"]
        self._steps, self._nats = facts["steps"], facts["nats"]

    # -- inside -----------------------------------------------------------------------------

    def _part(self, data: Encoded) -> tuple[Encoded, StateFeatures, Tensor]:
        """The data with its own attributes alone, their features, and where those stand in θ."""
        used, ids = data.ids.unique(return_inverse=True)
        begins, sizes = self.features.pairs[used], self.features.pairs.diff()[used]
        places = ranges(begins, sizes)
        pairs = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        part = StateFeatures(pairs, self.features.labels[places], self.features.width)
        own = Encoded(data.offsets, ids.to(torch.int32), data.values, len(used))
        return own, part, torch.cat([places, self._of_moves])

    def _penalise(self, places: Tensor) -> None:
        """What the batches since a weight was last met would have taken from it."""
        times = self.batches - self._penalised[places]
        self._penalised[places] = self.batches
        squares = self._squares[places]
        step = torch.where(squares > 0, self.rate / squares.sqrt(), 0.0)
        doubled = 2 * step * self.l2
        lost = -(-times * doubled.log1p()).expm1()
        # r + r² + .. + r^k = (1 - r^k) / (1 / r - 1), which nears k as r nears 1.
        total = torch.where(doubled > 0, lost / doubled, times.double())
        theta = self._theta[places]
        size = ((1 - lost) * theta.abs() - step * self.l1 * total).clamp_min(0)
        self._theta[places] = size * theta.sign()
