"""Learning on the command line: with its progress shown, and what came of it in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from catena.cli import show
from catena.cli.given import Given
from catena.learn import History


class Learns(Protocol):
    """A model of any task."""

    history_: History

    def fit(self, *data: Any, **how: Any) -> Any:
        """Learn from data."""
        ...

    def save(self, path: Path) -> None:
        """Write what was learned to a file."""
        ...


def learn(made: Learns, data: Sequence[Any], given: Given, *, first: str = "", **more: Any) -> None:
    """Learn with the progress shown, from where unfinished work ended if that is asked for.

    Args:
        data: what `fit` takes, the held-out data too.
        first: what the name of the first checkpoint ends in where there are several.
        more: what else `fit` takes.
    """
    checkpoint = _checkpoint(given["output"])
    _say_beginning(checkpoint.with_name(checkpoint.name + first), given["resume"])
    with show.progress() as board:
        made.fit(
            *data,
            report=lambda learned: board.report(given["model"], learned),
            checkpoint=checkpoint,
            resume=given["resume"],
            **more,
        )


def keep(made: Learns, given: Given, notes: Sequence[str] | None = None) -> None:
    """Write what was learned to its file, and say what is odd about it.

    Args:
        notes: instead of those of the model.
    """
    made.save(given["output"])
    _checkpoint(given["output"]).unlink(missing_ok=True)
    for note in made.history_.notes if notes is None else notes:
        show.say(note)


def _checkpoint(output: Path) -> Path:
    """Where the unfinished work of a model file is kept."""
    return output.with_name(output.name + ".checkpoint")


def _say_beginning(checkpoint: Path, resume: bool) -> None:
    """What becomes of unfinished work, where that may not be what the user thinks."""
    if resume and not checkpoint.exists():
        show.say(f"{checkpoint}: there is nothing to resume; beginning anew")
    elif checkpoint.exists() and not resume:
        show.say(f"{checkpoint}: beginning anew; --resume goes on with this unfinished work")
