"""The next item of every session, against a sample of the others: what a recommender learns by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from catena.kernels.sampled import distinct, marks
from catena.learn.among import Candidates, gains
from catena.learn.batches import Batches
from catena.learn.checkpoint import digest
from catena.learn.item_losses import ItemLoss
from catena.learn.negatives import Negatives
from catena.learn.session_steps import SessionSteps, session_steps
from catena.learn.taken import taken, taken_and_read
from catena.model import Scored, SequenceModel
from catena.recurrence import State, select
from catena.scanning import run
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


@runtime_checkable
class ReadsByTable(Protocol):
    """An embedding that is a row of a table for each item, and what is made of the rows."""

    table: nn.Parameter

    def shown(self, rows: Tensor) -> Tensor:
        """What the recurrence takes for rows of the table, `[m, width]`."""
        ...


@dataclass(frozen=True)
class SessionPiece:
    """A span of some sessions, and the other items that all its predictions share.

    Args:
        sequences: at most `span` items of each session.
        ends: `[n]`, whether the session ends here.
        fresh: whether the sessions begin here.
        others: `[k]`; None where all items are scored.
    """

    sequences: Sequences
    ends: Tensor
    fresh: bool
    others: Tensor | None

    @property
    def steps(self) -> SessionSteps:
        """Which items are read and predicted."""
        return session_steps(self.sequences.lengths, self.ends, self.fresh)


class NextItem:
    """Every item of a session but the first, predicted from those before it.

    Args:
        model: what predicts; its head scores by a table.
        sequences: sessions of at least two items, on the model's device.
        counts: `[items]`, how often each item occurs in training.
        loss: what a prediction is worth.
        rows, span: as in `Batches`.
        sparse: whether tables of items get a gradient for the rows that were used alone, which
            the optimiser then must take.
    """

    def __init__(
        self,
        model: SequenceModel,
        sequences: Sequences,
        counts: Tensor,
        loss: ItemLoss,
        rows: int,
        span: int,
        sparse: bool = False,
    ) -> None:
        assert isinstance(model.head, ScoresByTable)
        self._model, self._head, self._loss, self.counts = model, model.head, loss, counts
        self._sequences, self._span, self._sparse = sequences, span, sparse
        self._batches = Batches(sequences, rows, span)
        # Asked once: to look at a class as a protocol takes as long as a small product.
        self._reads = model.embed if isinstance(model.embed, ReadsByTable) else None
        self._negatives = None
        if loss.samples:
            self._negatives = Negatives(counts, loss.samples, loss.exponent)
        self._marks = marks(len(counts))

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
            yield SessionPiece(piece.sequences, piece.ends, piece.fresh, others)

    def score(self, piece: SessionPiece, state: State | None) -> Scored:
        """What each prediction of the piece is worth, and the state that its sessions are left in.

        Only cross-entropy is a log-probability; the others are made large in the same way.
        """
        if piece.others is None:
            return self._among_all(piece, state)
        return self._among(piece, piece.others, state)

    def _among_all(self, piece: SessionPiece, state: State | None) -> Scored:
        values, steps = piece.sequences.values, piece.steps
        embedded = self._model.embed(_at(values, steps.read))
        hidden, targets, after = self._walked(values, steps, embedded, state)
        scores = linear(hidden, *self._head.table).float()
        gain = scores.log_softmax(1).gather(1, targets[:, None]).squeeze(1)
        return _scored(gain, after)

    def _among(self, piece: SessionPiece, others: Tensor, state: State | None) -> Scored:
        """Only the rows of the items that occur here are touched, each once."""
        assert self._negatives is not None
        values, steps = piece.sequences.values, piece.steps
        items, numbers, times = distinct(values, others, self._marks)
        rows, embedded = self._embedded(values, steps.read, items, numbers)
        hidden, own, after = self._walked(numbers, steps, embedded, state)
        if int(times.max()) == len(others):
            # Without any other item there is nothing to stand above, and nothing to learn.
            real = times[own] < len(others)
            hidden, own = hidden[real], own[real]
        log_draws = self._negatives.log_draws.to(values.device)[items]
        bias = self._taken(self._head.table[1], items)
        among = Candidates(rows, bias, times.log(), log_draws)
        return _scored(gains(self._loss, hidden, own, among), after)

    def _embedded(
        self, values: Tensor, read: Tensor, items: Tensor, numbers: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The rows that scores are computed with, and what the recurrence takes for what is read:
        by the same rows where the model reads and scores with one table.

        Args:
            values: `[total]`, and numbers: `[total]`, which of the items these are.
        """
        embed, (table, _) = self._reads, self._head.table
        if embed is None:
            return self._taken(table, items), self._model.embed(_at(values, read))
        if embed.table is table and self._sparse:
            rows, taken = taken_and_read(table, items, _at(numbers, read))
            return rows, embed.shown(taken)
        rows = self._taken(table, items)
        if embed.table is not table:
            own, place = _at(values, read).unique(return_inverse=True)
            return rows, embed.shown(self._taken(embed.table, own).index_select(0, place))
        return rows, embed.shown(rows.index_select(0, _at(numbers, read)))

    def _taken(self, table: Tensor, items: Tensor) -> Tensor:
        return taken(table, items) if self._sparse else table.index_select(0, items)

    def _walked(
        self, numbers: Tensor, steps: SessionSteps, embedded: Tensor, state: State | None
    ) -> tuple[Tensor, Tensor, State]:
        """What rows of the table are multiplied with for each prediction `[m, width]`, the number
        of the item that came next `[m]`, and the state left behind.

        Args:
            numbers: `[total]`, the number of each item of the piece.
            embedded: `[read, *event]`, time-major.
        """
        model, layout = self._model, steps.layout
        state = model.start(len(layout.order)) if state is None else state
        features, after = run(model.recurrence, embedded, layout, select(state, layout.order))
        if steps.slots is not None:
            features = _at(features, steps.slots)
        targets = steps.targets
        if len(steps.begun):
            features = torch.cat([model.read(select(state, steps.begun)), features])
            targets = torch.cat([steps.begins, targets])
        hidden = self._head.hidden(features)
        return hidden, _at(numbers, targets), select(after, layout.inverse)


def _scored(gain: Tensor, state: State) -> Scored:
    return Scored(Sequences(gain, torch.tensor([len(gain)])), state)


def _at(values: Tensor, places: Tensor) -> Tensor:
    return values.index_select(0, places.to(values.device))
