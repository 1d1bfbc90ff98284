"""A sequence model: a recurrence with something before it and something after it.

    x_t ── embed ──> recurrence: s_t = f(s_{t-1}, ·; θ) ── read ──> head: p(x_{t+1} given s_t)

`embed` and the head touch one step at a time and are applied to all steps at once; only the
recurrence walks through time, and `scan` does the walking. Every rung is built of these three
parts, and whatever is written for this class works for every rung.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from catena.kernels.registry import register
from catena.layout import Layout
from catena.recurrence import Recurrence, State
from catena.scanning import run, scan, spans
from catena.sequences import Sequences, ranges
from catena.space import Space

# Inference goes through long input in pieces of about this many observations, so that the features
# of a million steps are never in memory together.
PIECE = 65_536


class Head(Protocol):
    """What is predicted from features `[m, *features]`."""

    def distribution(self, features: Tensor) -> Distribution:
        """p(x given features), batch shape `[m]`."""
        ...

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        """log p(x given features) in nats `[m]`, for x `[m, *event]`."""
        ...


class Scored(NamedTuple):
    """Log-probabilities in nats over each sequence's steps, then its end where the end is
    predicted; and the states that the sequences were left in."""

    log_prob: Sequences
    state: State


class SequenceModel(nn.Module):
    """A recurrence that can also say what comes next.

    Args:
        space: what one observation is.
        embed: observations `[m, *event]` to what the recurrence's `step` takes.
        recurrence: start, step, read.
        head: features to the distribution of the next observation.
    """

    def __init__(
        self,
        space: Space,
        embed: Callable[[Tensor], Tensor],
        recurrence: Recurrence,
        head: Head,
    ) -> None:
        super().__init__()
        self.space, self.embed, self.recurrence, self.head = space, embed, recurrence, head

    def start(self, batch: int) -> State:
        """The state before anything was observed, `[batch, ...]`."""
        return self.recurrence.start(batch)

    def step(self, state: State, x: Tensor) -> State:
        """The state after observing x `[batch, *event]`."""
        return self.recurrence.step(state, self.embed(x))

    def read(self, state: State) -> Tensor:
        """Features `[batch, *features]`."""
        return self.recurrence.read(state)

    def next(self, state: State) -> Distribution:
        """p(x_{t+1} given x_1..x_t), batch shape `[batch]`."""
        return self.head.distribution(self.read(state))

    def score(
        self,
        sequences: Sequences,
        state: State | None = None,
        ends: Tensor | None = None,
        fed: Sequences | None = None,
    ) -> Scored:
        """Log-probability of every step, with gradients; memory grows with the steps.

        Args:
            sequences: observations, as the space encodes them.
            state: where each sequence starts; at its beginning unless given.
            ends: `[n]`, whether a sequence's end lies here and is to be predicted (where the space
                predicts ends); all of them unless given.
            fed: what the model observes in place of them, step for step.
        """
        state = self.start(len(sequences)) if state is None else state
        observed = sequences if fed is None else fed
        embedded = sequences.with_values(self.embed(observed.values))
        scanned = scan(self.recurrence, embedded, state)
        before = prepend(self.read(state), scanned.features)
        targets, kept = self._targets(sequences, ends)
        features = before.values.index_select(0, kept.to(before.values.device))
        return Scored(
            targets.with_values(self.head.log_prob(features, targets.values)), scanned.state
        )

    @torch.no_grad()
    def log_prob(self, sequences: Sequences) -> Sequences:
        """Log-probability of every step, and of the end where it is predicted, in nats.

        Memory stays bounded: long input is taken in pieces, the state carried from one to the next.
        """
        sizes = sequences.lengths.tolist()
        parts = [self._log_prob(sequences[rows]) for rows in groups(sizes, PIECE)]
        return Sequences.concatenate(parts) if parts else self.score(sequences).log_prob

    def _log_prob(self, sequences: Sequences) -> Sequences:
        span, state, pieces = max(1, PIECE // max(1, len(sequences))), None, []
        for piece, ends in spans(sequences, span):
            scored = self.score(piece, state, ends)
            pieces.append(scored.log_prob)
            state = scored.state
        return join(pieces)

    def _targets(self, sequences: Sequences, ends: Tensor | None) -> tuple[Sequences, Tensor]:
        """What is to be predicted, and which rows of the features (one before each step and one
        after the last) predict it."""
        slots = sequences.lengths + 1
        last = slots.cumsum(0) - 1
        keep = torch.ones(int(slots.sum()), dtype=torch.bool)
        end = self.space.end_number
        if end is None:
            keep[last] = False
            return sequences, keep.nonzero().squeeze(1)
        ends = torch.ones(len(sequences), dtype=torch.bool) if ends is None else ends
        keep[last[~ends]] = False
        is_end = torch.zeros(len(keep), dtype=torch.bool)
        is_end[last] = True
        values = sequences.values.new_full((len(keep),), end)
        values[~is_end.to(values.device)] = sequences.values
        kept = keep.nonzero().squeeze(1)
        targets = values.index_select(0, kept.to(values.device))
        return Sequences(targets, sequences.lengths + ends.long()), kept


@register(SequenceModel, "embedded")
def _scan_embedded(
    model: SequenceModel, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    """Embed all steps at once, then let the recurrence's own kernel walk."""
    return run(model.recurrence, model.embed(inputs), layout, state)


def join(pieces: list[Sequences]) -> Sequences:
    """Pieces of the same sequences along time, put together again: the inverse of `spans`."""
    if len(pieces) == 1:
        return pieces[0]
    lengths = torch.stack([piece.lengths for piece in pieces])
    base = torch.tensor([0] + [piece.total for piece in pieces[:-1]]).cumsum(0)
    starts = base[:, None] + lengths.cumsum(1) - lengths
    rows = ranges(starts.T.reshape(-1), lengths.T.reshape(-1))
    values = torch.cat([piece.values for piece in pieces])
    return Sequences(values.index_select(0, rows.to(values.device)), lengths.sum(0))


def prepend(first: Tensor, features: Sequences) -> Sequences:
    """Features before each step and after the last: `first [n, *features]`, then the scanned."""
    lengths = features.lengths + 1
    start = lengths.cumsum(0) - lengths
    values = features.values.new_empty((int(lengths.sum()), *first.shape[1:]))
    is_start = torch.zeros(len(values), dtype=torch.bool)
    is_start[start] = True
    device = values.device
    values = values.index_copy(0, start.to(device), first.to(values.dtype))
    rest = (~is_start).nonzero().squeeze(1).to(device)
    return Sequences(values.index_copy(0, rest, features.values), lengths)


def groups(sizes: list[int], budget: int) -> list[list[int]]:
    """Consecutive indices whose sizes add up to at most the budget, or one that is larger alone."""
    groups: list[list[int]] = []
    used = budget
    for index, size in enumerate(sizes):
        if used + size + 1 > budget or not groups:
            groups.append([])
            used = 0
        groups[-1].append(index)
        used += size + 1
    return groups
