"""`catena fit`: learn a model from data and write it to one file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from catena.cli import show
from catena.cli.reading import Reading, learn_space, located
from catena.errors import CatenaError
from catena.ladder import RUNGS, Rung
from catena.learn import Interrupted, Learner, learner_for
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
    _check_output(job.output)
    data = job.reading.read(job.sources)
    space = learn_space(data, job.unknown, job.minimum)
    held_out = job.reading.read(job.valid).sequences if job.valid else None
    generator = Generator(rung, space=space, learner=learner, seed=job.seed)
    with located(data), show.progress() as board:
        generator.fit(
            space.encode(data.sequences),
            None if held_out is None else space.encode(held_out),
            report=lambda learned: board.report(job.model, learned),
            checkpoint=checkpoint_of(job.output),
            resume=job.resume,
        )
    generator.save(job.output)
    checkpoint_of(job.output).unlink(missing_ok=True)
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
    kind = RUNGS[model]
    of_rung = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    rung = kind(**{name: value for name, value in given.items() if name in of_rung})
    learner = learner_for(rung)
    of_learner = {field.name for field in fields(learner)}  # type: ignore[arg-type]
    for name in given:
        if name not in of_rung | of_learner:
            raise CatenaError(
                f"--{_flag(name)} is not an option of {model}; "
                f"it has {', '.join('--' + _flag(n) for n in sorted(of_rung | of_learner))}"
            )
    chosen = {name: value for name, value in given.items() if name in of_learner - of_rung}
    return rung, learner(**chosen)


def checkpoint_of(output: Path) -> Path:
    """Where the unfinished work of a model file is kept."""
    return output.with_name(output.name + ".checkpoint")


def how_to_resume(stopped: Interrupted) -> str:
    """What to tell a user who stopped the learning."""
    if stopped.checkpoint is None:
        return "stopped; nothing was written"
    return f"stopped; the work so far is in {stopped.checkpoint}: run the same command with --resume"


def _check_output(output: Path) -> None:
    """Better to find out now than after an hour of learning."""
    if output.is_dir():
        raise CatenaError(f"{output}: is a folder; -o needs the name of a file")
    if not output.parent.is_dir():
        raise CatenaError(f"{output.parent}: there is no such folder to write {output.name} to")


def _flag(name: str) -> str:
    return name.replace("_", "-")
