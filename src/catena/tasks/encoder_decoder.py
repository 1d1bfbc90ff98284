"""One sequence in, another out: an encoder, a bridge, attention and a decoder.

    m_1..m_S = encoder(source)
    s_0      = start + tanh(B [last of m]),               the bridge, for each part of the state
    ĥ_t      = Attending(y_1..y_t, m)
    p(y_{t+1} given y_1..y_t, source) = softmax(V ĥ_t + b)

Given its sources, the decoder is a `SequenceModel` like every other: it scores, samples, streams
and is searched by the same code. Training feeds it the target (teacher forcing); without input
feeding the decoder's recurrence then runs through all steps in one call of its kernel, and
attention, mixing and the head are products over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from catena.attending import Attending, Covered, Over
from catena.attention import attention_for
from catena.emission import emission_for
from catena.errors import CatenaError
from catena.ladder import Recurrent
from catena.ladder.encoder import Encoder, Encodes
from catena.ladder.neural import NeuralHead, width_of
from catena.model import SequenceModel, prepend
from catena.recurrence import Recurrence, State
from catena.scanning import scan
from catena.sequences import Sequences
from catena.softmax import log_softmax_of
from catena.space import Symbols
from catena.summary import Last


class EncoderDecoder(nn.Module):
    """Sources to models of their targets.

    Args:
        encoder: of the sources.
        space: of the targets; it predicts ends.
        embed: of the targets.
        attending: the decoder's recurrence and how it looks back.
        head: of what that shows.
        smoothing: the share of probability that learning spreads over all symbols alike (Szegedy et
            al. 2016).
    """

    def __init__(
        self,
        encoder: Encoder,
        space: Symbols,
        embed: nn.Module,
        attending: Attending,
        head: NeuralHead,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.space, self.embed = encoder, space, embed
        self.attending, self.head, self.smoothing = attending, head, smoothing
        self.summary = Last(encoder.both_ways)
        self.bridge = Bridge(encoder.width, cast(Recurrence, attending.inner).start(1))

    def given(self, sources: Sequences, tracking: bool = False) -> SequenceModel:
        """The model of the targets of n sources; its batches are n sequences, one for each.

        Args:
            tracking: let its state tell how much of its source was attended to.
        """
        return self._given(sources, self.head, tracking)

    def log_prob(self, sources: Sequences, targets: Sequences) -> Sequences:
        """log p of every step of the targets and of their ends, in nats, with gradients; while
        training, smoothed."""
        smoothed = self.training and self.smoothing
        head = Smoothed(self.head, self.smoothing) if smoothed else self.head
        return self._given(sources, head, False).score(targets).log_prob

    def weights(self, sources: Sequences, targets: Sequences) -> Sequences:
        """How much each prediction, those of the ends too, attended to each step of its source:
        `[total, longest]`; 0 beyond a source's end."""
        over = cast(Over, self.given(sources, tracking=True).recurrence)
        embedded = targets.with_values(self.embed(targets.values))
        covered = Covered(over)
        state = covered.start(len(sources))
        added = prepend(covered.read(state), scan(covered, embedded, state).features)
        before = added.values.roll(1, 0)
        beyond = torch.arange(before.shape[1]) >= sources.lengths[:, None]
        before[added.offsets[:-1]] = beyond.to(before)
        return added.with_values(added.values - before)

    def _given(
        self, sources: Sequences, head: NeuralHead | Smoothed, tracking: bool
    ) -> SequenceModel:
        features = self.encoder(sources)
        start = cast(Recurrence, self.attending.inner).start(len(sources))
        begin = self.bridge(self.summary(features), start)
        over = self.attending.over(self.attending.attention.memory(features), begin, tracking)
        return SequenceModel(self.space, self.embed, over, head).train(self.training)


@dataclass(frozen=True)
class Looking:
    """How a decoder looks back at its source.

    Args:
        attention: "dot", "general", "additive" or "multi-head".
        heads: of multi-head attention.
        feeding: whether what was shown enters the next step; it costs the kernel that runs through
            all steps at once.
        coverage: whether what was attended to before changes the scores; likewise.
    """

    attention: str = "general"
    heads: int = 4
    feeding: bool = False
    coverage: bool = False


def encoder_decoder(
    encoder: object,
    decoder: object,
    sources: Symbols,
    targets: Symbols,
    looking: Looking,
    smoothing: float = 0.0,
) -> EncoderDecoder:
    """A model of these rungs, its parameters not yet learned.

    Where both spaces are the same and the decoder's rung is tied, sources and targets share one
    table.

    Raises:
        CatenaError: for rungs that cannot encode or decode.
    """
    if not isinstance(encoder, Encodes):
        raise CatenaError(f"{type(encoder).__name__} cannot encode: it has no encoder(space)")
    if not isinstance(decoder, Recurrent) or decoder.bidirectional:
        raise CatenaError(f"a decoder is an RNN, GRU or LSTM that reads one way, not {decoder!r}")
    reads = encoder.encoder(sources)
    beside = decoder.units if looking.feeding else 0
    embed, inner = decoder.reading(targets, beside)
    width = width_of(inner)
    attention = attention_for(
        looking.attention, width, reads.width, looking.heads, looking.coverage
    )
    attending = Attending(inner, attention, width, looking.feeding)
    table = embed.table if decoder.tied else None
    head = NeuralHead(width, emission_for(targets, None), decoder.dropout, table)
    if table is not None and sources == targets and _alike(reads.embed, embed):
        reads.embed.table = table
    return EncoderDecoder(reads, targets, embed, attending, head, smoothing)


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two embeddings could be one."""
    tables = [getattr(module, "table", None) for module in (one, other)]
    return len({table.shape for table in tables if table is not None}) == 1


class Bridge(nn.Module):
    """From what the encoder ended with, `[n, width]`, to where the decoder begins."""

    def __init__(self, width: int, start: State) -> None:
        super().__init__()
        self.linear = nn.ModuleList([nn.Linear(width, part[0].numel()) for part in start])

    def forward(self, summary: Tensor, start: State) -> State:
        return tuple(
            part + torch.tanh(linear(summary)).reshape(part.shape)
            for part, linear in zip(start, self.linear, strict=True)
        )


class Smoothed(nn.Module):
    """A head that, while learning, also gives a share of its probability to every symbol alike.

    Its log_prob is (1 - ε) log p(x) + ε Σ_k log p(k) / K, of K symbols.
    """

    def __init__(self, head: NeuralHead, share: float) -> None:
        super().__init__()
        self.head, self.share = head, share

    def distribution(self, features: Tensor) -> Distribution:
        return self.head.distribution(features)

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        return log_softmax_of(x, self.head.hidden(features), *self.head.table, self.share)
