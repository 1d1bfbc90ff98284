"""Rows that are a text each, beside its label: tab-separated lines, CSV, Parquet.

    text<TAB>label     two columns without names, or more with names in the first line

A .tsv line is cut at its tabs and quotes are nothing special in it, so that a text may have them.
A file has names where its first line names the column of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from catena.errors import CatenaError
from catena.formats.data import Data, Place
from catena.formats.options import Options
from catena.formats.source import Source, decode
from catena.formats.table import Table, is_text
from catena.formats.tabular import csv_names, label_column, parquet_names, read_csv, read_parquet
from catena.formats.text import lines_of

FIELDS = ("text", "sequence")
KIND = "a file with a text a row"
NAMES: dict[str, Callable[[Source, Options], list[str]]] = {
    ".csv": csv_names,
    ".parquet": parquet_names,
}
READERS: dict[str, Callable[[Source, Options], Table]] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
}


def read_rows(source: Source, kind: str, options: Options) -> tuple[Data, list[str] | None]:
    """The texts of all rows, and their labels where they are read.

    Args:
        kind: .tsv, .csv or .parquet.

    Raises:
        CatenaError: at a row with more or fewer columns than the first or without a label, and
            when it cannot be told which column holds the texts.
    """
    options.need_group(source.name)
    if options.measures or options.unit == "item":
        options.refuse(source.name, KIND, "space", "unit")
    options.refuse(source.name, KIND, "stream")
    if kind in READERS:
        return _of_table(source, kind, options)
    lines = _read_lines(source, options)
    return _texts(source.name, lines.column(lines.text), lines.place, options), lines.labels()


def _of_table(source: Source, kind: str, options: Options) -> tuple[Data, list[str] | None]:
    names = NAMES[kind](source, options)
    item = _text_column(source.name, names, options)
    table = READERS[kind](source, replace(options, item=item, unit=None))
    column = table.rows.column(item)
    if not is_text(column.type):
        raise CatenaError(f"{source.name}, column {item!r}: holds {column.type}; {_remedy()}")
    texts = column.fill_null("").to_pylist()
    labels = None if table.chosen.label is None else label_column(table)
    return _texts(source.name, texts, table.where, options), labels


def _texts(name: str, texts: list[str], where: Place, options: Options) -> Data:
    unit = options.unit or "char"
    raw = [text.encode("utf-8", "surrogatepass") for text in texts] if unit == "byte" else texts
    return Data(name, raw, unit, "symbols", False, where)


def _text_column(name: str, names: Sequence[str], options: Options) -> str:
    """The column of texts: the one named, else `text` or `sequence`, else the only one beside that
    of labels."""
    if options.item is not None:
        return options.item
    label = options.label_among(names)
    left = [column for column in names if column != label]
    found = [column for column in FIELDS if column in left]
    if not found and label is not None and len(left) == 1:
        found = left
    if not found:
        there = ", ".join(map(repr, names))
        raise CatenaError(f"{name}: which column holds the texts? {_remedy()} (there are: {there})")
    return found[0]


def _remedy() -> str:
    return "name the column of texts with --item, or the one that tells sequences apart, --group-by"


# -- tab-separated lines --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """The cells of a file.

    Args:
        first: the number of the first row's line, from 1.
        text, label: the columns that are read, from 0.
    """

    name: str
    rows: list[list[str]] = field(repr=False)
    first: int
    text: int
    label: int | None

    def place(self, row: int) -> str:
        """The file and the line."""
        return f"{self.name}, line {self.first + row}"

    def column(self, at: int) -> list[str]:
        """One cell of every row."""
        return [row[at] for row in self.rows]

    def labels(self) -> list[str] | None:
        """Those of all rows.

        Raises:
            CatenaError: at the first row without one.
        """
        if self.label is None:
            return None
        labels = self.column(self.label)
        if not all(map(str.strip, labels)):
            row = next(i for i, label in enumerate(labels) if not label.strip())
            raise CatenaError(f"{self.place(row)}: no label; write one or leave the line out")
        return labels


def _read_lines(source: Source, options: Options) -> _Lines:
    text = decode(source, options).replace("\r\n", "\n")
    rows = [line.split("\t") for line in lines_of(text)]
    _check_widths(source.name, rows)
    names = rows[0]
    if options.label is not None or options.item is not None or _has_names(names, options):
        label = options.label_among(names)
        _check_named(source.name, names, "--label", label)
        item = _text_column(source.name, names, options)
        _check_named(source.name, names, "--item", item)
        if item == label:
            raise CatenaError(f"{source.name}: --item {item} is the column of labels")
        at = None if label is None else names.index(label)
        return _Lines(source.name, _some(source.name, rows[1:]), 2, names.index(item), at)
    if len(names) > 2 or (len(names) < 2 and options.labels == "needed"):
        raise CatenaError(
            f"{source.name}, line 1: {len(names)} column{'s' * (len(names) > 1)}, where a text, a "
            "tab and a label are expected; or name the columns in the first line, and that of "
            "labels with --label"
        )
    return _Lines(source.name, rows, 1, 0, 1 if options.labels == "needed" else None)


def _has_names(names: list[str], options: Options) -> bool:
    return len(names) > 1 and options.label_name in names


def _some(name: str, rows: list[list[str]]) -> list[list[str]]:
    if not rows:
        raise CatenaError(f"{name}: no rows; there is nothing to read")
    return rows


def _check_widths(name: str, rows: list[list[str]]) -> None:
    width = len(rows[0])
    odd = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if odd is not None:
        raise CatenaError(
            f"{name}, line {odd + 1}: {len(rows[odd])} column{'s' * (len(rows[odd]) > 1)}, where "
            f"line 1 has {width}; give every line as many, with a tab between them"
        )


def _check_named(name: str, names: list[str], option: str, column: str | None) -> None:
    if column is not None and names.count(column) != 1:
        how = "no column" if column not in names else "more than one column"
        there = ", ".join(map(repr, names))
        raise CatenaError(f"{name}: {option}: there is {how} {column!r} (there are: {there})")
