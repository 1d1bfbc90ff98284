"""What a task brings to its comparison; all that is the same for every task is in `compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from catena.comparing.bootstrap import Bootstrap
from catena.comparing.result import Terms
from catena.comparing.tally import Tally
from catena.learn import History, Progress

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Entry:
    """One row of a comparison: a name and the candidates that compete for it.

    Args:
        candidates: rungs.
        options: what the task's estimator is told beside the rung.
        label: how the row is shown; by the kind of the chosen rung unless given.
    """

    name: str
    candidates: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None


@dataclass(frozen=True)
class Measured:
    """What a model showed on the test part.

    Args:
        figures: by key. tallies: the same in parts, of those that are resampled.
        parameters, speed, curve, positions, sample: as in a `Row`.
    """

    figures: dict[str, float | None]
    tallies: dict[str, Tally]
    parameters: int
    speed: float
    curve: list[tuple[float, float | None, float | None]]
    positions: list[tuple[int, int, float]] = field(default_factory=list)
    sample: str | None = None


class Fitted(Protocol):
    """A model that has learned."""

    history_: History


class Contest(Protocol):
    """The data in three parts, and what the task does with them.

    Args:
        name: of the data.
        kinds: the names of models that may be asked for, in order.
        rule: how the data was split. sizes: examples in its three parts.
        bootstrap: resamplings of the test part.
        baselines: names of rows that `explained` may count from, the best suited first.
        unused: options of rungs that the task has no use for.
        unfit: why some kinds do not fit the data, after their names.
    """

    name: str
    terms: Terms
    kinds: tuple[str, ...]
    rule: str
    sizes: tuple[int, int, int]
    bootstrap: Bootstrap
    baselines: tuple[str, ...]
    unused: tuple[str, ...]
    unfit: str

    def entries(self, kinds: Sequence[str]) -> list[Entry]:
        """The rows for those of these kinds that fit the data, the shortest memory first."""
        ...

    def counted(self, rung: Any) -> bool:
        """Whether learning it is counting, which needs no time to speak of."""
        ...

    def fit(self, entry: Entry, rung: Any, minutes: float, tell: Tell, short: bool) -> Any:
        """A model that has learned from the training part, `Fitted`.

        Args:
            tell: is told of the progress.
            short: whether it is only to be judged, for which a part of the data may do.
        """
        ...

    def judge(self, model: Any) -> float:
        """The deciding figure on the validation part."""
        ...

    def measure(self, model: Any) -> Measured:
        """All that the test part shows of a model."""
        ...
