"""`catena fit`: learn a model from data and write it to one file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from catena.cli import show
from catena.cli.options import OF_MODELS
from catena.cli.reading import Reading, encode, learn_space
from catena.cli.writing import check_writable
from catena.errors import CatenaError
from catena.ladder import RUNGS, Rung, options
from catena.learn import Learner, learner_for
from catena.space import Space
from catena.tasks.generate import Generator


@dataclass(frozen=True)
class Job:
    """What `catena fit` was asked for.

    Args:
        given: the options of model and learner that were given, by name.
    """

    sources: list[str]
    model: str
    output: Path
    reading: Reading
    given: dict[str, Any]
    unknown: str | None
    minimum: int | None
    valid: list[str]
    seed: int
    resume: bool


def fit(job: Job) -> None:
    """Learn, show the progress, write the file, say what came of it."""
    rung, learner = choose(job.model, job.given)
    check_writable(job.output)
    data = job.reading.read(job.sources)
    space = learn_space(data, job.unknown, job.minimum)
    _check_fits(rung, space, data.name)
    train = encode(space, data)
    held_out = encode(space, job.reading.read_like(space, job.valid)) if job.valid else None
    generator = Generator(rung, space=space, learner=learner, seed=job.seed)
    checkpoint = checkpoint_of(job.output)
    say_beginning(checkpoint, job.resume)
    with show.progress() as board:
        generator.fit(
            train,
            held_out,
            report=lambda learned: board.report(job.model, learned),
            checkpoint=checkpoint,
            resume=job.resume,
        )
    generator.save(job.output)
    checkpoint.unlink(missing_ok=True)
    for note in generator.history_.notes:
        show.say(note)
    show.say(f"wrote {job.output}: {rung} over {show.space_text(space)}")


def choose(model: str, given: dict[str, Any]) -> tuple[Rung, Learner]:
    """The rung and the learner that the options describe.

    Raises:
        CatenaError: for an option that belongs to neither.
    """
    if model not in RUNGS:
        raise CatenaError(f"--model must be one of {', '.join(RUNGS)}, not {model!r}")
    of_rung = set(options(RUNGS[model]))
    rung = RUNGS[model](**{name: value for name, value in given.items() if name in of_rung})
    learner = learner_for(rung)
    of_learner = {field.name for field in fields(learner)}  # type: ignore[arg-type]
    # Where EM starts from is for a model at hand, which the command line never has.
    of_learner -= {"start"}
    _refuse_foreign(model, given, (of_rung | of_learner) & OF_MODELS)
    return rung, learner(**{name: value for name, value in given.items() if name in of_learner})


def _refuse_foreign(model: str, given: Iterable[str], own: set[str]) -> None:
    for name in given:
        if name not in own:
            raise CatenaError(
                f"--{_flag(name)} is not an option of {model}; "
                f"it has {', '.join('--' + _flag(other) for other in sorted(own))}"
            )


def _check_fits(rung: Rung, space: Space, name: str) -> None:
    """Whether there is such a model of such data, tried without any memory."""
    try:
        with torch.device("meta"):
            rung.build(space)
    except CatenaError as error:
        raise CatenaError(f"{name}: {error}") from error


def checkpoint_of(output: Path) -> Path:
    """Where the unfinished work of a model file is kept."""
    return output.with_name(output.name + ".checkpoint")


def say_beginning(checkpoint: Path, resume: bool) -> None:
    """What becomes of unfinished work, where that may not be what the user thinks."""
    if resume and not checkpoint.exists():
        show.say(f"{checkpoint}: there is nothing to resume; beginning anew")
    elif checkpoint.exists() and not resume:
        show.say(f"{checkpoint}: beginning anew; --resume goes on with this unfinished work")


def _flag(name: str) -> str:
    return name.replace("_", "-")
