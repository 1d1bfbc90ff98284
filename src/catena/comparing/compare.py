"""Fit several rungs on the same data and measure them on the same held-out part."""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from catena.comparing.bootstrap import Bootstrap, by_position
from catena.comparing.grid import CHOOSING_OBSERVATIONS, Entry, entries, learner
from catena.comparing.measure import Meter, count_parameters
from catena.comparing.result import Comparison, Row, numbered
from catena.comparing.verdict import verdict
from catena.errors import CatenaError
from catena.ladder import HMM, LADDER, RUNGS, Markov, Rung
from catena.learn import Learner, Progress
from catena.sequences import Sequences
from catena.space import Space, Symbols, Unit, as_sequences, is_pair
from catena.split import Split, beginning, split
from catena.tasks.generate import NATS_A_BIT, Generator, encode, learn_space

# The share of a rung's time that goes into choosing its hyperparameters.
CHOOSING = 0.3
SAMPLE_LENGTH = 400
UNITS = {"char": "character", "word": "word", "byte": "byte", "item": "symbol"}

Report = Callable[[str, Progress], None]


def compare(
    data: Any,
    rungs: Sequence[str | Rung] | None = None,
    *,
    minutes: float = 4.0,
    unit: Unit = "char",
    space: Space | None = None,
    parts: Split | None = None,
    name: str = "data",
    seed: int = 0,
    report: Report = lambda row, progress: None,
) -> Comparison:
    """Find out which rung some data needs.

    Args:
        data: as `Generator.fit` takes it.
        rungs: names of rungs, whose hyperparameters are then chosen on the validation part, or
            rungs as they are; all of the ladder unless given.
        minutes: for learning, all rungs together; counting and scoring come on top. Rungs that
            need less leave theirs unused.
        parts: the data already split; `catena.split.split` cuts it otherwise.
        report: is told of the progress, by the name of the row.

    Raises:
        CatenaError: when the data cannot be split, or no rung fits it.

    >>> result = compare(["abab" * 3] * 40, ["markov"])
    >>> [row.name for row in result.rows]
    ['markov-0', 'markov-1', 'markov-2', 'markov-k']
    """
    if not minutes > 0:
        raise CatenaError(f"minutes must be above 0, not {minutes}")
    data = as_sequences(data) if is_pair(data) else data
    parts = parts or split(data, seed, unit=space.unit if isinstance(space, Symbols) else unit)
    own, space = space is not None, space or learn_space(parts.train, unit)
    train, valid, test = (encode(space, part, own) for part in parts[:3])
    bench = _Bench(train, valid, test, space, seed, report)
    lines = _lines(rungs or [rung.kind for rung in LADDER], space, bench.train.total, name)
    share = minutes / max(1, sum(not _counted(line) for line in lines))
    rows = [bench.row(line, share) for line in lines]
    _tell_apart(rows)
    result = Comparison(
        data=name,
        unit=UNITS[space.unit] if isinstance(space, Symbols) else "step",
        rule=parts.rule,
        sizes=bench.sizes,
        seed=seed,
        minutes=minutes,
        rows=rows,
        baseline=_baseline(rows),
        machine=machine(),
    )
    base = next((row for row in rows if row.name == result.baseline), None)
    _relate(rows, bench, result.best, base)
    result.verdict = verdict(result)
    return result


def machine() -> dict[str, str]:
    """What this runs on."""
    return {
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


class _Bench:
    """The data, encoded once, on which every entry is measured."""

    def __init__(
        self,
        train: Sequences,
        valid: Sequences,
        test: Sequences,
        space: Space,
        seed: int,
        report: Report,
    ) -> None:
        self.train, self.valid, self.test = train, valid, test
        self.few = beginning(train, CHOOSING_OBSERVATIONS)
        self.space, self.seed, self.report = space, seed, report
        self.sizes = (self.train.total, self.valid.total, self.test.total)
        if not test.total:
            raise CatenaError("the test part is empty: more data is needed")
        self.bits: dict[str, Tensor] = {}
        ends = int(space.end_number is not None)
        self.bootstrap = Bootstrap(test.lengths + ends, seed)

    def row(self, entry: Entry, minutes: float) -> Row:
        """Choose, learn and measure one entry."""
        began = time.perf_counter()
        rung, tried = self._choose(entry, minutes)
        searched = time.perf_counter() - began
        left = minutes * (1 - CHOOSING) if len(entry.candidates) > 1 else minutes
        with Meter() as meter:
            model = self._learn(entry.name, rung, left, self.train)
        row = self._measure(entry, rung, model)
        row.seconds, row.peak_memory = meter.seconds, meter.peak_memory
        row.search_seconds, row.tried = searched, tried
        return row

    def _choose(self, entry: Entry, minutes: float) -> tuple[Rung, list[tuple[str, float]]]:
        """The candidate that predicts the validation part best after a short time each."""
        if len(entry.candidates) == 1:
            return entry.candidates[0], []
        share = minutes * CHOOSING / len(entry.candidates)
        name = f"{entry.name}: choosing"
        tried = []
        for rung in entry.candidates:
            # A pass of EM over all data can take longer than a candidate has.
            train = self.few if isinstance(rung, HMM) else self.train
            tried.append((rung, self._learn(name, rung, share, train).bits(self.valid)))
        best = min(tried, key=lambda pair: (math.isnan(pair[1]), pair[1]))[0]
        return best, [(_written(rung), bits) for rung, bits in tried]

    def _learn(self, name: str, rung: Rung, minutes: float, train: Sequences) -> Generator:
        how: Learner = learner(rung, minutes, self.train.total)
        model = Generator(rung, space=self.space, learner=how, seed=self.seed)

        def report(progress: Progress) -> None:
            self.report(name, progress)

        return model.fit(train, self.valid, report=report)

    def _measure(self, entry: Entry, rung: Rung, model: Generator) -> Row:
        with Meter() as meter:
            log_prob = model.log_prob(self.test)
        found = model.summarise(self.test, log_prob)
        bits = log_prob.with_values(-log_prob.values.double() / NATS_A_BIT)
        self.bits[entry.name] = bits.values
        return Row(
            name=entry.name,
            label=_label(entry, rung),
            rung=_written(rung),
            bits=found.bits_per_symbol,
            perplexity=found.perplexity,
            bits_per_character=found.bits_per_character,
            parameters=count_parameters(model.model_),
            seconds=0.0,
            search_seconds=0.0,
            peak_memory=None,
            speed=found.symbols / max(meter.seconds, 1e-9),
            epochs=model.history_.epochs,
            tried=[],
            curve=_curve(model),
            positions=by_position(bits),
            sample=self._sample(model),
            notes=list(model.history_.notes),
        )

    def _sample(self, model: Generator) -> str | None:
        if not isinstance(self.space, Symbols):
            return None
        how = {"temperature": 0.8, "max_length": SAMPLE_LENGTH, "seed": self.seed}
        drawn = model.sample(1, **how)[0]
        return self.space.show(self.space.encode([drawn]).values)


def _lines(rungs: Sequence[str | Rung], space: Space, observations: int, data: str) -> list[Entry]:
    names = [rung for rung in rungs if isinstance(rung, str)]
    unknown = [name for name in names if name not in RUNGS]
    if unknown:
        raise CatenaError(f"there is no model {unknown[0]!r}; choose from {', '.join(RUNGS)}")
    fixed = [Entry(_written(rung), (rung,)) for rung in rungs if not isinstance(rung, str)]
    lines = [*entries(names, space, observations), *fixed]
    if not lines:
        raise CatenaError(
            f"{data}: {', '.join(names)} cannot model {type(space).__name__}: "
            "a Markov chain needs symbols; choose other models"
        )
    names = numbered([line.name for line in lines])
    return [replace(line, name=name) for line, name in zip(lines, names, strict=True)]


def _tell_apart(rows: list[Row]) -> None:
    """Rows of the same label are called as they are written, and the same ones are numbered."""
    times = Counter(row.label for row in rows)
    labels = [row.rung if times[row.label] > 1 else row.label for row in rows]
    for row, label in zip(rows, numbered(labels), strict=True):
        row.label = label


def _relate(rows: list[Row], bench: _Bench, best: Row, base: Row | None) -> None:
    """Each row against the best, against the one before, and its share of the drop."""
    bits, draws = bench.bits, bench.bootstrap
    for below, row in zip([None, *rows], rows, strict=False):
        if row is not best:
            row.against_best = draws.difference(bits[row.name], bits[best.name])
        if below is not None:
            row.against_below = draws.difference(bits[row.name], bits[below.name])
        if base is not None and math.inf > base.bits > best.bits:
            row.explained = (base.bits - row.bits) / (base.bits - best.bits)


def _baseline(rows: list[Row]) -> str | None:
    """The row that improvements are counted from: Markov-1, or what knows no past."""
    names = [row.name for row in rows]
    return next((name for name in ("markov-1", "independent") if name in names), None)


def _counted(entry: Entry) -> bool:
    """Whether learning is counting, which needs no time to speak of."""
    return all(isinstance(rung, Markov) for rung in entry.candidates)


def _label(entry: Entry, rung: Rung) -> str:
    if isinstance(rung, Markov):
        return f"Markov-{rung.order}"
    return "independent" if entry.name == "independent" else type(rung).__name__


def _written(rung: Rung) -> str:
    """The rung with its size, which comes first, and what differs from its defaults."""
    chosen = {
        field.name: _value(getattr(rung, field.name))
        for place, field in enumerate(fields(rung))
        if place == 0 or getattr(rung, field.name) != field.default
    }
    return f"{type(rung).__name__}({', '.join(f'{k}={v}' for k, v in chosen.items())})"


def _value(option: object) -> str:
    """An option as it is written; a recurrence of one's own by its name, not by its address."""
    if callable(option):
        return getattr(option, "__name__", type(option).__name__)
    return repr(option)


def _curve(model: Generator) -> list[tuple[float, float | None, float | None]]:
    def bits(nats: float | None) -> float | None:
        return None if nats is None else nats / NATS_A_BIT

    rows = model.history_.rows
    return [(row["seconds"], bits(row.get("train")), bits(row.get("valid"))) for row in rows]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
