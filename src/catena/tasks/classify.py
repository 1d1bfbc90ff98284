"""Classifier: which label, or which labels, does this whole sequence have?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import asdict, dataclass
from operator import eq
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from catena.errors import CatenaError
from catena.ladder import HMM, Markov, Rung
from catena.ladder.encoder import Encodes
from catena.ladder.rung import one_of
from catena.learn import History, Learner, Progress, Run, learner_for
from catena.metrics import Confusion, LabelError, Scores, confusion, label_errors
from catena.metrics.scores import scores_of
from catena.save import (
    learner_from,
    load_module,
    pack,
    restoring,
    rung_facts,
    save_model,
    space_from,
    task_facts,
)
from catena.sequences import Sequences
from catena.space import Space, Symbols, Unit, UnknownPolicy, check_varied
from catena.summary import SUMMARIES, summary_for
from catena.tasks.calibration import temperature
from catena.tasks.class_learning import Examples, learn_each, learn_network
from catena.tasks.class_models import Discriminative, Generative, log_probabilities
from catena.tasks.estimator import Estimator, weights_of
from catena.tasks.generate import encode, learn_space
from catena.tasks.influence_plot import draw
from catena.tasks.labels import ClassWeight, Label, Labels, as_sets, check, items, lone

TASK = "classify"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good the labels of some data are.

    Args:
        accuracy: the share of sequences whose label is right; of sets of labels, exactly right.
        scores: precision, recall and F1 of every label, and their means.
        confusion: which label was taken for which; None where a sequence may have several.
        errors: every sequence that is not right, several labels joined by commas.
        unseen: labels that were not there in training; a sequence of such a one counts as wrong.
        sequences: how many there are.
    """

    accuracy: float
    scores: Scores
    confusion: Confusion | None
    errors: list[LabelError]
    unseen: tuple[Label, ...]
    sequences: int

    @property
    def macro_f1(self) -> float:
        """The mean F1 over labels, each of the same weight."""
        return self.scores.macro.f1


class Classifier(Estimator):
    """Tells the label of a whole sequence, over any rung that fits.

    Markov chains and hidden Markov models are learned one a class, from its own sequences, and
    Bayes' rule turns p(x given class) into p(class given x). Every other rung reads the sequence,
    sums its steps up in one vector, and a linear head on that scores the classes.

    Args:
        rung: the kind of model, e.g. `LSTM(units=128, bidirectional=True)`.
        summary: of rungs learned by gradient, how steps become one vector: "last", "mean", "max"
            or "attention".
        class_weight: what a sequence counts by its label: a dict, or "balanced" for classes of
            the same weight. Of a model a class, it changes the classes' prior probabilities. Where
            a sequence has several labels, the product of theirs, as scikit-learn weighs them.
        calibrate: divide the scores by the temperature that suits held-out data best, so that
            `predict_proba` can be believed.
        space: what an observation is; learned from all of the data unless given.
        unit, unknown, minimum: as in `Generator`.
        learner: how θ is found; the rung's own way unless given.
        seed: owns every random draw of `fit`.

    After `fit`: `classes_`, `space_`, `model_`, `learner_`, `history_`, `temperature_`.

    X is a list of texts, a list of lists of items, a list of arrays, an (X, lengths) pair, or
    `Sequences`; a list may as well be a column of NumPy, pandas, Polars or Arrow. y
    has a string or a whole number for each, or a set of them, possibly empty, where a sequence may
    have several labels; then predictions are sets. An array of 0 and 1 `[n, classes]` does as well:
    `classes_` are the numbers of its columns, and predictions such arrays.

    >>> from catena import Classifier, Markov
    >>> model = Classifier(Markov(order=1, smoothing="add"))
    >>> model.fit(["aba", "abab", "bbba", "bb"], ["up", "up", "down", "down"]).predict(["ababa"])
    array(['up'], dtype='<U4')
    """

    _estimator_type: ClassVar[str | None] = "classifier"

    def __init__(
        self,
        rung: Rung,
        *,
        summary: str = "last",
        class_weight: ClassWeight = None,
        calibrate: bool = False,
        space: Space | None = None,
        unit: Unit = "char",
        unknown: UnknownPolicy = "replace",
        minimum: int = 1,
        learner: Learner | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.summary = rung, summary
        self.class_weight, self.calibrate, self.space = class_weight, calibrate, space
        self.unit: Unit = unit
        self.unknown: UnknownPolicy = unknown
        self.minimum, self.learner, self.seed = minimum, learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        valid: tuple[Any, Any] | None = None,
        *,
        sample_weight: Any = None,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Classifier:
        """Learn from labelled sequences.

        Args:
            valid: (X, y) held out, which says when to stop and what to keep.
            sample_weight: `[n]`, what each sequence counts: 2 is as good as having it twice.
            report, checkpoint, resume: as in `Generator.fit`.

        Raises:
            CatenaError: when X and y do not fit one another, the space or the rung.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        one_of("summary", self.summary, SUMMARIES)
        if self.calibrate and valid is None:
            raise CatenaError("calibrate needs held-out data: fit(X, y, valid=(X, y))")
        self._labels = Labels.learn(y)
        self.classes_ = np.array(self._labels.names)
        self.space_ = self.space or learn_space(_many(X), self.unit, self.unknown, self.minimum)
        self.learner_ = self.learner or learner_for(self.rung)()
        train = self._examples(X, y, sample_weight)
        check_varied(self.space_, train.sequences)
        held_out = None if valid is None else self._examples(*valid)
        run = Run(self.seed, report, checkpoint, resume, self._job())
        self.model_, self.history_ = self._learn(train, held_out, run)
        self.history_.notes[:0] = self._rare(train.targets)
        self.temperature_ = 1.0
        if self.calibrate and held_out is not None:
            scores = self.model_.scores(held_out.sequences)
            self.temperature_ = temperature(scores, held_out.targets, self._labels.many)
        return self._end()

    # -- using ------------------------------------------------------------------------------

    def predict(self, X: Any) -> Any:
        """The likeliest label of every sequence `[n]`; of several, the set of the likely ones, or
        where `fit` was given a matrix of 0 and 1, such a one `[n, classes]`."""
        scores = self._scores(X)
        return self._labels.decode(scores > 0 if self._labels.many else scores.argmax(1))

    def predict_proba(self, X: Any) -> np.ndarray:
        """p(label given its sequence), `[n, classes]` in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """log p(label given its sequence) in nats, `[n, classes]`."""
        return self._log_p(self._scores(X)).numpy()

    def decision_function(self, X: Any) -> np.ndarray:
        """What the classes score before they are made probabilities, `[n, classes]`: of a model a
        class log p(class, x) in nats. Of two classes, as scikit-learn has it, how much more the
        second one does, `[n]`."""
        scores = self._scores(X).numpy()
        if self._labels.many or scores.shape[1] != 2:
            return scores
        return scores[:, 1] - scores[:, 0]

    def encode(self, X: Any) -> np.ndarray:
        """The vector that sums every sequence up, `[n, features]`; of a model a class, log p(x
        given class) in nats, `[n, classes]`."""
        return self._model().summaries(self._encode(X)).numpy()

    def transform(self, X: Any) -> np.ndarray:
        """The same as `encode`, under the name that scikit-learn's pipelines call."""
        return self.encode(X)

    def attention(self, X: Any) -> list[np.ndarray]:
        """What each step of every sequence counts in its summary; the steps of one sum to 1.

        Raises:
            CatenaError: when the summary is another than "attention".
        """
        model, encoded = self._model(), self._encode(X)
        weights = model.attention(encoded) if isinstance(model, Discriminative) else None
        if weights is None:
            raise CatenaError("attention needs a rung learned by gradient and summary='attention'")
        return [row.numpy() for row in weights]

    def influence(self, X: Any) -> list[np.ndarray]:
        """What every step does for each label, `[length, classes]` a sequence: by how many nats log
        p(label given its sequence) would be lower if that step were left out.

        A sequence of n steps is judged n times anew.
        """
        model, encoded = self._model(), self._encode(X)
        whole = self._log_p(model.scores(encoded))
        found = []
        for own, sequence in zip(whole, encoded, strict=True):
            without = self._log_p(model.scores(_left_out(sequence)))
            same = without == own  # a label that is impossible with the step and without it
            found.append(torch.where(same, 0.0, own - without).numpy())
        return found

    def draw(self, path: str | Path, sequence: Any, label: Any = None) -> None:
        """Write a picture of what every step of one sequence says for a label, as `influence` has
        it; for its likeliest one unless given. The path ends in .png, .svg or .pdf.

        Raises:
            CatenaError: for a label that there is not, and a format that cannot be written.
        """
        influence, encoded = self.influence([sequence])[0], self._encode([sequence])
        names = self._labels.names
        if label is None:
            label = names[int(self._model().scores(encoded)[0].argmax())]
        if label not in names:
            raise CatenaError(f"the label {label!r} was not seen in training")
        steps = [str(step + 1) for step in range(len(influence))]
        if isinstance(self.space_, Symbols):
            steps = [self.space_.name(number) for number in encoded.values.tolist()]
        draw(Path(path), influence[:, names.index(label)], steps, f"for and against {label}")

    @property
    def several(self) -> bool:
        """Whether a sequence may have several labels."""
        return self._labels.many

    # -- measuring --------------------------------------------------------------------------

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of sequences whose label, or whose set of labels, is right."""
        gold, found = self._both(X, y)
        right = list(map(eq, gold, found))
        weights = None if sample_weight is None else weights_of(sample_weight, len(gold)).numpy()
        return float(np.average(right, weights=weights)) if right else 0.0

    def evaluate(self, X: Any, y: Any) -> Evaluation:
        """How good the predicted labels are, beside y."""
        gold, found = self._both(X, y)
        many = self._labels.many
        sets = [[row if many else {row} for row in rows] for rows in (gold, found)]
        names = [[", ".join(sorted(map(str, row))) for row in rows] for rows in sets]
        both = [one & other for one, other in zip(*sets, strict=True)]
        named = [[str(label) for row in rows for label in row] for rows in (both, *sets[::-1])]
        unseen = {label for row in sets[0] for label in row} - set(self._labels.names)
        return Evaluation(
            accuracy=sum(map(eq, gold, found)) / max(len(gold), 1),
            scores=scores_of(*named),
            confusion=None if many else confusion(*names),
            errors=label_errors(*names),
            unseen=tuple(sorted(unseen, key=str)),
            sequences=len(gold),
        )

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        self._check_unchanged()
        model, weight = self._model(), self.class_weight
        plain = ("summary", "calibrate", "unit", "unknown", "minimum", "seed")
        task = {
            "kind": TASK,
            **{name: getattr(self, name) for name in plain},
            "class_weight": _pairs(weight) if isinstance(weight, Mapping) else weight,
            "labels": asdict(self._labels),
            "learned_space": self.space is None,
            "history": asdict(self.history_),
            "temperature": self.temperature_,
        }
        save_model(Path(path), model, pack(self.rung, self.space_, self.learner_, task))

    # -- inside -----------------------------------------------------------------------------

    def _learn(
        self, train: Examples, valid: Examples | None, run: Run
    ) -> tuple[Generative | Discriminative, History]:
        rung, learner, space, labels = self.rung, self.learner_, self.space_, self._labels
        if is_generative(rung):
            if labels.many:
                raise CatenaError(f"a {rung.kind} a class gives a sequence one label, not a set")
            return learn_each(rung, learner, space, labels, train, valid, run)
        if not len(train.sequences) or not train.sequences.total:
            raise CatenaError("all sequences are empty: there is nothing to learn from")
        return learn_network(
            lambda: network(rung, space, self.summary, labels), learner, train, valid, run
        )

    def _job(self) -> dict[str, Any]:
        names = list(self._labels.names)
        return {"rung": rung_facts(self.rung), "summary": self.summary, "labels": names}

    def _examples(self, X: Any, y: Any, sample_weight: Any = None) -> Examples:
        encoded, labels = self._encode(X), self._labels
        _check_paired(encoded, items(y))
        targets = labels.encode(y)
        weights, copies = labels.weights(targets, self.class_weight), None
        if sample_weight is not None:
            copies = weights_of(sample_weight, len(weights))
            weights = weights * copies
        if not float(weights.sum()) > 0:
            raise CatenaError("all weights are zero: there is nothing to learn from")
        return Examples(encoded, targets, weights / weights.mean(), copies)

    def _rare(self, targets: Tensor) -> list[str]:
        """A note on every class that a single example stands for."""
        names = self._labels.names
        counts = targets if self._labels.many else one_hot(targets, len(names))
        pairs = zip(names, counts.sum(0).tolist(), strict=True)
        return [lone(name) for name, count in pairs if count == 1]

    def _both(self, X: Any, y: Any) -> tuple[list[Any], list[Any]]:
        """The labels that are, and those that are predicted."""
        gold, found = items(y), items(self.predict(X))
        _check_paired(found, gold)
        if self._labels.many:
            return [set(row) for row in as_sets(gold)], found
        return check(gold), found

    def _model(self) -> Generative | Discriminative:
        self._check_fitted()
        return self.model_

    def _restored(self, path: Path) -> Classifier:
        return load(path, self.rung)

    def _scores(self, X: Any) -> Tensor:
        return self._model().scores(self._encode(X))

    def _log_p(self, scores: Tensor) -> Tensor:
        return log_probabilities(scores / self.temperature_, self._labels.many)

    def _encode(self, X: Any) -> Sequences:
        return encode(self.space_, _many(X), numbered=self.space is not None)


def is_generative(rung: Rung) -> bool:
    """Whether a rung tells classes apart by a model of each."""
    return isinstance(rung, (Markov, HMM))


def network(rung: Rung, space: Space, summary: str, labels: Labels) -> Discriminative:
    """A network of this rung that tells labels apart, its parameters not yet learned.

    Raises:
        CatenaError: when the rung cannot read whole sequences.
    """
    if not isinstance(rung, Encodes):
        raise CatenaError(f"{type(rung).__name__} cannot classify: it has no encoder(space)")
    encoder = rung.encoder(space)
    reading = summary_for(summary, encoder.width, encoder.both_ways)
    return Discriminative(encoder, reading, len(labels.names), labels.many)


def load(path: str | Path, rung: Rung | None = None) -> Classifier:
    """A fitted Classifier from its file.

    Args:
        rung: needed for a Custom rung, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    task_facts(path, TASK)
    model, rung, facts = load_module(path, _module, rung)
    with restoring(path):
        return _classifier(model, rung, facts)


def _module(rung: Rung, space: Space, task: Mapping[str, Any]) -> Generative | Discriminative:
    labels = _labels(task)
    if is_generative(rung):
        return Generative([rung.build(space) for _ in labels.names])
    return network(rung, space, task["summary"], labels)


def _labels(task: Mapping[str, Any]) -> Labels:
    found = task["labels"]
    return Labels(tuple(found["names"]), found["many"], found.get("indicator", False))


def _classifier(
    model: Generative | Discriminative, rung: Rung, facts: Mapping[str, Any]
) -> Classifier:
    """A Classifier of what a file holds."""
    task, space = facts["task"], space_from(facts["space"])
    weight = task["class_weight"]
    made = Classifier(
        rung,
        summary=task["summary"],
        class_weight=dict(map(tuple, weight)) if isinstance(weight, list) else weight,
        calibrate=task["calibrate"],
        space=None if task["learned_space"] else space,
        unit=task["unit"],
        unknown=task["unknown"],
        minimum=task["minimum"],
        learner=learner_from(facts["learner"]),
        seed=task["seed"],
    )
    made._labels = _labels(task)
    made.classes_ = np.array(made._labels.names)
    made.space_, made.model_, made.learner_ = space, model, learner_from(facts["learner"])
    made.history_, made.temperature_ = History(**task["history"]), float(task["temperature"])
    return made._end()


def _pairs(weight: Mapping[Any, float]) -> list[tuple[Label, float]]:
    """A dict as JSON can hold it, whose own keys are strings."""
    return list(zip(items(list(weight)), map(float, weight.values()), strict=True))


def _many(X: Any) -> Any:
    """Sequences in a form that spaces take; one text alone is refused."""
    if isinstance(X, (str, bytes)):
        raise CatenaError("a text is one sequence: wrap it in a list to classify it")
    return X


def _left_out(sequence: Tensor) -> Sequences:
    """For each of n steps, the sequence without it."""
    count = len(sequence)
    kept = torch.arange(count).expand(count, count)[~torch.eye(count, dtype=torch.bool)]
    return Sequences(sequence[kept], torch.full((count,), count - 1))


def _check_paired(sequences: Sized, labels: Sized) -> None:
    if len(sequences) != len(labels):
        raise CatenaError(
            f"{len(sequences)} sequences, but labels for {len(labels)}: each sequence needs one"
        )
