"""Counting: θ of a Markov chain in one pass over the data.

The sufficient statistics are the counts of the longest n-grams, each cut off at the beginning of
its sequence. They add up over shards and processes; everything shorter follows from them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.learn.interrupt import Interrupted, asked_to_stop
from catena.learn.learner import History, Progress, Run
from catena.learn.smoothing import OrderCounts, smoothing
from catena.model import SequenceModel
from catena.ngram import NGramTable
from catena.sequences import Sequences, ranges

# N-grams counted at a time, so that memory grows with the different ones only.
PIECE = 1 << 21


@dataclass(frozen=True, eq=False)
class GramCounts:
    """How often each n-gram occurred.

    Args:
        rows: `[grams, order + 1]` int64, each the context, newest symbol first, then the symbol
            that followed; sorted, all different. The begin marker fills what lies before a
            sequence.
        counts: `[grams]` int64; float64 where sequences have weights that are not whole numbers.
        outcomes: how many symbols are predicted; also the number of the begin marker.
    """

    rows: Tensor
    counts: Tensor
    outcomes: int

    def __add__(self, other: GramCounts) -> GramCounts:
        """The counts of both shards together."""
        if self.rows.shape[1] != other.rows.shape[1] or self.outcomes != other.outcomes:
            raise CatenaError("counts of different orders or vocabularies do not add up")
        rows = torch.cat([self.rows, other.rows])
        return _tally(rows, torch.cat([self.counts, other.counts]), self.outcomes)


@dataclass(frozen=True)
class Count:
    """The learner of Markov chains: counts the training data, then smooths."""

    kind: ClassVar[str] = "count"

    def fit(
        self,
        model: SequenceModel,
        train: Sequences,
        valid: Sequences | None,
        run: Run,
        weights: Tensor | None = None,
    ) -> History:
        """Fill the model's table; see `catena.learn.learner.Learner`. One pass, no randomness, and
        nothing to resume: an interrupted count starts anew."""
        table = model.head
        if not isinstance(table, NGramTable):
            raise CatenaError("counting learns Markov chains only: use em or gradient here")
        begun = time.monotonic()
        counted, copies = _nothing(table), _copies(weights, table)
        with asked_to_stop() as asked:
            for done, part in _parts(train, table, model.space.end_number, copies):
                counted = counted + part
                run.report(_progress(done, train.total, time.monotonic() - begun))
                if asked.stop:
                    raise Interrupted(None)
        notes = fill(table, counted)
        seconds = time.monotonic() - begun
        return History([{"step": 1, "seconds": seconds}], notes, 1.0, seconds)


def count(sequences: Sequences, table: NGramTable, end: int | None) -> GramCounts:
    """The sufficient statistics of a shard for a table; `end` is the number of the end of a
    sequence, None where that is not predicted."""
    return sum((part for _, part in _parts(sequences, table, end)), _nothing(table))


def fill(table: NGramTable, counted: GramCounts) -> list[str]:
    """Fill the table from the statistics of all shards together.

    Returns:
        One sentence for each order whose smoothing had to fall back.
    """
    smooth = smoothing(table.smoothing, table.alpha, table.outcomes)
    notes = []
    for order, counts in zip(table, _orders(counted), strict=True):
        shares = smooth(counts)
        kept = shares.weight > 0
        order.fill(counts.context_keys, counts.gram_keys[kept], shares.weight[kept], shares.backoff)
        notes += [shares.note] if shares.note else []
    return notes


def _copies(weights: Tensor | None, table: NGramTable) -> Tensor | None:
    """The weights of sequences in the dtype that n-grams are counted in.

    Raises:
        CatenaError: when the smoothing has no meaning for what is not a whole number.
    """
    if weights is None:
        return None
    if bool((weights == weights.round()).all()):
        return weights.long()
    if table.smoothing == "modified_kneser_ney":
        raise CatenaError(
            "modified_kneser_ney asks how many n-grams occurred once, twice and three times, so "
            "weights must be whole numbers; other smoothings take any"
        )
    return weights


def _nothing(table: NGramTable) -> GramCounts:
    none = torch.zeros(0, dtype=torch.int64)
    return GramCounts(none.new_zeros(0, len(table.orders)), none, table.outcomes)


def _progress(done: float, total: int, seconds: float) -> Progress:
    left = seconds / done - seconds
    return Progress(done, seconds, left, done * total / seconds, None, None, "counting")


# -- from sequences to the longest n-grams -----------------------------------------------------


def _parts(
    sequences: Sequences, table: NGramTable, end: int | None, copies: Tensor | None = None
) -> Iterator[tuple[float, GramCounts]]:
    """Counts of one piece of the data after another, each beside the share that is done.

    Args:
        copies: `[n]`, how many each sequence stands for.
    """
    order = len(table.orders) - 1
    flat, starts = _padded(sequences, order, table.outcomes, end)
    windows = flat.unfold(0, order + 1, 1) if len(starts) else flat.new_zeros(0, order + 1)
    newest_first = [*range(order - 1, -1, -1), order]
    times = torch.ones_like(starts)
    if copies is not None:
        times = copies.repeat_interleave(sequences.lengths + (end is not None))
    for begin in range(0, len(starts), PIECE):
        piece = starts[begin : begin + PIECE]
        rows = windows[piece][:, newest_first]
        done = (begin + len(piece)) / len(starts)
        yield done, _tally(rows, times[begin : begin + PIECE], table.outcomes)


def _padded(sequences: Sequences, order: int, begin: int, end: int | None) -> tuple[Tensor, Tensor]:
    """All sequences in one row, each after `order` begin markers and before its end where that is
    predicted; beside it, where each n-gram of order + 1 symbols starts."""
    slots = sequences.lengths + (end is not None)
    offsets = (slots + order).cumsum(0) - slots - order
    flat = torch.full((int((slots + order).sum()),), begin)
    flat[ranges(offsets + order, sequences.lengths)] = sequences.values.cpu()
    if end is not None:
        flat[offsets + order + sequences.lengths] = end
    return flat, ranges(offsets, slots)


def _tally(rows: Tensor, counts: Tensor, outcomes: int) -> GramCounts:
    """Equal rows put together and sorted, their counts added."""
    _, inverse = torch.unique(_rank(rows, outcomes + 1), return_inverse=True)
    size = int(inverse.max()) + 1 if len(inverse) else 0
    distinct = rows.new_empty(size, rows.shape[1]).index_copy_(0, inverse, rows)
    return GramCounts(distinct, counts.new_zeros(size).index_add_(0, inverse, counts), outcomes)


def _rank(rows: Tensor, base: int) -> Tensor:
    """One integer a row `[m]` that sorts as the rows do, `[m, columns]` of numbers below base."""
    key, bound = rows[:, 0], base
    for column in rows.T[1:]:
        if bound > torch.iinfo(torch.int64).max // base:
            values, key = torch.unique(key, return_inverse=True)
            bound = len(values)
        key, bound = key * base + column, bound * base
    return key


# -- from the longest n-grams to all -----------------------------------------------------------


class _Level(NamedTuple):
    """The n-grams of one context length.

    Args:
        reach: `[m]`, which of the counted rows reach back this far.
        context_keys, gram_keys: `[contexts]` and `[grams]`, sorted.
        gram: `[m]`, the n-gram in each of those rows.
    """

    reach: Tensor
    context_keys: Tensor
    gram_keys: Tensor
    gram: Tensor


def _levels(counted: GramCounts) -> Iterator[_Level]:
    """The n-grams of every context length, shortest first.

    Sorted rows with the same newest symbols lie side by side, so contexts are numbered by the
    changes from row to row.
    """
    rows, outcomes = counted.rows, counted.outcomes
    reach = torch.arange(len(rows))
    context, context_keys = torch.zeros_like(reach), torch.zeros(1, dtype=torch.int64)
    for length in range(rows.shape[1]):
        if length > 1:  # nothing lies beyond a begin marker
            further = rows[reach, length - 2] != outcomes
            reach, context = reach[further], context[further]
        if length:
            keys = context * (outcomes + 1) + rows[reach, length - 1]
            context_keys, context = torch.unique_consecutive(keys, return_inverse=True)
        keys = context * outcomes + rows[reach, -1]
        yield _Level(reach, context_keys, *torch.unique(keys, return_inverse=True))


def _orders(counted: GramCounts) -> Iterator[OrderCounts]:
    """The counts of every context length, shortest first."""
    levels = list(_levels(counted))
    for length, (level, longer) in enumerate(zip(levels, [*levels[1:], None], strict=True)):
        raw = counted.counts.new_zeros(len(level.gram_keys))
        raw.index_add_(0, level.gram, counted.counts[level.reach])
        adjusted = raw if longer is None else _adjusted(raw, level, longer, len(counted.rows))
        context = level.gram_keys // counted.outcomes
        at_begin = level.context_keys % (counted.outcomes + 1) == counted.outcomes
        full = torch.ones_like(at_begin) if longer is None else at_begin
        yield OrderCounts(length, level.context_keys, level.gram_keys, context, raw, adjusted, full)


def _adjusted(raw: Tensor, level: _Level, longer: _Level, rows: int) -> Tensor:
    """How many different symbols stand before each n-gram `[grams]`; its own count where it begins
    a sequence and nothing can stand before it."""
    gram_of_row = torch.zeros(rows, dtype=torch.int64).index_copy_(0, level.reach, level.gram)
    inner = torch.zeros_like(longer.gram_keys)
    inner.index_copy_(0, longer.gram, gram_of_row[longer.reach])
    before = torch.bincount(inner, minlength=len(raw))
    return torch.where(before > 0, before, raw)
