"""The tasks: which module has the commands of each, and which options belong to it.

Nothing heavy is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

from catena.cli import options as o
from catena.cli.given import Given, flag
from catena.errors import CatenaError

TEXTS = frozenset({"encoding", "errors"})
EVENTS = TEXTS | {"group_by", "order_by"}
SESSIONS = EVENTS | {"item", "skip_bad", "drop_repeats"}
SEQUENCES = EVENTS | {"unit", "item", "space"}

# Those of a classifier beside its rung's and its learner's.
OF_CLASSIFIERS = frozenset({"summary", "class_weight", "calibrate", "label", "label_by"})

# Those of an encoder and a decoder beside its rung's and its learner's, of each task that has
# these.
OF_TRANSDUCERS = frozenset({
    "decoder", "decoder_layers", "attention", "heads", "feeding", "coverage", "copy", "scheduled",
    "label_smoothing", "unit", "subwords", "minimum",
})  # fmt: skip
OF_TRANSLATORS = OF_TRANSDUCERS | {"joint", "source", "target"}
OF_CHATS = OF_TRANSDUCERS | {"context", "speaker"}
# Those of a captioner, likewise.
OF_CAPTIONERS = frozenset({
    "picture_size", "attention", "heads", "feeding", "coverage", "label_smoothing", "unit",
    "subwords", "minimum",
})  # fmt: skip
# Those of a composer, likewise.
OF_COMPOSERS = frozenset({"form", "step", "transpose", "skip_bad"})
# Those of a recommender beside its rung's and its learner's.
OF_RECOMMENDERS = frozenset({
    "minimum", "neighbours", "recent", "loss", "samples", "exponent", "logq", "regularisation",
})  # fmt: skip
# Those of `evaluate` that translators have beside these.
OF_TRANSLATING = frozenset({
    "source", "target", "replace_unknown", "limit", "truncate", "ensemble", "mean", "tokenize",
})  # fmt: skip
# Those of the search that `evaluate` has.
OF_EVALUATIONS = o.OF_SEARCH | {"replace_unknown", "ensemble", "mean"}


class Commands(Protocol):
    """What the module of every task has; `given` is all that stands on the command line, by
    name."""

    def fit(self, given: Given) -> None:
        """Learn a model and write it to a file."""
        ...

    def evaluate(self, model: Path, sources: list[str], given: Given) -> None:
        """Say how good a model is."""
        ...

    def info(self, model: Path, as_json: bool) -> None:
        """Say what a file holds."""
        ...


@dataclass(frozen=True)
class Task:
    """A task on the command line.

    Args:
        module: where its commands are.
        fit: the options of `fit` that it has beside those of models and of every task.
        evaluate: those of `evaluate`, likewise.
    """

    module: str
    fit: frozenset[str]
    evaluate: frozenset[str]

    def commands(self) -> Commands:
        """The module, imported now: it brings PyTorch."""
        return cast(Commands, import_module(self.module))


TASKS: dict[str, Task] = {
    "generate": Task(
        "catena.cli.generate",
        fit=SEQUENCES | {"stream", "unknown", "minimum"},
        evaluate=SEQUENCES | {"stream"},
    ),
    "classify": Task(
        "catena.cli.classify",
        fit=SEQUENCES | {"unknown", "minimum"} | OF_CLASSIFIERS,
        evaluate=SEQUENCES | {"label", "label_by", "mistakes"},
    ),
    "tag": Task(
        "catena.cli.tag",
        fit=EVENTS | {"columns", "scheme", "repair", "minimum"} | o.OF_TAGGERS,
        evaluate=EVENTS | {"columns", "mistakes"},
    ),
    "caption": Task(
        "catena.cli.caption",
        fit=TEXTS | OF_CAPTIONERS,
        evaluate=TEXTS | {"tokenize"} | o.OF_SEARCH,
    ),
    "translate": Task(
        "catena.cli.translate",
        fit=TEXTS | OF_TRANSLATORS,
        evaluate=TEXTS | o.OF_SEARCH | OF_TRANSLATING,
    ),
    "chat": Task(
        "catena.cli.chat",
        fit=TEXTS | OF_CHATS,
        evaluate=TEXTS | {"tokenize"} | o.OF_SEARCH,
    ),
    "compose": Task(
        "catena.cli.compose",
        fit=TEXTS | OF_COMPOSERS,
        evaluate=TEXTS | {"skip_bad"},
    ),
    "recommend": Task(
        "catena.cli.recommend",
        fit=SESSIONS | OF_RECOMMENDERS,
        evaluate=SESSIONS | {"cutoffs", "last_only"},
    ),
}


def task_named(name: str) -> Task:
    """The task that --task names.

    Raises:
        CatenaError: where there is none of that name.
    """
    if name not in TASKS:
        raise CatenaError(f"--task must be {_listed(list(TASKS))}, not {name!r}")
    return TASKS[name]


def task_of(model: Path) -> str:
    """What the model in a file is for; one of CRFsuite's is a tagger.

    Raises:
        CatenaError: where no command is for it.
    """
    from catena.formats.crfsuite_model import is_crfsuite_model
    from catena.save import load_facts

    kind = "tag" if is_crfsuite_model(model) else load_facts(model)["task"].get("kind")
    if kind not in TASKS:
        raise CatenaError(
            f"{model}: a model for the task {kind!r}, which is used in Python: "
            f"catena.load({str(model)!r})"
        )
    return kind


def refuse_foreign(command: Literal["fit", "evaluate"], name: str, given: Given) -> None:
    """Raise at an option that other tasks have and this one has not."""
    owned = {task: getattr(one, command) for task, one in TASKS.items()}
    for option in given:
        owners = [task for task, own in owned.items() if option in own]
        if owners and name not in owners:
            raise CatenaError(f"{flag(option)} is for --task {_listed(owners)}, not for {name}")


def _listed(names: list[str]) -> str:
    """a, b or c."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
