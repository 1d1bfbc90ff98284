"""Learning from one batch of sequences after the other, epoch after epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from catena.learn.checkpoint import Checkpoint
from catena.learn.held_out import Best, Measure
from catena.learn.interrupt import Interrupted, asked_to_stop
from catena.learn.learner import History, Progress, Run

# Seconds between two reports.
SELDOM = 0.25


class Schedule(Protocol):
    """How long is learned, and from how much at a time: a dataclass of options."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    kind: ClassVar[str]

    @property
    def epochs(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def minutes(self) -> float | None: ...

    @property
    def patience(self) -> int | None: ...


class Rule(Protocol):
    """How a batch changes θ."""

    def update(self, numbers: Tensor) -> None:
        """Learn from the sequences of these numbers, int64 `[k]`."""
        ...

    def theta(self) -> Tensor:
        """A copy of what has been learned so far, float64 `[size]`."""
        ...

    def told(self) -> dict[str, float]:
        """How learning went in this epoch, by name: `train` in nats an observation, `wrong`."""
        ...

    def begin_epoch(self) -> None:
        """Forget what `told` tells of."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that `restore` needs, with `facts`."""
        ...

    def facts(self) -> dict[str, Any]:
        """The rest, as JSON."""
        ...

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Be as the rule that told of itself."""
        ...


@dataclass
class Place:
    """How far learning is: with the rule and the best θ, all that a resumed run needs to know."""

    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)


class Course:
    """Epochs of batches, in an order that the run's seed draws anew for each epoch.

    Args:
        rule: what learns.
        how: for how long.
        lengths: int64 `[n]`, how many steps each sequence has.
        measure: judges θ by held-out data after every epoch.
    """

    def __init__(
        self, rule: Rule, how: Schedule, lengths: Tensor, run: Run, measure: Measure | None = None
    ) -> None:
        self.rule, self.how, self.run, self.lengths = rule, how, run, lengths
        self.best = None if measure is None else Best(measure, how.patience)
        self.place, self.batches = Place(), -(-len(lengths) // how.batch)
        # How long it takes is no part of what is learned.
        named = {**asdict(how), "epochs": None, "minutes": None, "patience": None}
        job = {"learner": how.kind, **named, "seed": run.seed, "job": dict(run.job)}
        self.checkpoint = Checkpoint(run.checkpoint, job)
        self._told = 0.0

    def learn(self) -> tuple[Tensor, History]:
        """The θ that was found, the best one where held-out data judged; and how it went.

        Raises:
            Interrupted: after the first Ctrl-C, once the work so far has been kept.
        """
        if self.run.resume:
            self._load()
        began = time.monotonic() - self.place.seconds
        with asked_to_stop() as asked:
            while (why := self._why_stop()) is None:
                self._update()
                self.place.seconds = time.monotonic() - began
                if self.place.batch == self.batches:
                    self._end_epoch()
                self._report()
                if asked.stop or self.checkpoint.due:
                    self._save()
                if asked.stop:
                    raise Interrupted(self.run.checkpoint)
        return self._found(why)

    def _update(self) -> None:
        place, size = self.place, self.how.batch
        if place.batch == 0:
            self.rule.begin_epoch()
            self._order = self._shuffled()
        self.rule.update(self._order[place.batch * size : (place.batch + 1) * size])
        place.batch += 1

    def _shuffled(self) -> Tensor:
        draw = torch.Generator().manual_seed(self.run.seed * 1_000_003 + self.place.epoch)
        return torch.randperm(len(self.lengths), generator=draw)

    def _end_epoch(self) -> None:
        place = self.place
        place.epoch, place.batch = place.epoch + 1, 0
        row = {"step": place.epoch, "seconds": place.seconds, **self.rule.told()}
        if self.best is not None:
            row["score"] = self.best.look(place.epoch, self.rule.theta())
        place.rows.append(row)

    # -- when to stop, and what is told -----------------------------------------------------

    def _why_stop(self) -> str | None:
        minutes = self.how.minutes
        if self.place.epoch >= self.how.epochs:
            return f"after {self.place.epoch} epochs"
        if minutes is not None and self.place.seconds >= 60 * minutes:
            return f"after {minutes:g} minutes"
        return None if self.best is None or self.place.batch else self.best.why_stop

    def _found(self, why: str) -> tuple[Tensor, History]:
        notes, theta = [f"stopped: {why}"], None
        if self.best is not None and self.best.theta is not None:
            notes.append(self.best.note("epoch"))
            theta = self.best.theta
        theta = self.rule.theta() if theta is None else theta
        return theta, History(self.place.rows, notes, self._epochs(), self.place.seconds)

    def _epochs(self) -> float:
        return self.place.epoch + self.place.batch / max(self.batches, 1)

    def _report(self) -> None:
        place, minutes = self.place, self.how.minutes
        if place.batch and place.seconds - self._told < SELDOM:
            return
        self._told = place.seconds
        done = self._epochs() / self.how.epochs
        if minutes is not None:
            done = max(done, min(1.0, place.seconds / max(60 * minutes, 1e-9)))
        row = place.rows[-1] if place.rows else {}
        speed = self._epochs() * int(self.lengths.sum()) / max(place.seconds, 1e-9)
        left = place.seconds * (1 - done) / done
        self.run.report(
            Progress(done, place.seconds, left, speed, row.get("train"), None, self._text(row))
        )

    def _text(self, row: Mapping[str, float]) -> str:
        text = f"epoch {self._epochs():.1f} of {self.how.epochs}"
        if self.best is not None and "score" in row:
            return f"{text}, {self.best.measure.name} {row['score']:.4f}"
        return f"{text}, {row['wrong']:.2%} wrong" if "wrong" in row else text

    # -- what is kept -----------------------------------------------------------------------

    def _save(self) -> None:
        best = {} if self.best is None else self.best.facts()
        tensors = {} if self.best is None else self.best.tensors()
        facts = {"place": asdict(self.place), "rule": self.rule.facts(), "best": best}
        self.checkpoint.save(tensors | self.rule.tensors(), facts)

    def _load(self) -> None:
        found = self.checkpoint.load()
        if found is None:
            return
        tensors, facts = found
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        self.place = Place(**facts["place"])
        self.rule.restore(tensors, facts["rule"])
        if self.best is not None:
            self.best.restore(tensors, facts["best"])
        self._order = self._shuffled()
