"""What a comparison found."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from catena.comparing.bootstrap import Interval
from catena.comparing.figure import Figure


@dataclass(frozen=True)
class Terms:
    """What a task's comparison speaks of.

    Args:
        task: "generate", "classify", "tag", "recommend" or "compose".
        unit: what a prediction is of: "character", "word", "step", ...
        examples: what the parts of the data are counted in: "observations", "sequences", ...
        loss: what learning curves are in: "bits a character".
        speed: what is counted in a second, as a heading has it.
        figures: what the models are compared by; the first one decides.
    """

    task: str
    unit: str
    examples: str
    loss: str
    speed: str
    figures: tuple[Figure, ...]

    @property
    def decides(self) -> Figure:
        """The figure that says which model is best."""
        return self.figures[0]


@dataclass(kw_only=True)
class Row:
    """One model on the test part. Its figures are attributes too: `row.bits`, `row.accuracy`.

    Args:
        name: the entry's name, e.g. "markov-2"; no two rows share one.
        label: how it is shown, e.g. "LSTM", or as it is written where there are several.
        rung: the chosen hyperparameters, as they are written.
        network: whether it is learned by gradient.
        figures: what the task measures, by key; None where it is not defined.
        intervals: where those lie that are shown with one, by key.
        against_best, against_below: how much more of the deciding figure than the best has, and
            than the row before.
        explained: the share of the way from the baseline to the best that it goes.
        parameters: how many numbers were learned.
        seconds: to learn the chosen model; `search_seconds` to choose it.
        peak_memory: bytes while learning, on top of what was held before; a lower bound, since
            memory that is free but not handed back to the system is used again without being seen,
            and that of an accelerator is not in it.
        speed: what the terms count of, a second.
        epochs: how often the training part was seen.
        tried: the candidates with their deciding figure on the validation part.
        curve: (seconds, training loss, validation loss) while it was learned.
        positions: (first, last, bits) over positions in the sequence, of a Generator.
        sample: a continuation drawn from it, of a Generator of symbols.
    """

    name: str
    label: str
    rung: str
    figures: dict[str, float | None]
    parameters: int
    seconds: float
    search_seconds: float
    peak_memory: int | None
    speed: float
    epochs: float
    tried: list[tuple[str, float]]
    curve: list[tuple[float, float | None, float | None]]
    notes: list[str]
    network: bool = False
    positions: list[tuple[int, int, float]] = field(default_factory=list)
    sample: str | None = None
    intervals: dict[str, Interval] = field(default_factory=dict)
    against_best: Interval | None = None
    against_below: Interval | None = None
    explained: float | None = None

    def __getattr__(self, name: str) -> Any:
        figures = self.__dict__.get("figures", {})
        if name in figures:
            return figures[name]
        raise AttributeError(f"this row has no {name!r}, but {', '.join(figures)}")


@dataclass
class Comparison:
    """Several models on the same data, by the same measure.

    Args:
        data: its name. terms: what the task measures, and how that is called.
        rule: how the data was split. minutes: for learning all rows together.
        sizes: examples in the training, validation and test parts.
        baseline: the name of the row that `explained` counts from.
        machine: what it ran on.
        left_out: which kinds of model do not fit the data, and why; empty where all do.
        verdict: sentences.
    """

    data: str
    terms: Terms
    rule: str
    sizes: tuple[int, int, int]
    seed: int
    minutes: float
    rows: list[Row]
    baseline: str | None = None
    machine: dict[str, str] = field(default_factory=dict)
    left_out: str = ""
    verdict: list[str] = field(default_factory=list)

    @property
    def unit(self) -> str:
        """What a prediction is of."""
        return self.terms.unit

    @property
    def best(self) -> Row:
        """The row whose deciding figure is best; undefined ones come last."""
        return min(self.rows, key=self._rank)

    def value(self, row: Row) -> float:
        """The figure of a row that decides."""
        found = row.figures[self.terms.decides.key]
        return math.nan if found is None else found

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it: the figures of a row beside what else is known of it."""
        told = asdict(self)
        terms = told.pop("terms")
        rows = [{**row.pop("figures"), **row} for row in told.pop("rows")]
        named = {"task": terms["task"], "unit": terms["unit"], "examples": terms["examples"]}
        return finite({**told, **named, "rows": rows, "best": self.best.name})

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def _rank(self, row: Row) -> tuple[bool, float]:
        value = self.value(row)
        return math.isnan(value), -value if self.terms.decides.higher else value


def numbered(names: Sequence[str]) -> list[str]:
    """The same names, those that several share with a number each.

    >>> numbered(["GRU", "LSTM", "GRU"])
    ['GRU (1)', 'LSTM', 'GRU (2)']
    """
    shared = {name for name, times in Counter(names).items() if times > 1}
    numbers = {name: count(1) for name in shared}
    return [f"{name} ({next(numbers[name])})" if name in shared else name for name in names]


def finite(value: Any) -> Any:
    """The same value for JSON, which has no infinite and undefined numbers: those are None.

    >>> finite({"bits": [1.5, float("inf")]})
    {'bits': [1.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    return value
