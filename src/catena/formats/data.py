"""What reading yields: sequences, what they are made of, and where each came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Literal

from catena.errors import CatenaError
from catena.sequences import Sequences
from catena.space import Item, Unit

SpaceKind = Literal["symbols", "vectors", "bits", "counts"]
Place = Callable[[int], str]


@dataclass(frozen=True, eq=False)
class Data:
    """Sequences as they were read, before a vocabulary or a scale is learnt from them.

    Args:
        name: the file or files, for people.
        sequences: symbols as texts, bytes or lists of items; numbers as float64 `[total, dim]`.
        unit: what the symbols are pieces of; None for numbers.
        space: the kind of space the sequences live in.
        stream: whether a file is one sequence, which was merely cut off where the file ends.
        where: sequence number -> where it came from.
        columns: the names of the `dim` numbers, where the file has names.
    """

    name: str
    sequences: list[str] | list[bytes] | list[list[Item]] | Sequences
    unit: Unit | None
    space: SpaceKind
    stream: bool
    where: Place = field(repr=False)
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sequences)

    def place(self, i: int) -> str:
        """Where sequence i (from 0) came from: a file, and the line, row or group in it."""
        if not 0 <= i < len(self):
            raise IndexError(f"sequence {i} of {len(self)}")
        return self.where(i)


def concatenate(parts: Sequence[Data]) -> Data:
    """The sequences of several files, one after the other.

    Raises:
        CatenaError: when one file holds symbols and another numbers, or other columns.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        _check_alike(first, part)
    return Data(
        ", ".join(part.name for part in parts),
        _joined(parts),
        first.unit,
        first.space,
        first.stream,
        joined_place([len(part) for part in parts], [part.place for part in parts]),
        first.columns,
    )


def joined_place(sizes: Sequence[int], places: Sequence[Place]) -> Place:
    """One numbering over parts of the given sizes that are each numbered from 0."""
    starts = list(accumulate(sizes, initial=0))

    def place(i: int) -> str:
        part = bisect_right(starts, i) - 1
        return places[part](i - starts[part])

    return place


def _joined(parts: Sequence[Data]) -> list[str] | list[bytes] | list[list[Item]] | Sequences:
    if all(isinstance(part.sequences, Sequences) for part in parts):
        return Sequences.concatenate([part.sequences for part in parts])  # pyright: ignore
    return list(chain.from_iterable(part.sequences for part in parts))  # pyright: ignore


def _check_alike(first: Data, other: Data) -> None:
    if (first.space, first.unit) != (other.space, other.unit):
        raise CatenaError(
            f"{first.name} holds {_describe(first)}, {other.name} {_describe(other)}: read files "
            "of one kind together (--space vectors reads whole numbers as measurements)"
        )
    if first.stream != other.stream:
        raise CatenaError(
            f"one of {first.name} and {other.name} is one long sequence, the other holds many; "
            "for texts, --stream or --no-stream reads both alike"
        )
    if _dim(first) != _dim(other) or (
        first.columns and other.columns and first.columns != other.columns
    ):
        raise CatenaError(
            f"{first.name} has {_columns(first)}, {other.name} {_columns(other)}: the numbers of "
            "an observation must be the same ones in every file; choose them with --item"
        )


def _describe(data: Data) -> str:
    return data.space if data.unit is None else f"{data.space} ({data.unit})"


def _dim(data: Data) -> int | None:
    return data.sequences.event[0] if isinstance(data.sequences, Sequences) else None


def _columns(data: Data) -> str:
    return f"the columns {', '.join(data.columns)}" if data.columns else f"{_dim(data)} columns"
