"""Recommenders that learn nothing but counts: the yardsticks.

    Popularity           score(i) = how often i occurred in training
    SessionPopularity    score(i) = how often i occurred in this session, then Popularity
    SessionKNN           score(i) = Σ over the nearest training sessions n that hold i of sim(s, n)
                         sim(s, n) = |s ∩ n| / √(|s| |n|)

with s and n as sets of items; the nearest are looked for among the latest sessions that share an
item with s (Jannach and Ludewig 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from catena.ladder.rung import whole
from catena.ngram import make_room
from catena.sequences import Sequences


class Scorer(Protocol):
    """Scores of all items after whole sessions."""

    def learn(self, sessions: Sequences, counts: Tensor) -> None:
        """Count: sessions of item numbers, the oldest first; `counts [items]` of each item."""
        ...

    def score(self, sessions: Sequences) -> Tensor:
        """`[n, items]`, the higher the likelier to come next."""
        ...


@dataclass(frozen=True)
class Popularity:
    """What occurred most often, whatever the session."""

    kind: ClassVar[str] = "popularity"

    def scorer(self, items: int) -> PopularityScorer:
        return PopularityScorer(items)


@dataclass(frozen=True)
class SessionPopularity:
    """What occurred most often in the session; of equals, what did in training."""

    kind: ClassVar[str] = "session_popularity"

    def scorer(self, items: int) -> SessionPopularityScorer:
        return SessionPopularityScorer(items)


@dataclass(frozen=True)
class SessionKNN:
    """What was taken in the sessions most like this one.

    Args:
        neighbours: how many sessions count, at most.
        recent: among how many of the latest that share an item they are looked for.
    """

    kind: ClassVar[str] = "session_knn"

    neighbours: int = 100
    recent: int = 1000

    def __post_init__(self) -> None:
        whole("neighbours", self.neighbours, 1)
        whole("recent", self.recent, 1)

    def scorer(self, items: int) -> SessionKNNScorer:
        return SessionKNNScorer(items, self.neighbours, self.recent)


Baseline = Popularity | SessionPopularity | SessionKNN
BASELINES: dict[str, type[Baseline]] = {
    one.kind: one for one in (Popularity, SessionPopularity, SessionKNN)
}


class PopularityScorer(nn.Module):
    """See `Popularity`."""

    counts: Tensor

    def __init__(self, items: int) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(items, dtype=torch.int64))

    def learn(self, sessions: Sequences, counts: Tensor) -> None:
        self.counts = counts

    def score(self, sessions: Sequences) -> Tensor:
        return self.counts.double().repeat(len(sessions), 1)


class SessionPopularityScorer(PopularityScorer):
    """See `SessionPopularity`."""

    def score(self, sessions: Sequences) -> Tensor:
        # A share below 1, so that it decides only between items of the same count in the session.
        share = self.counts.double() / (self.counts.max() + 1)
        scores = share.repeat(len(sessions), 1)
        owner = torch.repeat_interleave(sessions.lengths)
        once = torch.ones(sessions.total, dtype=torch.float64)
        return scores.index_put_((owner, sessions.values), once, accumulate=True)


class SessionKNNScorer(nn.Module):
    """See `SessionKNN`. The training sessions are kept as sets: `offsets [sessions + 1]` into
    `members`, so that session i holds `members[offsets[i]:offsets[i + 1]]`."""

    offsets: Tensor
    members: Tensor

    def __init__(self, items: int, neighbours: int, recent: int) -> None:
        super().__init__()
        self._items, self._neighbours, self._recent = items, neighbours, recent
        self.register_buffer("offsets", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("members", torch.zeros(0, dtype=torch.int64))
        self.register_load_state_dict_pre_hook(make_room)
        self._tables: tuple[sparse.csr_matrix, sparse.csr_matrix] | None = None

    def learn(self, sessions: Sequences, counts: Tensor) -> None:
        sets = _sets(sessions, self._items)
        self.offsets = torch.from_numpy(sets.indptr.astype(np.int64))
        self.members = torch.from_numpy(sets.indices.astype(np.int64))
        self._tables = None

    def score(self, sessions: Sequences) -> Tensor:
        held, holders = self._known()
        given = _sets(sessions, self._items)
        shared = sparse.csr_matrix(given @ holders)
        sizes, own = np.diff(held.indptr), np.diff(given.indptr)
        rows = [
            self._nearest(shared.indices[a:b], shared.data[a:b], sizes, own[i])
            for i, (a, b) in enumerate(zip(shared.indptr[:-1], shared.indptr[1:], strict=True))
        ]
        edges = np.cumsum([0, *(len(columns) for columns, _ in rows)])
        columns = np.concatenate([columns for columns, _ in rows]) if rows else edges[:0]
        weights = np.concatenate([near for _, near in rows]) if rows else np.zeros(0)
        near = sparse.csr_matrix((weights, columns, edges), (len(sessions), len(sizes)))
        return torch.from_numpy(sparse.csr_matrix(near @ held).toarray())

    def _nearest(
        self, found: np.ndarray, shared: np.ndarray, sizes: np.ndarray, own: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the nearest sessions and how near they are; of equals, the latest."""
        latest = np.argsort(found)[-self._recent :]
        found, shared = found[latest], shared[latest]
        near = shared / np.sqrt(float(own) * sizes[found])
        # Both turned around: a stable sort then has the latest first among equals.
        best = np.argsort(-near[::-1], kind="stable")[: self._neighbours]
        return found[::-1][best], near[::-1][best]

    def _known(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        """The training sessions by item, `[sessions, items]`, and turned, `[items, sessions]`."""
        if self._tables is None:
            ones = np.ones(len(self.members))
            shape = (len(self.offsets) - 1, self._items)
            held = sparse.csr_matrix((ones, self.members.numpy(), self.offsets.numpy()), shape)
            self._tables = held, sparse.csr_matrix(held.T)
        return self._tables


def _sets(sessions: Sequences, items: int) -> sparse.csr_matrix:
    """Which items each session holds, `[n, items]` of ones, items in order."""
    owner = np.repeat(np.arange(len(sessions)), sessions.lengths.numpy())
    pairs = np.unique(owner * items + sessions.values.numpy())
    edges = np.searchsorted(pairs, np.arange(len(sessions) + 1) * items)
    return sparse.csr_matrix((np.ones(len(pairs)), pairs % items, edges), (len(sessions), items))
