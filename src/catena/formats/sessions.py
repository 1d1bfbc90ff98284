"""Sessions from tables of events: in which session, which item, when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from catena.formats.events import coded, sort_key, symbol_column
from catena.formats.numeric import check_numbers
from catena.formats.options import ErrorPolicy, Options
from catena.formats.reading import table_in
from catena.formats.source import open_sources
from catena.formats.table import Table, is_text, stack
from catena.formats.tabular import read_frame
from catena.space import Item

# Arrow makes these functions at run time, so no type checker knows them.
pc: Any = pyarrow.compute

# Texts that stand for a time that is not known, and the whole numbers that a float has exactly.
NO_TIME = r"^\s*[+-]?(?i:nan|inf|infinity)\s*$"
EXACT = 2**53


@dataclass(frozen=True, eq=False)
class Sessions:
    """What was taken, session by session, in the order of time.

    Args:
        name: the file, for people.
        sequences: the items of each session; sessions are in the order of their first rows.
        names: what the table calls each session.
        ends: `[n]` numbers that rise with the time of each session's last event; where the table
            has no times, with its place in the table. `catena.split.split_by_end` cuts by them.
        starts: `[n]`, the same of its first event.
        skipped: how many rows were left out for want of a value, by column.
        repeated: how many rows say what another says, in all three columns; they are still there
            unless they were to be dropped.
    """

    name: str
    sequences: list[list[Item]]
    names: list[Any]
    ends: np.ndarray
    starts: np.ndarray
    skipped: dict[str, int]
    repeated: int

    def __len__(self) -> int:
        return len(self.sequences)


def read_sessions(
    source: Any,
    *,
    session: str = "session",
    item: str = "item",
    time: str | None = "time",
    skip_bad: bool = False,
    drop_repeats: bool = False,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
) -> Sessions:
    """Sessions from one or more files (.csv, .tsv, .parquet, .jsonl) or from a frame.

    Rows may be in any order: events are put in the order of time, those of the same time in the
    order of the table.

    Args:
        source: a file, several, or a frame (pandas, polars, Arrow: all that lends itself as Arrow).
        session, item: the columns that name them.
        time: the column of times: numbers, dates, times with or without a zone, or texts that sort
            as their times do. None takes the order of the table.
        skip_bad: leave out rows without a value in one of the columns, and count them.
        drop_repeats: keep one of several rows that agree in session, item and time.
        encoding, errors: how the bytes of a text become characters (utf-8, strict).

    Raises:
        CatenaError: for all that can be wrong with a table, with its name, row and remedy.
    """
    options = Options(group_by=session, order_by=time, item=item, encoding=encoding, errors=errors)
    table = _table(source, options)
    skipped: dict[str, int] = {}
    if skip_bad:
        table, skipped = _without_gaps(table, time)
    owner, names = coded(_finite(table, session))
    items, vocabulary = coded(_whole(table, item))
    when = np.arange(len(owner)) if time is None else sort_key(table, time)
    order = np.lexsort([when, owner])
    first = _first_of_repeats(owner, items, when, time)
    if drop_repeats:
        order = order[first[order]]
    lengths = np.bincount(owner[order], minlength=len(names))
    edges = np.concatenate([[0], lengths.cumsum()])
    taken = np.array(vocabulary, dtype=object)[items[order]].tolist()
    return Sessions(
        table.name,
        [taken[start:stop] for start, stop in pairwise(edges.tolist())],
        names,
        when[order[edges[1:] - 1]],
        when[order[edges[:-1]]],
        skipped,
        int((~first).sum()),
    )


def _table(source: Any, options: Options) -> Table:
    if isinstance(source, (str, Path)):
        source = [source]
    if isinstance(source, Sequence):
        return stack([table_in(one, options) for one in open_sources(source)])
    return read_frame(source, options)


def _without_gaps(table: Table, time: str | None) -> tuple[Table, dict[str, int]]:
    """The rows that have all values, and how many have none, by column."""
    good = np.ones(len(table.rows), dtype=bool)
    skipped = {}
    for name in table.rows.column_names:
        column = table.rows.column(name)
        there = column.is_valid().to_numpy()
        if pa.types.is_floating(column.type):
            there = there & pc.is_finite(column).fill_null(False).to_numpy()
        elif name == time and is_text(column.type):
            there = there & ~pc.match_substring_regex(column, NO_TIME).fill_null(True).to_numpy()
        if not there.all():
            skipped[name] = int((~there).sum())
        good &= there
    kept = good.nonzero()[0]
    rows = table.rows.take(pa.array(kept))
    return replace(table, rows=rows, where=lambda row: table.where(int(kept[row]))), skipped


def _whole(table: Table, item: str) -> pa.ChunkedArray:
    """The column of items; whole numbers that a gap beside them has made floats as such."""
    column = _finite(table, item)
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        if (numbers == np.floor(numbers)).all() and (np.abs(numbers) < EXACT).all():
            return column.cast(pa.int64())
    return symbol_column(table, item)


def _finite(table: Table, name: str) -> pa.ChunkedArray:
    """A column that names something, which NaN does not.

    Raises:
        CatenaError: at the first such row.
    """
    column = table.column(name)
    if pa.types.is_floating(column.type):
        values = column.cast(pa.float64()).to_numpy()
        check_numbers(values[:, None], "vectors", lambda row, _: table.at(row, name))
    return column


def _first_of_repeats(
    owner: np.ndarray, items: np.ndarray, when: np.ndarray, time: str | None
) -> np.ndarray:
    """Whether each row is the first that says so; without times every row says something else."""
    first = np.ones(len(owner), dtype=bool)
    if time is None:
        return first
    order = np.lexsort([items, when, owner])
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (owner, items, when):
        same &= column[order][1:] == column[order][:-1]
    first[order[1:][same]] = False
    return first
