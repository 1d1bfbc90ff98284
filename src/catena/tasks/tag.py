"""Tagger: a label for every step of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AnySet
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.ladder import HMM
from catena.ladder.crf import CRF
from catena.ladder.rung import whole
from catena.learn import Count, History, Progress, Run
from catena.learn.adagrad import AdaGrad
from catena.learn.perceptron import Perceptron
from catena.learn.quasi_newton import QuasiNewton
from catena.linear_chain import LinearChain
from catena.metrics import accuracy
from catena.schemes import check, constraints, scheme_of
from catena.sequences import Sequences
from catena.tasks import tag_file
from catena.tasks.counted_hmm import learn_hmm
from catena.tasks.crf_learning import (
    Corpus,
    CRFLearner,
    HeldOut,
    Known,
    Memory,
    go_on,
    learn_crf,
    memory_of,
)
from catena.tasks.estimator import Estimator
from catena.tasks.feature_crf import FeatureCRF
from catena.tasks.feature_plot import draw
from catena.tasks.judging import TagEvaluation, judge
from catena.tasks.labeller import Labeller
from catena.tasks.reader import Features, Reader, Sentence, checked


class TagPath(NamedTuple):
    """The labels of one sentence, and how probable they are together."""

    labels: list[str]
    probability: float


class Tagger(Estimator):
    """A label for every token of a sentence.

    Args:
        rung: `CRF(...)`, learned from the attributes of tokens; or `HMM()`, whose states are the
            labels, counted from words alone.
        features: what a CRF reads: None for a rich choice over the word and its columns; the text
            of a CRF++ or Wapiti template, or the `Path` of one; or a function (sentence, i) -> the
            attributes of step i. Where tokens are lists or dicts, they are attributes already.
        scheme: "IOB1", "IOB2", "IOBES" or "BILOU": only valid tags are predicted.
        learner: how a CRF is learned, for how long and how exactly: `QuasiNewton(...)`, L-BFGS or
            OWL-QN; `AdaGrad(...)` for data too large for that; `Perceptron(...)`.
        seed: owns every random draw of `fit`.

    After `fit`: `labels_` (sorted), `labeller_`, `chain_`, `learner_`, `history_`, `columns_`.

    A sentence is a list of tokens; a token is a string, a tuple of columns that begins with the
    word, or the attributes of a step as CRFsuite takes them. Sentences may be empty.

    >>> from catena import CRF, Tagger
    >>> X, y = [["the", "dog"], ["a", "cat"], ["cats"]], [["D", "N"], ["D", "N"], ["N"]]
    >>> Tagger(CRF(l2=0.1)).fit(X, y).predict([["the", "cats"], []])
    [['D', 'N'], []]
    """

    def __init__(
        self,
        rung: CRF | HMM,
        features: Features = None,
        scheme: str | None = None,
        learner: CRFLearner | Count | None = None,
        seed: int = 0,
    ) -> None:
        self.rung, self.features, self.scheme = rung, features, scheme
        self.learner, self.seed = learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        X: Iterable[Sentence],
        y: Iterable[Sequence[Known]],
        valid: tuple[Iterable[Sentence], Iterable[Sequence[str]]] | None = None,
        *,
        sample_weight: Any = None,
        columns: Sequence[str] | None = None,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Tagger:
        """Learn from sentences and their labels.

        Args:
            y: the labels of every sentence. Where a CRF is to learn from what is partly known, a
                token has a set of labels, one of which is right, or None, which says nothing: the
                probability of all paths within the sets is learned from.
            valid: (X, y) held out: a CRF's weights are judged by their span F1 there, or by their
                accuracy where labels mark no spans; the best ones are kept, and learning stops
                once they grow no better.
            sample_weight: `[n]`, how much each sentence counts for a CRF.
            columns: the names of a file's columns, which stay with the model.
            report: is told of the progress.
            checkpoint: where unfinished work is kept; `resume` goes on from it.

        Raises:
            CatenaError: when there is nothing to learn from, labels and tokens differ in number,
                or tags are invalid in the scheme.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        learner = self._learner()
        corpus = self._corpus(X, y, sample_weight)
        reader = Reader.learn(self.features, corpus.sentences)
        run = Run(self.seed, report, checkpoint, resume)
        if isinstance(self.rung, CRF):
            assert not isinstance(learner, Count)
            found = learn_crf(self.rung, learner, reader, corpus, run, self._held_out(valid))
        else:
            self._refuse(corpus, sample_weight, valid)
            found = *learn_hmm(reader, corpus.sentences, _certain(corpus)), None
        self.learner_, self.columns_ = learner, None if columns is None else tuple(columns)
        self._take(*found)
        return self

    def partial_fit(
        self, X: Iterable[Sentence], y: Iterable[Sequence[Known]], *, sample_weight: Any = None
    ) -> Tagger:
        """Learn from more sentences, without those before: a pass over them in their order.

        An HMM's counts are added to. A CRF goes on with `AdaGrad` or `Perceptron`, from `fit` or
        the last `partial_fit`; a loaded one, or one whose weights held-out data or another learner
        chose, goes on from its weights alone. New attributes and labels are learned like known
        ones. What a CRF reads is settled by the first sentences.

        Args:
            y, sample_weight: as in `fit`.

        Raises:
            CatenaError: as `fit`; and for a CRF learned by `QuasiNewton`, which needs all data at
                once, or with a `minimum`, which counts over all data.
        """
        learner = self._learner()
        corpus = self._corpus(X, y, sample_weight)
        before = self._before()
        reader = before.reader if before else Reader.learn(self.features, corpus.sentences)
        history = self.history_ if before else None
        if isinstance(self.rung, CRF):
            assert not isinstance(learner, Count)
            online = self._online(learner)
            memory = self._memory_for(online, before)
            found = go_on(self.rung, online, reader, corpus, memory, history)
        else:
            self._refuse(corpus, sample_weight, None)
            hmm = learn_hmm(reader, corpus.sentences, _certain(corpus), before, history)
            found = *hmm, None
        self.learner_, self.columns_ = learner, getattr(self, "columns_", None)
        self._take(*found)
        return self

    # -- labelling --------------------------------------------------------------------------

    def predict(self, X: Iterable[Sentence]) -> list[list[str]]:
        """The most probable labels of every sentence (Viterbi).

        Raises:
            CatenaError: at a token that is not like those of training.
        """
        paths, _ = self._chain().viterbi(self._scores(X))
        return [[self.labels_[i] for i in path.tolist()] for path in paths]

    def predict_proba(self, X: Iterable[Sentence]) -> list[np.ndarray]:
        """p(label of each token given the sentence): an array `[m, L]` for each sentence, in the
        order of `labels_`; raises as `predict`."""
        return [found.numpy() for found in self._chain().marginals(self._scores(X))]

    def n_best(self, X: Iterable[Sentence], k: int) -> list[list[TagPath]]:
        """The k most probable paths of every sentence, the best first; fewer where there are not
        so many. Raises as `predict`, and for a k below 1."""
        found = self._chain().k_best(self._scores(X), k)
        rows = zip(found.paths, found.log_probs.exp().tolist(), found.scores, strict=True)
        return [
            [
                TagPath([self.labels_[i] for i in path], p)
                for path, p, score in zip(paths.T.tolist(), each, scores.tolist(), strict=True)
                if score > -np.inf
            ]
            for paths, each, scores in rows
        ]

    # -- measuring --------------------------------------------------------------------------

    def score(self, X: Iterable[Sentence], y: Iterable[Sequence[str]]) -> float:
        """The share of tokens whose label is right."""
        sentences = checked(X)
        return accuracy(_labels(sentences, y), self.predict(sentences))

    def evaluate(
        self,
        X: Iterable[Sentence],
        y: Iterable[Sequence[str]],
    ) -> TagEvaluation:
        """Accuracy, span F1 and the figures of every label; labels not seen in training count as
        wrong."""
        sentences = checked(X)
        gold = _labels(sentences, y)
        return judge(gold, self.predict(sentences), self.labels_)

    def top_features(self, k: int = 10) -> str:
        """The k attributes that weigh most for or against each label, as text.

        Raises:
            CatenaError: when the rung has no weights of attributes.
        """
        lines = []
        for label, weighed in self._heaviest(k):
            lines += [label, *(f"{weight:+9.4f}  {name}" for weight, name in weighed)]
        return "\n".join(lines)

    def draw_top_features(self, path: str | Path, k: int = 10) -> None:
        """The same as a picture: a panel for each label, a bar for each attribute.

        Args:
            path: a .png, .svg or .pdf.

        Raises:
            CatenaError: as `top_features`, and for another suffix.
        """
        draw(Path(path), self._heaviest(k))

    def _heaviest(self, k: int) -> list[tuple[str, list[tuple[float, str]]]]:
        self._chain()
        if not isinstance(self.labeller_, FeatureCRF):
            raise CatenaError(f"{self.rung.kind} has no weights of attributes; a CRF has")
        whole("k", k, 1)
        return list(self.labeller_.heaviest(k))

    # -- keeping ----------------------------------------------------------------------------

    def using(
        self,
        labeller: Labeller,
        learner: CRFLearner | Count,
        history: History,
        columns: Sequence[str] | None = None,
    ) -> Tagger:
        """Make this labeller, which was learned elsewhere, the model that labels.

        Args:
            learner, history: how it was found.
            columns: the names of a file's columns, where it learned from one.

        Raises:
            CatenaError: when its labels are not of the scheme.
        """
        self.learner_, self.columns_ = learner, None if columns is None else tuple(columns)
        self._take(labeller, history, None)
        return self

    def save(self, path: str | Path) -> None:
        """Write the fitted tagger to one file."""
        self._chain()
        task = {
            "scheme": self.scheme,
            "seed": self.seed,
            "columns": self.columns_,
            "history": asdict(self.history_),
        }
        tag_file.write(Path(path), self.rung, self.learner_, self.labeller_, task)

    # -- inside -----------------------------------------------------------------------------

    def _learner(self) -> CRFLearner | Count:
        """How the rung is learned."""
        if isinstance(self.rung, HMM):
            return self._count()
        if not isinstance(self.rung, CRF):
            raise CatenaError(f"a Tagger is a CRF or an HMM, not {self.rung!r}")
        learner = self.learner or QuasiNewton()
        if isinstance(learner, Perceptron | AdaGrad):
            if isinstance(learner, Perceptron) and self.rung.l1:
                raise CatenaError("a perceptron has no penalties: leave l1 out, or take AdaGrad")
            return learner
        if not isinstance(learner, QuasiNewton):
            raise CatenaError(
                f"a CRF is learned by QuasiNewton, AdaGrad or Perceptron, not by {learner!r}"
            )
        for name in ("l1", "l2"):
            if getattr(learner, name) not in (0.0, getattr(self.rung, name)):
                raise CatenaError(f"{name} belongs to the rung: CRF({name}=...)")
        return replace(learner, l1=self.rung.l1, l2=self.rung.l2)

    def _online(self, learner: CRFLearner) -> Perceptron | AdaGrad:
        """The learner, once it is known to learn from data piece by piece."""
        if isinstance(learner, QuasiNewton):
            raise CatenaError(
                "L-BFGS needs all data at once: fit, or take learner=AdaGrad() or Perceptron() for "
                "partial_fit"
            )
        if isinstance(self.rung, CRF) and self.rung.minimum > 1:
            raise CatenaError(
                "minimum counts over all data, of which partial_fit sees a part: leave it at 1"
            )
        return learner

    def _before(self) -> Labeller | None:
        """What there is to go on from: nothing, unless it is of the rung."""
        found: Labeller | None = getattr(self, "labeller_", None)
        return found if isinstance(found, FeatureCRF) == isinstance(self.rung, CRF) else None

    def _memory_for(self, learner: Perceptron | AdaGrad, before: Labeller | None) -> Memory | None:
        """What the learner goes on from."""
        if not isinstance(before, FeatureCRF):
            return None
        memory: Memory | None = getattr(self, "_memory", None)
        if memory is not None and memory.learner == learner.kind:
            return memory
        return memory_of(before, learner.kind)

    def _corpus(
        self, X: Iterable[Sentence], y: Iterable[Sequence[Known]], sample_weight: Any
    ) -> Corpus:
        """What there is to learn from, checked."""
        sentences = checked(X)
        labels = _known_labels(sentences, y)
        if self.scheme is not None:
            certain = [row if _all_known(row) else [] for row in labels]
            check(certain, self._scheme(self.scheme))  # type: ignore[arg-type]
        return Corpus(sentences, labels, _weights(sample_weight, len(sentences)))

    def _held_out(
        self, valid: tuple[Iterable[Sentence], Iterable[Sequence[str]]] | None
    ) -> HeldOut | None:
        if valid is None:
            return None
        sentences = checked(valid[0])
        if not any(map(len, sentences)):
            raise CatenaError("the held-out data has no token; leave valid out, or give it some")
        return HeldOut(sentences, _labels(sentences, valid[1]), self._constrained)

    @staticmethod
    def _refuse(corpus: Corpus, sample_weight: Any, valid: Any) -> None:
        """What only a CRF learns from."""
        if sample_weight is not None:
            raise CatenaError("an HMM counts every sentence once; weights are for a CRF")
        if valid is not None:
            raise CatenaError("an HMM is counted: held-out data has nothing to stop; leave it out")
        for i, row in enumerate(corpus.labels):
            if not _all_known(row):
                raise CatenaError(
                    f"sentence {i + 1}: an HMM counts labels, and here some are not known; leave "
                    "the sentence out, or take a CRF",
                    i,
                )

    def _count(self) -> Count:
        if self.rung != HMM():
            raise CatenaError("the states of a tagging HMM are the labels: write HMM()")
        if self.features is not None:
            raise CatenaError("an HMM reads words alone: leave features out, or take a CRF")
        if not isinstance(self.learner, Count | None):
            raise CatenaError(f"a tagging HMM is learned by Count, not by {self.learner!r}")
        return Count()

    def _take(self, labeller: Labeller, history: History, memory: Memory | None) -> None:
        """Make what was learned the model that labels."""
        self.history_, self._memory = history, memory
        self._use(labeller)

    def _use(self, labeller: Labeller) -> None:
        """Make this the model that labels."""
        self.labeller_, self.labels_ = labeller, list(labeller.labels)
        self.chain_ = self._constrained(labeller.chain, labeller.labels)

    def _constrained(self, chain: LinearChain, labels: Sequence[str]) -> LinearChain:
        """The chain, with the paths that are not valid in the scheme forbidden."""
        if self.scheme is None:
            return chain
        return chain.constrained(*constraints(labels, self._scheme(self.scheme)))

    @staticmethod
    def _scheme(name: str) -> str:
        return scheme_of(name.upper()).name

    def _chain(self) -> LinearChain:
        if not hasattr(self, "chain_"):
            raise CatenaError("this Tagger is not fitted yet: call fit first")
        return self.chain_

    def _scores(self, X: Iterable[Sentence]) -> Sequences:
        return self.labeller_.scores(checked(X))


def load_tagger(path: str | Path, features: Features = None) -> Tagger:
    """A fitted Tagger from its file.

    Args:
        features: needed where a function reads the steps, since no file holds code.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    rung, learner, labeller, task = tag_file.read(path, features)
    reader = labeller.reader
    given = reader.function if reader.function is not None else reader.text
    try:
        alone = replace(learner, l1=0.0, l2=0.0) if isinstance(learner, QuasiNewton) else learner
        made = Tagger(rung, given, task["scheme"], alone, task["seed"])
        return made.using(labeller, learner, History(**task["history"]), task["columns"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CatenaError(f"{path}: damaged: {error}") from error


def _labels(sentences: Sequence[Sentence], y: Iterable[Sequence[str]]) -> list[list[str]]:
    """Labels as lists, once each sentence is known to have as many as tokens."""
    rows = _rows(sentences, y)
    for i, row in enumerate(rows):
        for step, label in enumerate(row):
            if not isinstance(label, str):
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: the label {label!r} is no string", i, step
                )
    return rows


def _known_labels(sentences: Sequence[Sentence], y: Iterable[Sequence[Known]]) -> list[list[Known]]:
    """The same, where tokens may have sets of labels or None."""
    rows = _rows(sentences, y)
    for i, row in enumerate(rows):
        for step, known in enumerate(row):
            if known is None or isinstance(known, str):
                continue
            if not isinstance(known, AnySet) or not all(isinstance(x, str) for x in known):
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: the label {known!r} is no string, set of "
                    "strings, or None",
                    i,
                    step,
                )
            if not known:
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: an empty set allows no label; None "
                    "allows any",
                    i,
                    step,
                )
            row[step] = frozenset(known)
    return rows


def _rows(sentences: Sequence[Sentence], y: Iterable[Sequence[Any]]) -> list[list[Any]]:
    rows = [list(row) for row in y]
    if len(rows) != len(sentences):
        raise CatenaError(f"{len(sentences)} sentences, but labels for {len(rows)}")
    for i, (sentence, row) in enumerate(zip(sentences, rows, strict=True)):
        if len(sentence) != len(row):
            raise CatenaError(
                f"sentence {i + 1} has {len(sentence)} tokens, but {len(row)} labels", i
            )
    return rows


def _all_known(row: Sequence[Known]) -> bool:
    return all(isinstance(known, str) for known in row)


def _certain(corpus: Corpus) -> list[list[str]]:
    """Labels that are all known."""
    return [[label for label in row if isinstance(label, str)] for row in corpus.labels]


def _weights(given: Any, count: int) -> Tensor:
    """float64 `[count]`, 1 unless given."""
    if given is None:
        return torch.ones(count, dtype=torch.float64)
    weights = torch.as_tensor(np.asarray(given, np.float64))
    if weights.shape != (count,):
        raise CatenaError(
            f"sample_weight has the shape {list(weights.shape)}, where there are {count} sentences"
        )
    if not bool((weights.isfinite() & (weights >= 0)).all()) or not bool(weights.any()):
        raise CatenaError("sample_weight must be finite, at least 0, and not 0 everywhere")
    return weights
