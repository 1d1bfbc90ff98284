"""A network that labels every step: what is read of a step, a recurrence, a score for each label.

    e_t = [E w_t + E' lower(w_t); vector(w_t); spelling(w_t); columns]     of words
    e_t = (x_t - shift) / scale                                           of measurements
    h_t = encoder(e_1..e_T)_t
    s_t = V h_t + b                                                       a score for each label

    softmax    p(y_t given x) = softmax(s_t), each step on its own
    crf        p(y_1..y_T given x), the chain over s with learned moves, first and last labels

The second is the network of Huang, Xu and Yu (Bidirectional LSTM-CRF models for sequence tagging,
2015), with characters that of Lample et al. (Neural architectures for named entity recognition,
2016) and Ma and Hovy (End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from catena.ladder.characters import CNN, Characters
from catena.ladder.encoder import Encoder
from catena.ladder.neural import Embedding, Recurrent
from catena.learn.checkpoint import digest
from catena.linear_chain import LinearChain
from catena.sequences import Sequences
from catena.space import Space
from catena.tasks.tokens import Tokens, TokenVocabulary

DECODERS = ("crf", "softmax")
# The size of the vector of a value of a column, such as a part of speech.
COLUMN = 32


class Embeds(Protocol):
    """A module that makes features of steps."""

    width: int

    def __call__(self, steps: Any) -> Tensor:
        """`[total, width]`."""
        ...


@dataclass(frozen=True, eq=False)
class Measured:
    """Sequences of measurements, `[total, dim]`."""

    sequences: Sequences

    @property
    def lengths(self) -> Tensor:
        """`[n]`, on the CPU."""
        return self.sequences.lengths

    @property
    def fingerprint(self) -> str:
        """A short name for what is in them."""
        return digest(self.sequences.lengths, self.sequences.values)

    def pick(self, chosen: Tensor) -> Measured:
        """The chosen sequences `[m]`."""
        return Measured(self.sequences[chosen])

    def to(self, device: torch.device) -> Measured:
        """The same on another device."""
        return Measured(self.sequences.to(device))


class MeasuredEmbedding(nn.Module):
    """Measurements, centred and scaled."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.embedding = Embedding(space, 1, 0.0, 1.0)
        self.width = self.embedding.width

    def forward(self, steps: Measured) -> Tensor:
        return self.embedding(steps.sequences.values)


class TokenEmbedding(nn.Module):
    """What is known of a token, side by side: `[total, width]`.

    Args:
        vocabulary: the words and columns that have vectors.
        width: the size of a word's vector.
        word_dropout: how often a word is made unknown while training; its spelling, its pretrained
            vector and its columns are still seen.
        vectors: the size of pretrained vectors, where there are such.
        fine_tune: whether they are learned further.
        speller: what reads the characters of words, if anything does.
    """

    def __init__(
        self,
        vocabulary: TokenVocabulary,
        width: int,
        word_dropout: float,
        vectors: int | None = None,
        fine_tune: bool = True,
        speller: Recurrent | CNN | None = None,
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        words, small = vocabulary.words, vocabulary.small
        self.unknown = (words.unknown_number, small.unknown_number)
        self.words, self.small = _table(words.outcomes, width), _table(small.outcomes, width)
        narrow = min(width, COLUMN)
        self.columns = nn.ModuleList(_table(c.outcomes, narrow) for c in vocabulary.columns)
        self.vectors: nn.Embedding | None = None
        self.spelling: Characters | None = None
        self.width = width + narrow * len(self.columns)
        if vocabulary.vectors is not None and vectors is not None:
            self.vectors = _table(vocabulary.vectors.outcomes, vectors)
            self.vectors.weight.requires_grad_(fine_tune)
            self.width += vectors
        if vocabulary.characters is not None and speller is not None:
            self.spelling = Characters(speller, vocabulary.characters)
            self.width += self.spelling.width

    def begin_with(self, values: Tensor) -> None:
        """Take pretrained vectors `[n, dim]`; that of words without one is zero."""
        assert self.vectors is not None
        with torch.no_grad():
            self.vectors.weight[0] = 0.0
            self.vectors.weight[1:] = values

    def forward(self, tokens: Tokens) -> Tensor:
        word, small, *others = tokens.numbers.values.unbind(1)
        if self.training and self.word_dropout:
            unknown = torch.rand(len(word), device=word.device) < self.word_dropout
            word = word.masked_fill(unknown, cast(int, self.unknown[0]))
            small = small.masked_fill(unknown, cast(int, self.unknown[1]))
        parts = [self.words(word) + self.small(small)]
        rest = iter(others)
        parts += [table(next(rest)) for table in self.columns]
        if self.vectors is not None:
            parts.append(self.vectors(next(rest)))
        if self.spelling is not None and tokens.spelled is not None:
            parts.append(self.spelling(tokens.spelled).index_select(0, next(rest)))
        return torch.cat(parts, 1)


class TagNetwork(nn.Module):
    """Scores of labels, and what joins the labels of neighbours.

    Args:
        embed: steps to `[total, width]`.
        encoder: what makes features of them that know of the whole sequence.
        labels: L.
        decoder: "crf" or "softmax".
    """

    def __init__(self, embed: Embeds, encoder: Encoder, labels: int, decoder: str) -> None:
        super().__init__()
        self.embed, self.encoder, self.decoder = embed, encoder, decoder
        self.head = nn.Linear(encoder.width, labels)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        learned = decoder == "crf"
        self.transitions = nn.Parameter(torch.zeros(labels, labels), requires_grad=learned)
        self.start = nn.Parameter(torch.zeros(labels), requires_grad=learned)
        self.end = nn.Parameter(torch.zeros(labels), requires_grad=learned)
        # Which moves, first and last labels are allowed while learning; without them, all.
        self.allowed: tuple[Tensor, ...] = ()

    @property
    def chain(self) -> LinearChain:
        """The moves; of a softmax all alike, so that its best path has the best labels."""
        return LinearChain(self.transitions, self.start, self.end)

    def forward(self, steps: Any) -> Sequences:
        """How well each label fits each step, `[total, L]`."""
        features = self.encoder(Sequences(self.embed(steps), steps.lengths))
        return features.with_values(self.head(features.values).float())

    def log_prob(self, steps: Any, labels: Tensor) -> Tensor:
        """As `catena.learn.objective.StepLabeller` has it."""
        scores = self(steps)
        if self.decoder == "softmax":
            return scores.values.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
        chain = self.chain.constrained(*self.allowed)
        path = chain.log_prob(scores, scores.with_values(labels))
        share = path / scores.lengths.clamp_min(1).to(path.device)
        return share.repeat_interleave(scores.lengths.to(path.device)).float()


def _table(rows: int, width: int) -> nn.Embedding:
    """A vector for each number, of length 1 or so to begin with."""
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return table
