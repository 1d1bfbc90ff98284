"""A table of events: the chosen columns as Arrow has them, and where each row stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from catena.errors import CatenaError
from catena.formats.data import joined_place
from catena.formats.options import Options


@dataclass(frozen=True)
class Chosen:
    """The columns that matter: of the sequence's name, of the order, of what is observed, and of
    labels."""

    group: str | None
    order: str | None
    items: tuple[str, ...]
    label: str | None = None

    @property
    def all(self) -> list[str]:
        """Each column once."""
        named = (self.group, self.order, *self.items, self.label)
        return list(dict.fromkeys(name for name in named if name is not None))


@dataclass(frozen=True)
class Table:
    """Rows of events.

    Args:
        name: the file, for messages.
        rows: the chosen columns.
        chosen: which they are.
        named: whether the file itself names its columns.
        where: row number -> file and line.
    """

    name: str
    rows: pa.Table
    chosen: Chosen
    named: bool
    where: Callable[[int], str] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.rows.num_rows:
            raise CatenaError(f"{self.name}: no rows; there is nothing to read")
        for name, kind in zip(self.rows.column_names, self.rows.schema.types, strict=True):
            if pa.types.is_nested(kind) or pa.types.is_binary(kind):
                raise CatenaError(
                    f"{self.name}, column {name!r}: holds {kind}; a column must hold texts, "
                    "numbers or times"
                )

    def column(self, name: str) -> pa.ChunkedArray:
        """One column without gaps.

        Raises:
            CatenaError: at the first row where it has no value.
        """
        column = self.rows.column(name)
        if column.null_count:
            row = column.is_null().index(True).as_py()
            raise CatenaError(f"{self.at(row, name)}: no value; fill it in or leave the row out")
        return column

    def at(self, row: int, column: str) -> str:
        """File, line and column of one cell."""
        return f"{self.where(row)}, column {column!r}"


def choose(file: str, names: Sequence[str], options: Options) -> Chosen:
    """The columns that the caller named; without `item`, all that are no group, order or label.

    Raises:
        CatenaError: when the table has no such column, or has it twice.
    """
    items, label = _split(options.item, names), options.label_among(names)
    for option, wanted in (
        ("group-by", [options.group_by]), ("order-by", [options.order_by]), ("item", items),
        ("label", [label]),
    ):  # fmt: skip
        for name in wanted:
            if name is not None and name not in names:
                raise CatenaError(f"{file}: --{option}: there is no column {name!r} {_list(names)}")
    if not items:
        others = (options.group_by, options.order_by, label)
        items = [name for name in names if name not in others]
    if not items:
        raise CatenaError(f"{file}: no column is left to read; name one with --item {_list(names)}")
    if label in items:
        raise CatenaError(f"{file}: --item {label} is the column of labels; a model would read it")
    chosen = Chosen(options.group_by, options.order_by, tuple(items), label)
    twice = next((name for name in chosen.all if names.count(name) > 1), None)
    if twice is not None:
        raise CatenaError(f"{file}: two columns are called {twice!r}; rename one {_list(names)}")
    return chosen


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def stack(tables: Sequence[Table]) -> Table:
    """The rows of several files, one after the other.

    Raises:
        CatenaError: when a column has another name or another type in another file.
    """
    first = tables[0]
    for other in tables[1:]:
        if other.chosen != first.chosen or other.rows.schema.types != first.rows.schema.types:
            raise CatenaError(
                f"{first.name} has {_schema(first)}, {other.name} {_schema(other)}; give files "
                "with the same columns of the same types"
            )
    where = joined_place([len(table.rows) for table in tables], [table.where for table in tables])
    name = ", ".join(table.name for table in tables)
    rows = pa.concat_tables([table.rows for table in tables])
    return Table(name, rows, first.chosen, first.named, where)


def _split(item: str | None, names: Sequence[str]) -> list[str]:
    """`a` or `a,b,c`; a column whose own name has a comma in it is taken as it is."""
    if item is None or item in names:
        return [] if item is None else [item]
    return [name.strip() for name in item.split(",")]


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return f"(there are: {shown}{', …' if len(names) > 20 else ''})"


def _schema(table: Table) -> str:
    pairs = zip(table.rows.column_names, table.rows.schema.types, strict=True)
    return ", ".join(f"{name} ({kind})" for name, kind in pairs)
