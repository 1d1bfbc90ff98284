"""What learning from a sample of items costs beside products: C++ beside eager PyTorch.

Draws by shares, the distinct items an update needs, the softmax over them with its slopes in the
memory of the products, and rows added to others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import catena._native as _native

WORD = 64  # bits of a mark


class Guide(NamedTuple):
    """Edges float64 `[n]`, rising, and for each of as many cells of equal width the first edge
    above its beginning, int32 `[n]`; so many cells a unit."""

    edges: Tensor
    first: Tensor
    per: float


def guide(edges: Tensor) -> Guide:
    """Edges ready to draw by (the indexed search of Chen and Asau 1974)."""
    cells = torch.arange(len(edges), dtype=torch.float64) * (edges[-1] / len(edges))
    first = torch.searchsorted(edges, cells, right=True).clamp_max(len(edges) - 1)
    return Guide(edges, first.to(torch.int32), len(edges) / float(edges[-1]))


def draw(guide: Guide, at: Tensor) -> Tensor:
    """The first edge above each of some numbers float64, at least 0; above all edges, the last."""
    at, found = at.contiguous(), torch.empty(at.shape, dtype=torch.int64)
    _native.draw(
        *(at.numel(), len(guide.edges), len(guide.first), at.data_ptr()),
        *(guide.edges.data_ptr(), guide.first.data_ptr(), guide.per, found.data_ptr()),
    )
    return found


def reference_draw(edges: Tensor, at: Tensor) -> Tensor:
    """What `draw` finds."""
    return torch.searchsorted(edges, at, right=True).clamp_max(len(edges) - 1)


class Marks(NamedTuple):
    """Room to find distinct items in: int64, a bit for each item, none set; int32 `[items]`."""

    bits: Tensor
    numbers: Tensor


def marks(items: int) -> Marks:
    """Room for so many items."""
    bits = torch.zeros(-(-items // WORD), dtype=torch.int64)
    return Marks(bits, torch.empty(items, dtype=torch.int32))


class Distinct(NamedTuple):
    """items `[count]`, rising; place `[n]`, which of them the values are; times float32 `[count]`,
    how often each is among the others."""

    items: Tensor
    place: Tensor
    times: Tensor


def distinct(values: Tensor, others: Tensor, room: Marks) -> Distinct:
    """The items among int64 values `[n]` and others `[k]`."""
    if not values.is_cpu:
        return reference_distinct(values, others)
    values, others = values.contiguous(), others.contiguous()
    items = values.new_empty(len(values) + len(others))
    place, times = torch.empty_like(values), torch.empty(len(items))
    count = _native.distinct(
        *(len(values), len(others), len(room.numbers), values.data_ptr(), others.data_ptr()),
        *(room.bits.data_ptr(), room.numbers.data_ptr()),
        *(items.data_ptr(), place.data_ptr(), times.data_ptr()),
    )
    return Distinct(items[:count], place, times[:count])


def reference_distinct(values: Tensor, others: Tensor) -> Distinct:
    """What `distinct` finds, on the device of the values."""
    both = torch.cat([values, others.to(values.device)])
    items, place = both.unique(return_inverse=True)
    times = torch.bincount(place[len(values) :], minlength=len(items))
    return Distinct(items, place[: len(values)], times.float())


def softmax(products: Tensor, bias: Tensor, own: Tensor, weight: Tensor) -> Tensor:
    """log exp z_own / Σ exp z_j, `[m]`, and its slopes by z in place of the products.

    Args:
        products: `[m, items]`; with the bias they are scores.
        bias: `[items]`.
        own: `[m]`, which item came next.
        weight: `[items]`: z is the score, and for all but the own item the weight is added.
    """
    parts = (products, bias, weight)
    fits = all(part.is_cpu and part.dtype == torch.float32 for part in parts)
    if not fits or not products.is_contiguous():
        return reference_softmax(products, bias, own, weight)
    shift, bias, own = bias + weight, bias.contiguous(), own.contiguous()
    gain = products.new_empty(len(products))
    _native.sampled_softmax(
        *(*products.shape, products.data_ptr(), bias.data_ptr(), shift.data_ptr()),
        *(own.data_ptr(), gain.data_ptr()),
    )
    return gain


def reference_softmax(products: Tensor, bias: Tensor, own: Tensor, weight: Tensor) -> Tensor:
    """What `softmax` finds and leaves, in any dtype and on any device."""
    column = own[:, None]
    mine = products.gather(1, column) + bias[column]
    z = products.add_(bias + weight).scatter_(1, column, mine)
    highest = z.amax(1, keepdim=True)
    p = z.sub_(highest).exp_()
    total = p.sum(1, keepdim=True)
    p.div_(-total).scatter_add_(1, column, torch.ones_like(mine))
    return (mine - highest - total.log()).squeeze(1)


def add_rows(to: Tensor, place: Tensor, rows: Tensor) -> None:
    """Add rows `[n, width]` to those of `to` that they belong to, `[n]`, the first one first."""
    fits = all(part.is_cpu and part.dtype == torch.float32 for part in (to, rows))
    if not fits or not to.is_contiguous():
        to.index_add_(0, place, rows)
        return
    place, rows = place.contiguous(), rows.contiguous()
    _native.add_rows(
        *(len(rows), to.shape[1], place.data_ptr(), rows.data_ptr(), to.data_ptr()),
    )
