"""How the models of `class_models` are found: a learner for each class, or one for the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.ladder import Rung
from catena.learn import Gradient, History, Learner, Progress, Run
from catena.learn.device import device_named
from catena.learn.objective import WholeSequences
from catena.sequences import Sequences
from catena.space import Space
from catena.tasks.class_models import Discriminative, Generative
from catena.tasks.labels import Label, Labels

_Made = TypeVar("_Made")


@dataclass(frozen=True, eq=False)
class Examples:
    """Sequences beside their labels.

    Args:
        sequences: n of them, as the space encodes them.
        targets: `[n]` class numbers or, where there may be several labels, `[n, L]` of 0 and 1.
        weights: `[n]` float64, of mean 1: what each counts.
        copies: `[n]` float64, how many copies of a sequence a model of its class learns from; one
            each where that is None.
    """

    sequences: Sequences
    targets: Tensor
    weights: Tensor
    copies: Tensor | None = None

    def of(self, number: int) -> tuple[Sequences, Tensor | None]:
        """The sequences of one class, and their copies; without those that have none."""
        own = self.targets == number
        if self.copies is None:
            return self.sequences[own.nonzero().squeeze(1)], None
        rows = (own & (self.copies > 0)).nonzero().squeeze(1)
        return self.sequences[rows], self.copies[rows]


def learn_each(
    rung: Rung,
    learner: Learner,
    space: Space,
    labels: Labels,
    train: Examples,
    valid: Examples | None,
    run: Run,
) -> tuple[Generative, History]:
    """A model of every class, learned from its own sequences alone, and the classes' shares.

    Raises:
        CatenaError: where there is nothing to learn a class from.
    """
    models, histories = [], []
    _check_each(labels, train, empty=space.end_number is not None)
    for number in range(len(labels.names)):
        own, copies = train.of(number)
        held_out = valid.of(number)[0] if valid is not None else None
        held_out = held_out if held_out is not None and held_out.total else None
        model = seeded(run.seed, lambda: rung.build(space))
        share = (own.total + len(own)) / (train.sequences.total + len(train.sequences))
        how, circumstances = _within(learner, share), _of_class(run, labels, number)
        histories.append(how.fit(model, own, held_out, circumstances, copies))
        models.append(model.to("cpu"))
    together = Generative(models)
    shares = torch.zeros(len(labels.names), dtype=torch.float64)
    shares.index_add_(0, train.targets, train.weights)
    together.log_prior.copy_((shares / shares.sum()).log())
    _forget(run.checkpoint, len(labels.names))
    return together.eval(), _together(histories, labels)


def _check_each(labels: Labels, train: Examples, empty: bool) -> None:
    """Refuse a class without weight and, unless they tell something too, of empty sequences."""
    for number, name in enumerate(labels.names):
        own = train.of(number)[0]
        if not len(own):
            raise CatenaError(f"the class {name!r} weighs 0: leave it out or give it some weight")
        if not own.total and not empty:
            raise CatenaError(
                f"the class {name!r} is empty: none of its sequences has an observation; leave it "
                "out or give it some",
                sequence=int((train.targets == number).nonzero()[0]),
            )


def learn_network(
    make: Callable[[], Discriminative],
    learner: Learner,
    train: Examples,
    valid: Examples | None,
    run: Run,
) -> tuple[Discriminative, History]:
    """A network that tells all classes apart.

    Raises:
        CatenaError: where the learner does not learn by gradient.
    """
    if not isinstance(learner, Gradient):
        raise CatenaError(f"a network is learned by gradient, not by {learner.kind}")
    model, device = seeded(run.seed, make), device_named(learner.device)

    def objective(data: Examples, rows: int) -> WholeSequences:
        weights = data.weights.float()
        return WholeSequences(model, data.sequences.to(device), data.targets, weights, rows)

    held_out = objective(valid, 4 * learner.batch) if valid is not None else None
    history = learner.descend(model, objective(train, learner.batch), held_out, run)
    return model.to("cpu").eval(), history


def seeded(seed: int, make: Callable[[], _Made]) -> _Made:
    """What is made with PyTorch's random numbers begun at a seed, which are then as before."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def _within(learner: Learner, share: float) -> Learner:
    """The learner with its share of the time, where it has only so much: as many passes over the
    data for a large class as for a small one, or their likelihoods could not be compared."""
    minutes = getattr(learner, "minutes", None)
    if minutes is None:
        return learner
    return replace(learner, minutes=minutes * share)  # pyright: ignore[reportArgumentType]


def _of_class(run: Run, labels: Labels, number: int) -> Run:
    """The circumstances of one class: its share of the progress, a checkpoint of its own."""
    name, count = labels.names[number], len(labels.names)

    def report(progress: Progress) -> None:
        left = None if number + 1 < count else progress.left
        done = (number + progress.done) / count
        run.report(replace(progress, done=done, left=left, text=f"{name}: {progress.text}"))

    path = _checkpoint(run.checkpoint, number)
    return replace(run, report=report, checkpoint=path, job={**run.job, "class": name})


def _checkpoint(path: Path | None, number: int) -> Path | None:
    return None if path is None else path.with_name(f"{path.name}.{number}")


def _forget(path: Path | None, count: int) -> None:
    """Remove the classes' checkpoints, once all are learned."""
    for number in range(count):
        own = _checkpoint(path, number)
        if own is not None:
            own.unlink(missing_ok=True)


def _together(histories: list[History], labels: Labels) -> History:
    named: list[tuple[Label, History]] = list(zip(labels.names, histories, strict=True))
    owners: dict[str, list[Label]] = {}
    for name, history in named:
        for note in history.notes:
            owners.setdefault(note, []).append(name)
    return History(
        rows=[{"class": name, **row} for name, history in named for row in history.rows],
        notes=[f"{_classes(names)}: {note}" for note, names in owners.items()],
        epochs=max(history.epochs for history in histories),
        seconds=sum(history.seconds for history in histories),
    )


def _classes(names: list[Label]) -> str:
    """The classes that a note is about, the first of them by name."""
    if len(names) == 1:
        return f"class {names[0]!r}"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"classes {', '.join(map(repr, names[:3]))}{more}"
