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


@dataclass
class Row:
    """One model on the test part.

    Args:
        name: the entry's name, e.g. "markov-2"; no two rows share one.
        label: how it is shown, e.g. "LSTM", or as it is written where there are several.
        rung: the chosen hyperparameters, as they are written.
        bits: a symbol, ends counted; for numeric data, of an observation's density.
        against_best, against_below: bits more than the best, and than the row before.
        explained: the share of the drop from the baseline to the best that it explains.
        parameters: how many numbers were learned.
        seconds: to learn the chosen model; `search_seconds` to choose it.
        peak_memory: bytes while learning, on top of what was held before; a lower bound, since
            memory that is free but not handed back to the system is used again without being seen,
            and that of an accelerator is not in it.
        speed: predictions scored a second.
        epochs: how often the training part was seen.
        tried: the candidates with their bits on the validation part.
        curve: (seconds, train bits, validation bits) while it was learned.
        positions: (first, last, bits) over positions in the sequence.
        sample: a continuation drawn from it, where the data is symbols.
    """

    name: str
    label: str
    rung: str
    bits: float
    perplexity: float
    bits_per_character: float | None
    parameters: int
    seconds: float
    search_seconds: float
    peak_memory: int | None
    speed: float
    epochs: float
    tried: list[tuple[str, float]]
    curve: list[tuple[float, float | None, float | None]]
    positions: list[tuple[int, int, float]]
    sample: str | None
    notes: list[str]
    against_best: Interval | None = None
    against_below: Interval | None = None
    explained: float | None = None


@dataclass
class Comparison:
    """Several models on the same data, with the same vocabulary, by the same measure.

    Args:
        data: its name. unit: what a prediction is of: "character", "word", "step", ...
        rule: how the data was split. minutes: for learning all rows together.
        sizes: observations in the training, validation and test parts.
        baseline: the name of the row that `explained` counts from.
        machine: what it ran on.
        verdict: sentences.
    """

    data: str
    unit: str
    rule: str
    sizes: tuple[int, int, int]
    seed: int
    minutes: float
    rows: list[Row]
    baseline: str | None = None
    machine: dict[str, str] = field(default_factory=dict)
    verdict: list[str] = field(default_factory=list)

    @property
    def best(self) -> Row:
        """The row with the fewest bits; undefined ones come last."""
        return min(self.rows, key=lambda row: (math.isnan(row.bits), row.bits))

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return finite(asdict(self)) | {"best": self.best.name}

    def to_json(self) -> str:
        """Everything, as JSON."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


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
