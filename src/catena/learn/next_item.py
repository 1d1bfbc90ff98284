"""The next item of every session, against a sample of the others: what a recommender learns by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from catena.kernels.sampled import distinct, marks
from catena.layout import Layout
from catena.learn.among import Candidates, gains
from catena.learn.batches import Batches
from catena.learn.checkpoint import digest
from catena.learn.item_losses import ItemLoss
from catena.learn.negatives import Negatives
from catena.learn.taken import taken, taken_and_read
from catena.model import Scored, SequenceModel
from catena.recurrence import State
from catena.scanning import run
from catena.sequences import Sequences, ranges


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
        layout: of at most `span` steps of each session, which are in its order.
        items: `[2, total]`, time-major: what each step reads, and the item that came next.
        fresh: whether the sessions begin here.
        others: `[k]`; None where all items are scored.
    """

    layout: Layout
    items: Tensor
    fresh: bool
    others: Tensor | None


class NextItem:
    """Every item of a session but the first, predicted from those before it.

    The last item of a session is not read: nothing follows it.

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
        self._read = _all_but_last(sequences)
        self._batches = Batches(self._read, rows, span, beside=1)
        # Asked once: to look at a class as a protocol takes as long as a small product.
        self._reads = model.embed if isinstance(model.embed, ReadsByTable) else None
        self._negatives = None
        if loss.samples:
            self._negatives = Negatives(counts, loss.samples, loss.exponent)
        self._marks = marks(len(counts))

    @property
    def predictions(self) -> int:
        return self._read.total

    @property
    def fingerprint(self) -> str:
        return digest(self._sequences.lengths, self._sequences.values)

    def batches(self, generator: torch.Generator | None) -> list[Any]:
        """Each batch with the epoch's seed and the number of its first piece."""
        cut = self._batches.batches(generator)
        seed = 0
        if generator is not None:
            seed = int(torch.randint(1 << 40, (), generator=generator))
        first = accumulate((self._batches.updates([batch]) for batch in cut), initial=0)
        return [(batch, seed, number) for batch, number in zip(cut, first, strict=False)]

    def updates(self, batches: list[Any]) -> int:
        return self._batches.updates([batch for batch, _, _ in batches])

    def pieces(self, batch: Any) -> Iterator[SessionPiece]:
        rows, seed, number = batch
        # The longest first: so every piece has its sessions in the same order, that of its layout.
        rows = rows.pick(Layout(rows.lengths).order)
        starts = self._read.values[rows.starts]
        for place in range(self._batches.updates([rows])):
            begin = place * self._span
            layout = Layout((rows.lengths - begin).clamp(0, self._span))
            read = layout.places(starts + begin).to(self._sequences.values.device)
            items = self._sequences.values[torch.stack([read, read + 1])]
            others = None
            if self._negatives is not None:
                others = self._negatives.draw(seed, number + place)
            yield SessionPiece(layout, items, place == 0, others)

    def score(self, piece: SessionPiece, state: State | None) -> Scored:
        """What each prediction of the piece is worth, and the state that its sessions are left in.

        Only cross-entropy is a log-probability; the others are made large in the same way.
        """
        if piece.others is None:
            return self._among_all(piece, state)
        return self._among(piece, piece.others, state)

    def _among_all(self, piece: SessionPiece, state: State | None) -> Scored:
        read, following = piece.items
        hidden, after = self._walked(piece, self._model.embed(read), state)
        scores = linear(hidden, *self._head.table).float()
        gain = scores.log_softmax(1).gather(1, following[:, None]).squeeze(1)
        return _scored(gain, after)

    def _among(self, piece: SessionPiece, others: Tensor, state: State | None) -> Scored:
        """Only the rows of the items that occur here are touched, each once."""
        assert self._negatives is not None
        items, place, times = distinct(piece.items.view(-1), others, self._marks)
        place, own = place.view_as(piece.items)
        rows, embedded = self._embedded(piece.items[0], items, place)
        hidden, after = self._walked(piece, embedded, state)
        if int(times.max()) == len(others):
            # Without any other item there is nothing to stand above, and nothing to learn.
            real = times[own] < len(others)
            hidden, own = hidden[real], own[real]
        log_draws = self._negatives.log_draws.to(items.device)[items]
        bias = self._taken(self._head.table[1], items)
        among = Candidates(rows, bias, times.log(), log_draws)
        return _scored(gains(self._loss, hidden, own, among), after)

    def _embedded(self, values: Tensor, items: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """The rows that scores are computed with, and what the recurrence takes: by the same rows
        where the model reads and scores with one table."""
        embed, (table, _) = self._reads, self._head.table
        if embed is None:
            return self._taken(table, items), self._model.embed(values)
        if embed.table is table and self._sparse:
            rows, read = taken_and_read(table, items, place)
            return rows, embed.shown(read)
        rows = self._taken(table, items)
        if embed.table is not table:
            own, place = values.unique(return_inverse=True)
            return rows, embed.shown(self._taken(embed.table, own).index_select(0, place))
        return rows, embed.shown(rows.index_select(0, place))

    def _taken(self, table: Tensor, items: Tensor) -> Tensor:
        return taken(table, items) if self._sparse else table.index_select(0, items)

    def _walked(
        self, piece: SessionPiece, embedded: Tensor, state: State | None
    ) -> tuple[Tensor, State]:
        """What rows of the table are multiplied with for each prediction `[total, width]`, and the
        state left behind."""
        state = self._model.start(len(piece.layout.lengths)) if state is None else state
        features, after = run(self._model.recurrence, embedded, piece.layout, state)
        return self._head.hidden(features), after


def _scored(gain: Tensor, state: State) -> Scored:
    return Scored(Sequences(gain, torch.tensor([len(gain)])), state)


def _all_but_last(sequences: Sequences) -> Sequences:
    """Where in the values every item of a sequence stands but its last."""
    lengths = sequences.lengths - 1
    return Sequences(ranges(sequences.offsets[:-1], lengths), lengths)
