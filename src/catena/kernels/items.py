"""The best of many items for one query, and Adagrad for rows of a table: C++ beside eager PyTorch.

A query q scores item i with w_i · q + b_i = y_i · x + b_i, with y = Aᵀ w and x = A⁻¹ q. With ŷ_i
the numbers of y_i in steps of a_i = max |y_i| / 7.5, from -8 to 7, and x̂ those of x in steps that
fit into a byte, no score is above

    b_i + ŷ_i · x̂ + |y_i - ŷ_i| |x| + max |ŷ| |x - x̂|

by Cauchy and Schwarz, which reads at most an eighth of what the scores would. Only items for which
this reaches the k-th best are scored, so that the k best are exact, however well the bound holds. A
is chosen so that it holds well: it makes the second moments of y and x the same and diagonal (as
balanced truncation does with a linear system), for which the product of their lengths is least.
Where the first numbers then hold nearly all of a score, only these have codes: ŷ is 0 in the
others. Those with codes are turned at random, so that none is far larger than others and takes
their steps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

import catena._native as _native

# So many items are worked on together; see native/items.hpp.
TOGETHER = 128
# How much is added to the diagonal of second moments, as a share of its mean.
RIDGE = 1e-4
# What rounding may add to a bias, as a share of it.
ROUNDING = 1e-5
STEPS = 7.5
# Numbers without codes hold at most this share of scores, as far as it is known beforehand.
UNCODED = 0.03
# At most so many have codes: of more, a query's products would not fit into 16 bits.
CODED = 4096
# What codes leave of numbers is about a tenth of them. Numbers without codes, which are left whole,
# are made smaller in rows by the root of that and larger in queries, for which again the product of
# the lengths, of what is left and of the query, is least.
LEFT = 0.1**0.5
# A row that is longer has no bound and is always scored.
LONGEST = 1e15
# So many rows are turned at a time.
ROWS = 1 << 16


class Index(NamedTuple):
    """A table of items as the search reads it: coded / 2 + 12 bytes an item beside the table.

    table: float32 `[items, width]`. bias: float32 `[items]`. ceiling, scale, rest: float32
    `[blocks * TOGETHER]`, -inf and 0 beyond the items. codes: uint8
    `[blocks, coded / 4, TOGETHER, 2]`. axes: float64 `[width, width]`, for queries. longest,
    largest: the largest |ŷ| and |y|.
    """

    table: Tensor
    bias: Tensor
    ceiling: Tensor
    codes: Tensor
    scale: Tensor
    rest: Tensor
    axes: Tensor
    longest: float
    largest: float
    addresses: tuple[int, ...]


@torch.no_grad()
def index(table: Tensor, bias: Tensor, queries: Tensor | None = None) -> Index:
    """Make ready to search a table `[items, width]` with biases `[items]`: float32 on the CPU.

    Args:
        queries: the second moment of queries `[width, width]`, as far as it is known. The search is
            exact whatever they are, and fast where they are like this.
    """
    table, bias = table.detach().contiguous(), bias.detach().float().contiguous()
    known = table.norm(dim=1) < LONGEST
    if queries is None or not queries.isfinite().all():
        queries = torch.eye(table.shape[1])
    axes, own, coded = _axes(table if known.all() else table[known], queries)
    parts = [
        _coded((rows.double() @ own).float().where(kept[:, None], 0.0), coded)
        for rows, kept in zip(table.split(ROWS), known.split(ROWS), strict=True)
    ]
    codes, scale, rest, norm, longest = (torch.cat(part) for part in zip(*parts, strict=True))
    ceiling = (bias + ROUNDING * bias.abs()).where(bias.isfinite(), bias)
    ceiling = ceiling.where(known & ~bias.isnan(), math.inf)
    spare = -len(table) % TOGETHER
    ceiling = pad(ceiling, (0, spare), value=-math.inf)
    scale, rest = pad(scale, (0, spare)), pad(rest, (0, spare))
    held = (table, bias, ceiling, codes, scale, rest, axes)
    addresses = tuple(part.data_ptr() for part in held)
    return Index(*held, float(longest.max()), float(norm.max()), addresses)


def _axes(table: Tensor, queries: Tensor) -> tuple[Tensor, Tensor, int]:
    """A⁻ᵀ, which turns rows of queries, A, which turns those of the table, and how many of the
    numbers of turned rows get codes: the first."""
    one, other = map(_root, (table.T @ table / max(1, len(table)), queries))
    left, sizes, right = torch.linalg.svd(other.T @ one)
    held = sizes.cumsum(0) / sizes.sum()
    coded = 1 + int((held < 1 - UNCODED).sum())
    coded = min(CODED, len(sizes), coded + -coded % 4)
    chance = torch.randn(coded, coded, generator=torch.Generator().manual_seed(0)).double()
    turn = torch.block_diag(torch.linalg.qr(chance).Q, torch.eye(len(sizes) - coded).double())
    turn /= sizes.sqrt()[:, None]
    weight = torch.ones_like(sizes)
    weight[coded:] = LEFT
    return one @ right.T @ turn / weight, other @ left @ turn * weight, coded


def _root(moment: Tensor) -> Tensor:
    """A triangular L with L Lᵀ the second moment, and a little more so that there is one."""
    diagonal = moment.double().diagonal()
    ridge = RIDGE * float(diagonal.mean()) or 1.0
    return torch.linalg.cholesky(moment.double() + ridge * torch.eye(len(moment)))


def _coded(rows: Tensor, coded: int) -> tuple[Tensor, ...]:
    """Codes as an index has them, and of each row how much a step is, what the codes leave, and
    the lengths of the row and of its codes, `[n]`."""
    scale = rows[:, :coded].abs().amax(1) / STEPS
    codes = rows[:, :coded] / scale.clamp_min(torch.finfo(rows.dtype).tiny)[:, None]
    codes.round_().clamp_(-8, 7)
    left = rows.clone()
    left[:, :coded] -= codes * scale[:, None]
    return _packed(codes), scale, left.norm(dim=1), rows.norm(dim=1), codes.norm(dim=1) * scale


def _packed(codes: Tensor) -> Tensor:
    """Codes `[n, coded]` from -8 to 7 as uint8 `[n / TOGETHER, coded / 4, TOGETHER, 2]`."""
    rows, coded = codes.shape
    halves = (pad(codes, (0, -coded % 4, 0, -rows % TOGETHER)) + 8).to(torch.uint8)
    low, high = halves.view(-1, TOGETHER, -(-coded // 4), 2, 2).unbind(3)
    return (low + 16 * high).transpose(1, 2).contiguous()


def top(index: Index, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best items for a query `[width]`, the best first, of equals the first.

    Returns:
        their numbers int64 `[k]` and their scores float32 `[k]`; one that is no number is -inf.
    """
    items, width = index.table.shape
    k, query = min(k, items), query.contiguous()
    found, scores = torch.empty(k, dtype=torch.int64), torch.empty(k)
    _native.top_items(
        *(items, width, 4 * index.codes.shape[1], k, *index.addresses, query.data_ptr()),
        *(index.longest, index.largest, found.data_ptr(), scores.data_ptr()),
    )
    return found, scores


def reference_top(table: Tensor, bias: Tensor, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """What `top` finds, from all scores."""
    return best(linear(query, table, bias), k)


def best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The numbers and scores `[k]` of the k highest of `[items]`, of equals the first."""
    k = min(k, len(scores))
    least = scores.topk(k).values[-1]
    among = (scores >= least).nonzero().squeeze(1)
    order = among[scores[among].sort(descending=True, stable=True).indices][:k]
    return order, scores[order]


class Rule(NamedTuple):
    """How rows move: η, μ, what is left of a weight, ε; see `catena.learn.adagrad_momentum`."""

    rate: float
    momentum: float
    keep: float
    epsilon: float


# A table `[items, width]`, the sums of its squared gradients, and its velocity.
Held = tuple[Tensor, Tensor, Tensor]


def move_rows(held: Held, rows: Tensor, gradient: Tensor, rule: Rule) -> None:
    """Move rows int64 `[count]`, distinct, by their gradient `[count, width]`."""
    if not _fits(held) or not len(rows):
        return reference_move_rows(held, rows, gradient, rule)
    rows, gradient = rows.contiguous(), gradient.contiguous()
    _native.move_rows(
        *(len(rows), gradient[0].numel(), rows.data_ptr(), gradient.data_ptr()),
        *(part.data_ptr() for part in held),
        *rule,
    )


def reference_move_rows(held: Held, rows: Tensor, gradient: Tensor, rule: Rule) -> None:
    """What `move_rows` does, on any device."""
    table, squares, velocity = (whole.index_select(0, rows) for whole in held)
    reference_move((table, squares, velocity), gradient, rule)
    for whole, part in zip(held, (table, squares, velocity), strict=True):
        whole.index_copy_(0, rows, part)


_FIRST = torch.zeros(1, dtype=torch.int64)


def move(held: Held, gradient: Tensor, rule: Rule) -> None:
    """Move all of a parameter."""
    if not _fits(held) or not gradient.numel():
        return reference_move(held, gradient, rule)
    table, squares, velocity = (part.view(1, -1) for part in held)
    move_rows((table, squares, velocity), _FIRST, gradient.reshape(1, -1), rule)


def reference_move(held: Held, gradient: Tensor, rule: Rule) -> None:
    """What `move` does, on any device."""
    theta, squares, velocity = held
    squares.addcmul_(gradient, gradient)
    scale = (squares + rule.epsilon).sqrt_()
    velocity.mul_(rule.momentum).addcdiv_(gradient, scale, value=-rule.rate)
    theta.mul_(rule.keep).add_(velocity)


def _fits(held: Held) -> bool:
    """Whether the kernel can move what is held."""
    return all(
        part.is_cpu and part.is_contiguous() and part.dtype == torch.float32 for part in held
    )
