"""What `catena info` says of a model of any task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from catena.cli import show
from catena.kinds import describe
from catena.learn import History


class Fitted(Protocol):
    """A model of any task, once it is fitted."""

    history_: History
    seed: int

    @property
    def learner_(self) -> Any:
        """How its parameters were found."""
        ...


def tell(
    model: Path, task: str, own: Mapping[str, Any], made: Fitted, parameters: int, as_json: bool
) -> None:
    """The facts of a file: a line each, or as JSON.

    Args:
        own: what a model of this task has beside those of every task.
    """
    learner, history = made.learner_, made.history_
    facts = {
        "file": str(model),
        "bytes": model.stat().st_size,
        "task": task,
        **own,
        "parameters": parameters,
        "learner": describe(learner),
        "epochs": history.epochs,
        "seconds": history.seconds,
        "notes": history.notes,
        "seed": made.seed,
    }
    show.facts(facts, as_json)
