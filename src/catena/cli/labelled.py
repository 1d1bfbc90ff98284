"""Labelled sequences as a classifier takes them, with errors that say where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catena.cli.given import Given
from catena.cli.reading import Reading
from catena.errors import CatenaError
from catena.formats import Data, Labelled, read_labelled, read_to_label
from catena.sequences import Sequences
from catena.space import Space, constant


@dataclass(frozen=True)
class LabelledReading:
    """The options that say how labelled data is read.

    Args:
        label: the column or field of labels.
        label_by: whose name is the label, `file` or `folder`, where data itself has none.
    """

    reading: Reading
    label: str | None = None
    label_by: str | None = None

    @classmethod
    def of(cls, given: Given) -> LabelledReading:
        """As the command line says."""
        return cls(Reading.of(given), given.get("label"), given.get("label_by"))

    def read(self, sources: list[str]) -> Labelled:
        """All sources, one after another."""
        return self._labelled(self.reading, sources)

    def read_like(self, space: Space, sources: list[str]) -> Labelled:
        """All sources, as a classifier's space needs them."""
        return self.reading.as_space_needs(space, lambda reading: self._labelled(reading, sources))

    def read_to_label(self, space: Space, sources: list[str]) -> Data:
        """The sequences alone, as a classifier's space needs them."""
        return self.reading.as_space_needs(
            space, lambda reading: read_to_label(sources, label=self.label, **_options(reading))
        )

    def _labelled(self, reading: Reading, sources: list[str]) -> Labelled:
        label_by: Any = self.label_by
        return read_labelled(sources, label=self.label, label_by=label_by, **_options(reading))


def notes_on(data: Data) -> list[str]:
    """What is odd in measurements.

    Raises:
        CatenaError: when every number is the same in all observations, so that nothing can be
            learned from them.
    """
    if not isinstance(data.sequences, Sequences) or not data.sequences.total:
        return []
    values, same = data.sequences.values, constant(data.sequences)
    names = data.columns or [f"number {i + 1}" for i in range(values.shape[1])]
    said = ", ".join(f"{names[i]} is {float(values[0, i]):g}" for i in same)
    if len(same) == len(names):
        raise CatenaError(f"{data.place(0)}: {said} here and everywhere: there is nothing to learn")
    # Of switches and counts many are never touched.
    return [f"{data.name}: {said} everywhere"] if said and data.space == "vectors" else []


def _options(reading: Reading) -> dict[str, Any]:
    """As keywords. A classifier's sequences are whole, so that no data is a stream."""
    return {name: value for name, value in vars(reading).items() if name != "stream"}
