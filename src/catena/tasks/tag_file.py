"""Fitted taggers on disk: one safetensors file with what is read, the rung, the labeller and θ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from catena import container
from catena.errors import CatenaError
from catena.ladder import HMM
from catena.ladder.crf import CRF
from catena.ladder.rung import options
from catena.learn import Count
from catena.learn.adagrad import AdaGrad
from catena.learn.perceptron import Perceptron
from catena.learn.quasi_newton import QuasiNewton
from catena.save import FORMAT, load_facts
from catena.tasks.counted_hmm import CountedHMM
from catena.tasks.crf_learning import CRFLearner
from catena.tasks.feature_crf import FeatureCRF
from catena.tasks.labeller import Labeller
from catena.tasks.reader import Features, Reader

TASK = "tag"
RUNGS: dict[str, type[CRF | HMM]] = {CRF.kind: CRF, HMM.kind: HMM}
LEARNERS: dict[str, type[CRFLearner | Count]] = {
    learner.kind: learner for learner in (QuasiNewton, AdaGrad, Perceptron, Count)
}


def write(
    path: Path,
    rung: CRF | HMM,
    learner: CRFLearner | Count,
    labeller: Labeller,
    task: Mapping[str, Any],
) -> None:
    """Write a labeller and all that is known of it, atomically.

    Raises:
        CatenaError: when the file cannot be written; what was there before is then unharmed.
    """
    facts = {
        "format": FORMAT,
        "task": {"kind": TASK, **task},
        "rung": {"kind": rung.kind, **asdict(rung)},
        "space": {"kind": "tokens", **labeller.reader.describe()},
        "learner": {"kind": learner.kind, **asdict(learner)},
        "labeller": labeller.describe(),
    }
    container.write(path, labeller.tensors(), facts)


def read(
    path: Path, features: Features
) -> tuple[CRF | HMM, CRFLearner | Count, Labeller, dict[str, Any]]:
    """The rung, the learner, the labeller and the facts of the task.

    Args:
        features: the function that reads steps, where one does.

    Raises:
        CatenaError: when the file is damaged, cut short, foreign, or of another task.
    """
    facts = load_facts(path)
    if facts["task"].get("kind") != TASK:
        raise CatenaError(
            f"{path}: a model for the task {facts['task'].get('kind')!r}, not {TASK!r}"
        )
    tensors, _ = container.read(path)
    try:
        rung, learner = _made(RUNGS, facts["rung"]), _made(LEARNERS, facts["learner"])
        reader = Reader.from_description(facts["space"], features)
        if isinstance(rung, CRF):
            labeller = FeatureCRF.restore(reader, facts["labeller"], tensors)
        else:
            labeller = CountedHMM.restore(reader, facts["labeller"])
    except CatenaError as error:
        raise CatenaError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        raise CatenaError(f"{path}: damaged: {' '.join(str(error).split())[:300]}") from error
    return rung, learner, labeller, facts["task"]


def _made(kinds: Mapping[str, Any], described: Mapping[str, Any]) -> Any:
    """The rung or learner that a file describes."""
    if described["kind"] not in kinds:
        raise CatenaError(f"holds a {described['kind']!r} that this catena does not know")
    kind = kinds[described["kind"]]
    chosen = {name: value for name, value in described.items() if name != "kind"}
    if unknown := set(chosen) - set(options(kind)):
        raise CatenaError(f"{kind.kind} has no option {', '.join(sorted(unknown))}")
    return kind(**chosen)
