"""Confidence intervals by resampling, paired: all models see the same draws.

What is resampled are sequences, or, where there are few, stretches of them long enough that what
one symbol tells of the next stays inside (a block bootstrap, Künsch 1989), but never of two
sequences at once. Where there are very many, some neighbours are drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from catena.comparing.tally import Tally
from catena.sequences import Sequences, ranges

BLOCKS = 200
MOST = 2000
DRAWS = 2000
_TAILS = torch.tensor([0.025, 0.975], dtype=torch.float64)


@dataclass(frozen=True)
class Interval:
    """A figure, or a difference of two, and where it lies in 95 of 100 resamplings."""

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
        lengths: `[n]`, how many amounts of a tally each sequence has.
        seed: of the draws.
    """

    def __init__(self, lengths: Tensor, seed: int = 0, draws: int = DRAWS) -> None:
        self._blocks = _blocks(lengths)
        generator = torch.Generator().manual_seed(seed)
        count = int(self._blocks[-1]) + 1 if len(self._blocks) else 0
        drawn = torch.randint(max(count, 1), (draws, count), generator=generator)
        self._weights = torch.zeros(draws, count, dtype=torch.float64)
        self._weights.scatter_add_(1, drawn, torch.ones(drawn.shape, dtype=torch.float64))

    def difference(self, tally: Tally, other: Tally) -> Interval:
        """How much more one figure is than another, with its interval."""
        if not len(self._blocks):
            return Interval(0.0, 0.0, 0.0)
        return _interval(tally.value - other.value, self._figures(tally) - self._figures(other))

    def interval(self, tally: Tally) -> Interval:
        """A figure with its interval."""
        return _interval(tally.value, self._figures(tally))

    def _figures(self, tally: Tally) -> Tensor:
        """`[draws]`, the figure of each resampling."""
        sums = tally.amounts.new_zeros(self._weights.shape[1], tally.amounts.shape[1])
        return tally.make(self._totals(sums.index_add_(0, self._blocks, tally.amounts)))

    def _totals(self, sums: Tensor) -> Tensor:
        """`[draws, k]` from the sums of each block. What is infinite counts only where its block is
        drawn; 0 times infinity would not be 0."""
        odd = ~sums.isfinite()
        blocks = odd.any(1)
        drawn = (self._weights[:, blocks] > 0)[:, :, None]
        infinite = torch.where(drawn, sums[blocks].masked_fill(~odd[blocks], 0.0), 0.0)
        return self._weights @ sums.masked_fill(odd, 0.0) + infinite.sum(1)


def _interval(value: float, draws: Tensor) -> Interval:
    # Order statistics themselves: there is nothing between a number and infinity.
    low, high = draws.quantile(_TAILS, interpolation="nearest").tolist()
    return Interval(value, low, high)


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
