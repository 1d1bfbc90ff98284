"""From what the user named to data, a space and a fitted model, with errors that say where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from catena.cli.given import Given, picked
from catena.errors import CatenaError
from catena.formats import Data, read
from catena.sequences import Sequences
from catena.space import Bits, Counts, Space, Symbols, Vectors
from catena.tasks.generate import Generator, load

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Reading:
    """The options that say how DATA is read."""

    stream: bool | None = None
    unit: str | None = None
    encoding: str | None = None
    errors: str | None = None
    group_by: str | None = None
    order_by: str | None = None
    item: str | None = None
    space: str | None = None

    @classmethod
    def of(cls, given: Given) -> Reading:
        """As the command line says."""
        return cls(**picked(given, [field.name for field in fields(cls)]))

    def read(self, sources: list[str]) -> Data:
        """All sources, one after another."""
        return read(sources, **vars(self))  # type: ignore[arg-type]

    def like(self, space: Space) -> Reading:
        """The same, with what a model's space says where the user said nothing.

        Raises:
            CatenaError: where the user said otherwise.
        """
        if isinstance(space, Symbols) and space.unit == "item":
            return self
        if isinstance(space, Symbols):
            stream = not space.end if self.stream is None else self.stream
            return replace(self._told("unit", space.unit), stream=stream)
        return self._told("space", space.kind)

    def read_like(self, space: Space, sources: list[str]) -> Data:
        """All sources, as a model's space needs them."""
        return self.as_space_needs(space, lambda reading: reading.read(sources))

    def as_space_needs(self, space: Space, read: Callable[[Reading], _Read]) -> _Read:
        """What is read with these options and those that a model's space implies."""
        implied = "unit" if isinstance(space, Symbols) else "space"
        try:
            return read(self.like(space))
        except CatenaError as error:
            file, refused, _ = str(error).partition(f": --{implied} ")
            if not refused or getattr(self, implied) is not None:
                raise
            # The user gave no such option, so the data itself is what does not fit.
            raise _other_data(file, space) from error

    def _told(self, option: str, value: str) -> Reading:
        given = getattr(self, option)
        if given not in (None, value):
            raise CatenaError(
                f"--{option} {given} does not fit a model trained with {value}; leave it out"
            )
        return replace(self, **{option: value})


def learn_space(data: Data, unknown: str | None, minimum: int | None) -> Space:
    """The space of data that was read.

    Raises:
        CatenaError: for options that do not belong to it, and for values outside the space.
    """
    if isinstance(data.sequences, Sequences):
        if unknown is not None or minimum is not None:
            raise CatenaError("--unknown and --minimum are for symbols; this data is numbers")
        return _numeric(data.space, data.sequences)
    assert data.unit is not None
    try:
        return Symbols.learn(
            data.sequences,
            data.unit,
            unknown or "replace",  # type: ignore[arg-type]
            end=not data.stream,
            minimum=1 if minimum is None else minimum,
        )
    except CatenaError as error:
        raise located(error, data) from error


def load_with_data(
    model: Path, sources: list[str], reading: Reading
) -> tuple[Generator, Data, Sequences]:
    """A saved model; data read as the model was trained on it; and that data encoded."""
    generator = load(model)
    data = reading.read_like(generator.space_, sources)
    return generator, data, encode(generator.space_, data)


def encode(space: Space, data: Data) -> Sequences:
    """The data as a space numbers it.

    Raises:
        CatenaError: at what the space does not have, with the file and line it stands in.
    """
    if data.unit != (space.unit if isinstance(space, Symbols) else None):
        raise _other_data(data.name, space)
    try:
        return space.encode(data.sequences)
    except CatenaError as error:
        raise located(error, data) from error


def _other_data(name: str, space: Space) -> CatenaError:
    kind = f"symbols ({space.unit})" if isinstance(space, Symbols) else f"numbers ({space.kind})"
    return CatenaError(f"{name}: is not data of the kind that the model was trained on, {kind}")


def located(error: CatenaError, data: Data) -> CatenaError:
    """An error with the file and the line, in place of the sequence's number where it has one."""
    if error.sequence is None:
        return CatenaError(f"{data.name}: {error}")
    place = data.place(error.sequence)
    if not str(error).startswith("sequence "):
        return CatenaError(f"{place}: {error}")
    if error.step is None or not data.stream:
        return CatenaError(f"{place}, {str(error).partition(', ')[2]}")
    before: Any = data.sequences[error.sequence][: error.step]
    return CatenaError(
        f"{place}, line {before.count(chr(10)) + 1}: {str(error).partition(': ')[2]}"
    )


def _numeric(kind: str, sequences: Sequences) -> Space:
    if kind == "vectors":
        return Vectors.learn(sequences)
    return Bits(sequences.event[0]) if kind == "bits" else Counts.learn(sequences)
