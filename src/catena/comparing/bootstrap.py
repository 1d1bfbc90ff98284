"""Confidence intervals by resampling, paired: all models see the same draws.

What is resampled are sequences, or, where there are few, stretches of them long enough that what
one symbol tells of the next stays inside (a block bootstrap, Künsch 1989).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from catena.sequences import Sequences, ranges

BLOCKS = 200
DRAWS = 2000


@dataclass(frozen=True)
class Interval:
    """A difference in bits a symbol and where it lies in 95 of 100 resamplings."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


class Bootstrap:
    """Resamplings of one test set.

    Args:
        lengths: `[n]`, how many predictions each sequence has.
        seed: of the draws.
    """

    def __init__(self, lengths: Tensor, seed: int = 0, draws: int = DRAWS) -> None:
        self._blocks = _blocks(lengths)
        generator = torch.Generator().manual_seed(seed)
        count = int(self._blocks[-1]) + 1 if len(self._blocks) else 0
        drawn = torch.randint(max(count, 1), (draws, count), generator=generator)
        self._weights = torch.zeros(draws, count, dtype=torch.float64)
        self._weights.scatter_add_(1, drawn, torch.ones(drawn.shape, dtype=torch.float64))
        self._sizes = torch.bincount(self._blocks, minlength=count).double()

    def difference(self, bits: Tensor, other: Tensor) -> Interval:
        """Mean of `bits - other`, each `[total]`, with its interval."""
        gap = bits.double() - other.double()
        sums = torch.zeros_like(self._sizes).index_add_(0, self._blocks, gap)
        means = (self._weights @ sums) / (self._weights @ self._sizes)
        if not len(gap):
            return Interval(0.0, 0.0, 0.0)
        low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        return Interval(float(gap.mean()), low, high)


def _blocks(lengths: Tensor) -> Tensor:
    """`[total]`, the block that each prediction belongs to."""
    if len(lengths) >= BLOCKS:
        return torch.repeat_interleave(lengths)
    size = max(1, int(lengths.sum()) // BLOCKS)
    place = ranges(torch.zeros_like(lengths), lengths) // size
    owner = torch.repeat_interleave(lengths)
    per_sequence = (lengths + size - 1) // size
    first = per_sequence.cumsum(0) - per_sequence
    return first[owner] + place


def by_position(bits: Sequences) -> list[tuple[int, int, float]]:
    """Mean bits in doubling ranges of positions: (first, last, bits), counted from 1."""
    positions = ranges(torch.ones_like(bits.lengths), bits.lengths)
    bucket = positions.double().log2().floor().long()
    count = torch.bincount(bucket)
    total = torch.zeros(len(count), dtype=torch.float64)
    total.index_add_(0, bucket, bits.values.double())
    return [
        (2**b, 2 ** (b + 1) - 1, float(total[b] / count[b])) for b in range(len(count)) if count[b]
    ]
