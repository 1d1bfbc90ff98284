"""Sequences with a label each, from files.

JSON lines        {"sequence": [...], "label": "walk"}; a list of labels where there are several
event tables      --group-by tells sequences apart; the column of labels has one for each group
a text a row      text<TAB>label, or CSV and Parquet with a column of labels
.ts               sktime's series, each with its class
any other file    its name, or that of its folder, is the label of all that it holds
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from catena.errors import CatenaError
from catena.formats.data import Data, SpaceKind, concatenate
from catena.formats.events import labels_of_groups, sequences_of
from catena.formats.jsonlines import line_place, parse_json_lines, sequences_of_records
from catena.formats.numeric import check_numbers, numeric_data, numeric_space, place_of_step
from catena.formats.options import ErrorPolicy, Options
from catena.formats.reading import kind_of, sequences_in, table_in
from catena.formats.rows import read_rows
from catena.formats.source import EXPANDERS, Source, open_sources
from catena.formats.table import stack
from catena.formats.ts import series_in
from catena.space import Unit

JSON = (".jsonl", ".ndjson", ".json")
ROWS = (".csv", ".tsv", ".parquet")
TEXTS = ("char", "word", "byte")
SERIES = "a file of series"
BY = ("file", "folder")

LabelBy = Literal["file", "folder"]
Labels = list[str] | list[list[str]]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Sequences beside their labels.

    Args:
        data: the sequences, what they are made of, and where each came from.
        labels: one for each; a list for each where a sequence may have several.
        announced: labels that the files say there are, whether or not they occur.
    """

    data: Data
    labels: Labels = field(repr=False)
    announced: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def place_of(self, label: str) -> str:
        """Where a label first occurs."""
        found = (i for i, own in enumerate(self.labels) if label == own or label in _several(own))
        return self.data.place(next(found))


@dataclass(frozen=True, eq=False)
class _Part:
    """What one file holds; labels None where they are not read."""

    data: Data
    labels: Labels | None
    announced: tuple[str, ...] = ()


def read_labelled(
    sources: str | Path | Sequence[str | Path],
    *,
    label: str | None = None,
    label_by: LabelBy | None = None,
    unit: Unit | None = None,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
    group_by: str | None = None,
    order_by: str | None = None,
    item: str | None = None,
    space: SpaceKind | None = None,
) -> Labelled:
    """Read sequences and the label of each.

    Formats are told apart as `read` does. A row of .csv, .tsv and .parquet is a text with its label
    unless `group_by` says what sequences its events belong to. Standard input without an option for
    tables is JSON lines where it begins with a brace, else text<TAB>label.

    Args:
        sources: one or more; their sequences follow one another.
        label: the column or field of labels; `label` unless given.
        label_by: the name of the `file`, or of its `folder`, is the label of all its sequences.
        unit, encoding, errors, group_by, order_by, item, space: as in `read`.

    Raises:
        CatenaError: for all that can be wrong with a file, with its name, line and remedy; where a
            label is missing, and where the events of one sequence have different ones.
    """
    if label_by is not None and label_by not in BY:
        raise CatenaError(f"--label-by must be one of {', '.join(BY)}, not {label_by!r}")
    if label is not None and label_by is not None:
        raise CatenaError("--label and --label-by do not go together; choose one")
    labels = "needed" if label_by is None else None
    options = Options(None, unit, encoding, errors, group_by, order_by, item, space, label, labels)
    opened = open_sources([sources] if isinstance(sources, (str, Path)) else sources)
    if label_by is not None:
        return _joined([_named(source, options, label_by) for source in opened])
    if group_by is not None:
        return _joined([_grouped(opened, options)])
    return _joined([_part(source, options) for source in opened])


def read_to_label(
    sources: str | Path | Sequence[str | Path],
    *,
    label: str | None = None,
    unit: Unit | None = None,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
    group_by: str | None = None,
    order_by: str | None = None,
    item: str | None = None,
    space: SpaceKind | None = None,
) -> Data:
    """Read sequences that are to be labelled: what `read_labelled` reads, labels or none.

    Rows of .csv, .tsv and .parquet are texts where `unit` is one of texts; else a table that is
    not grouped is one sequence, as in `read`.

    Raises:
        CatenaError: as `read` does.
    """
    options = Options(
        None, unit, encoding, errors, group_by, order_by, item, space, label, "ignored"
    )
    opened = open_sources([sources] if isinstance(sources, (str, Path)) else sources)
    if group_by is not None:
        return _grouped(opened, options).data
    return concatenate([_to_label(source, options) for source in opened])


def _to_label(source: Source, options: Options) -> Data:
    kind = kind_of(source, options)
    if kind == ".ts" or (kind in ROWS and options.unit in TEXTS):
        return _part(source, options).data
    return _whole(sequences_in(source, options))


def _joined(parts: Sequence[_Part]) -> Labelled:
    """All files, one after the other, in a form that all labels have in common."""
    labels: list[Any] = list(chain.from_iterable(part.labels or [] for part in parts))
    if any(isinstance(own, list) for own in labels):
        labels = [_several(own) for own in labels]
    announced = tuple(dict.fromkeys(chain.from_iterable(part.announced for part in parts)))
    return Labelled(concatenate([part.data for part in parts]), labels, announced)


def _several(label: str | list[str]) -> list[str]:
    return label if isinstance(label, list) else [label]


# -- the formats ----------------------------------------------------------------------------------


def _part(source: Source, options: Options) -> _Part:
    kind = kind_of(source, options)
    if not kind and source.name == "standard input":
        kind = JSON[0] if source.raw.lstrip()[:1] == b"{" else ".tsv"
    if kind in JSON:
        return _of_json_lines(source, options)
    if kind in ROWS:
        return _Part(*read_rows(source, kind, options))
    if kind == ".ts":
        return _of_series(source, options)
    raise CatenaError(
        f"{source.name}: no labels can be read from such a file; write text<TAB>label lines "
        "(.tsv) or JSON lines, or take the names of files or folders as labels with --label-by"
    )


def _named(source: Source, options: Options, by: LabelBy) -> _Part:
    """The sequences of a file under one label."""
    path = Path(source.name)
    if not path.exists():
        raise CatenaError(f"{source.name}: no file, whose name could be its label; leave it out")
    label = path.resolve().parent.name if by == "folder" else _stem(path)
    if options.group_by is None:
        data = sequences_in(source, options)
    else:
        data = sequences_of(table_in(source, options), options)
    return _Part(_whole(data), [label] * len(data))


def _whole(data: Data) -> Data:
    """What is labelled is whole, and no stream that was merely cut off."""
    return replace(data, stream=False)


def _stem(path: Path) -> str:
    """The name of a file without its suffix and that of its compression."""
    bare = path.with_suffix("") if path.suffix.lower() in EXPANDERS else path
    return bare.stem


def _grouped(opened: Sequence[Source], options: Options) -> _Part:
    table = stack([table_in(source, options) for source in opened])
    labels = None if table.chosen.label is None else labels_of_groups(table)
    return _Part(sequences_of(table, options), labels)


def _of_json_lines(source: Source, options: Options) -> _Part:
    options.need_group(source.name)
    records, lines = parse_json_lines(source, options)
    where = line_place(source.name, lines)
    labels: list[Any] = [
        _label(record, options.label_name, where(i)) for i, record in enumerate(records)
    ]
    return _Part(sequences_of_records(source, records, where, options), labels)


def _label(record: Any, name: str, place: str) -> str | list[str]:
    """What an object has for a label.

    Raises:
        CatenaError: when that is no string, whole number, or list of these.
    """
    if not isinstance(record, dict):
        raise CatenaError(f"{place}: not an object with a field {name!r}, which is its label")
    value = record.get(name)
    if isinstance(value, list) and all(_is_label(own) for own in value):
        return [str(own) for own in value]
    if _is_label(value):
        return str(value)
    if value is None or value == "":
        there = ", ".join(record) or "none"
        raise CatenaError(
            f"{place}: no label in the field {name!r}; write one, or name another with --label "
            f"(there are: {there})"
        )
    raise CatenaError(
        f"{place}: the label {value!r} is neither a string, a whole number, nor a list of them"
    )


def _is_label(value: Any) -> bool:
    """Whether it is a string with something in it, or a whole number."""
    return type(value) is int or (isinstance(value, str) and bool(value.strip()))


def _of_series(source: Source, options: Options) -> _Part:
    options.refuse(source.name, SERIES, "unit", "group_by", "order_by", "item", "encoding")
    series = series_in(source)
    if series.labels is None and options.labels == "needed":
        raise CatenaError(f"{source.name}: no labels; its header has no @classLabel true")
    values, lengths = series.sequences.values.numpy(), series.sequences.lengths.numpy()
    check_numbers(values, numeric_space(options), place_of_step(lengths, series.place))
    data = numeric_data(source.name, values, np.asarray(lengths), options, False, series.place)
    return _Part(data, series.labels, series.classes)
