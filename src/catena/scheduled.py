"""Scheduled sampling: a decoder that also learns from what it would have written itself.

    x̃_t = x_t                                      with probability 1 - ε
    x̃_t ~ p(· given x̃_1..x̃_{t-1}), but not the end  with probability ε
    learned: log p(x_t given x̃_1..x̃_{t-1})

ε rises while learning goes on. No gradient runs through what was drawn, so that the draws can be
made first: one walk without gradients, where the head is asked only for the steps that are drawn;
then all steps are scored at once, by the same kernels as without.

Source: Bengio et al., Scheduled sampling for sequence prediction with recurrent neural networks
(2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from catena.ladder.rung import fraction, one_of
from catena.model import SequenceModel
from catena.recurrence import State
from catena.scanning import scan
from catena.sequences import Sequences
from catena.space import Symbols

RISES = ("linear", "sigmoid", "constant")
# How steep the sigmoid is: at the beginning and the end it is within 0.3 % of 0 and of its share.
STEEPNESS = 12.0


@dataclass(frozen=True)
class ScheduledSampling:
    """How many of the symbols that a decoder is fed while learning are its own.

    Args:
        share: ε at the end of learning.
        rise: "linear" from 0, "sigmoid" around the middle of learning, or "constant".

    Raises:
        CatenaError: for a share outside 0 to 1, and a rise that there is not.
    """

    share: float = 0.25
    rise: str = "linear"

    def __post_init__(self) -> None:
        fraction("share", self.share)
        one_of("rise", self.rise, RISES)

    def at(self, done: float) -> float:
        """ε once so much of learning is done, from 0 to 1.

        >>> ScheduledSampling(0.4).at(0.5)
        0.2
        """
        if self.rise == "constant":
            return self.share
        if self.rise == "linear":
            return self.share * done
        return self.share / (1.0 + math.exp(-STEEPNESS * (done - 0.5)))


@torch.no_grad()
def mixed(model: SequenceModel, targets: Sequences, share: float) -> Sequences:
    """What a model of symbols is fed: each step of the targets, or with probability `share` what it
    draws in its place. The draws are those of PyTorch's own generator."""
    chance = torch.rand(targets.total, 2, dtype=torch.float64).to(targets.values.device)
    own, where = chance[:, 0] < share, chance[:, 1]
    steps = torch.stack([targets.values.double(), own.double(), where], 1)
    return scan(_Feeding(model), targets.with_values(steps)).features


class _Feeding:
    """A model fed step by step `[batch, 3]`: the symbol, whether to draw one instead, and the share
    of the probability that lies before what is drawn. It shows what it was fed `[batch]`."""

    def __init__(self, model: SequenceModel) -> None:
        self._model = model

    def start(self, batch: int) -> State:
        device = next(self._model.parameters()).device
        return (torch.zeros(batch, dtype=torch.int64, device=device), *self._model.start(batch))

    def step(self, state: State, x: Tensor) -> State:
        fed, inner = x[:, 0].long(), state[1:]
        rows = x[:, 1].nonzero().squeeze(1)
        if len(rows):
            features = self._model.read(inner).index_select(0, rows)
            fed[rows] = self._drawn(features, x[rows, 2])
        return (fed, *self._model.step(inner, fed))

    def read(self, state: State) -> Tensor:
        return state[0]

    def _drawn(self, features: Tensor, where: Tensor) -> Tensor:
        assert isinstance(self._model.space, Symbols)
        last = len(self._model.space.items) - 1
        p = self._model.head.distribution(features).probs.double()  # type: ignore[attr-defined]
        if self._model.space.end_number is not None:
            p[:, self._model.space.end_number] = 0.0
        before = p.cumsum(1)
        sought = where[:, None] * before[:, -1:]
        return torch.searchsorted(before, sought, right=True).squeeze(1).clamp(max=last)
