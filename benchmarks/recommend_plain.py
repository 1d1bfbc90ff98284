"""GRU4Rec written plainly with torch.nn: sessions side by side, or padded batches of whole ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

DRAWN = 500  # updates whose samples are drawn at a time


class Plain(nn.Module):
    """One table to read and to score with, a GRU, a projection.

    Args:
        items, units: sizes.
        dropout: of what is read, and of the state.
    """

    def __init__(self, items: int, units: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(items, units, sparse=True)
        self.bias = nn.Embedding(items, 1, sparse=True)
        self.gru = nn.GRU(units, units)
        self.project = nn.Linear(units, units)
        self.drop_read, self.drop_state = nn.Dropout(dropout), nn.Dropout(dropout)

    def step(
        self, x: Tensor, y: Tensor, others: Tensor, h: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What reads one item each of x `[m]` and predicts y: h `[1, m, units]` afterwards, the
        scores of y and of the others, `[m]` and `[m, k]`."""
        rows = self.table(torch.cat([x, y, others]))
        read, own, drawn = rows.split([len(x), len(y), len(others)])
        features, h = self.gru(self.drop_read(read)[None], h)
        return h, *self.scores(features[0], own, drawn, torch.cat([y, others]))

    def whole(self, x: Tensor, real: Tensor, y: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """The same for padded sessions x `[longest, n]` at once; y `[m]` are the real targets."""
        features, _ = self.gru(self.drop_read(self.table(x)))
        numbers = torch.cat([y, others])
        own, drawn = self.table(numbers).split([len(y), len(others)])
        return self.scores(features[real], own, drawn, numbers)

    def scores(
        self, features: Tensor, own: Tensor, drawn: Tensor, numbers: Tensor
    ) -> tuple[Tensor, Tensor]:
        hidden = self.project(self.drop_state(features))
        bias = self.bias(numbers).squeeze(1)
        mine = (hidden * own).sum(1) + bias[: len(own)]
        return mine, hidden @ drawn.T + bias[len(own) :]


def losses(own: Tensor, scores: Tensor, y: Tensor, others: Tensor, log_draws: Tensor) -> Tensor:
    """Cross-entropy with logQ over the item and the others, `[m]`."""
    weighted = (scores - log_draws).masked_fill(y[:, None] == others, -torch.inf)
    among = torch.cat([own[:, None], weighted], 1)
    return cross_entropy(among, torch.zeros_like(y), reduction="none")


class Samples:
    """Others for one update after another, many drawn at a time."""

    def __init__(self, counts: Tensor, samples: int, exponent: float) -> None:
        q = counts.double() ** exponent
        q /= q.sum()
        self.edges, self.samples = q.cumsum(0), samples
        self.log_draws = (q.log() + math.log(samples)).float()
        self.waiting: list[Tensor] = []

    def draw(self) -> Tensor:
        if not self.waiting:
            at = torch.rand(DRAWN, self.samples, dtype=torch.float64) * self.edges[-1]
            self.waiting = list(torch.searchsorted(self.edges, at, right=True))
        return self.waiting.pop()


class Adagrad:
    """With momentum, and of tables only the rows that have a gradient."""

    def __init__(self, module: nn.Module, rate: float, momentum: float) -> None:
        self.rate, self.momentum = rate, momentum
        self.state = [(p, torch.zeros_like(p), torch.zeros_like(p)) for p in module.parameters()]

    @torch.no_grad()
    def step(self) -> None:
        for p, squares, velocity in self.state:
            assert p.grad is not None
            if p.grad.is_sparse:
                gradient = p.grad.coalesce()
                rows, g = gradient.indices()[0], gradient.values()
                s = squares[rows].addcmul_(g, g)
                v = velocity[rows].mul_(self.momentum)
                v.addcdiv_(g, (s + 1e-6).sqrt_(), value=-self.rate)
                squares.index_copy_(0, rows, s)
                velocity.index_copy_(0, rows, v)
                p.index_add_(0, rows, v)
            else:
                squares.addcmul_(p.grad, p.grad)
                velocity.mul_(self.momentum)
                velocity.addcdiv_(p.grad, (squares + 1e-6).sqrt_(), value=-self.rate)
                p.add_(velocity)
            p.grad = None


def side_by_side(sessions: list[Tensor], lanes: int) -> Iterator[tuple[Tensor, ...]]:
    """One item of each lane a step: x, y, whether x begins a session, and which of the lanes before
    these are. Where a session ends the next takes its lane; at the end lanes run dry and fall out.
    """
    flat = torch.cat(sessions)
    lengths = torch.tensor([len(row) for row in sessions])
    ends = lengths.cumsum(0)
    kept = torch.arange(min(lanes, len(sessions)))
    place, last, following = (ends - lengths)[kept], ends[kept] - 1, len(kept)
    begins = torch.ones(len(kept), dtype=torch.bool)
    while len(kept):
        yield flat[place], flat[place + 1], begins, kept
        place = place + 1
        begins = place >= last
        done = begins.nonzero().squeeze(1)
        new = torch.arange(following, min(following + len(done), len(sessions)))
        following += len(new)
        filled, dry = done[: len(new)], done[len(new) :]
        place[filled], last[filled] = (ends - lengths)[new], ends[new] - 1
        live = torch.ones(len(place), dtype=torch.bool)
        live[dry] = False
        kept = live.nonzero().squeeze(1)
        place, last, begins = place[kept], last[kept], begins[kept]


def padded(sessions: list[Tensor], budget: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of about so many items of whole sessions of like length: x and what of it is real,
    `[longest, n]`, and y `[m]` in the order of the real."""
    order = torch.tensor([len(row) for row in sessions]).argsort(stable=True).tolist()
    batches: list[list[int]] = [[]]
    used = 0
    for place in order:
        if used + len(sessions[place]) > budget and batches[-1]:
            batches.append([])
            used = 0
        batches[-1].append(place)
        used += len(sessions[place])
    for chosen in torch.randperm(len(batches)).tolist():
        x = pad_sequence([sessions[place][:-1] for place in batches[chosen]])
        lengths = torch.tensor([len(sessions[place]) - 1 for place in batches[chosen]])
        real = torch.arange(len(x))[:, None] < lengths
        yield x, real, pad_sequence([sessions[place][1:] for place in batches[chosen]])[real]
