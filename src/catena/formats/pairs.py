"""Pairs of texts: sources beside their targets.

tab-separated     source<TAB>target, or columns by name or number
two files         a line of the one goes with the same line of the other
JSON lines        {"source": "...", "target": "..."}, also under "translation"
Parquet           two columns

An empty text is a text like every other, so that line n of a file stays pair n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from catena.errors import CatenaError
from catena.formats.data import Place, joined_place
from catena.formats.jsonlines import line_place, parse_json_lines
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import Source, decode, open_sources
from catena.formats.table import Table, is_text
from catena.formats.tabular import parquet_names, read_parquet
from catena.formats.text import lines_of

SIDES = ("source", "target")
NESTED = "translation"
JSON = (".jsonl", ".ndjson", ".json")
TAB = ".tsv"


@dataclass(frozen=True, eq=False)
class TextPairs:
    """Sources beside their targets.

    Args:
        name: the file or files, for people.
        where: pair number -> where it came from.
    """

    name: str
    sources: list[str] = field(repr=False)
    targets: list[str] = field(repr=False)
    where: Place = field(repr=False)

    def __len__(self) -> int:
        return len(self.sources)

    def pairs(self) -> list[tuple[str, str]]:
        """Each source with its target."""
        return list(zip(self.sources, self.targets, strict=True))

    def place(self, i: int) -> str:
        """Where pair i (from 0) came from: a file, and the line or row in it."""
        return self.where(i)


@dataclass(frozen=True)
class Naming:
    """What the caller calls the two sides; None where nothing was said."""

    source: str | None = None
    target: str | None = None

    @property
    def given(self) -> bool:
        """Whether anything was said."""
        return self.source is not None or self.target is not None

    @property
    def names(self) -> tuple[str, str]:
        """Of both sides.

        Raises:
            CatenaError: where both are one.
        """
        names = self.source or SIDES[0], self.target or SIDES[1]
        if names[0] == names[1]:
            raise CatenaError(f"--source and --target are both {names[0]!r}; name two")
        return names


def read_pairs(
    sources: str | Path | Sequence[str | Path],
    *,
    source: str | None = None,
    target: str | None = None,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
) -> TextPairs:
    """Read pairs of texts.

    The suffix says what a file is, after .xz or .gz: .tsv, .jsonl (.ndjson, .json), .parquet.
    Files with other suffixes go together two by two, the sources first; one alone is
    tab-separated. Standard input is Parquet or JSON where it begins so, else tab-separated.

    Args:
        sources: one or more files; their pairs follow one another.
        source, target: the fields or columns, `source` and `target` unless given. In tab-separated
            lines a column by number, from 1, or by the name that the first line gives it; without
            them there are two columns and no names.
        encoding, errors: how bytes become characters (utf-8, strict).

    Raises:
        CatenaError: for all that can be wrong with a file, with its name, line and remedy.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("ein Hund\\ta dog\\n\\nein Haus\\ta house\\n")
    >>> read_pairs(path).pairs()
    [('ein Hund', 'a dog'), ('', ''), ('ein Haus', 'a house')]
    """
    options, naming = Options(encoding=encoding, errors=errors), Naming(source, target)
    opened = open_sources([sources] if isinstance(sources, (str, Path)) else sources)
    return _joined(list(_parts(opened, options, naming)))


def _parts(opened: Sequence[Source], options: Options, naming: Naming) -> Iterator[TextPairs]:
    """The pairs of each file, or of two files of lines."""
    lines = [one for one in opened if not _kind(one)]
    waiting: Source | None = None
    for one in opened:
        kind = _kind(one) or (TAB if len(lines) == 1 else "")
        if kind:
            yield READERS[kind](one, options, naming)
        elif waiting is None:
            waiting = one
        else:
            yield _parallel(waiting, one, options, naming)
            waiting = None
    if waiting is not None:
        raise CatenaError(
            f"{waiting.name}: one side without the other; files of lines go together two by two, "
            "sources first"
        )


def _joined(parts: Sequence[TextPairs]) -> TextPairs:
    """All files, one after the other."""
    place = joined_place([len(part) for part in parts], [part.place for part in parts])
    return TextPairs(
        ", ".join(part.name for part in parts),
        list(chain.from_iterable(part.sources for part in parts)),
        list(chain.from_iterable(part.targets for part in parts)),
        place,
    )


def _kind(source: Source) -> str:
    """The suffix of a file that holds both sides; "" of one that holds lines.

    Raises:
        CatenaError: for a kind of file that holds no pairs.
    """
    if source.name == "standard input":
        if source.raw.startswith(b"PAR1"):
            return ".parquet"
        return JSON[0] if source.raw.lstrip()[:2] in (b'{"', b"{}") else TAB
    if source.suffix in (".csv", ".npy", ".ts"):
        raise CatenaError(
            f"{source.name}: no pairs are read from {source.suffix}; write source<TAB>target lines "
            "(.tsv), JSON lines, Parquet, or two files of lines"
        )
    return source.suffix if source.suffix in READERS else ""


# -- the formats ----------------------------------------------------------------------------------


def _parallel(one: Source, other: Source, options: Options, naming: Naming) -> TextPairs:
    """The lines of two files, side by side."""
    if naming.given:
        raise CatenaError(
            f"{one.name}: --source and --target name columns, and this is a file of lines that "
            f"goes with {other.name}; leave them out"
        )
    sources, targets = (lines_of(_text(file, options)) for file in (one, other))
    if len(sources) != len(targets):
        longer = one if len(sources) > len(targets) else other
        raise CatenaError(
            f"{one.name} has {len(sources):,} lines, {other.name} {len(targets):,}: line "
            f"{min(len(sources), len(targets)) + 1} of {longer.name} has no counterpart; both need "
            "a line for each pair, if need be an empty one"
        )
    name = f"{one.name} and {other.name}"
    return TextPairs(name, sources, targets, lambda i: f"{name}, line {i + 1}")


def _of_tabs(source: Source, options: Options, naming: Naming) -> TextPairs:
    rows = [line.split("\t") for line in lines_of(_text(source, options))]
    columns, first = _columns(source.name, rows[0], naming)
    blank = [""] * (max(columns) + 1)
    rows = [row if row != [""] else blank for row in rows[first:]]
    for number, row in enumerate(rows, first + 1):
        if len(row) <= max(columns) or (len(row) > 2 and not naming.given):
            raise CatenaError(f"{source.name}, line {number}: {_fields(row, columns, naming)}")
    sides = [[row[at] for row in rows] for at in columns]
    return TextPairs(
        source.name, sides[0], sides[1], lambda i: f"{source.name}, line {i + first + 1}"
    )


def _columns(name: str, names: list[str], naming: Naming) -> tuple[tuple[int, int], int]:
    """Which columns are read, from 0, and how many lines come before the first pair."""
    if not naming.given:
        return (0, 1), 0
    given = naming.source or "1", naming.target or "2"
    if all(map(str.isdecimal, given)) and "0" not in given:
        source, target = Naming(*given).names
        return (int(source) - 1, int(target) - 1), 0
    for option, column in zip(SIDES, naming.names, strict=True):
        if names.count(column) != 1:
            there = ", ".join(map(repr, names))
            raise CatenaError(
                f"{name}: --{option}: the first line names no column {column!r} once (there are: "
                f"{there}); columns without names go by number, from 1"
            )
    source, target = map(names.index, naming.names)
    return (source, target), 1


def _fields(row: list[str], columns: tuple[int, int], naming: Naming) -> str:
    """What is wrong with the fields of a line."""
    if len(row) == 1:
        return "no tab; write source<TAB>target, or give sources and targets as two files of lines"
    if not naming.given:
        return (
            f"{len(row)} fields, where a source, a tab and a target are expected; choose two with "
            "--source 1 --target 2"
        )
    return f"{len(row)} fields, and none of number {max(columns) + 1}; write it, if need be empty"


def _of_json(source: Source, options: Options, naming: Naming) -> TextPairs:
    records, lines = parse_json_lines(source, options)
    where, names = line_place(source.name, lines), naming.names
    sides = [
        [_field(record, name, side, where(i)) for i, record in enumerate(records)]
        for side, name in zip(SIDES, names, strict=True)
    ]
    return TextPairs(source.name, sides[0], sides[1], where)


def _field(record: Any, name: str, side: str, place: str) -> str:
    """One side of an object.

    Raises:
        CatenaError: where it has none, or none that is a text.
    """
    if not isinstance(record, dict):
        raise CatenaError(f"{place}: not an object with a field {name!r}, its {side}")
    nested = record.get(NESTED)
    held = nested if isinstance(nested, dict) and name not in record else record
    if name not in held:
        raise CatenaError(
            f"{place}: no field {name!r}; name that of the {side} with --{side} "
            f"(there are: {', '.join(held) or 'none'})"
        )
    text = held[name]
    if not isinstance(text, str):
        raise CatenaError(f"{place}, field {name!r}: {text!r} is not a text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CatenaError(
            f"{place}, field {name!r}: {text[error.start]!r} is half a character; mend it"
        ) from error
    return text


def _of_parquet(source: Source, options: Options, naming: Naming) -> TextPairs:
    there = parquet_names(source, options)
    names = naming.names if naming.given or len(there) != 2 else (there[0], there[1])
    for side, name in zip(SIDES, names, strict=True):
        if there.count(name) != 1:
            listed = ", ".join(map(repr, there))
            raise CatenaError(
                f"{source.name}: no column {name!r}; name that of the {side} with --{side} (there "
                f"are: {listed})"
            )
    tables = [read_parquet(source, replace(options, item=name)) for name in names]
    sides = [_texts(table, name) for table, name in zip(tables, names, strict=True)]
    return TextPairs(source.name, sides[0], sides[1], tables[0].where)


def _texts(table: Table, name: str) -> list[str]:
    """A column of texts, which has one in every row."""
    if not is_text(table.rows.column(name).type):
        kind = table.rows.column(name).type
        raise CatenaError(f"{table.name}, column {name!r}: holds {kind}, not texts")
    return table.column(name).to_pylist()


def _text(source: Source, options: Options) -> str:
    return decode(source, options).replace("\r\n", "\n")


READERS: dict[str, Callable[[Source, Options, Naming], TextPairs]] = {
    TAB: _of_tabs,
    **dict.fromkeys(JSON, _of_json),
    ".parquet": _of_parquet,
}
