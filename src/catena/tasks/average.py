"""One model of several: the average of their parameters.

    θ = (θ_1 + … + θ_k) / k

Models of one run at different times, or of runs that went on from the same one, lie in one valley,
and the average lies deeper (Izmailov et al., Averaging weights leads to wider optima and better
generalization, 2018). Models that began differently do not.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from catena.errors import CatenaError
from catena.learn import Gradient
from catena.save import load_facts
from catena.tasks.estimator import Estimator
from catena.tasks.loading import load

# What models may differ in: how they were learned, and not what they are.
LEARNED = ("history", "ratio", "scheduled", "seed", "smoothing")
_Task = TypeVar("_Task", bound=Estimator)


def average(models: Sequence[_Task | str | Path]) -> _Task:
    """A fitted task whose parameters are the average of those of several.

    Args:
        models: fitted tasks, learned by `Gradient`, or the files of such; alike in everything but
            how they were learned.

    Raises:
        CatenaError: where there is none, one was not learned by `Gradient`, or they differ.

    >>> from catena import GRU, Generator, Gradient, average
    >>> quick = Gradient(epochs=1)
    >>> one = Generator(GRU(units=4), learner=quick).fit(["abba", "baab"])
    >>> average([one, one]).score(["abab"]) == one.score(["abab"])
    True
    """
    fitted = [cast(_Task, load(one) if isinstance(one, str | Path) else one) for one in models]
    if not fitted:
        raise CatenaError("there is no model to take the average of")
    facts = [_facts(task) for task in fitted]
    for number, (one, own) in enumerate(zip(models, facts, strict=True), 1):
        named = str(one) if isinstance(one, str | Path) else f"model {number}"
        _refuse_unlike(facts[0], own, named)
    made = copy.deepcopy(fitted[0])
    tensors = [_model(task).state_dict() for task in fitted]
    _model(made).load_state_dict({name: _mean(name, tensors) for name in tensors[0]})
    return made


def _model(task: Estimator) -> nn.Module:
    return cast(nn.Module, vars(task)["model_"])


def _mean(name: str, models: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """In float64, so that the average of equal numbers is that number."""
    first = models[0][name]
    if not first.is_floating_point():
        return first
    return torch.stack([model[name].double() for model in models]).mean(0).to(first.dtype)


def _facts(task: Estimator) -> dict[str, Any]:
    """All that its file says of what a task is."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        task.save(path)
        facts = load_facts(path)
    if facts["learner"].get("kind") != Gradient.kind or "model_" not in vars(task):
        raise CatenaError(
            "an average is taken of networks learned by Gradient, not of a "
            f"{type(task).__name__} learned by {facts['learner'].get('kind')}"
        )
    own = {name: value for name, value in facts["task"].items() if name not in LEARNED}
    return {"rung": facts["rung"], "space": facts["space"], **own}


def _refuse_unlike(one: dict[str, Any], other: dict[str, Any], named: str) -> None:
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            raise CatenaError(
                f"{named} is not like the first: they differ in {name}; an average "
                "needs models of one kind with the same symbols"
            )
