"""A network as a labeller of steps: how it is designed, learned, and made again from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.kinds import describe, of_kind
from catena.ladder.characters import CNN, SPELLERS
from catena.ladder.encoder import Encodes
from catena.ladder.neural import Recurrent
from catena.ladder.rung import Rung, fraction, one_of, whole
from catena.learn import Gradient, History, Run
from catena.learn.device import device_named
from catena.learn.objective import LabelledSteps
from catena.linear_chain import LinearChain
from catena.model import groups
from catena.save import rung_facts
from catena.schemes import constraints
from catena.sequences import Sequences
from catena.space import Vectors, as_sequences, check_varied
from catena.tasks.class_learning import seeded
from catena.tasks.reader import Reader, Sentence, is_measured
from catena.tasks.tag_network import (
    DECODERS,
    Measured,
    MeasuredEmbedding,
    TagNetwork,
    TokenEmbedding,
)
from catena.tasks.tokens import Tokens, TokenVocabulary
from catena.word_vectors import WordVectors, read_vectors

# Labelling goes through long input in pieces of about this many steps.
PIECE = 8_192


@dataclass(frozen=True)
class Design:
    """What a tagging network is beside its rung.

    Args:
        decoder, constrained, characters, embeddings, fine_tune, all_vectors, word_dropout, minimum:
            as in `Tagger`.
    """

    decoder: str = "crf"
    constrained: bool = False
    characters: Recurrent | CNN | None = None
    embeddings: str | Path | None = None
    fine_tune: bool = True
    all_vectors: bool = False
    word_dropout: float = 0.0
    minimum: int = 1

    def __post_init__(self) -> None:
        one_of("decoder", self.decoder, DECODERS)
        if self.constrained and self.decoder != "crf":
            raise CatenaError("only decoder='crf' can be learned under constraints")
        if not isinstance(self.characters, Recurrent | CNN | None):
            raise CatenaError(
                f"characters are read by an RNN, GRU, LSTM or CNN, not by {self.characters!r}"
            )
        fraction("word_dropout", self.word_dropout)
        whole("minimum", self.minimum, 1)

    def describe(self) -> dict[str, Any]:
        """All of it as JSON."""
        path = None if self.embeddings is None else str(self.embeddings)
        speller = self.characters
        characters = None if speller is None else describe(speller)
        return {**vars(self), "embeddings": path, "characters": characters}

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> Design:
        """The design that `describe` described."""
        speller = described["characters"]
        if speller is not None:
            speller = of_kind(SPELLERS, speller, "speller")
        return Design(**{**described, "characters": speller})


@dataclass(frozen=True, eq=False)
class NeuralLabeller:
    """A learned network.

    Args:
        reader: what it reads: tokens, or measurements.
        labels: L of them, sorted.
        vocabulary: the words that it knows, where it reads tokens.
        vectors: the size of pretrained vectors, where it has such.
        network: what scores.
    """

    reader: Reader | Vectors
    labels: tuple[str, ...]
    vocabulary: TokenVocabulary | None
    vectors: int | None
    network: TagNetwork

    @property
    def chain(self) -> LinearChain:
        moves = self.network.chain
        return LinearChain(*(part.detach().double() for part in vars(moves).values()))

    @property
    def parameters(self) -> int:
        return sum(part.numel() for part in self.network.parameters())

    @torch.no_grad()
    def scores(self, sentences: Sequence[Sentence]) -> Sequences:
        steps = encode(self.reader, self.vocabulary, sentences)
        rows = groups(steps.lengths.tolist(), PIECE) or [[]]
        parts = [self.network(steps.pick(torch.tensor(r, dtype=torch.int64))) for r in rows]
        return Sequences.concatenate(parts).to(torch.float64)

    def describe(self) -> dict[str, Any]:
        vocabulary = None if self.vocabulary is None else self.vocabulary.describe()
        return {"labels": list(self.labels), "vocabulary": vocabulary, "vectors": self.vectors}

    def tensors(self) -> dict[str, Tensor]:
        return self.network.state_dict()


def learn_network(
    rung: Rung,
    design: Design,
    learner: Gradient,
    train: tuple[Sequence[Sentence], Sequence[Sequence[str]]],
    valid: tuple[Sequence[Sentence], Sequence[Sequence[str]]] | None,
    run: Run,
    scheme: str | None = None,
) -> tuple[NeuralLabeller, History]:
    """The network that makes the labels of sequences likeliest, and how it was found.

    Args:
        scheme: whose constraints hold while learning; None: there are none.

    Raises:
        CatenaError: when the data cannot be read, or the rung cannot read whole sequences.
        Interrupted: after Ctrl-C, once the work so far has been kept.
    """
    sentences, rows = train
    reader = _reader(rung, sentences)
    labels = tuple(sorted({label for row in rows for label in row}))
    vocabulary, given = None, None
    if isinstance(reader, Reader):
        columns = reader.read(sentences)
        given = _given_vectors(design, columns[0], reader.read(valid[0])[0] if valid else [])
        spelled = design.characters is not None
        words = None if given is None else given.words
        vocabulary = TokenVocabulary.learn(columns, design.minimum, words, spelled)
    vectors = None if given is None else given.dim
    network = seeded(run.seed, lambda: make(rung, design, reader, labels, vocabulary, vectors))
    if given is not None and isinstance(network.embed, TokenEmbedding):
        network.embed.begin_with(given.values)
    network.allowed = () if scheme is None else constraints(labels, scheme)
    device = device_named(learner.device)
    notes: list[str] = []

    def objective(X: Sequence[Sentence], y: Sequence[Sequence[str]], size: int) -> LabelledSteps:
        steps = encode(reader, vocabulary, X).to(device)
        return LabelledSteps(network, steps, _numbers(labels, y).to(device), size)

    known = None if valid is None else _known(labels, *valid, notes)
    held_out = None if known is None else objective(*known, 4 * learner.batch)
    job = {**run.job, "rung": rung_facts(rung), "design": design.describe(), "labels": list(labels)}
    told = Run(run.seed, run.report, run.checkpoint, run.resume, job)
    history = learner.descend(network, objective(*train, learner.batch), held_out, told)
    history.notes[:0] = notes
    network.to("cpu").eval()
    return NeuralLabeller(reader, labels, vocabulary, vectors, network), history


def make(
    rung: Rung,
    design: Design,
    reader: Reader | Vectors,
    labels: Sequence[str],
    vocabulary: TokenVocabulary | None,
    vectors: int | None,
) -> TagNetwork:
    """The network, its parameters not yet learned.

    Raises:
        CatenaError: when the rung cannot read whole sequences.
    """
    if not isinstance(rung, Encodes):
        raise CatenaError(f"{type(rung).__name__} cannot label steps: it has no encoder")
    if isinstance(reader, Vectors):
        embed = MeasuredEmbedding(reader)
    else:
        assert vocabulary is not None
        embed = TokenEmbedding(
            vocabulary,
            rung.embedded,
            design.word_dropout,
            vectors,
            design.fine_tune,
            design.characters,
        )
    encoder = rung.encoder_over(torch.nn.Identity(), embed.width)
    return TagNetwork(embed, encoder, len(labels), design.decoder)


def restore(
    rung: Rung,
    design: Design,
    reader: Reader | Vectors,
    described: Mapping[str, Any],
    build: Callable[[Callable[[], TagNetwork]], TagNetwork],
) -> NeuralLabeller:
    """The labeller that `describe` and `tensors` told of.

    Args:
        build: calls what makes the network, and gives it its parameters.

    Raises:
        CatenaError, KeyError, TypeError, ValueError: when they are damaged.
    """
    labels = tuple(described["labels"])
    if len(set(labels)) < len(labels) or not all(isinstance(label, str) for label in labels):
        raise CatenaError("labels must be distinct strings")
    found = described["vocabulary"]
    vocabulary = None if found is None else TokenVocabulary.from_description(found)
    if (vocabulary is None) == isinstance(reader, Reader):
        raise CatenaError("what it reads does not go with what it knows of words")
    vectors = described["vectors"]
    if (vectors is None) != (vocabulary is None or vocabulary.vectors is None):
        raise CatenaError("its vectors do not go with what it knows of words")
    network = build(lambda: make(rung, design, reader, labels, vocabulary, vectors))
    return NeuralLabeller(reader, labels, vocabulary, vectors, network)


def encode(
    reader: Reader | Vectors, vocabulary: TokenVocabulary | None, sentences: Sequence[Sentence]
) -> Tokens | Measured:
    """Sequences as the network takes them.

    Raises:
        CatenaError: at a token that is not like those of training, and a measurement that is no
            finite number.
    """
    if isinstance(reader, Vectors):
        if any(map(len, sentences)) and not is_measured(sentences):
            raise CatenaError(
                f"measurements are read, {reader.dim} a step, and no words or attributes"
            )
        return Measured(reader.encode(sentences))
    assert vocabulary is not None
    lengths = torch.tensor([len(sentence) for sentence in sentences], dtype=torch.int64)
    return vocabulary.encode(reader.read(sentences), lengths)


def _given_vectors(design: Design, *words: Sequence[str]) -> WordVectors | None:
    """The pretrained vectors of these words, or of all, where there are such."""
    if design.embeddings is None:
        return None
    wanted = None if design.all_vectors else set(chain.from_iterable(words))
    found = read_vectors(design.embeddings, wanted)
    if not len(found):
        raise CatenaError(
            f"{design.embeddings}: has no vector for any word of the data; take vectors of its "
            "language, cut into words as it is"
        )
    return found


def _reader(rung: Rung, sentences: Sequence[Sentence]) -> Reader | Vectors:
    """What is to be read of data like these."""
    if is_measured(sentences):
        series = as_sequences(list(sentences))
        space = Vectors.learn(series)
        check_varied(space, space.encode(series))
        return space
    reader = Reader.learn(None, sentences)
    if not reader.columns:
        raise CatenaError(
            f"{type(rung).__name__} reads words, tuples of columns or measurements, no attributes; "
            "give tokens as strings or tuples, or take a CRF"
        )
    return reader


def _numbers(labels: Sequence[str], y: Sequence[Sequence[str]]) -> Sequences:
    """The labels' places."""
    place = {label: number for number, label in enumerate(labels)}
    numbers = [place[label] for row in y for label in row]
    lengths = torch.tensor([len(row) for row in y], dtype=torch.int64)
    return Sequences(torch.tensor(numbers, dtype=torch.int64), lengths)


def _known(
    labels: Sequence[str],
    sentences: Sequence[Sentence],
    y: Sequence[Sequence[str]],
    notes: list[str],
) -> tuple[list[Sentence], list[Sequence[str]]] | None:
    """The held-out sentences whose labels training has shown; None where none has a token."""
    known = set(labels)
    pairs = [(row, own) for row, own in zip(sentences, y, strict=True) if known.issuperset(own)]
    if left_out := len(sentences) - len(pairs):
        notes.append(
            f"{left_out} held-out sentences have labels that training has not; they say nothing "
            "about when to stop"
        )
    rows = [row for row, _ in pairs]
    return (rows, [own for _, own in pairs]) if any(map(len, rows)) else None
