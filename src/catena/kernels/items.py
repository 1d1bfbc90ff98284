"""The best of many items for one query, and Adagrad for rows of a table: C++ beside eager PyTorch.

A query q scores item i with w_i · q + b_i = (Aᵀ w_i) · (A⁻¹ q) + b_i. A is chosen so that the
first few numbers of both, the lead, hold most of their products: it makes the second moments of w
and of q the same and diagonal, the largest first (as balanced truncation does with a linear
system; with an orthogonal A it is the search of FEXIPRO, Li et al. 2017). With ŵ_i the lead in
steps of a_i = max |w_i| / 127, and likewise q̂, no score is above

    b_i + ŵ_i · q̂ + a_i ½√lead |q_lead| + max |ŵ| |q_lead - q̂| + |w_i's rest| |q's rest|

by Cauchy and Schwarz, which reads a tenth of what the scores would. Only items for which this
reaches the k-th best are scored, so that the k best are exact, however well the bound holds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

import catena._native as _native

# So many items are worked on together; see native/items.hpp.
TOGETHER = 16
LEAD = 32
# How much is added to the diagonal of second moments, as a share of its mean.
RIDGE = 1e-4
# What rounding may add to a bias, as a share of it.
ROUNDING = 1e-5
STEPS = 127  # the codes of items go from -127 to 127
# So many rows are turned at a time.
ROWS = 1 << 16


class Index(NamedTuple):
    """A table of items as the search reads it.

    table: float32 `[items, width]`. bias: float32 `[items]`. ceiling, scale, rest: float32
    `[blocks * TOGETHER]`, -inf and 0 beyond the items. codes: uint8
    `[blocks, lead / 4, TOGETHER, 4]`. axes: float64 `[width, width]`, for queries. longest,
    largest: the largest |ŵ| and |Aᵀ w|.
    """

    table: Tensor
    bias: Tensor
    ceiling: Tensor
    codes: Tensor
    scale: Tensor
    rest: Tensor
    axes: Tensor
    lead: int
    longest: float
    largest: float


@torch.no_grad()
def index(table: Tensor, bias: Tensor, queries: Tensor | None = None) -> Index:
    """Make ready to search a table `[items, width]` with biases `[items]`: float32 on the CPU.

    Args:
        queries: the second moment of queries `[width, width]`, as far as it is known. The search is
            exact whatever they are, and fast where they are like this.
    """
    table, (items, width) = table.detach().contiguous(), table.shape
    lead = min(-(-width // 4) * 4, max(LEAD, width // 16 * 4))
    axes, own = _axes(table, torch.eye(width) if queries is None else queries)
    spare = -items % TOGETHER
    parts = [_coded((part.double() @ own).float(), lead) for part in table.split(ROWS)]
    codes, scale, rest, norm = (torch.cat(part) for part in zip(*parts, strict=True))
    longest = float((codes.float().norm(dim=1) * scale).max())
    blocks = pad(codes + 128, (0, 0, 0, spare)).to(torch.uint8)
    blocks = blocks.view(-1, TOGETHER, lead // 4, 4).transpose(1, 2).contiguous()
    bias = bias.detach().float().contiguous()
    ceiling = pad(bias + ROUNDING * bias.abs(), (0, spare), value=-math.inf)
    scale, rest = pad(scale, (0, spare)), pad(rest, (0, spare))
    return Index(table, bias, ceiling, blocks, scale, rest, axes, lead, longest, float(norm.max()))


def _axes(table: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """A⁻ᵀ, which turns rows of queries, and A, which turns those of the table."""
    one, other = map(_root, (table.T @ table / len(table), queries))
    left, sizes, right = torch.linalg.svd(other.T @ one)
    return one @ right.T / sizes.sqrt(), other @ left / sizes.sqrt()


def _root(moment: Tensor) -> Tensor:
    """A triangular L with L Lᵀ the second moment, and a little more so that there is one."""
    diagonal = moment.double().diagonal()
    ridge = RIDGE * float(diagonal.mean()) or 1.0
    return torch.linalg.cholesky(moment.double() + ridge * torch.eye(len(moment)))


def _coded(rows: Tensor, lead: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes int16 `[n, lead]`, how much a step is, and the norms of the rest and of all, `[n]`."""
    first = pad(rows[:, :lead], (0, max(0, lead - rows.shape[1])))
    scale = first.abs().amax(1) / STEPS
    codes = (first / scale.clamp_min(torch.finfo(rows.dtype).tiny)[:, None]).round()
    return codes.to(torch.int16), scale, rows[:, lead:].norm(dim=1), rows.norm(dim=1)


@torch.no_grad()
def top(index: Index, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best items for a query `[width]`, the best first, of equals the first.

    Returns:
        their numbers int64 `[k]` and their scores float32 `[k]`.
    """
    items, width = index.table.shape
    k, query = min(k, items), query.contiguous()
    found, scores = torch.empty(k, dtype=torch.int64), torch.empty(k)
    _native.top_items(
        *(items, width, index.lead, k, index.table.data_ptr(), index.bias.data_ptr()),
        *(index.ceiling.data_ptr(), index.codes.data_ptr()),
        *(index.scale.data_ptr(), index.rest.data_ptr()),
        *(index.axes.data_ptr(), query.data_ptr(), index.longest, index.largest),
        *(found.data_ptr(), scores.data_ptr()),
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
