"""Ragged data cut into batches for gradient learning.

Two cases, one rule. Short sequences are taken whole, those of like length together. A long stream
is cut into parallel rows, and each batch of rows is walked through span after span with its state
carried along (truncated back-propagation through time, Williams and Peng 1990).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from catena.scanning import spans
from catena.sequences import Sequences, ranges

# Batches are formed within pools of this many, so that lengths are alike but company varies.
POOL = 50


@dataclass(frozen=True)
class Piece:
    """One span of one batch.

    Args:
        sequences: at most `span` steps of each row.
        ends: `[n]`, whether a row's sequence ends here.
        fresh: whether the rows begin here; otherwise they go on from the piece before.
    """

    sequences: Sequences
    ends: Tensor
    fresh: bool


@dataclass(frozen=True)
class _Rows:
    """Stretches of the data: `starts`, `lengths` and `ends`, each `[rows]`."""

    starts: Tensor
    lengths: Tensor
    ends: Tensor

    def pick(self, chosen: Tensor) -> _Rows:
        return _Rows(self.starts[chosen], self.lengths[chosen], self.ends[chosen])


class Batches:
    """The pieces of one epoch after another.

    Args:
        sequences: the data.
        rows: how many rows of `span` steps an update may cost; of shorter rows, more fit.
        span: how many steps gradients reach back.
        beside: what a row costs beside its steps.
    """

    def __init__(self, sequences: Sequences, rows: int, span: int, beside: int = 0) -> None:
        self.sequences, self.span, self._beside = sequences, span, beside
        # One row more: where the first cut of a stream is drawn, one row of it falls in two.
        self._budget = (rows + 1) * span
        self._row_length = max(span, math.ceil(sequences.total / rows))

    def batches(self, generator: torch.Generator | None) -> list[_Rows]:
        """The batches of an epoch, in order; without a generator, unshuffled."""
        rows = self._cut(generator)
        cost = (rows.lengths + self._beside).clamp(1, self.span)
        return [rows.pick(chosen) for chosen in alike(rows.lengths, cost, self._budget, generator)]

    def pieces(self, batch: _Rows) -> Iterator[Piece]:
        """One batch, span after span."""
        index = ranges(batch.starts, batch.lengths)
        values = self.sequences.values[index.to(self.sequences.values.device)]
        whole = Sequences(values, batch.lengths)
        for number, (piece, last) in enumerate(spans(whole, self.span)):
            yield Piece(piece, last & batch.ends, fresh=number == 0)

    def updates(self, batches: list[_Rows]) -> int:
        """How many pieces the batches have."""
        longest = [int(batch.lengths.max()) for batch in batches]
        return sum(max(1, math.ceil(length / self.span)) for length in longest)

    def _cut(self, generator: torch.Generator | None) -> _Rows:
        """Every sequence in rows of at most the row length; where the first cut falls is drawn, so
        that epochs do not break the stream at the same places."""
        lengths, limit = self.sequences.lengths, self._row_length
        shift = torch.zeros(len(lengths), dtype=torch.int64)
        if generator is not None:
            drawn = torch.randint(limit, (len(lengths),), generator=generator)
            shift = torch.where(lengths > limit, drawn, shift)
        # Row j of a sequence covers [j·limit - shift, (j+1)·limit - shift), cut to the sequence.
        count = ((lengths + shift + limit - 1) // limit).clamp_min(1)
        owner = torch.repeat_interleave(count)
        place = ranges(torch.zeros_like(count), count) * limit - shift[owner]
        begin = place.clamp_min(0)
        finish = torch.minimum(place + limit, lengths[owner])
        starts = self.sequences.offsets[:-1][owner] + begin
        return _Rows(starts, finish - begin, finish == lengths[owner])


def alike(
    key: Tensor, cost: Tensor, budget: int, generator: torch.Generator | None
) -> list[Tensor]:
    """Rows `[count]` shared out among batches: those of like key together, but with a generator in
    company that varies, and batches in any order.

    Args:
        key: what rows of a batch should have in common.
        cost: what a row takes of a batch's budget.
    """
    if generator is None:
        return _fill(torch.argsort(key, stable=True), cost, budget)
    shuffled = torch.randperm(len(key), generator=generator)
    pool = max(1, int(POOL * budget / float(cost.float().mean())))
    chosen: list[Tensor] = []
    for part in shuffled.split(pool):
        chosen.extend(_fill(part[torch.argsort(key[part], stable=True)], cost, budget))
    mixed = torch.randperm(len(chosen), generator=generator).tolist()
    return [chosen[index] for index in mixed]


def _fill(order: Tensor, cost: Tensor, budget: int) -> list[Tensor]:
    """Consecutive rows while their cost stays within the budget; at least one a batch."""
    batches, begin, used = [], 0, 0
    for place, price in enumerate(cost[order].tolist()):
        if place > begin and used + price > budget:
            batches.append(order[begin:place])
            begin, used = place, 0
        used += price
    batches.append(order[begin:])
    return [batch for batch in batches if len(batch)]
