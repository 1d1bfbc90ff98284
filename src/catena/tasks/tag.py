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
from catena.ladder.rung import whole
from catena.learn import AdaGrad, Count, Gradient, History, Perceptron, Progress, Run
from catena.learn.quasi_newton import QuasiNewton
from catena.linear_chain import LinearChain
from catena.metrics import accuracy
from catena.save import restoring
from catena.schemes import (
    OUTSIDE,
    check,
    constraints,
    mark_spans,
    may_be_valid,
    odd_labels,
    scheme_of,
)
from catena.sequences import Sequences
from catena.space import Vectors
from catena.tasks import tag_file
from catena.tasks.counted_hmm import CountedHMM, learn_hmm
from catena.tasks.crf_learning import (
    Corpus,
    HeldOut,
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
from catena.tasks.neural_tagger import Design, learn_network
from catena.tasks.reader import Data, Features, Reader, Sentence, checked
from catena.tasks.step_labels import (
    Given,
    Known,
    Label,
    all_known,
    are_numbers,
    certain,
    checked_labels,
    known_labels,
    names_of,
    rows_of,
    sets_of,
    weights_of_sentences,
)
from catena.tasks.tag_file import TagLearner

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
        rung: `CRF(...)`, learned from the attributes of tokens; `HMM()`, whose states are the
            labels, counted from words alone; or a neural one, such as
            `LSTM(256, bidirectional=True)`, learned by gradient from words and their columns.
        features: what a CRF reads: None for a rich choice over the word and its columns; the text
            of a CRF++ or Wapiti template, or the `Path` of one; or a function (sentence, i) -> the
            attributes of step i. Where tokens are lists or dicts, they are attributes already.
        scheme: "IOB1", "IOB2", "IOBES" or "BILOU": only valid tags are predicted.
        learner: how a CRF is learned, for how long and how exactly: `QuasiNewton(...)`, L-BFGS or
            OWL-QN; `AdaGrad(...)` for data too large for that; `Perceptron(...)`. `Gradient(...)`
            says how a neural rung descends.
        seed: owns every random draw of `fit`.

    The others are for neural rungs:

        decoder: "crf", which judges labels together with their neighbours, or "softmax", each on
            its own.
        constrained: whether the scheme's rules hold while a CRF on top is learned, and not only
            when labels are predicted.
        characters: what reads the characters of words: `LSTM(50)`, a GRU or RNN, or `CNN(30)`.
        embeddings: a text file of word vectors as GloVe, word2vec and fastText write it; those of
            the words in the training and held-out data are used, so that a word which only later
            data has is unknown.
        fine_tune: whether these vectors are learned further.
        all_vectors: use those of all words of the file; the model's file holds them all.
        word_dropout: how often a word is made unknown while training, which teaches what to make of
            words that training never shows.
        minimum: words that occur less often are unknown.

    After `fit`: `labels_` (sorted as text), `labeller_`, `chain_`, `learner_`, `history_`,
    `columns_`.

    A sentence is a list of tokens; a token is a string, a tuple of columns that begins with the
    word, or, for a CRF, the attributes of a step as CRFsuite takes them. For neural rungs, it may
    as well be an array `[length, dim]` of measurements. Sentences may be empty.

    >>> from catena import CRF, Tagger
    >>> X, y = [["the", "dog"], ["a", "cat"], ["cats"]], [["D", "N"], ["D", "N"], ["N"]]
    >>> Tagger(CRF(l2=0.1)).fit(X, y).predict([["the", "cats"], []])
    [['D', 'N'], []]
    """

    # Whether labels are whole numbers, which files and models keep as text.
    _numbers = False

    def __init__(
        self,
        rung: CRF | Rung,
        features: Features = None,
        scheme: str | None = None,
        learner: TagLearner | None = None,
        seed: int = 0,
        *,
        decoder: str = "crf",
        constrained: bool = False,
        characters: Recurrent | CNN | None = None,
        embeddings: str | Path | None = None,
        fine_tune: bool = True,
        all_vectors: bool = False,
        word_dropout: float = 0.0,
        minimum: int = 1,
    ) -> None:
        self.rung, self.features, self.scheme = rung, features, scheme
        self.learner, self.seed = learner, seed
        self.decoder, self.constrained, self.characters = decoder, constrained, characters
        self.embeddings, self.fine_tune, self.all_vectors = embeddings, fine_tune, all_vectors
        self.word_dropout, self.minimum = word_dropout, minimum

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        X: Data,
        y: Iterable[Sequence[Given]],
        valid: tuple[Data, Iterable[Sequence[Label]]] | None = None,
        *,
        sample_weight: Any = None,
        columns: Sequence[str] | None = None,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Tagger:
        """Learn from sentences and their labels.

        Args:
            y: the labels of every sentence, strings or whole numbers. Where a CRF is to learn from
                what is partly known, a token has a set of labels, one of which is right, or None,
                which says nothing: the probability of all paths within the sets is learned from.
            valid: (X, y) held out: the best weights are kept, and learning stops once they grow no
                better. A CRF's are judged by their span F1 there, or by their accuracy where
                labels mark no spans; a network's by the probability of the labels. An HMM, which
                is counted, has no use for it.
            sample_weight: `[n]`, how much each sentence counts for a CRF.
            columns: the names of a file's columns, which stay with the model.
            report: is told of the progress.
            checkpoint: where unfinished work is kept; `resume` goes on from it.

        Raises:
            CatenaError: when there is nothing to learn from, labels and tokens differ in number,
                or tags are invalid in the scheme.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        design, learner = self.design(), self._learner()
        corpus = self._corpus(X, y, sample_weight)
        run = Run(self.seed, report, checkpoint, resume)
        if isinstance(self.rung, CRF):
            assert not isinstance(learner, Count | Gradient)
            reader = Reader.learn(self.features, corpus.sentences)
            found = learn_crf(self.rung, learner, reader, corpus, run, self._held_out(valid))
        elif isinstance(learner, Gradient):
            self._refuse(corpus, sample_weight)
            train = corpus.sentences, certain(corpus.labels)
            held_out = None if valid is None else self._judged_by(*valid)
            scheme = self._learned_under(design)
            net = learn_network(self.rung, design, learner, train, held_out, run, scheme)
            found = *net, None
        else:
            self._refuse(corpus, sample_weight)
            if valid is not None:
                self._judged_by(*valid)
            reader = Reader.learn(None, corpus.sentences)
            found = *learn_hmm(reader, corpus.sentences, certain(corpus.labels)), None
        self.learner_, self.columns_ = learner, None if columns is None else tuple(columns)
        self._take(*found)
        self.history_.notes += _odd_notes(self.labeller_.labels)
        return self._end()

    def partial_fit(
        self, X: Iterable[Sentence], y: Iterable[Sequence[Given]], *, sample_weight: Any = None
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
        if isinstance(learner, Gradient):
            raise CatenaError(f"a {self.rung.kind} needs all data at once: fit")
        corpus = self._corpus(X, y, sample_weight)
        before = self._before()
        if before is None:
            reader, history = Reader.learn(self.features, corpus.sentences), None
        else:
            reader, history = before.reader, self.history_
        if isinstance(learner, Count):
            self._refuse(corpus, sample_weight)
            hmm = learn_hmm(reader, corpus.sentences, certain(corpus.labels), before, history)
            found = *hmm, None
        else:
            online = self._online(learner)
            assert isinstance(self.rung, CRF)
            memory = self._memory_for(online, before)
            found = go_on(self.rung, online, reader, corpus, memory, history)
        self.learner_, self.columns_ = learner, getattr(self, "columns_", None)
        self._take(*found)
        return self._end()

    # -- labelling --------------------------------------------------------------------------

    def predict(self, X: Data) -> list[list[str]]:
        """The most probable labels of every sentence (Viterbi), numbers where `fit` was given such.

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

    def score(self, X: Data, y: Iterable[Sequence[Label]]) -> float:
        """The share of tokens whose label is right."""
        sentences, labels = paired(X, y)
        return accuracy(labels, names_of(self.predict(sentences)))

    def log_prob(self, X: Data, y: Iterable[Sequence[Label]]) -> np.ndarray:
        """log p(all labels of a sentence given the sentence) in nats, `[n]`; -∞ where a label was
        not seen in training. Raises as `predict`."""
        sentences, gold = paired(X, y)
        number = {label: i for i, label in enumerate(self.labeller_.labels)}
        scores = self._scores(sentences)
        paths = torch.tensor([number.get(label, 0) for row in gold for label in row])
        found = self._chain().log_prob(scores, scores.with_values(paths.long()))
        unseen = torch.tensor([not number.keys() >= set(row) for row in gold], dtype=torch.bool)
        return found.masked_fill(unseen, -torch.inf).numpy()

    def evaluate(
        self,
        X: Data,
        y: Iterable[Sequence[Label]],
    ) -> TagEvaluation:
        """Accuracy, span F1 and the figures of every label; labels not seen in training count as
        wrong."""
        sentences, gold = paired(X, y)
        return self.judge(gold, self.predict(sentences))

    def judge(
        self, gold: Sequence[Sequence[Label]], predicted: Sequence[Sequence[Label]]
    ) -> TagEvaluation:
        """How good labels are that this tagger predicted, beside the right ones."""
        self._check_fitted()
        scheme = None if self.scheme is None else self._scheme(self.scheme)
        return judge(names_of(gold), names_of(predicted), self.labeller_.labels, scheme)

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

    def using(
        self,
        labeller: Labeller,
        learner: TagLearner,
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
        return self._end()

    def save(self, path: str | Path) -> None:
        self._check_unchanged()
        task = {
            "scheme": self.scheme,
            "seed": self.seed,
            "columns": self.columns_,
            "numbers": self._numbers,
            "design": self.design().describe(),
            "history": asdict(self.history_),
        }
        tag_file.write(Path(path), self.rung, self.learner_, self.labeller_, task)

    # -- inside -----------------------------------------------------------------------------

    def _learned_under(self, design: Design) -> str | None:
        """The scheme whose rules hold while a network is learned."""
        if not design.constrained:
            return None
        if self.scheme is None:
            raise CatenaError("constrained needs a scheme, which says what is valid")
        return self._scheme(self.scheme)

    def _learner(self) -> TagLearner:
        """How the rung is learned."""
        if isinstance(self.rung, HMM):
            return self._count()
        if not isinstance(self.rung, CRF):
            return self._gradient()
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

    def _gradient(self) -> Gradient:
        if not isinstance(self.rung, Encodes):
            raise CatenaError(f"a Tagger is a CRF, an HMM or a neural rung, not {self.rung!r}")
        if self.features is not None:
            raise CatenaError("a neural rung reads tokens as they are: leave features out")
        if not isinstance(self.learner, Gradient | None):
            raise CatenaError(f"a neural rung is learned by Gradient, not by {self.learner!r}")
        return self.learner or Gradient()

    def _online(self, learner: TagLearner) -> Perceptron | AdaGrad:
        """The learner, once it is known to learn from data piece by piece."""
        if isinstance(learner, QuasiNewton):
            raise CatenaError(
                "L-BFGS needs all data at once: fit, or take learner=AdaGrad() or Perceptron() for "
                "partial_fit"
            )
        if not isinstance(learner, Perceptron | AdaGrad):
            raise CatenaError(f"a {self.rung.kind} needs all data at once: fit")
        if isinstance(self.rung, CRF) and self.rung.minimum > 1:
            raise CatenaError(
                "minimum counts over all data, of which partial_fit sees a part: leave it at 1"
            )
        return learner

    def _before(self) -> FeatureCRF | CountedHMM | None:
        """What there is to go on from: nothing, unless it is of the rung."""
        found = getattr(self, "labeller_", None)
        return (
            found
            if isinstance(found, FeatureCRF if isinstance(self.rung, CRF) else CountedHMM)
            else None
        )

    def _memory_for(self, learner: Perceptron | AdaGrad, before: Labeller | None) -> Memory | None:
        """What the learner goes on from."""
        if not isinstance(before, FeatureCRF):
            return None
        memory: Memory | None = getattr(self, "_memory", None)
        if memory is not None and memory.learner == learner.kind:
            return memory
        return memory_of(before, learner.kind)

    def _corpus(self, X: Data, y: Iterable[Sequence[Given]], sample_weight: Any) -> Corpus:
        """What there is to learn from, checked."""
        sentences = checked(X)
        rows = rows_of(sentences, y)
        labels = known_labels(sentences, rows)
        self._settle_kind(are_numbers(rows))
        if self.scheme is not None:
            whole_rows = [row if all_known(row) else [] for row in labels]
            check(certain(whole_rows), self._scheme(self.scheme))
            self._check_sets(labels, self._scheme(self.scheme))
        return Corpus(sentences, labels, weights_of_sentences(sample_weight, len(sentences)))

    def _settle_kind(self, numbers: bool | None) -> None:
        """Whether labels are numbers is settled by the first ones."""
        fitted = hasattr(self, "labeller_")
        if fitted and numbers not in (None, self._numbers):
            kinds = ("whole numbers", "strings") if self._numbers else ("strings", "whole numbers")
            raise CatenaError("labels were {}, and now they are {}; make them alike".format(*kinds))
        if not fitted:
            self._numbers = bool(numbers)

    @staticmethod
    def _check_sets(labels: list[list[Known]], scheme: str) -> None:
        """Refuse a sentence whose tokens may have no labels that are valid together."""
        for i, (row, sets) in enumerate(zip(labels, sets_of(labels), strict=True)):
            if not all_known(row) and not may_be_valid(sets, scheme):
                raise CatenaError(
                    f"sentence {i + 1}: of the labels that its tokens may have none are valid "
                    f"together in {scheme}",
                    i,
                )

    def _held_out(self, valid: tuple[Data, Iterable[Sequence[Label]]] | None) -> HeldOut | None:
        if valid is None:
            return None
        sentences, labels = self._judged_by(*valid)
        if not any(map(len, sentences)):
            raise CatenaError("the held-out data has no token; leave valid out, or give it some")
        return HeldOut(sentences, labels, self._constrained)

    def _judged_by(self, X: Data, y: Iterable[Sequence[Label]]) -> Pair:
        """Held-out data, checked as that to learn from is."""
        sentences, labels = paired(X, y)
        if self.scheme is not None:
            check(
                labels,
                self._scheme(self.scheme),
                lambda i, step: f"held-out sequence {i + 1}, token {step + 1}",
            )
        return sentences, labels

    def _refuse(self, corpus: Corpus, sample_weight: Any) -> None:
        """What only a CRF learns from."""
        kind = self.rung.kind
        if sample_weight is not None:
            raise CatenaError(f"for {kind} every sentence counts once; weights are for a CRF")
        for i, row in enumerate(corpus.labels):
            for step, known in enumerate(row):
                if not isinstance(known, str):
                    raise CatenaError(
                        f"sentence {i + 1}, token {step + 1}: the label {known!r} is no string; "
                        "only a CRF learns from labels that are partly known",
                        i,
                        step,
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
        kind: type[Label] = int if self._numbers else str
        self.labeller_, self.labels_ = labeller, [kind(label) for label in labeller.labels]
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
        self._check_fitted()
        return self.chain_

    def _restored(self, path: Path) -> Tagger:
        return load_tagger(path, self.features)

    def _scores(self, X: Data) -> Sequences:
        sentences = checked(X)
        if self.scheme is not None and OUTSIDE not in self.labels_:
            self._check_possible(list(map(len, sentences)), self._scheme(self.scheme))
        return self.labeller_.scores(sentences)

    def _check_possible(self, lengths: list[int], scheme: str) -> None:
        """Refuse sentences of lengths that the labels of training do not suffice for."""
        possible = constraints(self.labeller_.labels, scheme).possible(max(lengths, default=0))
        for i, length in enumerate(lengths):
            if not possible[length]:
                raise CatenaError(
                    f"sentence {i + 1}: {length} tokens, for which no labels among "
                    f"{', '.join(self.labeller_.labels)} are valid in {scheme}; learn from data "
                    "that has what is missing, such as O",
                    i,
                )


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
    with restoring(path):
        alone = replace(learner, l1=0.0, l2=0.0) if isinstance(learner, QuasiNewton) else learner
        given = _given(labeller.reader)
        design = vars(Design.from_description(task["design"]))
        made = Tagger(own, given, task["scheme"], alone, task["seed"], **design)
        made._numbers = bool(task.get("numbers", False))
        return made.using(labeller, learner, History(**task["history"]), task["columns"])


def _given(reader: Reader | Vectors) -> Features:
    """The features that a reader was made of."""
    if isinstance(reader, Vectors):
        return None
    return reader.function if reader.function is not None else reader.text


def _odd_notes(labels: Sequence[str]) -> list[str]:
    """Which labels are no tags of spans beside labels that are."""
    odd = odd_labels(labels) if mark_spans(labels) else []
    return [
        f"the label {label!r} is no tag of a span; spans are counted without it" for label in odd
    ]


def paired(X: Data, y: Iterable[Sequence[Label]]) -> Pair:
    """Sentences and their labels as lists, labels as text.

    Raises:
        CatenaError: where they differ in number, or a label is no string or whole number.
    """
    sentences = checked(X)
    return sentences, checked_labels(sentences, y)
