"""Sentences as JSON lines, one a line, each column a field with a list in it.

{"tokens": ["Ann", "slept"], "labels": ["B-PER", "O"]}
{"tokens": ["Bob"], "pos": ["NNP"], "labels": ["B-PER"]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from catena.errors import CatenaError
from catena.formats.conll import label_of
from catena.formats.jsonlines import line_place, parse_json_lines
from catena.formats.options import Options
from catena.formats.source import Source

# What the columns of files of tokens are called where a field holds a whole sentence of them.
PLURAL = {"form": "tokens", "label": "labels"}
USUAL = ("form", "label")


@dataclass(frozen=True, eq=False)
class TokenLines:
    """Sentences and all that stands beside them.

    Args:
        name: the file, for messages.
        columns: the fields that are read; `form` may be called `tokens`, `label` `labels`.
        records: the objects, one for each sentence.
        lines: the number of each one's line, from 1.
    """

    name: str
    columns: tuple[str, ...]
    records: list[dict[str, Any]] = field(repr=False)
    lines: Sequence[int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.records)

    def place(self, sentence: int, token: int = 0) -> str:
        """Where a token stands, both numbers from 0: the file, the line, the token."""
        return f"{line_place(self.name, self.lines)(sentence)}, token {token + 1}"

    def column(self, name: str) -> list[list[str]]:
        """One field, a list for each sentence.

        Raises:
            CatenaError: at a sentence without it, where it holds something other than strings, and
                where it is longer or shorter than the sentence.
        """
        return [self._checked(i, name) for i in range(len(self))]

    def labels(self, name: str) -> list[list[str]]:
        """The field of labels; raises as `column` does, and at an empty label."""
        labels = self.column(name)
        for i, sentence in enumerate(labels):
            if "" in sentence:
                raise CatenaError(f"{self.place(i, sentence.index(''))}: no label; write one")
        return labels

    def named(self, columns: Sequence[str]) -> TokenLines:
        """The same with these columns; that of labels only where the file has it."""
        label = label_of(columns)
        has = any(self._field(record, label) in record for record in self.records)
        return replace(self, columns=tuple(name for name in columns if has or name != label))

    def with_column(self, values: Sequence[Sequence[Any]], name: str) -> TokenLines:
        """The same with other values in one field."""
        pairs = zip(self.records, values, strict=True)
        records = [record | {self._field(record, name): list(row)} for record, row in pairs]
        return replace(self, records=records)

    def replaced(self, values: Sequence[Sequence[Any]], name: str) -> bytes:
        """JSON lines with other values in one field."""
        return _written(self.with_column(values, name).records)

    def ranked(self, paths: Sequence[Sequence[tuple[Sequence[str], float]]], name: str) -> bytes:
        """JSON lines in which a sentence stands once for each of its paths of labels, with its
        `rank`, from 0, and its `probability`."""
        return _written(
            record | {self._field(record, name): list(path), "rank": rank, "probability": p}
            for record, each in zip(self.records, paths, strict=True)
            for rank, (path, p) in enumerate(each)
        )

    def _field(self, record: dict[str, Any], name: str) -> str:
        """What a column is called here."""
        return name if name in record else PLURAL.get(name, name)

    def _checked(self, i: int, name: str) -> list[str]:
        record, place = self.records[i], line_place(self.name, self.lines)(i)
        field = self._field(record, name)
        values = record.get(field)
        if not isinstance(values, list):
            there = ", ".join(record) or "none"
            raise CatenaError(
                f"{place}: no list in the field {field!r}; name the fields with --columns, as "
                f"tokens,pos,labels (there are: {there})"
            )
        odd = next((t for t, value in enumerate(values) if not isinstance(value, str)), None)
        if odd is not None:
            raise CatenaError(f"{self.place(i, odd)}: {values[odd]!r} in {field!r} is no string")
        first = self._field(record, self.columns[0])
        if len(values) != len(record.get(first, ())):
            raise CatenaError(
                f"{place}: {len(values)} {field}, but {len(record.get(first, ()))} {first}; each "
                "token needs one"
            )
        return values


def _written(records: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()


def token_lines(source: Source, columns: str | None, options: Options) -> TokenLines:
    """The sentences of JSON lines.

    Raises:
        CatenaError: at a line that is not an object.
    """
    records, lines = parse_json_lines(source, options)
    odd = next((i for i, record in enumerate(records) if not isinstance(record, dict)), None)
    if odd is not None:
        place = line_place(source.name, lines)(odd)
        raise CatenaError(f"{place}: not an object with the fields tokens and labels")
    names = USUAL if columns is None else tuple(name.strip() for name in columns.split(","))
    return TokenLines(source.name, names, records, lines)
