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
# An attribute that goes with several labels, a twelfth of them or more, has a row: reading it costs
# less than a loop whose length cannot be foreseen.
SHARE = 12
# Below this many attributes of steps a second thread costs more than it helps.
ALONE = 20_000


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
    dense = (counts > 1) & (share * counts >= width)
    row = dense.cumsum(0) - 1
    begin = torch.where(dense, row, pairs[:-1])
    places = torch.stack([begin, counts.masked_fill(dense, -1)], 1).to(torch.int32)
    pitch = -(-width // BLOCK) * BLOCK
    filled = dense.repeat_interleave(counts).nonzero().flatten()
    cells = row.repeat_interleave(counts)[filled] * pitch + labels[filled]
    return Layout(width, pairs, labels, places, filled, cells, int(dense.sum()), pitch)


def threads_for(entries: int) -> int:
    """How many threads are worth while for so many attributes of steps."""
    return torch.get_num_threads() if entries > ALONE else 1


def ordered(data: Rows) -> Rows:
    """The same, the ids of each step in rising order; equal ones keep theirs."""
    ids = data.ids.contiguous()
    rises = ids[1:] >= ids[:-1]
    rises[data.steps[(data.steps > 0) & (data.steps < len(ids))] - 1] = True
    if bool(rises.all()):
        return data
    values = None if data.values is None else data.values.contiguous()
    to = Rows(data.steps, torch.empty_like(ids), None if values is None else values.clone())
    _native.feature_order(
        *(len(data.steps) - 1, data.steps.data_ptr(), ids.data_ptr(), _address(values)),
        *(to.ids.data_ptr(), _address(to.values)),
    )
    return to


class Columns:
    """The same by columns: turned over once, used often. What is read then lies together.

    Args:
        data: in order.
    """

    def __init__(self, layout: Layout, data: Rows) -> None:
        self.layout, self.total = layout, len(data.steps) - 1
        self.entries = len(data.ids)
        self._own = _native.Columns(
            *(self.total, data.steps.data_ptr(), data.ids.data_ptr(), _address(data.values)),
            layout.places.data_ptr(),
        )
        self._shares: dict[int, Tensor] = {}

    def scores(self, weights: Weights, to: Tensor) -> None:
        """As `catena.kernels.features.scores`; sums are made in another order."""
        self._own.scores(
            *self._call(),
            *(weights.single.data_ptr(), weights.rows.data_ptr(), to.data_ptr()),
        )

    def add_gradient(self, grad: Tensor, sums: Weights) -> None:
        """Add the gradient of the weights, from that of the scores, to sums.

        Each sum is made in the order of the steps, whatever the number of threads.

        Args:
            grad: float64 `[total, width]`.
        """
        call = self._call()
        if call[0] not in self._shares:
            self._shares[call[0]] = torch.empty(call[0] + 1, 2, dtype=torch.int32)
            self._own.share(call[0], self._shares[call[0]].data_ptr())
        self._own.gradient(
            *call,
            *(self._shares[call[0]].data_ptr(), grad.data_ptr()),
            *(sums.single.data_ptr(), sums.rows.data_ptr()),
        )

    def _call(self) -> tuple[int, int, int, int]:
        layout = self.layout
        threads = threads_for(self.entries)
        return threads, layout.width, layout.pitch, layout.labels.data_ptr()


class Weights(NamedTuple):
    """A number for each feature, float64: single ones `[features]`; of attributes with a row, in
    rows `[rows * pitch]`."""

    single: Tensor
    rows: Tensor


def spread(layout: Layout, weights: Tensor, rows: Tensor | None = None) -> Weights:
    """float64 `[features]` as the kernels read them.

    Args:
        rows: those of an earlier call, which are written over.
    """
    rows = weights.new_zeros(layout.rows * layout.pitch) if rows is None else rows
    rows[layout.cells] = weights[layout.filled]
    return Weights(weights, rows)


def nothing(layout: Layout, to: Weights | None = None) -> Weights:
    """Sums that nothing has been added to: new ones, or others, from which all is taken."""
    if to is not None:
        return Weights(to.single.zero_(), to.rows.zero_())
    single = torch.zeros(len(layout.labels), dtype=torch.float64)
    return Weights(single, single.new_zeros(layout.rows * layout.pitch))


def gathered(layout: Layout, sums: Weights) -> Tensor:
    """float64 `[features]`, what was added up; the sums may not be added to after that."""
    sums.single[layout.filled] = sums.rows[layout.cells]
    return sums.single


def scores(layout: Layout, data: Rows, weights: Weights, to: Tensor) -> None:
    """Put the values times the weights of each step's attributes into float64 `[total, width]`."""
    _native.feature_scores(
        *(threads_for(len(data.ids)), len(to), layout.width, layout.pitch),
        *(data.ids.data_ptr(), _address(data.values), layout.places.data_ptr()),
        *(layout.labels.data_ptr(), data.steps.data_ptr(), weights.single.data_ptr()),
        *(weights.rows.data_ptr(), to.data_ptr()),
    )


def _address(values: Tensor | None) -> int:
    return 0 if values is None else values.data_ptr()


def reference_scores(layout: Layout, data: Rows, weights: Tensor) -> Tensor:
    """What `scores` puts, on any device, one number for each feature of each step."""
    step, feature, value = _spread(layout, data)
    to = weights.new_zeros(len(data.steps) - 1, layout.width)
    return to.index_put((step, layout.labels[feature]), weights[feature] * value, accumulate=True)


def reference_gradient(layout: Layout, data: Rows, grad: Tensor) -> Tensor:
    """What `Columns.add_gradient` adds, on any device, from rows."""
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
