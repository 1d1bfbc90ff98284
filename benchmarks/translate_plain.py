"""The translator of recipes/multi30k.py written plainly with torch.nn, over padded batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

WIDTH, EMBEDDING, DROPOUT, EMBEDDING_DROPOUT, SMOOTHING = 512, 256, 0.4, 0.3, 0.1
NOTHING = -100  # the target where there is none
State = tuple[Tensor, ...]


class Read(NamedTuple):
    """Sources that were read.

    Args:
        memory, keys: `[n, longest, width]`.
        real: `[n, longest]`.
    """

    memory: Tensor
    keys: Tensor
    real: Tensor


class Plain(nn.Module):
    """A bidirectional encoder, general attention, a decoder that shares the encoder's table."""

    def __init__(self, outcomes: int) -> None:
        super().__init__()
        self.table = nn.Embedding(outcomes, EMBEDDING)
        self.encoder = nn.LSTM(EMBEDDING, WIDTH // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(EMBEDDING, WIDTH, batch_first=True)
        self.encoder_start = nn.Parameter(torch.zeros(2, 2, 1, WIDTH // 2))
        self.decoder_start = nn.Parameter(torch.zeros(2, 1, 1, WIDTH))
        self.bridge = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(2)])
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.mix = nn.Linear(2 * WIDTH, WIDTH)
        self.project = nn.Linear(WIDTH, EMBEDDING)
        self.bias = nn.Parameter(torch.zeros(outcomes))
        self.drop, self.drop_embedded = nn.Dropout(DROPOUT), nn.Dropout(EMBEDDING_DROPOUT)

    def encode(self, x: Tensor, lengths: Tensor) -> tuple[Read, State]:
        """What sources `[n, longest]` say, and where their decoders begin."""
        embedded = self.drop_embedded(self.table(x))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        begin = [part.expand(2, len(x), -1).contiguous() for part in self.encoder_start]
        memory, _ = pad_packed_sequence(self.encoder(packed, tuple(begin))[0], batch_first=True)
        memory = self.drop(memory)
        half = WIDTH // 2
        ends = memory[torch.arange(len(x)), lengths - 1, :half]
        summary = torch.cat([ends, memory[:, 0, half:]], 1)
        real = torch.arange(memory.shape[1]) < lengths[:, None]
        start = zip(self.decoder_start, self.bridge, strict=True)
        h, c = (part + torch.tanh(bridge(summary)) for part, bridge in start)
        return Read(memory, self.key(memory), real), (h, c)

    def look(self, features: Tensor, read: Read) -> Tensor:
        """What is shown `[n, queries, width]` for features of that shape."""
        e = features @ read.keys.transpose(1, 2)
        a = e.masked_fill(~read.real[:, None], -torch.inf).softmax(-1)
        return torch.tanh(self.mix(torch.cat([a @ read.memory, features], -1)))

    def logits(self, shown: Tensor) -> Tensor:
        return linear(self.project(self.drop(shown)), self.table.weight, self.bias)

    def predicted(self, state: State, read: Read) -> Tensor:
        """`[n, rows, outcomes]`, logits of what comes next, for a state `[1, n · rows, width]`."""
        features = state[0].reshape(len(read.memory), -1, WIDTH)
        return self.logits(self.look(features, read))

    def advance(self, state: State, y: Tensor) -> State:
        """The state after symbols y `[rows]`."""
        return self.decoder(self.drop_embedded(self.table(y))[:, None], state)[1]

    def step_by_step(self, batch: Batch) -> Tensor:
        """The loss as tutorials compute it: a loop over time with teacher forcing."""
        read, state = self.encode(batch.x, batch.lengths)
        shown = []
        for y in batch.y.unbind(1):
            shown.append(self.predicted(state, read))
            state = self.advance(state, y)
        shown.append(self.predicted(state, read))
        return _loss(torch.cat(shown, 1).flatten(0, 1), batch.wanted.flatten())

    def all_at_once(self, batch: Batch) -> Tensor:
        """The loss with one call of the decoder, and a head over what is real."""
        logits, wanted = self.real_logits(batch)
        return _loss(logits, wanted)

    def real_logits(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Those of all predictions that there are, and what they are to predict."""
        read, state = self.encode(batch.x, batch.lengths)
        features, _ = self.decoder(self.drop_embedded(self.table(batch.y)), state)
        shown = self.look(torch.cat([state[0].transpose(0, 1), features], 1), read)
        real = batch.wanted != NOTHING
        return self.logits(shown[real]), batch.wanted[real]


def _loss(logits: Tensor, wanted: Tensor) -> Tensor:
    return cross_entropy(logits, wanted, ignore_index=NOTHING, label_smoothing=SMOOTHING)


class Batch(NamedTuple):
    """Pairs, padded.

    Args:
        x, lengths: sources `[n, longest]` and `[n]`.
        y: targets `[n, longest]`.
        wanted: `[n, longest + 1]`, targets and their ends; `NOTHING` beyond.
    """

    x: Tensor
    lengths: Tensor
    y: Tensor
    wanted: Tensor


def padded(sources: Any, targets: Any, rows: Tensor, end: int) -> Batch:
    """Some pairs of ragged sources and targets."""
    x, lengths = sources[rows].to_padded()
    y, written = targets[rows].to_padded()
    wanted = torch.cat([y, y.new_zeros(len(y), 1)], 1)
    wanted[torch.arange(wanted.shape[1]) > written[:, None]] = NOTHING
    wanted[torch.arange(len(y)), written] = end
    return Batch(x, lengths, y, wanted)


def plain_of(model: nn.Module, outcomes: int) -> Plain:
    """The plain model with the weights of catena's."""
    plain, kept = Plain(outcomes).eval(), model.state_dict()
    both = "encoder.recurrence.layers.0"
    names = {
        "table.weight": "embed.table",
        "key.weight": "attending.attention.key.weight",
        "bias": "head.bias",
        **{f"mix.{part}": f"attending.mix.{part}" for part in ("weight", "bias")},
        **{f"project.{part}": f"head.linear.{part}" for part in ("weight", "bias")},
    }
    for part in ("weight", "bias"):
        names |= {f"bridge.{i}.{part}": f"bridge.linear.{i}.{part}" for i in range(2)}
        for side in ("ih", "hh"):
            name = f"{part}_{side}"
            names[f"decoder.{name}_l0"] = f"attending.inner.layers.0.{name}"
            names[f"encoder.{name}_l0"] = f"{both}.forwards.{name}"
            names[f"encoder.{name}_l0_reverse"] = f"{both}.backwards.{name}"
    weights = {own: kept[theirs] for own, theirs in names.items()}
    ways = [kept[f"{both}.{way}.initial"] for way in ("forwards", "backwards")]
    weights["encoder_start"] = torch.stack(ways, 1)[:, :, None]
    weights["decoder_start"] = kept["attending.inner.layers.0.initial"][:, None, None]
    plain.load_state_dict(weights)
    return plain
