"""From what the user named to data, a space and a fitted model, with errors that say where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catena.errors import CatenaError
from catena.formats import Data, read
from catena.sequences import Sequences
from catena.space import Bits, Counts, Space, Symbols, Vectors
from catena.tasks.generate import Generator, load


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

    def read(self, sources: list[str]) -> Data:
        """All sources, one after another."""
        return read(sources, **vars(self))  # type: ignore[arg-type]

    def like(self, space: Space) -> Reading:
        """The same, with what a model's space says where the user said nothing."""
        if not isinstance(space, Symbols):
            return _with(self, space=self.space or space.kind)
        if space.unit == "item":
            return self
        return _with(
            self,
            stream=not space.end if self.stream is None else self.stream,
            unit=self.unit or space.unit,
        )


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
    return Symbols.learn(
        data.sequences,
        data.unit,
        unknown or "replace",  # type: ignore[arg-type]
        end=not data.stream,
        minimum=1 if minimum is None else minimum,
    )


def load_with_data(
    model: Path, sources: list[str], reading: Reading
) -> tuple[Generator, Data]:
    """A saved model, and data read as the model was trained on it."""
    generator = load(model)
    data = reading.like(generator.space_).read(sources)
    symbols = isinstance(generator.space_, Symbols)
    if symbols == isinstance(data.sequences, Sequences):
        has, wants = ("numbers", "symbols") if symbols else ("symbols", "numbers")
        raise CatenaError(f"{data.name}: holds {has}, but {model} was trained on {wants}")
    return generator, data


@contextmanager
def located(data: Data) -> Iterator[None]:
    """Inside, an error about one sequence is told with the file and line it came from."""
    try:
        yield
    except CatenaError as error:
        if error.sequence is None:
            raise
        _, _, rest = str(error).partition(", ")
        raise CatenaError(f"{data.place(error.sequence)}, {rest}") from error


def _numeric(kind: str, sequences: Sequences) -> Space:
    if kind == "vectors":
        return Vectors.learn(sequences)
    dim = sequences.event[0]
    return Bits(dim) if kind == "bits" else Counts.learn(sequences)


def _with(reading: Reading, **changed: Any) -> Reading:
    return Reading(**{**vars(reading), **changed})
