"""Beam search over the plain translator: a sentence at a time, and over padded batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from translate_plain import Plain, Read, State

WIDTH = 5
Found = list[tuple[float, list[int]]]
# Log-probabilities `[n, width, outcomes]` and the state after symbols `[n · width]`.
Step = Callable[[Tensor, State, Read], tuple[Tensor, State]]


class Search(NamedTuple):
    """What both searches need.

    Args:
        end: the number of the end.
        banned: the numbers of symbols that may not come.
    """

    plain: Plain
    end: int
    banned: list[int]

    def log_p(self, state: State, read: Read) -> Tensor:
        found = self.plain.predicted(state, read).log_softmax(-1)
        found[..., self.banned] = -torch.inf
        return found

    def step(self, y: Tensor, state: State, read: Read) -> tuple[Tensor, State]:
        state = self.plain.advance(state, y)
        return self.log_p(state, read), state


def _is_done(found: Found, ahead: float, length: int) -> bool:
    """Whether so many have ended, and none that runs ranks above the best of them."""
    return len(found) >= WIDTH and ahead / length <= max(found)[0]


@torch.no_grad()
def one_by_one(search: Search, x: Tensor, limit: int) -> list[int]:
    """The best translation of one source `[length]`: hypotheses in a list, as tutorials keep them;
    those of a step share a call of the model."""
    read, state = search.plain.encode(x[None], torch.tensor([len(x)]))
    log_p, live, found = search.log_p(state, read), [(0.0, [])], []
    for length in range(limit):
        totals = torch.tensor([total for total, _ in live], dtype=torch.float64)
        best = (totals[:, None] + log_p[0].double()).flatten().topk(WIDTH)
        following, parents = [], []
        for total, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            parent, symbol = divmod(place, log_p.shape[-1])
            if symbol == search.end:
                found.append((total / (length + 1), live[parent][1]))
            else:
                following.append((total, [*live[parent][1], symbol]))
                parents.append(parent)
        if not following or _is_done(found, following[0][0], length + 1):
            return max(found)[1]
        live = following
        state = tuple(part[:, parents] for part in state)
        symbols = torch.tensor([symbols[-1] for _, symbols in live])
        log_p, state = search.step(symbols, state, read)
    found += [(total / limit, symbols) for total, symbols in live]
    return max(found)[1]


@torch.no_grad()
def together(
    search: Search, x: Tensor, lengths: Tensor, limits: list[int], step: Step | None = None
) -> list[list[int]]:
    """The best translations of sources `[n, longest]`, `WIDTH` rows for each until all are done."""
    step = step or search.step
    read, state = search.plain.encode(x, lengths)
    count, first = len(x), torch.arange(len(x))[:, None] * WIDTH
    state = tuple(part.repeat_interleave(WIDTH, 1) for part in state)
    log_p = search.log_p(state, read)
    total = torch.full((count, WIDTH), -torch.inf, dtype=torch.float64)
    total[:, 0] = 0.0  # all rows are alike at first
    history = torch.zeros(count, WIDTH, 0, dtype=torch.int64)
    found: list[Found] = [[] for _ in limits]
    for length in range(max(limits)):
        _close(found, total, history, limits, length)
        values, symbols = log_p.topk(WIDTH, -1)
        total, flat = (total[..., None] + values.double()).flatten(1).topk(WIDTH, -1)
        parents, symbols = flat // WIDTH, symbols.flatten(1).gather(1, flat)
        history = history.gather(1, parents[..., None].expand(-1, -1, length))
        ended = (symbols == search.end) & (total > -torch.inf)
        for row, place in ended.nonzero().tolist():
            score = float(total[row, place]) / (length + 1)
            found[row].append((score, history[row, place].tolist()))
        total[ended] = -torch.inf
        ahead = total.amax(1).tolist()
        done = [_is_done(own, log_p, length + 1) for own, log_p in zip(found, ahead, strict=True)]
        total[torch.tensor(done)] = -torch.inf
        if not (total > -torch.inf).any():
            break
        history = torch.cat([history, symbols[..., None]], 2)
        rows = (first + parents).flatten()
        state = tuple(part[:, rows] for part in state)
        log_p, state = step(symbols.flatten(), state, read)
    _close(found, total, history, limits, max(limits))
    return [max(own)[1] for own in found]


def _close(
    found: list[Found], total: Tensor, history: Tensor, limits: list[int], length: int
) -> None:
    """Enter what has reached its limit of steps."""
    for row, limit in enumerate(limits):
        if limit == length:
            for log_p, symbols in zip(total[row].tolist(), history[row].tolist(), strict=True):
                if log_p > -torch.inf:
                    found[row].append((log_p / length, symbols))
            total[row] = -torch.inf
