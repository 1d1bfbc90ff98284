"""Fitted taggers on disk: one safetensors file with what is read, the rung, the labeller and θ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from catena import container
from catena.errors import CatenaError
from catena.kinds import describe
from catena.ladder import HMM, Rung
from catena.ladder.crf import CRF
from catena.ladder.rung import options
from catena.learn import AdaGrad, Count, Gradient, Perceptron
from catena.learn.quasi_newton import QuasiNewton
from catena.save import FORMAT, build, refuse_absurd, restoring, rung_facts, rung_from, task_facts
from catena.space import Vectors
from catena.tasks import neural_tagger
from catena.tasks.counted_hmm import CountedHMM
from catena.tasks.crf_learning import CRFLearner
from catena.tasks.feature_crf import FeatureCRF
from catena.tasks.labeller import Labeller
from catena.tasks.reader import Features, Reader

TASK = "tag"
TagLearner = CRFLearner | Count | Gradient
LEARNERS: dict[str, type[TagLearner]] = {
    learner.kind: learner for learner in (QuasiNewton, AdaGrad, Perceptron, Count, Gradient)
}
# Those that other tasks have no use for, or that have less to them here.
RUNGS: dict[str, type[CRF | HMM]] = {CRF.kind: CRF, HMM.kind: HMM}


def write(
    path: Path,
    rung: CRF | Rung,
    learner: TagLearner,
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
        "rung": describe(rung) if isinstance(rung, CRF) else rung_facts(rung),
        "space": {"kind": labeller.reader.kind, **labeller.reader.describe()},
        "learner": describe(learner),
        "labeller": labeller.describe(),
    }
    container.write(path, labeller.tensors(), facts)


def read(
    path: Path, features: Features, custom: Rung | None
) -> tuple[CRF | Rung, TagLearner, Labeller, dict[str, Any]]:
    """The rung, the learner, the labeller and the facts of the task.

    Args:
        features: the function that reads steps, where one does.
        custom: a Custom rung, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, cut short, foreign, or of another task.
    """
    facts = task_facts(path, TASK)
    tensors, _ = container.read(path)
    with restoring(path):
        learner = _made(LEARNERS, facts["learner"])
        reader = _reader(path, facts["space"], features, tensors)
        rung = custom or _rung(path, facts["rung"], tensors)
        labeller = _labeller(path, rung, reader, facts, tensors)
    return rung, learner, labeller, facts["task"]


def _reader(
    path: Path, described: Mapping[str, Any], features: Features, tensors: Mapping[str, Tensor]
) -> Reader | Vectors:
    refuse_absurd(path, described, tensors)
    if described["kind"] == Vectors.kind:
        return Vectors.from_description(described)
    return Reader.from_description(described, features)


def _rung(path: Path, described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> CRF | Rung:
    if described["kind"] in RUNGS:
        return _made(RUNGS, described)
    return rung_from(described, path, tensors)


def _labeller(
    path: Path,
    rung: CRF | Rung,
    reader: Reader | Vectors,
    facts: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> Labeller:
    described = facts["labeller"]
    if not isinstance(rung, CRF | HMM):
        design = neural_tagger.Design.from_description(facts["task"]["design"])
        return neural_tagger.restore(
            rung, design, reader, described, lambda make: build(path, make, tensors)
        )
    if not isinstance(reader, Reader):
        raise CatenaError(f"a {rung.kind} reads no measurements")
    if isinstance(rung, CRF):
        return FeatureCRF.restore(reader, described, tensors)
    return CountedHMM.restore(reader, described)


def _made(kinds: Mapping[str, Any], described: Mapping[str, Any]) -> Any:
    """The rung or learner that a file describes."""
    if described["kind"] not in kinds:
        raise CatenaError(f"holds a {described['kind']!r} that this catena does not know")
    kind = kinds[described["kind"]]
    chosen = {name: value for name, value in described.items() if name != "kind"}
    if unknown := set(chosen) - set(options(kind)):
        raise CatenaError(f"{kind.kind} has no option {', '.join(sorted(unknown))}")
    return kind(**chosen)
