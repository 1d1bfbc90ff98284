"""Fitted tasks on disk: one safetensors file with the rung, the space, the learner and θ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from catena import container
from catena.errors import CatenaError
from catena.kinds import describe, known, of_kind
from catena.ladder import RUNGS, Rung
from catena.ladder.rung import options
from catena.learn import LEARNERS, Learner
from catena.model import SequenceModel
from catena.space import SPACES, Space

FORMAT = 1
PARTS = ("task", "rung", "space", "learner")
# Options that a model has at least one tensor for each of.
COUNTED = ("layers", "order")

_Module = TypeVar("_Module", bound=nn.Module)


def pack(rung: Rung, space: Space, learner: Learner, task: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a file: everything but the tensors."""
    return {
        "format": FORMAT,
        "task": dict(task),
        "rung": rung_facts(rung),
        "space": {"kind": space.kind, **space.describe()},
        "learner": describe(learner),
    }


def rung_facts(rung: Rung) -> dict[str, Any]:
    """The rung as JSON; of one that is not on the ladder, whose options may be code, the kind."""
    return describe(rung) if rung.kind in RUNGS else {"kind": rung.kind}


def save_model(path: Path, model: nn.Module, facts: Mapping[str, Any]) -> None:
    """Write a model beside its facts, atomically.

    Raises:
        CatenaError: when the file cannot be written; what was there before is then unharmed.
    """
    container.write(path, model.state_dict(), facts)


def load_facts(path: Path) -> dict[str, Any]:
    """The facts of a model file, checked for kind and version."""
    return _checked(path, container.read_facts(path))


def task_facts(path: Path, task: str) -> dict[str, Any]:
    """The facts of a file that holds a model for this task.

    Raises:
        CatenaError: as `load_facts` does, and for another task.
    """
    facts = load_facts(path)
    kind = facts["task"].get("kind")
    if kind != task:
        raise CatenaError(f"{path}: a model for the task {kind!r}, not {task!r}")
    return facts


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Errors in here name the file; what cannot be made of its description is damage to it."""
    try:
        yield
    except CatenaError as error:
        if str(error).startswith(str(path)):
            raise
        raise CatenaError(f"{path}: {error}") from error
    except KeyError as error:
        raise CatenaError(
            f"{path}: its description lacks {error}: another version of catena wrote it, or it is "
            "damaged; fit the model again"
        ) from error
    except (TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        raise CatenaError(f"{path}: damaged: {_first_line(error)}") from error


def load_model(path: Path, rung: Rung | None = None) -> tuple[SequenceModel, Rung, dict[str, Any]]:
    """The model, its rung and the facts of a file.

    Args:
        rung: needed for a Custom rung, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, cut short, foreign, or of a newer format.
    """
    return load_module(path, lambda rung, space, task: rung.build(space), rung)


def load_module(
    path: Path, make: Callable[[Rung, Space, Mapping[str, Any]], _Module], rung: Rung | None = None
) -> tuple[_Module, Rung, dict[str, Any]]:
    """What a task keeps in a file, its rung and the facts.

    Args:
        make: the module, its parameters not yet loaded, from the rung, the space and the facts of
            the task.
        rung: as in `load_model`.

    Raises:
        CatenaError: as `load_model` does.
    """
    facts = load_facts(path)  # first: a newer format may be sealed in another way
    tensors, _ = container.read(path)
    with restoring(path):
        rung = rung or rung_from(facts["rung"], path, tensors)
        refuse_absurd(path, facts["space"], tensors)
        space = space_from(facts["space"])
        chosen = rung
        model = build(path, lambda: make(chosen, space, facts["task"]), tensors)
    return model, rung, facts


def space_from(described: Mapping[str, Any]) -> Space:
    """The space that a file describes."""
    return known(SPACES, described["kind"], "space").from_description(described)


def learner_from(described: Mapping[str, Any]) -> Learner:
    """The learner that a file describes."""
    return of_kind(LEARNERS, described, "learner")


def _checked(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    if "checkpoint" in facts:
        raise CatenaError(
            f"{path}: a checkpoint of unfinished work, not a model; fit again with --resume"
        )
    version = facts.get("format")
    if not isinstance(version, int) or version < 1:
        raise CatenaError(f"{path}: damaged: its description is incomplete")
    if version > FORMAT:
        raise CatenaError(
            f"{path}: written by a newer catena (format {version}; this one reads {FORMAT}); "
            "upgrade catena"
        )
    if not all(isinstance(facts.get(part), dict) for part in PARTS):
        raise CatenaError(f"{path}: damaged: its description is incomplete")
    return facts


def rung_from(described: Mapping[str, Any], path: Path, tensors: Mapping[str, Tensor]) -> Rung:
    """The rung that a file describes beside these tensors.

    Raises:
        CatenaError: for one that there is not, and for sizes that the file cannot justify.
    """
    kind = described["kind"]
    if kind == "custom":
        raise CatenaError(f"{path}: holds a Custom rung; load(path, rung=Custom(...)) it")
    if kind not in RUNGS:
        raise CatenaError(f"{path}: holds a rung {kind!r} that this catena does not know")
    chosen = {name: value for name, value in described.items() if name != "kind"}
    refuse_absurd(path, chosen, tensors)
    unknown = set(chosen) - set(options(RUNGS[kind]))
    if unknown:
        raise CatenaError(f"{path}: {kind} has no option {', '.join(sorted(unknown))}")
    return RUNGS[kind](**chosen)


def refuse_absurd(path: Path, chosen: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """A size in the description that the file's own size cannot justify is never acted upon."""
    limit = path.stat().st_size
    for name, value in chosen.items():
        most = len(tensors) if name in COUNTED else limit
        if isinstance(value, int) and value > most:
            raise CatenaError(f"{path}: damaged: {name}={value} in a file of {limit} bytes")


def build(path: Path, make: Callable[[], _Module], tensors: Mapping[str, Tensor]) -> _Module:
    """A module with the parameters that a file holds; first without memory, to compare the sizes.

    Raises:
        CatenaError, RuntimeError: when the tensors are not those of the module.
    """
    with torch.device("meta"):
        wanted = make().state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise CatenaError(f"{path}: damaged: the tensor {name} is missing")
        if tensor.numel() > max(1, tensors[name].numel()):
            raise CatenaError(
                f"{path}: damaged: {name} has shape {tuple(tensors[name].shape)}, "
                f"not {tuple(tensor.shape)}"
            )
    with torch.random.fork_rng():
        module = make()
    module.load_state_dict(tensors)
    return module.eval()


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
