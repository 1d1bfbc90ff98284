"""From a table of events to sequences: group the rows, order them, take what was observed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from catena.errors import CatenaError
from catena.formats.data import Data, Place
from catena.formats.numeric import NUMBER, check_numbers, numeric_data, numeric_space
from catena.formats.options import Options
from catena.formats.table import Table, is_text
from catena.formats.tabular import label_column

# Arrow makes these functions at run time, so no type checker knows them.
pc: Any = pyarrow.compute

INTEGER = r"^\s*[+-]?\d+\s*$"
# Days as they are written in many ways; the way that sorts as they follow; times with a zone.
DAY = r"^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b"
SORTED_DAY = r"^\d{4}[-/.]\d{2}[-/.]\d{2}(\D|$)"
ZONED = r"\d{2}:\d{2}(:\d{2})?(\.\d+)?\s?(Z|[+-]\d{2}(:?\d{2})?)$"


def sequences_of(table: Table, options: Options) -> Data:
    """Groups in the order of their first rows; without a group, the whole table is one sequence.

    One column named by `item` holds symbols, unless it holds fractions. Several columns, or those
    left over where none is named, hold measurements.
    """
    order, lengths, where = arrange(table)
    stream = table.chosen.group is None
    items = table.chosen.items
    if _is_symbols(table, options):
        values = symbols(table, items[0])[order].tolist()
        edges = np.concatenate([[0], lengths.cumsum()]).tolist()
        parts = [values[start:stop] for start, stop in pairwise(edges)]
        return Data(table.name, parts, "item", "symbols", stream, where)
    options.refuse(table.name, "a table of measurements", "unit")
    values = np.stack([_numbers(table, name, options) for name in items], 1)
    check_numbers(values, numeric_space(options), lambda row, column: table.at(row, items[column]))
    columns = items if table.named else ()
    return numeric_data(table.name, values[order], lengths, options, stream, where, columns)


def labels_of_groups(table: Table) -> list[str]:
    """The label of every group, in the order of `sequences_of`.

    Raises:
        CatenaError: where the rows of a group have different ones, or none.
    """
    order, lengths, _ = arrange(table)
    labels = np.array(label_column(table), dtype=object)[order]
    starts = lengths.cumsum() - lengths
    wrong = labels != np.repeat(labels[starts], lengths)
    if wrong.any():
        at = int(wrong.argmax())
        group = int(np.searchsorted(starts, at, side="right")) - 1
        odd, first = (table.where(int(order[i])) for i in (at, starts[group]))
        raise CatenaError(
            f"{odd}: the label {labels[at]!r}, where {first} has {labels[starts[group]]!r} for the "
            f"same {table.chosen.group}; all events of a sequence must have one label"
        )
    return labels[starts].tolist()


# -- which row goes where ------------------------------------------------------------------


def arrange(table: Table) -> tuple[np.ndarray, np.ndarray, Place]:
    """The rows in the order of their sequences `[rows]`, the sequences' lengths, their places."""
    rows = len(table.rows)
    codes, labels = np.zeros(rows, np.int64), [None]
    if table.chosen.group is not None:
        codes, labels = coded(table.column(table.chosen.group))
    keys = [codes]
    if table.chosen.order is not None:
        keys = [sort_key(table, table.chosen.order), codes]
    lengths = np.bincount(codes, minlength=len(labels)).astype(np.int64)
    # lexsort is stable, so events of the same time stay in the order of the file.
    return np.lexsort(keys), lengths, _place_of_group(table, labels)


def _place_of_group(table: Table, labels: list[Any]) -> Place:
    group = table.chosen.group
    return lambda i: table.name if group is None else f"{table.name}, {group} {labels[i]!r}"


def coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[Any]]:
    """`[rows]` numbers of the values in the order in which they first appear, and the values."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def sort_key(table: Table, name: str) -> np.ndarray:
    """Numbers `[rows]` that sort as the column does: by size where it holds numbers, in time where
    it holds times with zones, else by text.

    Raises:
        CatenaError: where some rows hold numbers, or zones, and others do not, which no order fits;
            and for days that do not sort as they are written.
    """
    column = table.column(name)
    if is_text(column.type):
        return _text_key(table, name, column)
    if pa.types.is_floating(column.type):
        return _finite(table, name, column.cast(pa.float64()).to_numpy())
    return column.to_numpy() if pa.types.is_integer(column.type) else _rank(column)


def _text_key(table: Table, name: str, column: pa.ChunkedArray) -> np.ndarray:
    numeric = pc.match_substring_regex(column, NUMBER)
    if pc.all(numeric).as_py():
        trimmed = pc.utf8_trim_whitespace(column)
        try:
            # Whole numbers as such: nanoseconds since 1970 do not fit a float.
            return trimmed.cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            return _finite(table, name, trimmed.cast(pa.float64()).to_numpy())
    if pc.any(numeric).as_py():
        row = numeric.index(False).as_py()
        raise CatenaError(
            f"{table.at(row, name)}: {column[row].as_py()!r} is not a number, but other rows hold "
            "numbers, so there is no order; mend it or leave the row out"
        )
    return _time_key(table, name, column)


def _time_key(table: Table, name: str, column: pa.ChunkedArray) -> np.ndarray:
    """By moment where all have zones; else as text, unless days do not sort as they are written."""
    zoned = pc.match_substring_regex(column, ZONED)
    if pc.any(zoned).as_py():
        try:
            return column.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid as error:
            row = zoned.index(False).as_py()
            what = (
                f"{table.at(row, name)}: {column[row].as_py()!r} has no zone"
                if row >= 0
                else f"{table.name}, column {name!r}"
            )
            raise CatenaError(
                f"{what}: times with a zone must all be as 2020-12-31T23:59:59+01:00"
            ) from error
    days = pc.match_substring_regex(column, DAY)
    odd = pc.and_not(days, pc.match_substring_regex(column, SORTED_DAY))
    if pc.any(odd).as_py():
        row = odd.index(True).as_py()
        raise CatenaError(
            f"{table.at(row, name)}: {column[row].as_py()!r} does not sort as the day that it is; "
            "write days as 2020-12-31"
        )
    return _rank(column)


def _rank(column: pa.ChunkedArray) -> np.ndarray:
    return pc.rank(column.combine_chunks(), "ascending", tiebreaker="dense").to_numpy()


def _finite(table: Table, name: str, values: np.ndarray) -> np.ndarray:
    return check_numbers(values[:, None], "vectors", lambda row, _: table.at(row, name))[:, 0]


# -- what was observed ---------------------------------------------------------------------


def _is_symbols(table: Table, options: Options) -> bool:
    items = table.chosen.items
    if options.space == "symbols" and len(items) > 1:
        raise CatenaError(
            f"{table.name}: symbols stand in one column; name it with --item "
            f"(one of {', '.join(items)})"
        )
    if options.space is not None:
        return options.space == "symbols"
    return options.item is not None and len(items) == 1 and not _has_fractions(table, items[0])


def _has_fractions(table: Table, name: str) -> bool:
    column = table.column(name)
    if not is_text(column.type):
        return pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    numbers = pc.all(pc.match_substring_regex(column, NUMBER)).as_py()
    return numbers and not pc.all(pc.match_substring_regex(column, INTEGER)).as_py()


def symbols(table: Table, name: str) -> np.ndarray:
    """`[rows]` strings or integers, one object for each distinct one."""
    codes, labels = coded(symbol_column(table, name))
    return np.array(labels, dtype=object)[codes]


def symbol_column(table: Table, name: str) -> pa.ChunkedArray:
    """A column of texts or whole numbers; what is neither is made text.

    Raises:
        CatenaError: for fractions and for yes and no.
    """
    column = table.column(name)
    if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        raise CatenaError(
            f"{table.name}, column {name!r}: holds {column.type}; symbols are texts or whole "
            "numbers: convert it, or read it with --space vectors or bits"
        )
    if not is_text(column.type) and not pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    return column


def _numbers(table: Table, name: str, options: Options) -> np.ndarray:
    """`[rows]` float64.

    Raises:
        CatenaError: at the first cell that is not a number.
    """
    column = table.column(name)
    if is_text(column.type):
        numeric = pc.match_substring_regex(column, NUMBER)
        if not pc.all(numeric).as_py():
            row = numeric.index(False).as_py()
            raise CatenaError(
                f"{table.at(row, name)}: {column[row].as_py()!r} is not a number; mend it, or "
                f"{_remedy(table, options)}"
            )
        column = pc.utf8_trim_whitespace(column)
    if pa.types.is_temporal(column.type):
        raise CatenaError(f"{table.name}, column {name!r}: holds times; {_remedy(table, options)}")
    return column.cast(pa.float64(), safe=False).to_numpy()


def _remedy(table: Table, options: Options) -> str:
    if options.item is None:
        there = ", ".join(table.chosen.all)
        return f"name the column of symbols, or those of numbers, with --item (there are: {there})"
    return "leave its row out"
