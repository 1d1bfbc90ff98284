"""Learning by gradient descent on the log-loss, with truncated back-propagation through time.

What is predicted, and from how much of the data at a time, is the objective's affair
(`catena.learn.objective`); there is one way to descend.

Everything that decides what comes next (parameters, averages, the optimiser's moments, carried
state, random numbers, the place in the data) goes into the checkpoint, so that a run that was
killed ends, once resumed, with the same bits as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from catena.errors import CatenaError
from catena.ladder.rung import at_least, fraction, one_of, whole
from catena.learn.average import Average
from catena.learn.checkpoint import Checkpoint, grouped
from catena.learn.device import PRECISIONS, device_named, precision
from catena.learn.interrupt import Asked, Interrupted, asked_to_stop
from catena.learn.learner import History, Progress, Run
from catena.learn.objective import NextStep, Objective, Part
from catena.learn.optimizer import OPTIMIZERS, clip_norm, moments, optimizer_for, restore_moments
from catena.learn.schedule import SCHEDULES, rate
from catena.model import SequenceModel
from catena.recurrence import State, detach
from catena.sequences import Sequences

# What is done where the user sets no limit.
EPOCHS, UPDATES = 10, 500
# A time budget becomes a number of steps once this share of it has been spent, and so many updates
# measured after a few that warm up.
CALIBRATION, WARMING, MEASURED = 0.05, 3, 5
# Of a time budget, scoring the held-out data takes at most this share.
VALIDATION = 0.2
# A machine that turns slow afterwards may overrun the budget by this share before it is stopped.
OVERRUN = 0.15


@dataclass(frozen=True)
class Gradient:
    """How to descend.

    Args:
        epochs: how often the data is seen. Where neither this nor `minutes` is given, 10, or on
            small data as often as 500 updates take.
        minutes: a time budget, turned into a number of steps after a short measurement; with
            `epochs`, whichever ends first.
        batch: rows an update is computed from, for rows of `span` steps; of shorter ones, more.
        span: how many steps gradients reach back; state is carried on beyond it.
        optimizer: "adamw", "sgd" or "adagrad".
        rate: the peak learning rate; 0.003 for AdamW, 1.0 for SGD, 0.02 for Adagrad unless given.
        momentum: of SGD and Adagrad.
        schedule: "cosine", "linear" or "constant", after `warmup` steps of linear rise.
        warmup: steps; at most a tenth of the run.
        clip: the largest gradient norm; 0 does not clip.
        weight_decay: of every optimiser, on weights only: not on biases and initial states.
        average: the decay of an exponential moving average of the parameters, which is then what
            is validated and kept; 0 keeps none.
        evaluations: how often in a run the held-out data is scored; within a time budget, as
            often as a fifth of it allows.
        patience: stop after so many evaluations without improvement; None never stops early.
        precision: "float32", "bfloat16" (autocast), or "auto": bfloat16 where it is faster.
        device: "cpu", "cuda", ..., or "auto".

    Raises:
        CatenaError: for a value out of range.
    """

    kind: ClassVar[str] = "gradient"

    epochs: float | None = None
    minutes: float | None = None
    batch: int = 32
    span: int = 64
    optimizer: str = "adamw"
    rate: float | None = None
    momentum: float = 0.9
    schedule: str = "cosine"
    warmup: int = 50
    clip: float = 1.0
    weight_decay: float = 0.01
    average: float = 0.0
    evaluations: int = 20
    patience: int | None = 5
    precision: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("batch", "span", "evaluations"):
            whole(name, getattr(self, name), 1)
        whole("warmup", self.warmup, 0)
        for name in ("clip", "weight_decay"):
            at_least(name, getattr(self, name), 0)
        for name in ("epochs", "minutes", "rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise CatenaError(f"{name} must be above 0, not {value}")
        if self.patience is not None:
            whole("patience", self.patience, 1)
        fraction("average", self.average)
        fraction("momentum", self.momentum)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("precision", self.precision, PRECISIONS)

    def fit(
        self,
        model: SequenceModel,
        train: Sequences,
        valid: Sequences | None,
        run: Run,
        weights: Tensor | None = None,
    ) -> History:
        """Learn the parameters in place; see `catena.learn.learner.Learner`.

        The model is left on the device it was learned on.
        """
        if weights is not None:
            raise CatenaError(
                "the gradient of a model of what comes next takes no weights of sequences; "
                "counting and em do"
            )
        if not len(train):
            raise CatenaError("there are no sequences to learn from")
        if not train.total and train.lengths.numel() and model.space.end_number is None:
            raise CatenaError("all sequences are empty: there is nothing to learn from")
        device = device_named(self.device)
        objective = NextStep(model, train.to(device), self.batch, self.span)
        held_out: Objective | None = None
        if valid is not None and len(valid):
            held_out = NextStep(model, valid.to(device), 4 * self.batch, 4 * self.span)
        return self.descend(model, objective, held_out, run)

    def descend(
        self, model: nn.Module, train: Objective, valid: Objective | None, run: Run
    ) -> History:
        """Learn the parameters in place that make what the objective predicts most probable.

        Args:
            model: what the objectives score with; it is moved to this learner's device, and left
                there. Their data must be on it.
        """
        device = device_named(self.device)
        model.to(device)
        data = {"data": train.fingerprint, "valid": valid.fingerprint if valid else None}
        shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
        own = {"learner": asdict(self), **data, "model": shapes, "seed": run.seed}
        checkpoint = Checkpoint(run.checkpoint, {**own, "job": dict(run.job)})
        with torch.random.fork_rng(), asked_to_stop() as asked:
            descent = _Descent(self, model, device, train, valid, run, checkpoint)
            return descent.go(asked)


@runtime_checkable
class Paced(Protocol):
    """A model that changes how it learns on the way."""

    def at(self, done: float) -> None:
        """So much of the updates, or of the time, is over, from 0 to 1."""
        ...


@dataclass
class Place:
    """How far a run has come: together with the tensors, all that it needs to go on.

    Args:
        epoch, batch, span: the piece of data that comes next.
        step, total: updates made, and to be made (None: not known yet).
        evaluations: how many fit into a time budget; None where there is none, or no plan yet.
        seen: predictions learned from. seconds: spent.
        best: the lowest held-out loss. stale: evaluations since.
        recent, recent_count: nats and predictions since the last evaluation.
    """

    epoch: int = 0
    batch: int = 0
    span: int = 0
    step: int = 0
    total: int | None = None
    evaluations: int | None = None
    seen: int = 0
    seconds: float = 0.0
    best: float | None = None
    stale: int = 0
    recent: float = 0.0
    recent_count: int = 0


class _Descent:
    """One run: the machinery that moves, and nothing that the options already say."""

    def __init__(
        self,
        how: Gradient,
        model: nn.Module,
        device: torch.device,
        train: Objective,
        valid: Objective | None,
        run: Run,
        checkpoint: Checkpoint,
    ) -> None:
        self.how, self.model, self.run, self.checkpoint = how, model, run, checkpoint
        self.device, self.train, self.valid = device, train, valid
        # Asked once: to look at a class as a protocol takes as long as a small product.
        self.paced = model if isinstance(model, Paced) else None
        self.optimizer = optimizer_for(
            model, how.optimizer, how.rate, how.weight_decay, how.momentum
        )
        self.learned = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.state: State | None = None
        self.average = Average(model, how.average)
        self.best: dict[str, Tensor] = {}
        self.history = History()
        self.place = Place()
        self.steady: tuple[int, float] | None = None
        torch.manual_seed(run.seed)
        if run.resume:
            self._restore()
        self.began = time.monotonic() - self.place.seconds
        self.told = 0.0

    # -- the walk ---------------------------------------------------------------------------

    def go(self, asked: Asked) -> History:
        if self.place.total is None and (self.how.epochs or self.how.minutes is None):
            self.place.total = self._epoch_total()
        self.model.train()
        pieces = self._pieces()
        while not self._finished():
            self._update(next(pieces))
            planned = self._plan()
            if self._evaluation_due():
                self._evaluate()
            if asked.stop or planned or self.checkpoint.due:
                self._save()
            if asked.stop:
                raise Interrupted(self.checkpoint.path)
            self._tell()
        return self._finish()

    def _pieces(self) -> Iterator[Part]:
        """All pieces from the present place on, epoch after epoch, the place kept up to date
        before each piece is worked on, so that it names the next one once it is done."""
        place = self.place
        while True:
            order = torch.Generator().manual_seed(self.run.seed * 1_000_003 + place.epoch)
            batches = self.train.batches(order)
            for batch in batches[place.batch :]:
                for number, piece in enumerate(self.train.pieces(batch)):
                    if number < place.span:
                        continue
                    place.span = number + 1
                    yield piece
                place.batch, place.span = place.batch + 1, 0
            place.epoch, place.batch = place.epoch + 1, 0

    def _update(self, piece: Part) -> None:
        how, place = self.how, self.place
        self._set_rate()
        state = None if piece.fresh else self.state
        if self.paced is not None:
            self.paced.at(self._share_done())
        with precision(how.precision, self.device):
            scored = self.train.score(piece, state)
        nats = scored.log_prob.values
        self.state = detach(scored.state)
        if len(nats):
            for parameter in self.learned:
                parameter.grad = None
            loss = -nats.mean()
            self._refuse_nan(loss)
            loss.backward()
            if how.clip:
                clip_norm(self.model.parameters(), how.clip)
            self.optimizer.step()
            place.recent += float(loss.detach()) * len(nats)
            place.recent_count += len(nats)
        place.step += 1
        place.seen += len(nats)
        place.seconds = time.monotonic() - self.began
        self.average.update(place.step)

    def _refuse_nan(self, loss: Tensor) -> None:
        if not bool(torch.isfinite(loss)):
            raise CatenaError(
                f"the training loss is {float(loss.detach())} at step {self.place.step + 1}; "
                "lower --rate or --clip"
            )

    def _set_rate(self) -> None:
        total, warmup = self.place.total, self.how.warmup
        warmup = warmup if total is None else min(warmup, total // 10)
        share = rate(self.how.schedule, self.place.step, warmup, total)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * share

    # -- how long ---------------------------------------------------------------------------

    def _epoch_total(self) -> int:
        order = torch.Generator().manual_seed(self.run.seed * 1_000_003)
        updates = self.train.updates(self.train.batches(order))
        if self.how.epochs is None:
            return max(EPOCHS * updates, UPDATES)
        return max(1, round(updates * self.how.epochs))

    def _plan(self) -> bool:
        """Turn a time budget into a number of steps, once the speed is known.

        Returns:
            Whether that was now.
        """
        how, place = self.how, self.place
        if how.minutes is None or place.evaluations is not None or place.step < WARMING:
            return False
        if self.steady is None:
            self.steady = (place.step, place.seconds)
        measured = place.step - self.steady[0]
        if measured < MEASURED or place.seconds < 60 * how.minutes * CALIBRATION:
            return False
        pace = (place.seconds - self.steady[1]) / measured
        left = 60 * how.minutes - place.seconds
        cost = self._validation_seconds()
        place.evaluations = max(1, min(how.evaluations, int(VALIDATION * left / cost)))
        left -= place.evaluations * cost
        total = place.step + max(1, int(max(left, 0) / pace))
        place.total = min(total, place.total or total)
        return True

    def _validation_seconds(self) -> float:
        began = time.monotonic()
        if self.valid is not None:
            self._validate()
        return time.monotonic() - began + 1e-6

    def _finished(self) -> bool:
        place, how = self.place, self.how
        if place.total is not None and place.step >= place.total:
            return True
        if how.patience is not None and place.stale >= how.patience:
            self.history.notes.append(
                f"stopped early: {place.stale} evaluations without improvement"
            )
            return True
        if how.minutes is not None and place.seconds > 60 * how.minutes * (1 + OVERRUN):
            self.history.notes.append("stopped: out of time, before the plan was done")
            return True
        return False

    # -- held-out data ----------------------------------------------------------------------

    def _evaluation_due(self) -> bool:
        place = self.place
        if place.total is None:
            return False
        # Until a time budget is planned, only the last step is worth its cost.
        count = place.evaluations or (1 if self.how.minutes else self.how.evaluations)
        return place.step * count // place.total > (place.step - 1) * count // place.total

    def _evaluate(self) -> None:
        place = self.place
        row: dict[str, Any] = {
            "step": place.step,
            "epoch": self._epochs(),
            "seconds": place.seconds,
            "train": place.recent / max(1, place.recent_count),
        }
        place.recent, place.recent_count = 0.0, 0
        if self.valid is not None:
            row["valid"] = self._validate()
            self._keep_if_best(row["valid"])
        self.history.rows.append(row)
        self._tell(force=True)

    def _keep_if_best(self, valid: float) -> None:
        place = self.place
        if valid != valid:
            raise CatenaError("the held-out loss is not a number; lower --rate or --clip")
        if place.best is None or valid < place.best:
            place.best, place.stale = valid, 0
            self.best = self.average.parameters()
        else:
            place.stale += 1

    @torch.no_grad()
    def _validate(self) -> float:
        """Nats an observation on the held-out data, in parallel rows like the training data."""
        assert self.valid is not None
        with self.average.in_place():
            nats, count = 0.0, 0
            for batch in self.valid.batches(None):
                state: State | None = None
                for piece in self.valid.pieces(batch):
                    with precision(self.how.precision, self.device):
                        scored = self.valid.score(piece, state)
                    state = scored.state
                    nats -= float(scored.log_prob.values.double().sum())
                    count += scored.log_prob.total
        return nats / max(1, count)

    # -- the end, and going on --------------------------------------------------------------

    def _finish(self) -> History:
        if self.best or self.average.kept:
            self.model.load_state_dict(self.best or self.average.parameters())
        self.model.eval()
        self.history.epochs, self.history.seconds = self._epochs(), self.place.seconds
        self._tell(force=True, done=1.0)
        return self.history

    def _epochs(self) -> float:
        return self.place.seen / max(1, self.train.predictions)

    def _save(self) -> None:
        groups = {"model": self.model.state_dict(), "average": self.average.kept, "best": self.best}
        named = {f"{g}.{name}": t for g, part in groups.items() for name, t in part.items()}
        carried = {f"state.{i:03d}": part for i, part in enumerate(self.state or ())}
        random = {"random": torch.get_rng_state()}
        told = {"rows": self.history.rows, "notes": self.history.notes}
        facts = {"place": asdict(self.place), **told}
        self.checkpoint.save({**moments(self.optimizer), **named, **carried, **random}, facts)

    def _restore(self) -> None:
        kept = self.checkpoint.load()
        if kept is None:
            return
        tensors, facts = kept
        groups = grouped(tensors)
        self.model.load_state_dict(groups["model"])
        self.average.kept = _to(groups.get("average", {}), self.device)
        self.best = _to(groups.get("best", {}), self.device)
        restore_moments(self.optimizer, groups.get("optimizer", {}))
        carried = groups.get("state", {})
        self.state = tuple(carried[name].to(self.device) for name in sorted(carried)) or None
        torch.set_rng_state(tensors["random"])
        self.place = Place(**facts["place"])
        self.history.rows, self.history.notes = facts["rows"], facts["notes"]

    def _tell(self, force: bool = False, done: float | None = None) -> None:
        place, now = self.place, time.monotonic()
        if not force and now - self.told < 0.25:
            return
        self.told = now
        if done is None:
            done = self._share_done()
        elapsed = now - self.began
        last = self.history.rows[-1] if self.history.rows else {}
        self.run.report(
            Progress(
                done=done,
                seconds=elapsed,
                left=elapsed * (1 - done) / done if done else None,
                speed=place.seen / max(elapsed, 1e-9),
                train=place.recent / place.recent_count
                if place.recent_count
                else last.get("train"),
                valid=last.get("valid"),
                text=f"epoch {self._epochs():.1f}",
            )
        )

    def _share_done(self) -> float:
        place = self.place
        if place.total is not None:
            return min(1.0, place.step / place.total)
        return min(1.0, place.seconds / (60 * (self.how.minutes or 1)))


def _to(tensors: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}
