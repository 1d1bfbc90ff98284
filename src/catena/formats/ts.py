"""The .ts files of sktime, aeon and the UEA and UCR archives: series of numbers, each with a class.

    @problemName, @classLabel true a b ...   what the file says of itself, up to @data
    1.5,2.5,?:0.1,0.2,0.3:a                  one series a line: its dimensions, then its class

Source: the format's description in sktime (`load_from_tsfile`), and the archives' own files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from catena.errors import CatenaError
from catena.formats.options import Options
from catena.formats.source import Source, decode, open_sources
from catena.sequences import Sequences

MISSING = "?"


@dataclass(frozen=True, eq=False)
class Series:
    """Series and the class of each.

    Args:
        name: the file, for messages.
        sequences: `[total, dim]` float64; a missing number is NaN.
        labels: a class, or a target as it is written, for each; None where the file has none.
        classes: those that the file announces, in its order; () where it announces none.
        lines: the number of each series' line, from 1.
    """

    name: str
    sequences: Sequences = field(repr=False)
    labels: list[str] | None = field(repr=False)
    classes: tuple[str, ...]
    lines: list[int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, i: int) -> str:
        """Where series i (from 0) stands: the file and the line."""
        return f"{self.name}, line {self.lines[i]}"


@dataclass(frozen=True)
class Header:
    """What a file says of its series; None where it says nothing.

    Args:
        labelled: whether a class or a target ends every line.
        classes: those announced.
        dimensions: how many.
        length: that of every series.
        data: the number of the line `@data`, from 0.
    """

    labelled: bool
    classes: tuple[str, ...]
    dimensions: int | None
    length: int | None
    data: int


def read_series(source: str | Path) -> Series:
    """Read a .ts file, compressed (.xz, .gz) or not.

    Raises:
        CatenaError: with the file and the line, at a value that is no number, a class that is not
            announced or missing, dimensions that differ in length or number, a length that is not
            the one announced, time stamps, and a header or data that are not there.
    """
    return series_in(open_sources([source])[0])


def series_in(opened: Source) -> Series:
    """The series of one file; raises as `read_series` does."""
    lines = decode(opened, Options()).replace("\r\n", "\n").split("\n")
    header = _header(opened.name, lines)
    arrays, labels, numbers = [], [], []
    for number in range(header.data + 1, len(lines)):
        line = lines[number].strip()
        if line and line[0] not in "#%":
            place = f"{opened.name}, line {number + 1}"
            array, label = _series(place, line, header)
            _check_width(place, array, arrays)
            arrays.append(array)
            labels.append(label)
            numbers.append(number + 1)
    if not arrays:
        raise CatenaError(f"{opened.name}: no series behind @data; there is nothing to read")
    lengths = torch.tensor([len(array) for array in arrays])
    values = torch.from_numpy(np.concatenate(arrays))
    return Series(
        opened.name,
        Sequences(values, lengths),
        labels if header.labelled else None,
        header.classes,
        numbers,
    )


def _header(name: str, lines: Sequence[str]) -> Header:
    said: dict[str, list[str]] = {}
    for number, line in enumerate(lines):
        words = line.split()
        if not words or line.lstrip()[0] in "#%":
            continue
        place = f"{name}, line {number + 1}"
        if not words[0].startswith("@"):
            raise CatenaError(f"{place}: a .ts file begins with lines such as @classLabel, @data")
        if words[0].lower() == "@data":
            return _understood(name, said, number)
        said[words[0].lower()] = words[1:]
        if words[0].lower() == "@timestamps" and _is_true(words[1:]):
            raise CatenaError(f"{place}: series with time stamps are not read; leave the times out")
    raise CatenaError(f"{name}: no line @data; it is cut short, or not a .ts file")


def _understood(name: str, said: dict[str, list[str]], data: int) -> Header:
    classes = said.get("@classlabel", [])
    univariate = _is_true(said.get("@univariate", []))
    return Header(
        labelled=_is_true(classes) or _is_true(said.get("@targetlabel", [])),
        classes=tuple(classes[1:]) if _is_true(classes) else (),
        dimensions=1 if univariate else _number(name, said, "@dimensions"),
        length=_number(name, said, "@serieslength"),
        data=data,
    )


def _is_true(words: Sequence[str]) -> bool:
    return bool(words) and words[0].lower() == "true"


def _number(name: str, said: dict[str, list[str]], key: str) -> int | None:
    words = said.get(key)
    if words is None:
        return None
    if len(words) != 1 or not words[0].isdecimal():
        raise CatenaError(f"{name}: {key} must be followed by a whole number, not {words}")
    return int(words[0])


def _series(place: str, line: str, header: Header) -> tuple[np.ndarray, str]:
    """One series `[length, dim]` and its label, empty where there is none."""
    parts = line.split(":")
    label = parts.pop().strip() if header.labelled else ""
    if header.labelled and (not label or not parts):
        raise CatenaError(f"{place}: no class behind the last colon; write one or drop the line")
    if header.classes and label not in header.classes:
        raise CatenaError(
            f"{place}: the class {label[:40]!r} is none of those that @classLabel announces "
            f"({', '.join(header.classes)})"
        )
    columns = [_column(place, part, d) for d, part in enumerate(parts)]
    _check_announced(place, columns, header)
    return np.stack(columns, 1), label


def _column(place: str, text: str, dimension: int) -> np.ndarray:
    """One dimension `[length]`."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    column = np.array([_number_of(word) for word in words], np.float64)
    if np.isinf(column).any():
        wrong = int(np.isinf(column).argmax())
        raise CatenaError(
            f"{place}, dimension {dimension + 1}, step {wrong + 1}: {words[wrong][:40]!r} is not a "
            "finite number; a missing one is written ?"
        )
    return column


def _number_of(word: str) -> float:
    """NaN where it is missing, infinity where it is no finite number."""
    try:
        return np.nan if word == MISSING else float(word)
    except ValueError:
        return np.inf


def _check_announced(place: str, columns: list[np.ndarray], header: Header) -> None:
    """Dimensions of one length, as many and as long as the header says."""
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise CatenaError(
            f"{place}: its dimensions have {min(lengths)} to {max(lengths)} numbers; every one "
            "must have as many, with ? where one is missing"
        )
    if header.dimensions not in (None, len(columns)):
        raise CatenaError(
            f"{place}: {len(columns)} dimensions, but the header announces {header.dimensions}"
        )
    if header.length is not None and lengths != {header.length}:
        raise CatenaError(
            f"{place}: a series of {max(lengths)} steps, but @seriesLength is {header.length}"
        )


def _check_width(place: str, array: np.ndarray, before: list[np.ndarray]) -> None:
    if before and before[0].shape[1] != array.shape[1]:
        raise CatenaError(
            f"{place}: {array.shape[1]} dimensions, but the first series has {before[0].shape[1]}"
        )
