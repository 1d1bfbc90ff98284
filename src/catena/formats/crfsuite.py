r"""CRFsuite's data: a step a line, its label and its attributes parted by tabs.

    B-NP<TAB>w=dog<TAB>length:3.0<TAB>time=12\:30

A number after a colon is the attribute's value, 1 where there is none. In labels and names \: is a
colon and \\ a backslash. An empty line ends a sequence. A line @weight:2.0 within a sequence gives
it a weight.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from catena.container import write_atomically
from catena.errors import CatenaError
from catena.features.attributes import TEXT, Attributes
from catena.formats.data import Place
from catena.formats.options import Options
from catena.formats.source import decode, open_sources
from catena.formats.text import lines_of

FIELD = re.compile(r"((?:\\[:\\]|[^:])*)(?::(.*))?", re.DOTALL)
ESCAPED = re.compile(r"\\([:\\])")
SPECIAL = re.compile(r"[:\\]")
WEIGHT = "@weight"


@dataclass(frozen=True, eq=False)
class LabelledSteps:
    """What a file of CRFsuite's holds.

    Args:
        labels: `total` of them, the label of every step.
        lengths: int64 `[n]`, how many steps each sequence has; no sequence is empty.
        attributes: what is known of every step.
        weights: float64 `[n]`, how much each sequence counts.
        where: step number -> the file and line it stands in.
        lines: those of the file.
        numbers: of the line that each step stands in, from 1.
    """

    labels: list[str]
    lengths: np.ndarray
    attributes: Attributes
    weights: np.ndarray
    where: Place = field(repr=False)
    lines: list[str] = field(repr=False)
    numbers: list[int] = field(repr=False)

    def by_sequence(self, each: Sequence[Any]) -> list[list[Any]]:
        """What there is for each step, a list for each sequence."""
        ends = self.lengths.cumsum().tolist()
        return [list(each[a:b]) for a, b in zip([0, *ends], ends, strict=False)]

    def steps(self) -> list[list[str] | dict[str, float]]:
        """The attributes of every step, as a tagger takes them."""
        names, values = self.attributes.names.to_pylist(), self.attributes.values
        codes, ends = self.attributes.codes.tolist(), self.attributes.offsets.tolist()
        if values is None:
            return [[names[code] for code in codes[a:b]] for a, b in pairwise(ends)]
        steps: list[list[str] | dict[str, float]] = []
        for a, b in pairwise(ends):
            step: dict[str, float] = {}
            for code, value in zip(codes[a:b], values[a:b].tolist(), strict=True):
                step[names[code]] = step.get(names[code], 0.0) + value
            steps.append(step)
        return steps

    def replaced(self, labels: Sequence[str]) -> str:
        """The file with other labels, `total` of them."""
        lines = list(self.lines)
        for number, label in zip(self.numbers, labels, strict=True):
            _, tab, rest = lines[number - 1].partition("\t")
            lines[number - 1] = _protected(label, "label") + tab + rest
        return "".join(f"{line}\n" for line in lines)


def read_crfsuite(path: str | Path) -> LabelledSteps:
    """The labelled steps of a file.

    Raises:
        CatenaError: at a line without a label, with a value that is no finite number, or with an @
            that is not @weight.
    """
    source = open_sources([path])[0]
    return _parse(decode(source, Options()).replace("\r\n", "\n"), source.name)


def _parse(text: str, name: str) -> LabelledSteps:
    lines = lines_of(text)
    lengths, weights, numbers = _sequences(lines, name)

    def where(step: int) -> str:
        return f"{name}, line {numbers[step]}"

    rows = [lines[number - 1].split("\t") for number in numbers]
    labels = _labels([row[0] for row in rows], where)
    fields = [[entry for entry in row[1:] if entry] for row in rows]
    attributes = _attributes(fields, where)
    sizes = np.array(lengths, np.int64)
    return LabelledSteps(labels, sizes, attributes, np.array(weights), where, lines, numbers)


def _sequences(lines: list[str], name: str) -> tuple[list[int], list[float], list[int]]:
    """How long each sequence is, how much it counts, and each step's line, from 1."""
    lengths, weights, numbers = [], [], []
    length, weight = 0, 1.0
    for number, line in enumerate(chain(lines, [""]), 1):
        if line.startswith("@"):
            weight = _weight(line, f"{name}, line {number}")
        elif line:
            length += 1
            numbers.append(number)
        elif length:
            lengths.append(length)
            weights.append(weight)
            length, weight = 0, 1.0
    if not numbers:
        raise CatenaError(f"{name}: only empty lines; there is nothing to read")
    return lengths, weights, numbers


def _weight(line: str, place: str) -> float:
    key, _, value = line.partition(":")
    if key != WEIGHT:
        raise CatenaError(
            f"{place}: {key.split()[0]} is no declaration; there is only {WEIGHT}:NUMBER, and a "
            "label cannot start with @"
        )
    weight = _number(value)
    if weight is None or weight < 0:
        raise CatenaError(f"{place}: a weight must be a finite number, at least 0, not {value!r}")
    return weight


def _labels(raw: list[str], where: Place) -> list[str]:
    known: dict[str, str] = {}
    for step, label in enumerate(raw):
        if label not in known:
            name, value = _split(label)
            if not label or value is not None:
                what = rf"{label!r}: a colon in a label is written \:" if label else "no label"
                raise CatenaError(f"{where(step)}: {what}; a line is a label, a tab, attributes")
            known[label] = name
    return [known[label] for label in raw]


def _attributes(fields: list[list[str]], where: Place) -> Attributes:
    """Each different field is read once."""
    raw = Attributes.from_steps(fields)
    names, numbers = [], np.ones(len(raw.names))
    for i, entry in enumerate(raw.names.to_pylist()):
        name, value = _split(entry) if SPECIAL.search(entry) else (entry, None)
        number = _number(value) if value else 1.0
        if number is None:
            step = int(np.searchsorted(raw.offsets, np.argmax(raw.codes == i), side="right")) - 1
            raise CatenaError(
                f"{where(step)}: {value!r} in {entry!r} is not a finite number; a colon in a name "
                r"is written \:"
            )
        names.append(name)
        numbers[i] = number
    distinct = pa.array(names, TEXT).dictionary_encode()
    values = None if bool((numbers == 1).all()) else numbers[raw.codes]
    codes = distinct.indices.to_numpy()[raw.codes]
    return Attributes(distinct.dictionary, codes, raw.offsets, values)


def _split(entry: str) -> tuple[str, str | None]:
    """The name and the value of a field, without what protects colons."""
    found: Any = FIELD.fullmatch(entry)
    return ESCAPED.sub(r"\1", found[1]), found[2]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def write_crfsuite(
    path: str | Path, labels: Sequence[str], lengths: Sequence[int], attributes: Attributes
) -> None:
    """Write labelled steps as CRFsuite reads them.

    Args:
        labels: `total` of them.
        lengths: how many steps each sequence has; an empty sequence leaves no trace.

    Raises:
        CatenaError: when a label or a name is empty or holds a tab or a line break, when a label
            starts with @, or when the file cannot be written.
    """
    if not len(labels) == len(attributes) == sum(lengths):
        raise CatenaError(
            f"{len(labels)} labels and the attributes of {len(attributes)} steps, where the "
            f"lengths sum to {sum(lengths)}"
        )
    lines = _lines(labels, attributes)
    blocks, start = [], 0
    for length in lengths:
        if length:
            blocks.append("\n".join(lines[start : start + length]) + "\n")
        start += length
    write_atomically(Path(path), "\n".join(blocks).encode("utf-8"))


def _lines(labels: Sequence[str], attributes: Attributes) -> list[str]:
    names = [_protected(name, "attribute") for name in attributes.names.to_pylist()]
    fields = [names[code] for code in attributes.codes.tolist()]
    if attributes.values is not None:
        values = attributes.values.tolist()
        fields = [
            name if value == 1 else f"{name}:{value!r}"
            for name, value in zip(fields, values, strict=True)
        ]
    written = {label: _protected(label, "label") for label in set(labels)}
    ends = attributes.offsets.tolist()
    return [
        "\t".join([written[label], *fields[first:last]])
        for label, first, last in zip(labels, ends, ends[1:], strict=False)
    ]


def _protected(name: str, what: str) -> str:
    if not name or any(mark in name for mark in "\t\n\r"):
        raise CatenaError(f"the {what} {name!r} is empty or holds a tab or a line break; rename it")
    if what == "label" and name.startswith("@"):
        raise CatenaError(
            f"the label {name!r} starts with @, which CRFsuite reads as a declaration"
        )
    return SPECIAL.sub(r"\\\g<0>", name)
