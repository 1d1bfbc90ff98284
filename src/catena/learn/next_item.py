"""The next item of every session, against a sample of the others: what a recommender learns by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import linear

from catena.learn.batches import Batches
from catena.learn.checkpoint import digest
from catena.learn.item_losses import ItemLoss
from catena.learn.negatives import Negatives
from catena.model import Scored, SequenceModel, prepend
from catena.recurrence import State
from catena.scanning import scan
from catena.sequences import Sequences


@runtime_checkable
class ScoresByTable(Protocol):
    """A head whose scores are products with the rows of a table, so that a few can be had alone."""

    def hidden(self, features: Tensor) -> Tensor:
        """What the rows are multiplied with, `[m, width]`."""
        ...

    @property
    def table(self) -> tuple[Tensor, Tensor]:
        """A row and a bias for each item, `[items, width]` and `[items]`."""
        ...


@dataclass(frozen=True)
class SessionPiece:
    """A span of some sessions, and the other items that all its predictions share.

    Args:
        sequences: at most `span` items of each session.
        fresh: whether the sessions begin here.
        others: `[k]`; None where all items are scored.
    """

    sequences: Sequences
    fresh: bool
    others: Tensor | None


class NextItem:
    """Every item of a session but the first, predicted from those before it.

    Args:
        model: what predicts; its head scores by a table.
        sequences: sessions of at least two items, on the model's device.
        counts: `[items]`, how often each item occurs in training.
        loss: what a prediction is worth.
        rows, span: as in `Batches`.
    """

    def __init__(
        self,
        model: SequenceModel,
        sequences: Sequences,
        counts: Tensor,
        loss: ItemLoss,
        rows: int,
        span: int,
    ) -> None:
        assert isinstance(model.head, ScoresByTable)
        self._model, self._head, self._loss = model, model.head, loss
        self._sequences, self._span = sequences, span
        self._batches = Batches(sequences, rows, span)
        self._negatives = None
        if loss.samples:
            self._negatives = Negatives(counts, loss.samples, loss.exponent)

    @property
    def predictions(self) -> int:
        return self._sequences.total - len(self._sequences)

    @property
    def fingerprint(self) -> str:
        return digest(self._sequences.lengths, self._sequences.values)

    def batches(self, generator: torch.Generator | None) -> list[Any]:
        """Each batch with the epoch's seed and the number of its first piece."""
        cut = self._batches.batches(generator)
        seed = 0
        if generator is not None:
            seed = int(torch.randint(1 << 40, (), generator=generator))
        sizes = [max(1, math.ceil(int(batch.lengths.max()) / self._span)) for batch in cut]
        first = accumulate(sizes, initial=0)
        return [(batch, seed, number) for batch, number in zip(cut, first, strict=False)]

    def updates(self, batches: list[Any]) -> int:
        return self._batches.updates([batch for batch, _, _ in batches])

    def pieces(self, batch: Any) -> Iterator[SessionPiece]:
        rows, seed, number = batch
        for place, piece in enumerate(self._batches.pieces(rows)):
            others = None
            if self._negatives is not None:
                others = self._negatives.draw(seed, number + place)
            yield SessionPiece(piece.sequences, piece.fresh, others)

    def score(self, piece: SessionPiece, state: State | None) -> Scored:
        """What each prediction of the piece is worth, and the state that its sessions are left in.

        Only cross-entropy is a log-probability; the others are made large in the same way.
        """
        model, sequences = self._model, piece.sequences
        state = model.start(len(sequences)) if state is None else state
        embedded = sequences.with_values(model.embed(sequences.values))
        scanned = scan(model.recurrence, embedded, state)
        before = prepend(model.read(state), scanned.features).values
        slots, items = _predicted(sequences, piece.fresh)
        hidden = self._head.hidden(before[slots.to(before.device)])
        gain = self._gain(hidden, sequences.values[items.to(before.device)], piece.others)
        return Scored(Sequences(gain, torch.tensor([len(gain)])), scanned.state)

    def _gain(self, hidden: Tensor, targets: Tensor, others: Tensor | None) -> Tensor:
        weight, bias = self._head.table
        if others is None:
            scores = linear(hidden, weight, bias).float()
            return scores.log_softmax(1).gather(1, targets[:, None]).squeeze(1)
        assert self._negatives is not None
        others = others.to(hidden.device)
        hit = targets[:, None] == others
        # Without any other item there is nothing to stand above, and nothing to learn.
        real = ~hit.all(1)
        hidden, targets, hit = hidden[real], targets[real], hit[real]
        own = (hidden * weight[targets]).sum(1) + bias[targets]
        sampled = linear(hidden, weight[others], bias[others])
        log_draws = self._negatives.log_draws.to(hidden.device)[others]
        return self._loss.gain(own.float(), sampled.float(), hit, log_draws)


def _predicted(sequences: Sequences, fresh: bool) -> tuple[Tensor, Tensor]:
    """Which states (one before each item and one after the last) predict, and which items."""
    lengths = sequences.lengths
    slots = torch.ones(int((lengths + 1).sum()), dtype=torch.bool)
    last = (lengths + 1).cumsum(0) - 1
    slots[last] = False
    items = torch.ones(sequences.total, dtype=torch.bool)
    if fresh:
        slots[last - lengths] = False
        items[sequences.offsets[:-1][lengths > 0]] = False
    return slots.nonzero().squeeze(1), items.nonzero().squeeze(1)
