"""Templates read off whole columns: nothing here walks from step to step.

Each column's words are numbered once. A template's attribute is then a tuple of numbers, and only
the different tuples are written out as strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from catena.errors import CatenaError
from catena.features.attributes import TEXT, Attributes
from catena.features.templates import Cell, Template, Templates

pc: Any = pyarrow.compute
LARGEST = np.iinfo(np.int64).max


def extract(
    templates: Templates, columns: Sequence[Sequence[str] | pa.Array], lengths: Sequence[int]
) -> Attributes:
    """The attributes of every step.

    Args:
        columns: the columns of the data without the labels, each with `total` strings.
        lengths: how many steps each sequence has; they sum to `total`.

    Raises:
        CatenaError: when a template names a column that there is not, with the file and the line,
            or when the columns are not equally long.
    """
    _check_columns(templates, len(columns))
    table = _Table(columns, np.asarray(lengths, np.int64), templates.edges == "mark")
    found = [table.read(template) for template in templates.items]
    if not found:
        nothing = np.zeros(0, np.int32)
        return Attributes(pa.array([], TEXT), nothing, np.zeros(table.total + 1, np.int64))
    names = pa.concat_arrays([names for names, _ in found]).dictionary_encode()
    rows = _rows(names.dictionary, names.indices.to_numpy(), found)
    del table, found
    # Numbering strings takes several times the memory that they need in the end.
    pa.default_memory_pool().release_unused()
    return rows


def _check_columns(templates: Templates, columns: int) -> None:
    for template in templates.items:
        for cell in template.cells:
            if cell.column >= columns:
                raise CatenaError(
                    f"{template.place}: there is no column {cell.column}: the data has {columns} "
                    "beside the label, counted from 0"
                )


def _rows(
    names: pa.Array, places: np.ndarray, found: list[tuple[pa.Array, np.ndarray]]
) -> Attributes:
    """What the templates found, template by template, as rows of steps."""
    total = len(found[0][1])
    codes = np.empty((total, len(found)), np.int32)
    start = 0
    for i, (own, which) in enumerate(found):
        # One more for -1, which stands for no attribute.
        to = np.append(places[start : start + len(own)], np.int32(-1))
        codes[:, i] = to[which]
        start += len(own)
    there = codes >= 0
    offsets = np.concatenate([np.zeros(1, np.int64), there.sum(1).cumsum(dtype=np.int64)])
    return Attributes(names, codes.reshape(-1) if there.all() else codes[there], offsets)


@dataclass
class _Shift:
    """What all steps see in one row."""

    source: np.ndarray  # [total], the step that is read; any where it lies outside
    outside: np.ndarray  # [total], how many steps beyond an end; 0 inside


@dataclass
class _Table:
    """Numbered words of each column that is asked for, and where the sequences end."""

    columns: Sequence[Sequence[str] | pa.Array]
    lengths: np.ndarray
    mark: bool
    total: int = field(init=False)
    _words: dict[Any, tuple[np.ndarray, pa.Array]] = field(default_factory=dict)
    _shifts: dict[tuple[int, bool], _Shift] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.total = int(self.lengths.sum())
        for i, column in enumerate(self.columns):
            if len(column) != self.total:
                raise CatenaError(
                    f"column {i} has {len(column)} entries, where the lengths sum to {self.total}"
                )
        starts = self.lengths.cumsum() - self.lengths
        self._position = np.arange(self.total) - np.repeat(starts, self.lengths)
        self._left = np.repeat(self.lengths, self.lengths) - self._position - 1

    def read(self, template: Template) -> tuple[pa.Array, np.ndarray]:
        """A template's different attributes `[u]`, and which one each step has, -1 for none."""
        cells = [self._cell(cell) for cell in template.cells]
        there = self._steps(template)
        keys = np.zeros(self.total, np.int64)
        for codes, words in cells:
            keys = _paired(keys, codes, len(words))
        which, first = _numbered(keys, there)
        parts = iter(cells)
        texts = [_part(piece, parts, first) for piece in template.pieces]
        return _joined(texts, len(first)), which

    def _steps(self, template: Template) -> np.ndarray | None:
        """`[total]`, the steps that have the attribute; None: all."""
        if template.at != "all":
            return (self._position if template.at == "first" else self._left) == 0
        if self.mark or not template.cells:
            return None
        outside = [self._shift(cell).outside == 0 for cell in template.cells if cell.row]
        return np.logical_and.reduce(outside) if outside else None

    def _cell(self, cell: Cell) -> tuple[np.ndarray, pa.Array]:
        """Which of `words` each step has in a cell."""
        codes, words = self._column(cell)
        if cell.row == 0:
            return codes, words
        shift = self._shift(cell)
        inside = codes[shift.source]
        if not self.mark:
            return inside, words
        sign = "-" if cell.row < 0 else "+"
        marks = pa.array([f"_B{sign}{i + 1}" for i in range(abs(cell.row))], TEXT)
        beyond = np.int32(len(words) - 1) + shift.outside
        return np.where(shift.outside > 0, beyond, inside), pa.concat_arrays([words, marks])

    def _column(self, cell: Cell) -> tuple[np.ndarray, pa.Array]:
        key = cell.column, cell.lower, cell.find, cell.test
        if key not in self._words:
            if cell.lower or cell.find:
                codes, words = self._column(Cell(0, cell.column))
                self._words[key] = codes, _seen_as(cell, words)
            else:
                encoded = strings(self.columns[cell.column], cell.column).dictionary_encode()
                self._words[key] = encoded.indices.to_numpy(), encoded.dictionary
        return self._words[key]

    def _shift(self, cell: Cell) -> _Shift:
        key = row, fixed = cell.row, cell.fixed
        if key not in self._shifts:
            room = self._position if row < 0 else self._left
            away = row
            if fixed:  # beyond the end or the beginning, as far as the sequence is long
                room = self._position + self._left + 1
                away = row - 1 - self._position if row > 0 else row + 1 + self._left
            source = np.clip(np.arange(self.total) + away, 0, max(self.total - 1, 0))
            outside = np.maximum(abs(row) - room, 0).astype(np.int32)
            self._shifts[key] = _Shift(source, outside)
        return self._shifts[key]


def strings(column: Sequence[str] | pa.Array, number: int) -> pa.Array:
    """A column as Arrow strings.

    Raises:
        CatenaError: where an entry is missing, or is not a string.
    """
    try:
        strings = column if isinstance(column, pa.Array) else pa.array(column, TEXT)
        strings = pc.cast(strings, TEXT)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError) as error:
        raise CatenaError(f"column {number} holds what is not a string: {error}") from error
    if strings.null_count:
        raise CatenaError(f"column {number} has a missing entry; give an empty string instead")
    return strings


def _seen_as(cell: Cell, words: pa.Array) -> pa.Array:
    """A column's words as a cell reads them."""
    if cell.find is None:
        return pc.utf8_lower(words)
    finds = [cell.find.search(word) for word in words.to_pylist()]
    if cell.test:
        return pa.array(["false" if find is None else "true" for find in finds], TEXT)
    parts = pa.array(["" if find is None else find[0] for find in finds], TEXT)
    return pc.utf8_lower(parts) if cell.lower else parts


def _paired(keys: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Keys `[total]` of what was before and one more number below `size`."""
    largest = int(keys.max(initial=0))
    if largest and size >= LARGEST // (largest + 1):
        keys = pa.array(keys).dictionary_encode().indices.to_numpy().astype(np.int64)
    return keys * size + codes


def _numbered(keys: np.ndarray, there: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Which of the different keys each step has, -1 for none; and a step `[u]` that has each."""
    encoded = pa.array(keys, mask=None if there is None else ~there).dictionary_encode()
    which = pc.fill_null(encoded.indices, -1).to_numpy()
    first = np.empty(len(encoded.dictionary) + 1, np.int64)  # the last is that of -1
    first[which] = np.arange(len(keys))
    return which, first[:-1]


def _part(piece: str | Cell, cells: Any, steps: np.ndarray) -> pa.Array | pa.Scalar:
    if isinstance(piece, str):
        return pa.scalar(piece, TEXT)
    codes, words = next(cells)
    return words.take(pa.array(codes[steps]))


def _joined(texts: list[pa.Array | pa.Scalar], count: int) -> pa.Array:
    if all(isinstance(text, pa.Scalar) for text in texts):
        return pa.array(["".join(text.as_py() for text in texts)] * count, TEXT)
    return pc.binary_join_element_wise(*texts, pa.scalar("", TEXT))
