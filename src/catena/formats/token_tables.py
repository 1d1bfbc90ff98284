"""Tables of tokens: a row a token, and a column that says which sentence it belongs to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pyarrow as pa

from catena.errors import CatenaError
from catena.formats.conll import label_of
from catena.formats.events import arrange
from catena.formats.options import Options
from catena.formats.reading import kind_of, table_in
from catena.formats.source import Source
from catena.formats.table import Table
from catena.formats.tabular import csv_cells

USUAL = ("form", "label")
WORDS = ("form", "token", "word")  # what the column of words is called, unless named


@dataclass(frozen=True, eq=False)
class TokenTable:
    """The tokens of a table, sentence by sentence.

    Args:
        name: the file, for messages.
        columns: those that are read.
        table: all columns.
        rows: for each sentence, the numbers of its tokens' rows, from 0.
        cells: the whole file row by row, the names of columns first; None where it is no text.
        delimiter, encoding: how it is written.
    """

    name: str
    columns: tuple[str, ...]
    table: Table = field(repr=False)
    rows: list[list[int]] = field(repr=False)
    cells: list[list[str]] | None = field(repr=False)
    delimiter: str
    encoding: str

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, sentence: int, token: int = 0) -> str:
        """Where a token stands, both numbers from 0: the file and the line."""
        return self.table.where(self.rows[sentence][token])

    def column(self, name: str) -> list[list[str]]:
        """One column, a list for each sentence.

        Raises:
            CatenaError: when there is none of this name, and at a row where it has no value.
        """
        there = self.table.rows.column_names
        found = next((own for own in self._names(name) if own in there), None)
        if found is None:
            listed = ", ".join(there)
            raise CatenaError(
                f"{self.name}: there is no column {name!r} (there are: {listed}); name them with "
                "--columns, the label last"
            )
        values = self.table.column(found).cast(pa.string()).to_pylist()
        return [[values[row] for row in rows] for rows in self.rows]

    def labels(self, name: str) -> list[list[str]]:
        """The column of labels; raises as `column` does."""
        return self.column(name)

    def named(self, columns: Sequence[str]) -> TokenTable:
        """The same with these columns; that of labels only where the table has it."""
        label, there = label_of(columns), self.table.rows.column_names
        return replace(self, columns=tuple(c for c in columns if c in there or c != label))

    def with_column(self, values: Sequence[Sequence[Any]], name: str) -> TokenTable:
        """The same with other values in one column, which is put behind the last where there is
        none of this name.

        Raises:
            CatenaError: for a format that is not written.
        """
        if self.cells is None:
            raise CatenaError(f"{self.name}: such a table is not written; convert it to .csv")
        names = self.cells[0]
        at = names.index(name) if name in names else len(names)
        cells = [[*row[:at], "", *row[at + 1 :]] for row in self.cells]
        cells[0][at] = name
        for rows, own in zip(self.rows, values, strict=True):
            for row, value in zip(rows, own, strict=True):
                cells[row + 1][at] = str(value)
        return replace(self, cells=cells)

    def replaced(self, values: Sequence[Sequence[Any]], name: str) -> bytes:
        """The table as text with other values in one column."""
        return self.with_column(values, name).written()

    def written(self) -> bytes:
        """The table as text."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        writer.writerows(self.cells or [])
        return text.getvalue().encode(self.encoding)

    def beside(self, paths: Sequence[Sequence[tuple[Sequence[str], float]]], name: str) -> bytes:
        """The table with two columns for each rank: the labels of each sentence's path, and how
        probable that is: `label`, `probability`, `label_2`, `probability_2` and so on, empty where
        a sentence has fewer paths."""
        table = self
        for rank in range(max(map(len, paths), default=0)):
            end = f"_{rank + 1}" if rank else ""
            own = [each[rank] if rank < len(each) else None for each in paths]
            sizes = list(map(len, self.rows))
            labels = [
                [""] * n if one is None else one[0] for one, n in zip(own, sizes, strict=True)
            ]
            sure = ["" if one is None else f"{one[1]:.6f}" for one in own]
            table = table.with_column(labels, name + end)
            columns = [[p] * n for p, n in zip(sure, sizes, strict=True)]
            table = table.with_column(columns, f"probability{end}")
        return table.written()

    def _names(self, name: str) -> Sequence[str]:
        return WORDS if name == WORDS[0] else (name,)


def token_table(source: Source, columns: str | None, options: Options) -> TokenTable:
    """The tokens of a table, in the sentences that `options.group_by` tells apart.

    Raises:
        CatenaError: for all that can be wrong with a table.
    """
    table = table_in(source, options)
    order, lengths, _ = arrange(table)
    edges = [0, *lengths.cumsum().tolist()]
    written = kind_of(source, options) in (".csv", ".tsv")
    return TokenTable(
        source.name,
        USUAL if columns is None else tuple(name.strip() for name in columns.split(",")),
        table,
        [order[start:stop].tolist() for start, stop in pairwise(edges)],
        csv_cells(source, options) if written else None,
        "\t" if source.suffix == ".tsv" else ",",
        options.encoding or "utf-8",
    )
