"""Confidence intervals by resampling, paired: all models see the same draws.

What is resampled are sequences, or, where there are few, stretches of them long enough that what
one symbol tells of the next stays inside (a block bootstrap, Künsch 1989), but never of two
sequences at once. Where there are very many, some neighbours are drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from catena.sequences import Sequences, ranges

BLOCKS = 200
MOST = 2000
DRAWS = 2000
_TAILS = torch.tensor([0.025, 0.975], dtype=torch.float64)


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
        if not len(gap):
            return Interval(0.0, 0.0, 0.0)
        sums = torch.zeros_like(self._sizes).index_add_(0, self._blocks, gap)
        means = self._totals(sums) / (self._weights @ self._sizes)
        # Order statistics themselves: there is nothing between a number and infinity.
        low, high = means.quantile(_TAILS, interpolation="nearest").tolist()
        return Interval(float(gap.mean()), low, high)

    def _totals(self, sums: Tensor) -> Tensor:
        """`[draws]`. An infinite block counts only where it is drawn; 0 times infinity would not
        be 0."""
        odd = ~sums.isfinite()
        drawn = torch.where(self._weights[:, odd] > 0, sums[odd], 0.0)
        return self._weights @ sums.masked_fill(odd, 0.0) + drawn.sum(1)


def _blocks(lengths: Tensor) -> Tensor:
    """`[total]`, the block that each prediction belongs to."""
    owner = torch.repeat_interleave(lengths)
    if len(lengths) >= BLOCKS:
        return owner // (len(lengths) // MOST + 1)
    total = int(lengths.sum())
    size = max(1, total // BLOCKS, round(total ** (1 / 3)))
    place = ranges(torch.zeros_like(lengths), lengths) // size
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
