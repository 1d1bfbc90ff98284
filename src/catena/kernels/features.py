"""Scores of labels from sparse attributes, and the gradients' way back: C++ beside eager PyTorch.

Attribute a goes with the labels `labels[pairs[a]:pairs[a + 1]]` and has a weight for each; a pair
of the two is a feature. Step t has the attributes `ids[steps[t]:steps[t + 1]]`, each times its
value.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import catena._native as _native

# Rows of weights start at whole cache lines, of so many numbers.
BLOCK = 8
# An attribute that goes with a quarter of the labels has a row: reading all of it costs less.
SHARE = 4
# Below this many attributes of steps a second thread costs more than it helps.
ALONE = 20_000
# Attributes lie together in so many, so that two threads seldom write to the same place.
TOGETHER = 8


class Rows(NamedTuple):
    """A sparse matrix: steps int64 `[total + 1]`, ids int32 `[m]`, values float64 `[m]` or None."""

    steps: Tensor
    ids: Tensor
    values: Tensor | None


class Layout(NamedTuple):
    """How the weights of the features lie in memory.

    width: labels. pairs: int64 `[attributes + 1]`. labels: int32 `[features]`. places: int32
    `[attributes, 2]`, where an attribute's weights begin and how many they are, or its row and -1.
    filled: int64 `[k]`, the features whose weights lie in rows; cells: `[k]`, where in the rows.
    rows: how many; pitch: numbers in each.
    """

    width: int
    pairs: Tensor
    labels: Tensor
    places: Tensor
    filled: Tensor
    cells: Tensor
    rows: int
    pitch: int


def lay_out(pairs: Tensor, labels: Tensor, width: int, share: int = SHARE) -> Layout:
    """Give the attributes that go with many labels a row each.

    Args:
        share: how many are many: width / share. At 1 no row has a number without a feature, so that
            what is added to the rows can be read again.
    """
    counts = pairs.diff()
    dense = (counts > 0) & (share * counts >= width)
    row = dense.cumsum(0) - 1
    begin = torch.where(dense, row, pairs[:-1])
    places = torch.stack([begin, counts.masked_fill(dense, -1)], 1).to(torch.int32)
    pitch = -(-width // BLOCK) * BLOCK
    filled = dense.repeat_interleave(counts).nonzero().flatten()
    cells = row.repeat_interleave(counts)[filled] * pitch + labels[filled]
    return Layout(width, pairs, labels, places, filled, cells, int(dense.sum()), pitch)


def threads_for(data: Rows) -> int:
    """How many threads are worth while."""
    return torch.get_num_threads() if len(data.ids) > ALONE else 1


def share_out(data: Rows, threads: int) -> Rows:
    """The same, sorted by the thread that has the attribute; `steps` is `[threads, total + 1]`."""
    if threads == 1:
        return Rows(data.steps[None], data.ids, data.values)
    owner = (data.ids // TOGETHER).remainder_(threads)
    steps, order, start = [], [], 0
    for thread in range(threads):
        own = owner == thread
        before = torch.cat([data.steps.new_zeros(1), own.cumsum(0)])
        steps.append(before[data.steps] + start)
        order.append(own.nonzero().flatten())
        start += len(order[-1])
    by_thread = torch.cat(order)
    values = None if data.values is None else data.values[by_thread]
    return Rows(torch.stack(steps), data.ids[by_thread], values)


class Weights(NamedTuple):
    """A number for each feature, float64: single ones `[features]`; of attributes with a row, in
    rows `[rows * pitch]`."""

    single: Tensor
    rows: Tensor


def spread(layout: Layout, weights: Tensor) -> Weights:
    """float64 `[features]` as the kernels read them."""
    rows = weights.new_zeros(layout.rows * layout.pitch)
    rows[layout.cells] = weights[layout.filled]
    return Weights(weights, rows)


def nothing(layout: Layout) -> Weights:
    """Sums that nothing has been added to."""
    single = torch.zeros(len(layout.labels), dtype=torch.float64)
    return Weights(single, single.new_zeros(layout.rows * layout.pitch))


def gathered(layout: Layout, sums: Weights) -> Tensor:
    """float64 `[features]`, what was added up; the sums may not be added to after that."""
    sums.single[layout.filled] = sums.rows[layout.cells]
    return sums.single


def scores(layout: Layout, data: Rows, weights: Weights, to: Tensor) -> None:
    """Put the values times the weights of each step's attributes into float64 `[total, width]`."""
    _native.feature_scores(
        *_head(layout, data, threads_for(data), len(to)),
        *(data.steps.data_ptr(), weights.single.data_ptr(), weights.rows.data_ptr()),
        to.data_ptr(),
    )


def add_gradient(layout: Layout, shared: Rows, grad: Tensor, sums: Weights) -> None:
    """Add the gradient of the weights, from that of the scores, to sums.

    Each sum is made in the order of the steps, whatever the number of threads.

    Args:
        shared: what `share_out` made.
        grad: float64 `[total, width]`.
    """
    _native.feature_gradient(
        *_head(layout, shared, len(shared.steps), len(grad)),
        *(shared.steps.data_ptr(), grad.data_ptr()),
        *(sums.single.data_ptr(), sums.rows.data_ptr()),
    )


def _head(layout: Layout, data: Rows, threads: int, total: int) -> tuple[int, ...]:
    values = 0 if data.values is None else data.values.data_ptr()
    sizes = threads, total, layout.width, layout.pitch
    return *sizes, data.ids.data_ptr(), values, layout.places.data_ptr(), layout.labels.data_ptr()


def reference_scores(layout: Layout, data: Rows, weights: Tensor) -> Tensor:
    """What `scores` puts, on any device, one number for each feature of each step."""
    step, feature, value = _spread(layout, data)
    to = weights.new_zeros(len(data.steps) - 1, layout.width)
    return to.index_put((step, layout.labels[feature]), weights[feature] * value, accumulate=True)


def reference_gradient(layout: Layout, data: Rows, grad: Tensor) -> Tensor:
    """What `add_gradient` adds, on any device, from rows that are not shared out."""
    step, feature, value = _spread(layout, data)
    to = grad.new_zeros(len(layout.labels))
    return to.index_put((feature,), grad[step, layout.labels[feature]] * value, accumulate=True)


def _spread(layout: Layout, data: Rows) -> tuple[Tensor, Tensor, Tensor]:
    """The step, the feature and the value `[k]` of each feature of each step."""
    ids = data.ids.long()
    counts = layout.pairs.diff()[ids]
    ends = counts.cumsum(0)
    within = torch.arange(int(counts.sum()), device=ids.device)
    within -= (ends - counts).repeat_interleave(counts)
    feature = layout.pairs[ids].repeat_interleave(counts) + within
    step = torch.arange(len(data.steps) - 1, device=ids.device).repeat_interleave(data.steps.diff())
    one = torch.ones((), dtype=torch.float64, device=ids.device).expand(len(ids))
    value = one if data.values is None else data.values
    return step.repeat_interleave(counts), feature, value.repeat_interleave(counts)
