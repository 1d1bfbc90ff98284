"""One sequence in, another out: an encoder, a bridge, attention and a decoder.

    m_1..m_S = encoder(source)
    s_0      = start + tanh(B [last of m]),               the bridge, for each part of the state
    ĥ_t      = Attending(y_1..y_t, m)
    p(y_{t+1} given y_1..y_t, source) = softmax(V ĥ_t + b)

Given its sources, the decoder is a `SequenceModel` like every other: it scores, samples, streams
and is searched by the same code. Training feeds it the target (teacher forcing), or in part what it
would have written (scheduled sampling); without input
feeding the decoder's recurrence then runs through all steps in one call of its kernel, and
attention, mixing and the head are products over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from catena.attending import Attending, Looked, Over
from catena.attention import attention_for
from catena.copying import Copying, Pointer
from catena.emission import emission_for
from catena.errors import CatenaError
from catena.ladder import Recurrent
from catena.ladder.encoder import Encodes
from catena.ladder.neural import NeuralHead, width_of
from catena.model import Head, SequenceModel, prepend
from catena.recurrence import Recurrence, State
from catena.scanning import scan
from catena.scheduled import ScheduledSampling, mixed
from catena.sequences import Sequences
from catena.softmax import log_softmax_of
from catena.space import Symbols
from catena.summary import Last


class Reader(Protocol):
    """What makes a memory of sources, of whatever kind: features `[total, width]`."""

    @property
    def width(self) -> int: ...

    def __call__(self, sources: Sequences) -> Sequences: ...


class EncoderDecoder(nn.Module):
    """Sources to models of their targets.

    Args:
        encoder: of the sources.
        summary: of what it shows, for the bridge.
        space: of the targets; it predicts ends.
        embed: of the targets.
        attending: the decoder's recurrence and how it looks back.
        head: of what that shows.
        smoothing: the share of probability that learning spreads over all symbols alike (Szegedy et
            al. 2016).
        pointer: what copies from the source, if anything does.
    """

    def __init__(
        self,
        encoder: Reader,
        summary: nn.Module,
        space: Symbols,
        embed: nn.Module,
        attending: Attending,
        head: NeuralHead,
        smoothing: float = 0.0,
        pointer: Pointer | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.space, self.embed = encoder, space, embed
        self.attending, self.head, self.smoothing = attending, head, smoothing
        self.summary, self.pointer = summary, pointer
        self.scheduled: ScheduledSampling | None = None
        self._drawn = 0.0
        self.bridge = Bridge(encoder.width, cast(Recurrence, attending.inner).start(1))

    def given(self, sources: Sequences, tracking: bool = False) -> SequenceModel:
        """The model of the targets of n sources; its batches are n sequences, one for each.

        Args:
            tracking: let its state tell how much of its source was attended to.
        """
        return self._model(sources, self._head(sources), tracking)

    def log_prob(self, sources: Sequences, targets: Sequences) -> Sequences:
        """log p of every step of the targets and of their ends, in nats, with gradients; while
        training, smoothed, and given symbols of its own among those of the targets where sampling
        is `scheduled`."""
        head = self._head(sources)
        head = Smoothed(head, self.smoothing) if self.training else head
        model = self._model(sources, head)
        fed = mixed(model, targets, self._drawn) if self.training and self._drawn else None
        return model.score(targets, fed=fed).log_prob

    def at(self, done: float) -> None:
        """So much of learning is over, from 0 to 1."""
        self._drawn = self.scheduled.at(done) if self.scheduled else 0.0

    def weights(self, sources: Sequences, targets: Sequences) -> Sequences:
        """How much each prediction, those of the ends too, attended to each step of its source:
        `[total, longest]`; 0 beyond a source's end."""
        over = self._over(sources, pointing=True)
        embedded = targets.with_values(self.embed(targets.values))
        state = over.start(len(sources))
        shown = prepend(over.read(state), scan(over, embedded, state).features)
        return shown.with_values(Looked.of(shown.values, self.attending.width).weights)

    def _model(self, sources: Sequences, head: Head, tracking: bool = False) -> SequenceModel:
        over = self._over(sources, tracking, pointing=self.pointer is not None)
        return SequenceModel(self.space, self.embed, over, head).train(self.training)

    def _head(self, sources: Sequences) -> NeuralHead | Copying:
        return self.head if self.pointer is None else self.pointer.over(self.head, sources)

    def _over(self, sources: Sequences, tracking: bool = False, pointing: bool = False) -> Over:
        features = self.encoder(sources)
        start = cast(Recurrence, self.attending.inner).start(len(sources))
        begin = self.bridge(self.summary(features), start)
        memory = self.attending.attention.memory(features)
        return self.attending.over(memory, begin, tracking, pointing)


@dataclass(frozen=True)
class Looking:
    """How a decoder looks back at its source.

    Args:
        attention: "dot", "general", "additive" or "multi-head".
        heads: of multi-head attention.
        feeding: whether what was shown enters the next step; it costs the kernel that runs through
            all steps at once.
        coverage: whether what was attended to before changes the scores; likewise.
        copy: whether a symbol of the source may also be copied; see `catena.copying`.
    """

    attention: str = "general"
    heads: int = 4
    feeding: bool = False
    coverage: bool = False
    copy: bool = False


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
        CatenaError: for rungs that cannot encode or decode, and for copying what the target has no
            symbol for.
    """
    if not isinstance(encoder, Encodes):
        raise CatenaError(f"{type(encoder).__name__} cannot encode: it has no encoder(space)")
    reads = encoder.encoder(sources)
    summary = Last(reads.both_ways)
    model = decoder_over(reads, summary, decoder, targets, looking, smoothing, sources)
    alike = sources == targets and _alike(reads.embed, model.embed)
    if alike and isinstance(decoder, Recurrent) and decoder.tied:
        reads.embed.table = model.embed.table
    return model


def decoder_over(
    reads: Reader,
    summary: nn.Module,
    decoder: object,
    targets: Symbols,
    looking: Looking,
    smoothing: float = 0.0,
    sources: Symbols | None = None,
) -> EncoderDecoder:
    """A model of this decoder over what an encoder shows.

    Args:
        sources: what the encoder reads, where that is symbols; copying needs to know.

    Raises:
        CatenaError: for a rung that cannot decode, and for copying from what has no symbols.
    """
    if not isinstance(decoder, Recurrent) or decoder.bidirectional:
        raise CatenaError(f"a decoder is an RNN, GRU or LSTM that reads one way, not {decoder!r}")
    if decoder.variational and (looking.feeding or looking.coverage):
        raise CatenaError(
            "variational dropout in the decoder needs all steps at once: leave out feeding and "
            "coverage"
        )
    beside = decoder.units if looking.feeding else 0
    embed, inner = decoder.reading(targets, beside)
    width = width_of(inner)
    attention = attention_for(
        looking.attention, width, reads.width, looking.heads, looking.coverage
    )
    attending = Attending(inner, attention, width, looking.feeding)
    table = embed.table if decoder.tied else None
    head = NeuralHead(width, emission_for(targets, None), decoder.dropout, table)
    pointer = None
    if looking.copy:
        if sources is None:
            raise CatenaError("copying needs sources of symbols; leave copy out")
        pointer = Pointer(width, sources, targets)
    return EncoderDecoder(reads, summary, targets, embed, attending, head, smoothing, pointer)


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
    """A head that, while learning, also gives a share ε of its probability to every symbol alike;
    see `catena.softmax`.
    """

    def __init__(self, head: NeuralHead | Copying, share: float) -> None:
        super().__init__()
        self.head, self.share = head, share

    def distribution(self, features: Tensor) -> Distribution:
        return self.head.distribution(features)

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        if isinstance(self.head, NeuralHead):
            return log_softmax_of(x, self.head.hidden(features), *self.head.table, self.share)
        raw = self.head.parameters_of(features)
        return -nn.functional.cross_entropy(raw, x, reduction="none", label_smoothing=self.share)
