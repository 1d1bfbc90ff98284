"""A rung and its learner, out of the options of `catena fit`."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import fields

from catena.cli.given import Given, flag
from catena.cli.options import OF_MODELS
from catena.errors import CatenaError
from catena.ladder import RUNGS, Rung, options
from catena.learn import Learner, learner_for


def choose(model: str, given: Given, without: Set[str] = frozenset()) -> tuple[Rung, Learner]:
    """The rung and the learner that the options describe.

    Args:
        without: options of the rung that the task has no use for.

    Raises:
        CatenaError: for an option that belongs to neither.
    """
    if model not in RUNGS:
        raise CatenaError(f"--model must be one of {', '.join(RUNGS)}, not {model!r}")
    of_rung = set(options(RUNGS[model])) - without
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
                f"{flag(name)} is not an option of {model}; "
                f"it has {', '.join(map(flag, sorted(own)))}"
            )
