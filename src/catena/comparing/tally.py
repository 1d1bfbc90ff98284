"""A figure in parts that can be resampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Tally:
    """What adds up, and what the sums make.

    Args:
        amounts: float64 `[n, k]`, of each prediction or of each sequence.
        make: sums `[..., k]` -> figures `[...]`.
    """

    amounts: Tensor
    make: Callable[[Tensor], Tensor]

    @property
    def value(self) -> float:
        """The figure of all of them."""
        return float(self.make(self.amounts.sum(0)))


def mean(values: Tensor, weights: Tensor | None = None) -> Tally:
    """The mean of values `[n]`; where each stands for several, of sums over so many, `[n]`.

    >>> mean(torch.tensor([3.0, 1.0]), torch.tensor([3, 1])).value
    1.0
    """
    weights = torch.ones_like(values) if weights is None else weights
    return Tally(torch.stack([values.double(), weights.double()], 1), _ratio)


def _ratio(sums: Tensor) -> Tensor:
    return sums[..., 0] / sums[..., 1]
