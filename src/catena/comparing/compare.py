"""Fit several rungs on the same data and measure them on the same held-out part."""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch

from catena.comparing.classifying import Classifying
from catena.comparing.composing import Composing
from catena.comparing.contest import Contest, Entry
from catena.comparing.generating import Generating
from catena.comparing.majority import Majority
from catena.comparing.measure import Meter
from catena.comparing.recommending import Recommending
from catena.comparing.result import Comparison, Row, numbered
from catena.comparing.tagging import Tagging
from catena.comparing.tally import Tally
from catena.comparing.verdict import verdict
from catena.errors import CatenaError
from catena.ladder import CRF, HMM, Markov
from catena.learn import Progress
from catena.space import Space, Unit
from catena.split import Split
from catena.tasks.baselines import BASELINES

# The share of a rung's time that goes into choosing its hyperparameters.
CHOOSING = 0.3
TASKS = {
    "generate": Generating,
    "classify": Classifying,
    "tag": Tagging,
    "recommend": Recommending,
    "compose": Composing,
}

Report = Callable[[str, Progress], None]


def compare(
    data: Any,
    rungs: Sequence[Any] | None = None,
    *,
    task: str = "generate",
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
        data: as `Generator.fit` takes it; to classify and to tag a pair (X, y), as `Classifier.fit`
            and `Tagger.fit` take them; to recommend sessions, the oldest first; to compose pieces
            as `Composer.encode` gives them, with their space. With `parts` it is not read.
        rungs: names of rungs, whose hyperparameters are then chosen on the validation part, or
            rungs as they are; all that the task has unless given.
        task: "generate", "classify", "tag", "recommend" or "compose".
        minutes: for learning, all rungs together; counting and scoring come on top. Rungs that
            need less leave theirs unused.
        unit, space: what an observation is, as in `Generator`; a tagger reads tokens as they are.
        parts: the data already split; `catena.split` cuts it otherwise.
        report: is told of the progress, by the name of the row.

    Raises:
        CatenaError: when the data cannot be split, or no rung fits it.

    >>> result = compare(["abab" * 3] * 40, ["markov"])
    >>> [row.name for row in result.rows]
    ['markov-0', 'markov-1', 'markov-2', 'markov-k']
    """
    if not minutes > 0:
        raise CatenaError(f"minutes must be above 0, not {minutes}")
    if task not in TASKS:
        raise CatenaError(f"task must be {', '.join(TASKS)}, not {task!r}")
    contest: Contest = TASKS[task](data, parts, unit, space, seed, name)
    lines, left_out = _lines(contest, rungs)
    bench = _Bench(contest, report)
    share = minutes / max(1, sum(not bench.counted(line) for line in lines))
    rows = [bench.row(line, share) for line in lines]
    _tell_apart(rows)
    names = {row.name for row in rows}
    result = Comparison(
        data=name,
        terms=contest.terms,
        rule=contest.rule,
        sizes=contest.sizes,
        seed=seed,
        minutes=minutes,
        rows=rows,
        baseline=next((base for base in contest.baselines if base in names), None),
        machine=machine(),
        left_out=left_out,
    )
    _relate(result, bench)
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
    """Where every entry chooses, learns and is measured, within its time."""

    def __init__(self, contest: Contest, report: Report) -> None:
        self.contest, self.report = contest, report
        self.tallies: dict[str, Tally] = {}

    def counted(self, entry: Entry) -> bool:
        return all(map(self.contest.counted, entry.candidates))

    def row(self, entry: Entry, minutes: float) -> Row:
        """Choose, learn and measure one entry."""
        began = time.perf_counter()
        rung, tried = self._choose(entry, minutes)
        searched = time.perf_counter() - began
        left = minutes * (1 - CHOOSING) if len(entry.candidates) > 1 else minutes
        with Meter() as meter:
            model = self._learn(entry, rung, left)
        found, draws = self.contest.measure(model), self.contest.bootstrap
        figures = self.contest.terms.figures
        self.tallies[entry.name] = found.tallies[figures[0].key]
        return Row(
            name=entry.name,
            label=entry.label or _label(rung),
            rung=_written(self.contest, rung, entry),
            network=not isinstance(rung, (Majority, Markov, HMM, CRF, *BASELINES.values())),
            figures=found.figures,
            intervals={f.key: draws.interval(found.tallies[f.key]) for f in figures if f.bounded},
            parameters=found.parameters,
            seconds=meter.seconds,
            search_seconds=searched,
            peak_memory=meter.peak_memory,
            speed=found.speed,
            epochs=model.history_.epochs,
            tried=tried,
            curve=found.curve,
            positions=found.positions,
            sample=found.sample,
            notes=list(model.history_.notes),
        )

    def _choose(self, entry: Entry, minutes: float) -> tuple[Any, list[tuple[str, float]]]:
        """The candidate that does best on the validation part after a short time each."""
        if len(entry.candidates) == 1:
            return entry.candidates[0], []
        share = minutes * CHOOSING / len(entry.candidates)
        tried = [
            (rung, self.contest.judge(self._learn(entry, rung, share, short=True)))
            for rung in entry.candidates
        ]
        worse = self.contest.terms.decides.worse
        best = min(tried, key=lambda pair: (math.isnan(pair[1]), worse(pair[1], 0.0)))[0]
        return best, [(_written(self.contest, rung, entry), value) for rung, value in tried]

    def _learn(self, entry: Entry, rung: Any, minutes: float, short: bool = False) -> Any:
        name = f"{entry.name}: choosing" if short else entry.name

        def tell(progress: Progress) -> None:
            self.report(name, progress)

        return self.contest.fit(entry, rung, minutes, tell, short)


def _lines(contest: Contest, rungs: Sequence[Any] | None) -> tuple[list[Entry], str]:
    """The rows, of kinds by name first, then those of rungs as they are; and which kinds do not fit
    the data, and why."""
    rungs = contest.kinds if rungs is None else rungs
    names = [rung for rung in rungs if isinstance(rung, str)]
    unknown = [name for name in names if name not in contest.kinds]
    if unknown:
        raise CatenaError(
            f"there is no model {unknown[0]!r}; choose from {', '.join(contest.kinds)}"
        )
    own = [rung for rung in rungs if not isinstance(rung, str)]
    fixed = [Entry(_written(contest, rung), (rung,)) for rung in own]
    lines = [*contest.entries(names), *fixed]
    unfit = ", ".join(name for name in names if not contest.entries([name]))
    if not lines:
        said = f"{unfit} {contest.unfit}" if unfit else "no model is named"
        raise CatenaError(f"{contest.name}: {said}; choose other models")
    left_out = f"{unfit}, which {contest.unfit}" if unfit else ""
    names = numbered([line.name for line in lines])
    return [replace(line, name=name) for line, name in zip(lines, names, strict=True)], left_out


def _tell_apart(rows: list[Row]) -> None:
    """Rows of the same label are called as they are written, and the same ones are numbered."""
    times = Counter(row.label for row in rows)
    labels = [row.rung if times[row.label] > 1 else row.label for row in rows]
    for row, label in zip(rows, numbered(labels), strict=True):
        row.label = label


def _relate(result: Comparison, bench: _Bench) -> None:
    """Each row against the best, against the one before, and its share of the way to the best."""
    tallies, draws = bench.tallies, bench.contest.bootstrap
    best = result.best
    base = next((row for row in result.rows if row.name == result.baseline), None)
    for below, row in zip([None, *result.rows], result.rows, strict=False):
        if row is not best:
            row.against_best = draws.difference(tallies[row.name], tallies[best.name])
        if below is not None:
            row.against_below = draws.difference(tallies[row.name], tallies[below.name])
        if base is not None:
            row.explained = _explained(result, base, row)


def _explained(result: Comparison, base: Row, row: Row) -> float | None:
    """The share of the way from the baseline to the best; None where there is none."""
    worst, own, best = (result.value(one) for one in (base, row, result.best))
    whole = result.terms.decides.worse(worst, best)
    return (worst - own) / (worst - best) if math.inf > whole > 0 else None


def _label(rung: Any) -> str:
    return f"Markov-{rung.order}" if isinstance(rung, Markov) else type(rung).__name__


def _written(contest: Contest, rung: Any, entry: Entry | None = None) -> str:
    """The rung, and what the task is told beside it."""
    options = entry.options if entry is not None else {}
    beside = [f"{name}={_value(value)}" for name, value in options.items()]
    return ", ".join([_call(rung, contest.unused), *beside])


def _call(thing: Any, unused: Collection[str] = ()) -> str:
    """Something with its size, which comes first where it has one, and what differs from its
    defaults."""
    chosen = {
        field.name: _value(value)
        for place, field in enumerate(fields(thing))
        if (value := getattr(thing, field.name)) != field.default
        or (place == 0 and not isinstance(value, float))
        if field.name not in unused
    }
    return f"{type(thing).__name__}({', '.join(f'{k}={v}' for k, v in chosen.items())})"


def _value(option: object) -> str:
    """An option as it is written; a recurrence of one's own by its name, not by its address."""
    if is_dataclass(option) and not isinstance(option, type):
        return _call(option)
    if callable(option):
        return getattr(option, "__name__", type(option).__name__)
    return repr(option)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
