"""Scores of all items after the steps of sessions, in bounded memory, whatever the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution

from catena.kernels.items import Index, best, index, top
from catena.ladder.neural import Embedding
from catena.learn.next_item import ScoresByTable
from catena.model import PIECE, SequenceModel, groups
from catena.scanning import scan
from catena.sequences import Sequences, ranges
from catena.tasks.baselines import Scorer
from catena.walking import walk

# So many scores are there at a time: some sessions of few items, or few of a million.
BLOCK = 1 << 23
# What is asked of a table is learned from so many sessions of so many items.
SESSIONS, STEPS = 256, 4


class Running(Protocol):
    """A session that grows."""

    def push(self, item: int) -> None:
        """Take one item by its number."""
        ...

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """The numbers and scores `[k]` of the k best items after all that was pushed, which is at
        least one; of equals, the first."""
        ...


class Ranker(Protocol):
    """What a recommender asks of a model."""

    def scores(self, sessions: Sequences, steps: Tensor) -> Iterator[Tensor]:
        """Blocks `[m, items]`, the higher the likelier to come next.

        Args:
            sessions: item numbers.
            steps: `[r]`, rising places in `sessions.values`: the scores after each, where all of
                the session up to it is known. The blocks' m sum to r.
        """
        ...

    def running(self) -> Running:
        """A session without any item yet."""
        ...


class StateRanker:
    """The scores that a model reads from its state."""

    def __init__(self, model: SequenceModel, items: int) -> None:
        self._model, self._rows = model, max(1, BLOCK // items)
        self._ready: tuple[list[tuple[int, int]], Index] | None = None

    @torch.no_grad()
    def scores(self, sessions: Sequences, steps: Tensor) -> Iterator[Tensor]:
        offsets = sessions.offsets
        for chosen in groups(sessions.lengths.tolist(), PIECE):
            begin, end = offsets[chosen[0]], offsets[chosen[-1] + 1]
            own = steps[(steps >= begin) & (steps < end)] - begin
            if len(own):
                features = scan(self._model, sessions[chosen]).features.values[own]
                for part in features.split(self._rows):
                    yield _read(self._model, part)

    def running(self) -> Running:
        model, head = self._model, self._model.head
        # Asked once: to look at a class as a protocol takes as long as to take an item.
        if not isinstance(head, ScoresByTable):
            return _Walk(model, lambda features, k: best(_read(model, features)[0], k))
        ready = self._index(head)
        return _Walk(model, lambda features, k: top(ready, head.hidden(features)[0], k))

    def _index(self, head: ScoresByTable) -> Index:
        """The table that items are scored with, made ready once for all sessions."""
        stamp = [(part.data_ptr(), part._version) for part in head.table]
        if self._ready is None or self._ready[0] != stamp:
            self._ready = stamp, index(*head.table, _moment(self._model, head))
        return self._ready[1]


@torch.no_grad()
def _moment(model: SequenceModel, head: ScoresByTable) -> Tensor:
    """The second moment of what the rows are multiplied with, in sessions of items at random."""
    items, chance = len(head.table[1]), torch.Generator().manual_seed(0)
    drawn = torch.randint(items, (SESSIONS * STEPS,), generator=chance)
    sessions = Sequences(drawn, torch.full((SESSIONS,), STEPS))
    hidden = head.hidden(scan(model, sessions).features.values)
    return hidden.T @ hidden / len(hidden)


class _Walk:
    """A session's state.

    Args:
        find: the k best items by what the state shows, `[1, *features]`.
    """

    def __init__(
        self, model: SequenceModel, find: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    ) -> None:
        self._one, self._find = _one(model), find
        with torch.no_grad():
            self._walker = walk(model.recurrence, model.start(1))

    @torch.no_grad()
    def push(self, item: int) -> None:
        self._walker.push(self._one(item))

    @torch.no_grad()
    def best(self, k: int) -> tuple[Tensor, Tensor]:
        return self._find(self._walker.features, k)


def _one(model: SequenceModel) -> Callable[[int], Tensor]:
    """What the recurrence takes for one item `[1, *event]`."""
    embed = model.embed
    if not isinstance(embed, Embedding) or embed.table is None:
        return lambda item: embed(torch.tensor([item]))
    # One row, without what looking up many takes.
    table, shown = embed.table, embed.shown
    return lambda item: shown(table[item : item + 1])


class PrefixRanker:
    """The scores of a baseline, which looks at all of a session anew after each step."""

    def __init__(self, scorer: Scorer, items: int) -> None:
        self._scorer, self._rows = scorer, max(1, BLOCK // items)

    def scores(self, sessions: Sequences, steps: Tensor) -> Iterator[Tensor]:
        owner = torch.searchsorted(sessions.offsets, steps, right=True) - 1
        starts = sessions.offsets[owner]
        for begin, end in zip(starts.split(self._rows), steps.split(self._rows), strict=True):
            lengths = end - begin + 1
            values = sessions.values[ranges(begin, lengths)]
            yield self._scorer.score(Sequences(values, lengths))

    def running(self) -> Running:
        return _Prefix(self._scorer)


class _Prefix:
    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._items: list[int] = []

    def push(self, item: int) -> None:
        self._items.append(item)

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        return best(self._scorer.score(Sequences.from_list([self._items]))[0], k)


def _read(model: SequenceModel, features: Tensor) -> Tensor:
    """Scores `[m, items]`: without normalising where the head can do without."""
    if isinstance(model.head, ScoresByTable):
        weight, bias = model.head.table
        return torch.nn.functional.linear(model.head.hidden(features), weight, bias)
    distribution: Distribution = model.head.distribution(features)
    return distribution.probs  # type: ignore[attr-defined]
