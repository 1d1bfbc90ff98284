"""Tagger: a label for every step of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from catena.errors import CatenaError
from catena.ladder import CRF, HMM, Recurrent, Rung
from catena.ladder.characters import CNN
from catena.ladder.encoder import Encodes
from catena.learn import Count, Gradient, History, Progress, Run
from catena.learn.quasi_newton import QuasiNewton
from catena.linear_chain import LinearChain
from catena.metrics import accuracy
from catena.schemes import check, constraints, scheme_of
from catena.sequences import Sequences
from catena.space import Vectors
from catena.tasks import tag_file
from catena.tasks.counted_hmm import learn_hmm
from catena.tasks.estimator import Estimator
from catena.tasks.feature_crf import FeatureCRF, learn_crf
from catena.tasks.judging import TagEvaluation, judge
from catena.tasks.labeller import Labeller
from catena.tasks.neural_tagger import Design, learn_network
from catena.tasks.reader import Data, Features, Reader, Sentence, checked

# What a neural rung has beside itself, by the names of the Tagger's own arguments.
DESIGN = [field.name for field in fields(Design)]


Pair = tuple[list[Sentence], list[list[str]]]


class TagPath(NamedTuple):
    """The labels of one sentence, and how probable they are together."""

    labels: list[str]
    probability: float


class Tagger(Estimator):
    """A label for every token of a sentence, or for every step of a series of measurements.

    Args:
        rung: `CRF(...)`, learned by L-BFGS or OWL-QN from the attributes of tokens; `HMM()`, whose
            states are the labels, counted from words alone; or a neural one, such as
            `LSTM(256, bidirectional=True)`, learned by gradient from words and their columns.
        features: what a CRF reads: None for a rich choice over the word and its columns; the text
            of a CRF++ or Wapiti template, or the `Path` of one; or a function (sentence, i) -> the
            attributes of step i. Where tokens are lists or dicts, they are attributes already.
        scheme: "IOB1", "IOB2", "IOBES" or "BILOU": only valid tags are predicted.
        learner: `QuasiNewton(...)` says how long a CRF is learned and how exactly, `Gradient(...)`
            how a neural rung descends.
        seed: owns every random draw of `fit`.

    The others are for neural rungs:

        decoder: "crf", which judges labels together with their neighbours, or "softmax", each on
            its own.
        constrained: whether the scheme's rules hold while a CRF on top is learned, and not only
            when labels are predicted.
        characters: what reads the characters of words: `LSTM(50)`, a GRU or RNN, or `CNN(30)`.
        embeddings: a text file of word vectors as GloVe, word2vec and fastText write it; those of
            the words in the training and held-out data are used.
        fine_tune: whether these vectors are learned further.
        word_dropout: how often a word is made unknown while training, which teaches what to make of
            words that training never shows.
        minimum: words that occur less often are unknown.

    After `fit`: `labels_` (sorted), `labeller_`, `chain_`, `learner_`, `history_`, `columns_`.

    A sentence is a list of tokens; a token is a string, a tuple of columns that begins with the
    word, or, for a CRF, the attributes of a step as CRFsuite takes them. For neural rungs, it may
    as well be an array `[length, dim]` of measurements. Sentences may be empty.

    >>> from catena import CRF, Tagger
    >>> X, y = [["the", "dog"], ["a", "cat"], ["cats"]], [["D", "N"], ["D", "N"], ["N"]]
    >>> Tagger(CRF(l2=0.1)).fit(X, y).predict([["the", "cats"], []])
    [['D', 'N'], []]
    """

    def __init__(
        self,
        rung: CRF | Rung,
        features: Features = None,
        scheme: str | None = None,
        learner: QuasiNewton | Count | Gradient | None = None,
        seed: int = 0,
        *,
        decoder: str = "crf",
        constrained: bool = False,
        characters: Recurrent | CNN | None = None,
        embeddings: str | Path | None = None,
        fine_tune: bool = True,
        word_dropout: float = 0.0,
        minimum: int = 1,
    ) -> None:
        self.rung, self.features, self.scheme = rung, features, scheme
        self.learner, self.seed = learner, seed
        self.decoder, self.constrained, self.characters = decoder, constrained, characters
        self.embeddings, self.fine_tune = embeddings, fine_tune
        self.word_dropout, self.minimum = word_dropout, minimum

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        X: Data,
        y: Iterable[Sequence[str]],
        valid: tuple[Data, Iterable[Sequence[str]]] | None = None,
        *,
        columns: Sequence[str] | None = None,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Tagger:
        """Learn from sentences and their labels.

        Args:
            valid: (X, y) held out, which says when to stop and what to keep, where that is used.
            columns: the names of a file's columns, which stay with the model.
            report: is told of the progress.
            checkpoint: where unfinished work is kept; `resume` goes on from it.

        Raises:
            CatenaError: when there is nothing to learn from, labels and tokens differ in number,
                or tags are invalid in the scheme.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        design, learner = self.design(), self._learner()
        train = paired(X, y)
        held_out = None if valid is None else paired(*valid)
        scheme = self._checked_scheme(design, train, held_out)
        run = Run(self.seed, report, checkpoint, resume)
        if isinstance(self.rung, CRF):
            reader = Reader.learn(self.features, train[0])
            assert isinstance(learner, QuasiNewton)
            found = learn_crf(self.rung, learner, reader, *train, run)
        elif isinstance(learner, Gradient):
            found = learn_network(self.rung, design, learner, train, held_out, run, scheme)
        else:
            found = learn_hmm(Reader.learn(None, train[0]), *train)
        self.learner_, self.columns_ = learner, None if columns is None else tuple(columns)
        self.history_ = found[1]
        self._use(found[0])
        return self

    # -- labelling --------------------------------------------------------------------------

    def predict(self, X: Data) -> list[list[str]]:
        """The most probable labels of every sentence (Viterbi).

        Raises:
            CatenaError: at a token that is not like those of training.
        """
        paths, _ = self._chain().viterbi(self._scores(X))
        return [[self.labels_[i] for i in path.tolist()] for path in paths]

    def predict_proba(self, X: Data) -> list[np.ndarray]:
        """p(label of each token given the sentence): an array `[m, L]` for each sentence, in the
        order of `labels_`; raises as `predict`."""
        return [found.numpy() for found in self._chain().marginals(self._scores(X))]

    def n_best(self, X: Data, k: int) -> list[list[TagPath]]:
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

    def score(self, X: Data, y: Iterable[Sequence[str]]) -> float:
        """The share of tokens whose label is right."""
        sentences, labels = paired(X, y)
        return accuracy(labels, self.predict(sentences))

    def log_prob(self, X: Data, y: Iterable[Sequence[str]]) -> np.ndarray:
        """log p(all labels of a sentence given the sentence) in nats, `[n]`; -∞ where a label was
        not seen in training. Raises as `predict`."""
        sentences, gold = paired(X, y)
        number = {label: i for i, label in enumerate(self.labels_)}
        scores = self._scores(sentences)
        paths = torch.tensor([number.get(label, 0) for row in gold for label in row])
        found = self._chain().log_prob(scores, scores.with_values(paths.long()))
        unseen = torch.tensor([not number.keys() >= set(row) for row in gold], dtype=torch.bool)
        return found.masked_fill(unseen, -torch.inf).numpy()

    def evaluate(
        self,
        X: Data,
        y: Iterable[Sequence[str]],
    ) -> TagEvaluation:
        """Accuracy, span F1 and the figures of every label; labels not seen in training count as
        wrong."""
        sentences, gold = paired(X, y)
        return judge(gold, self.predict(sentences), self.labels_)

    def top_features(self, k: int = 10) -> str:
        """The k attributes that weigh most for or against each label, as text.

        Raises:
            CatenaError: when the rung has no weights of attributes.
        """
        self._chain()
        if not isinstance(self.labeller_, FeatureCRF):
            raise CatenaError(f"{self.rung.kind} has no weights of attributes; a CRF has")
        lines = []
        for label, weighed in self.labeller_.heaviest(k):
            lines += [label, *(f"{weight:+9.4f}  {name}" for weight, name in weighed)]
        return "\n".join(lines)

    def design(self) -> Design:
        """What a network is beside its rung.

        Raises:
            CatenaError: when something of it is chosen for a rung that is no network.
        """
        chosen = {name: getattr(self, name) for name in DESIGN}
        design = Design(**chosen)
        if isinstance(self.rung, CRF | HMM) and design != Design():
            wrong = next(name for name in DESIGN if chosen[name] != getattr(Design(), name))
            raise CatenaError(f"{wrong} is for neural rungs; a {self.rung.kind} does without")
        return design

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted tagger to one file."""
        self._chain()
        task = {
            "scheme": self.scheme,
            "seed": self.seed,
            "columns": self.columns_,
            "design": self.design().describe(),
            "history": asdict(self.history_),
        }
        tag_file.write(Path(path), self.rung, self.learner_, self.labeller_, task)

    # -- inside -----------------------------------------------------------------------------

    def _checked_scheme(self, design: Design, train: Pair, valid: Pair | None) -> str | None:
        """The scheme whose rules hold while learning, once the labels are known to obey it."""
        if self.scheme is None:
            if design.constrained:
                raise CatenaError("constrained needs a scheme, which says what is valid")
            return None
        scheme = self._scheme(self.scheme)
        check(train[1], scheme)
        if not design.constrained:
            return None
        if valid is not None:
            check(valid[1], scheme)
        return scheme

    def _learner(self) -> QuasiNewton | Count | Gradient:
        """How the rung is learned."""
        if isinstance(self.rung, HMM):
            return self._count()
        if not isinstance(self.rung, CRF):
            return self._gradient()
        learner = self.learner or QuasiNewton()
        if not isinstance(learner, QuasiNewton):
            raise CatenaError(f"a CRF is learned by QuasiNewton, not by {learner!r}")
        for name in ("l1", "l2"):
            if getattr(learner, name) not in (0.0, getattr(self.rung, name)):
                raise CatenaError(f"{name} belongs to the rung: CRF({name}=...)")
        return replace(learner, l1=self.rung.l1, l2=self.rung.l2)

    def _gradient(self) -> Gradient:
        if not isinstance(self.rung, Encodes):
            raise CatenaError(f"a Tagger is a CRF, an HMM or a neural rung, not {self.rung!r}")
        if self.features is not None:
            raise CatenaError("a neural rung reads tokens as they are: leave features out")
        if not isinstance(self.learner, Gradient | None):
            raise CatenaError(f"a neural rung is learned by Gradient, not by {self.learner!r}")
        return self.learner or Gradient()

    def _count(self) -> Count:
        if self.rung != HMM():
            raise CatenaError("the states of a tagging HMM are the labels: write HMM()")
        if self.features is not None:
            raise CatenaError("an HMM reads words alone: leave features out, or take a CRF")
        if not isinstance(self.learner, Count | None):
            raise CatenaError(f"a tagging HMM is learned by Count, not by {self.learner!r}")
        return Count()

    def _use(self, labeller: Labeller) -> None:
        """Make this the model that labels."""
        allowed: tuple[Any, ...] = ()
        if self.scheme is not None:
            allowed = constraints(labeller.labels, self._scheme(self.scheme))
        self.labeller_, self.labels_ = labeller, list(labeller.labels)
        self.chain_ = labeller.chain.constrained(*allowed)

    @staticmethod
    def _scheme(name: str) -> str:
        return scheme_of(name.upper()).name

    def _chain(self) -> LinearChain:
        if not hasattr(self, "chain_"):
            raise CatenaError("this Tagger is not fitted yet: call fit first")
        return self.chain_

    def _scores(self, X: Data) -> Sequences:
        return self.labeller_.scores(checked(X))


def load_tagger(path: str | Path, features: Features = None, rung: Rung | None = None) -> Tagger:
    """A fitted Tagger from its file.

    Args:
        features: needed where a function reads the steps, since no file holds code.
        rung: likewise a Custom rung.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    own, learner, labeller, task = tag_file.read(path, features, rung)
    try:
        alone = replace(learner, l1=0.0, l2=0.0) if isinstance(learner, QuasiNewton) else learner
        given = _given(labeller.reader)
        design = vars(Design.from_description(task["design"]))
        made = Tagger(own, given, task["scheme"], alone, task["seed"], **design)
        made.history_ = History(**task["history"])
        made.columns_ = None if task["columns"] is None else tuple(task["columns"])
        made.learner_ = learner
        made._use(labeller)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CatenaError(f"{path}: damaged: {error}") from error
    return made


def _given(reader: Reader | Vectors) -> Features:
    """The features that a reader was made of."""
    if isinstance(reader, Vectors):
        return None
    return reader.function if reader.function is not None else reader.text


def paired(X: Data, y: Iterable[Sequence[str]]) -> tuple[list[Sentence], list[list[str]]]:
    """Sentences and their labels as lists.

    Raises:
        CatenaError: where they differ in number, or a label is no string.
    """
    sentences = checked(X)
    return sentences, _labels(sentences, y)


def _labels(sentences: Sequence[Sentence], y: Iterable[Sequence[str]]) -> list[list[str]]:
    """Labels as lists, once each sentence is known to have as many as tokens."""
    rows = [list(row) for row in y]
    if len(rows) != len(sentences):
        raise CatenaError(f"{len(sentences)} sentences, but labels for {len(rows)}")
    for i, (sentence, row) in enumerate(zip(sentences, rows, strict=True)):
        if len(sentence) != len(row):
            raise CatenaError(
                f"sentence {i + 1} has {len(sentence)} tokens, but {len(row)} labels", i
            )
        for step, label in enumerate(row):
            if not isinstance(label, str):
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: the label {label!r} is no string", i, step
                )
    return rows
