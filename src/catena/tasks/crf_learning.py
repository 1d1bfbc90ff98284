"""How the weights of a `FeatureCRF` are found: all at once, or from more and more data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.attributes import Attributes
from catena.features.examples import Examples
from catena.features.objective import Objective, seen_moves
from catena.features.state import StateFeatures
from catena.features.vocabulary import AttributeVocabulary
from catena.ladder.crf import CRF
from catena.learn.adagrad import AdaGrad, AdaGradRule
from catena.learn.checkpoint import digest
from catena.learn.held_out import Measure
from catena.learn.learner import History, Run
from catena.learn.online import Course, Rule
from catena.learn.perceptron import Perceptron, PerceptronRule
from catena.learn.quasi_newton import QuasiNewton, minimise
from catena.linear_chain import LinearChain
from catena.sequences import Sequences
from catena.tasks.feature_crf import FeatureCRF, lengths_of, without_zeros
from catena.tasks.judging import measured
from catena.tasks.reader import Reader, Sentence
from catena.tasks.step_labels import Known

CRFLearner = QuasiNewton | Perceptron | AdaGrad
Constrain = Callable[[LinearChain, Sequence[str]], LinearChain]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sentences and what is known of their labels.

    Args:
        weight: float64 `[n]`, how much each sentence counts.
    """

    sentences: Sequence[Sentence]
    labels: Sequence[Sequence[Known]]
    weight: Tensor


class HeldOut(NamedTuple):
    """Sentences that judge, their labels, and what makes a chain obey the labels' scheme."""

    sentences: Sequence[Sentence]
    labels: list[list[str]]
    constrain: Constrain


@dataclass(frozen=True, eq=False)
class Frame:
    """Which weights there are: those of features, then those of moves.

    Args:
        names: the labels, L of them.
        moves: int64 `[k]`, from * L + to.
    """

    names: tuple[str, ...]
    vocabulary: AttributeVocabulary
    features: StateFeatures
    moves: Tensor

    def transitions(self, theta: Tensor) -> Tensor:
        """float64 `[L, L]`."""
        of_moves = theta[len(self.features) :]
        table = of_moves.new_zeros(len(self.names) ** 2).index_put((self.moves,), of_moves)
        return table.view(len(self.names), -1)

    def field(self, reader: Reader, theta: Tensor) -> FeatureCRF:
        """The field with these weights, float64 `[size]`; those of 0 are left out."""
        weights = theta[: len(self.features)]
        known = without_zeros(self.vocabulary, self.features, weights)
        return FeatureCRF(reader, self.names, *known, self.transitions(theta))


@dataclass(frozen=True, eq=False)
class Memory:
    """All that a learner needs to go on from where it was.

    Args:
        learner: its kind.
        tensors: by name, each a number for every weight of the frame.
        facts: the rest; None: the tensors are but the weights, which anything may have found.
    """

    frame: Frame
    learner: str
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] | None


class Found(NamedTuple):
    """A field, how it was found, and what going on from there needs."""

    field: FeatureCRF
    history: History
    memory: Memory | None


def learn_crf(
    rung: CRF,
    learner: CRFLearner,
    reader: Reader,
    corpus: Corpus,
    run: Run,
    held_out: HeldOut | None = None,
) -> Found:
    """The field that makes the labels of sentences likeliest, or most of them right.

    Raises:
        CatenaError: when the data cannot be read.
        Interrupted: after Ctrl-C, once the work so far has been kept.
    """
    frame, examples, _ = _framed(rung, reader, corpus)
    job = {**asdict(rung), "data": _fingerprint(examples), "job": dict(run.job)}
    measure = None
    if held_out is not None:
        measure, job["held out"] = _measure(frame, reader, held_out)
    run = replace(run, job=job)
    if isinstance(learner, QuasiNewton):
        theta, history = _minimised(frame, examples, learner, run, measure)
        return Found(frame.field(reader, theta), history, None)
    rule = _rule(rung, learner, frame, examples, -(-len(examples) // learner.batch))
    theta, history = Course(rule, learner, examples.lengths, run, measure).learn()
    # What held-out data chose need not be where the learner ended.
    memory = None if held_out else Memory(frame, learner.kind, rule.tensors(), rule.facts())
    return Found(frame.field(reader, theta), history, memory)


def go_on(
    rung: CRF,
    learner: Perceptron | AdaGrad,
    reader: Reader,
    corpus: Corpus,
    before: Memory | None,
    history: History | None,
) -> Found:
    """The field after one more pass over some sentences, in the order in which they come.

    New attributes, labels and pairs of them get weights of 0 to begin with.
    """
    began = time.monotonic()
    frame, examples, places = _framed(rung, reader, corpus, before and before.frame)
    batches = torch.arange(len(examples)).split(learner.batch)
    facts = {} if before is None or before.facts is None else before.facts
    rule = _rule(rung, learner, frame, examples, len(batches) + facts.get("batches", 0))
    if before is not None:
        tensors = rule.tensors()
        for name, old in before.tensors.items():
            tensors[name][places] = old
        rule.restore(tensors, facts or rule.facts())
    rule.begin_epoch()
    for numbers in batches:
        rule.update(numbers)
    seconds = time.monotonic() - began
    earlier = history or History()
    row = {"step": len(earlier.rows) + 1, "seconds": earlier.seconds + seconds, **rule.told()}
    history = History(
        [*earlier.rows, row], earlier.notes, earlier.epochs + 1, earlier.seconds + seconds
    )
    memory = Memory(frame, learner.kind, rule.tensors(), rule.facts())
    return Found(frame.field(reader, rule.theta()), history, memory)


def memory_of(field: FeatureCRF, learner: str) -> Memory:
    """What there is to go on from where only a field is known."""
    moves = field.transitions.flatten().nonzero().flatten()
    theta = torch.cat([field.weights, field.transitions.flatten()[moves]])
    frame = Frame(field.labels, field.vocabulary, field.features, moves)
    return Memory(frame, learner, {"theta": theta}, None)


# -- how it is found ----------------------------------------------------------------------------


def _minimised(
    frame: Frame, examples: Examples, learner: QuasiNewton, run: Run, measure: Measure | None
) -> tuple[Tensor, History]:
    objective = Objective(
        examples.data,
        examples.labels,
        examples.lengths,
        frame.features,
        frame.moves,
        examples.weight,
    )
    start = torch.zeros(objective.size, dtype=torch.float64)
    found = minimise(objective, start, learner, run, len(examples.data), measure)
    return found.theta, found.history


def _rule(
    rung: CRF, learner: Perceptron | AdaGrad, frame: Frame, examples: Examples, batches: int
) -> Rule:
    """
    Args:
        batches: among how many the penalties are shared.
    """
    if isinstance(learner, Perceptron):
        return PerceptronRule(examples, frame.features, frame.moves, learner.averaged)
    shares = rung.l1 / batches, rung.l2 / batches
    return AdaGradRule(examples, frame.features, frame.moves, learner.rate, *shares)


def _measure(frame: Frame, reader: Reader, held_out: HeldOut) -> tuple[Measure, str]:
    """What held-out data says of weights, and a short name for that data."""
    data = frame.vocabulary.encode(reader.attributes(held_out.sentences))
    lengths, names = lengths_of(held_out.sentences), frame.names
    name, score = measured(held_out.labels, names)

    def of(theta: Tensor) -> float:
        scores = frame.features.scores(data, theta[: len(frame.features)])
        ends = scores.new_zeros(len(names))
        free = LinearChain(frame.transitions(theta), ends, ends)
        paths, _ = held_out.constrain(free, names).viterbi(Sequences(scores, lengths))
        return score([[names[i] for i in path.tolist()] for path in paths])

    right = "\n".join(chain.from_iterable(held_out.labels)).encode()
    written = torch.from_numpy(np.frombuffer(right, np.uint8).copy())
    return Measure(name, of), digest(data.offsets, data.ids, lengths, written)


# -- which weights there are --------------------------------------------------------------------


def _framed(
    rung: CRF, reader: Reader, corpus: Corpus, old: Frame | None = None
) -> tuple[Frame, Examples, Tensor]:
    """The weights that the data asks for beside those of `old`, the data as they number it, and
    the places of the old weights among all, int64 `[old size]`."""
    names = _names(corpus.labels, old)
    attributes, lengths = reader.attributes(corpus.sentences), lengths_of(corpus.sentences)
    # An attribute that is rarer than that has no pair that is frequent enough.
    least = rung.minimum if attributes.values is None else 1
    vocabulary = _vocabulary(attributes, least, old)
    data = vocabulary.encode(attributes)
    labels, seen = _numbered(corpus.labels, names)
    examples = Examples(data, labels, lengths, corpus.weight)
    features = _features(rung, examples, seen, len(names))
    moves = _moves(rung, reader, examples, seen, len(names))
    frame = Frame(names, vocabulary, features, moves)
    if old is None:
        return frame, examples, moves.new_zeros(0)
    frame, places = _joined(old, frame)
    return frame, examples, places


def _names(labels: Iterable[Iterable[Known]], old: Frame | None) -> tuple[str, ...]:
    found: set[str] = set() if old is None else set(old.names)
    for known in set(chain.from_iterable(labels)):
        found |= {known} if isinstance(known, str) else set(known or ())
    if not found:
        raise CatenaError("no label of any token is known; there is nothing to learn from")
    return tuple(sorted(found))


def _vocabulary(attributes: Attributes, minimum: int, old: Frame | None) -> AttributeVocabulary:
    """Those that are known already, then the others."""
    found = AttributeVocabulary.learn(attributes, minimum)
    if old is None:
        return found
    new = pa.array(old.vocabulary.places(found.names) < 0)
    return AttributeVocabulary(pa.concat_arrays([old.vocabulary.names, found.names.filter(new)]))


def _numbered(labels: Sequence[Sequence[Known]], names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Labels by their numbers, int64 `[total]`, or where not all are known bool `[total, L]`, those
    that may be; and the same for which of them were seen: where any may be, none was."""
    number = {name: i for i, name in enumerate(names)}
    flat = list(chain.from_iterable(labels))
    if all(isinstance(known, str) for known in flat):
        y = torch.tensor([number[known] for known in flat], dtype=torch.int64)  # type: ignore[index]
        return y, y
    seen = np.zeros((len(flat), len(names)), np.bool_)
    for step, known in enumerate(flat):
        for name in {known} if isinstance(known, str) else known or ():
            seen[step, number[name]] = True
    allowed = seen | ~seen.any(1, keepdims=True)
    return torch.from_numpy(allowed), torch.from_numpy(seen)


def _features(rung: CRF, examples: Examples, seen: Tensor, width: int) -> StateFeatures:
    if rung.all_states:
        return StateFeatures.every(examples.data.attributes, width)
    return StateFeatures.seen(examples.data, seen, width, rung.minimum)


def _moves(rung: CRF, reader: Reader, examples: Examples, seen: Tensor, width: int) -> Tensor:
    """int64 `[k]`: the moves that have weights, from * width + to."""
    if not reader.pairs:
        return torch.zeros(0, dtype=torch.int64)
    if rung.all_transitions:
        return torch.arange(width * width)
    return seen_moves(seen, examples.lengths, width, rung.minimum)


def _joined(old: Frame, new: Frame) -> tuple[Frame, Tensor]:
    """The weights of both, where the new frame has the labels and attributes of the old one too;
    and the places of the old ones among them, int64 `[old size]`."""
    width = len(new.names)
    label = np.array([new.names.index(name) for name in old.names], np.int64)
    keys = old.features.owners.numpy() * width + label[old.features.labels.numpy()]
    others = new.features.owners.numpy() * width + new.features.labels.numpy()
    every = np.union1d(keys, others)
    move_from, move_to = np.divmod(old.moves.numpy(), len(old.names))
    moves = label[move_from] * width + label[move_to]
    all_moves = np.union1d(moves, new.moves.numpy())
    places = [np.searchsorted(every, keys), len(every) + np.searchsorted(all_moves, moves)]
    features = StateFeatures.of_keys(every, len(new.vocabulary), width)
    frame = Frame(new.names, new.vocabulary, features, torch.from_numpy(all_moves))
    return frame, torch.from_numpy(np.concatenate(places))


def _fingerprint(examples: Examples) -> str:
    """A short name for training data, to tell whether a checkpoint belongs to it."""
    data = examples.data
    values = [] if data.values is None else [data.values]
    return digest(
        data.offsets, data.ids, *values, examples.labels, examples.lengths, examples.weight
    )
