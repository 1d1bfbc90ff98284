"""Labelled sequences as numbers: what the weights of a feature CRF are learned from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from catena.features.vocabulary import Encoded


@dataclass(frozen=True, eq=False)
class Examples:
    """n labelled sequences, one after the other.

    Args:
        data: the attributes of all steps.
        labels: int64 `[total]`, the right labels; or bool `[total, width]`, which labels each step
            may have, at least one.
        lengths: int64 `[n]`, how many steps each has.
        weight: float64 `[n]`, how much each counts.
    """

    data: Encoded
    labels: Tensor
    lengths: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    def pick(self, numbers: Tensor) -> Examples:
        """The sequences of these numbers, int64 `[k]`, in their order."""
        lengths, offsets = self.lengths[numbers], self.data.offsets
        steps = ranges((self.lengths.cumsum(0) - self.lengths)[numbers], lengths)
        sizes = offsets.diff()[steps]
        entries = ranges(offsets[steps], sizes)
        values = None if self.data.values is None else self.data.values[entries]
        ends = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        data = Encoded(ends, self.data.ids[entries], values, self.data.attributes)
        return Examples(data, self.labels[steps], lengths, self.weight[numbers])


def ranges(begins: Tensor, sizes: Tensor) -> Tensor:
    """int64: begin to begin + size - 1 of each pair, one after the other.

    >>> ranges(torch.tensor([7, 0]), torch.tensor([2, 3])).tolist()
    [7, 8, 0, 1, 2]
    """
    before = sizes.cumsum(0) - sizes
    return (begins - before).repeat_interleave(sizes) + torch.arange(int(sizes.sum()))
