"""The forms in which a batch reaches a layer, each brought into time-major order and back.

Between its two borders a batch stays as kernels want it: step after step, longest sequence first,
with no padding (see `catena.layout`). A rectangle is in that order as it stands. Nothing here asks
for the numbers inside a rectangle or a PackedSequence, so that torch.compile can look through.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from catena.errors import CatenaError
from catena.layout import Layout
from catena.sequences import Sequences


class ShapeError(CatenaError, RuntimeError):
    """A wrong shape, which torch.nn reports as a RuntimeError."""


class Batch(ABC):
    """A batch inside a layer.

    Attributes:
        values: `[total, inputs]`, time-major.
        batch_sizes: `[T]` int64 on the CPU, how many sequences are still running at each step.
        rows: n, the number of sequences, empty ones included.
        order: `[n]`, which sequence of the caller stands in each row; None when all stand in
            their own.
        inverse: `[n]`, the row of each of the caller's sequences.
        single: whether the caller gave one sequence that is no batch.
    """

    values: Tensor
    batch_sizes: Tensor
    rows: int
    order: Tensor | None = None
    inverse: Tensor | None = None
    single: bool = False

    @abstractmethod
    def leave(self, outputs: Tensor) -> Any:
        """Outputs `[total, features]` in the form in which the input came."""

    def reversal(self) -> Tensor | None:
        """What `turn` needs: `[total]`, where the step is that mirrors each step of a sequence."""
        time, row = steps(self.batch_sizes, len(self.values))
        running = torch.arange(self.rows, device="cpu")
        length = torch.searchsorted(-self.batch_sizes, -running)  # steps with more than `row` rows
        first = self.batch_sizes.cumsum(0) - self.batch_sizes
        return (first[length[row] - 1 - time] + row).to(self.values.device)

    def turn(self, values: Tensor, reversal: Tensor | None) -> Tensor:
        """Time-major values `[total, ...]` with each sequence turned over its own length."""
        assert reversal is not None
        return values.index_select(0, reversal)


class Padded(Batch):
    """A rectangle `[T, n, inputs]` or `[n, T, inputs]`, or one sequence `[T, inputs]`."""

    def __init__(self, input: Tensor, batch_first: bool) -> None:
        dimensions = input.dim()
        if dimensions not in (2, 3):
            raise CatenaError(f"expected input to be 2D or 3D, got {dimensions}D instead")
        self.single = dimensions == 2
        self.batch_first = batch_first and not self.single
        if self.single:
            input = input.unsqueeze(1)
        elif batch_first:
            input = input.transpose(0, 1)
        self.length, self.rows, features = input.shape
        self.values = input.reshape(self.length * self.rows, features)
        # A traced call sees stand-ins for tensors, which must not be kept.
        traced = type(input) is not Tensor or torch.compiler.is_compiling()
        self.batch_sizes = (_even if traced else _even_kept)(self.length, self.rows)

    def leave(self, outputs: Tensor) -> Tensor:
        if self.single:
            return outputs
        outputs = outputs.view(self.length, self.rows, outputs.shape[1])
        return outputs.transpose(0, 1) if self.batch_first else outputs

    def reversal(self) -> None:
        return None

    def turn(self, values: Tensor, reversal: Tensor | None) -> Tensor:
        return values.view(self.length, self.rows, values.shape[1]).flip(0).flatten(0, 1)


class Ragged(Batch):
    """A padded batch `[T, n, inputs]` or `[n, T, inputs]` beside its lengths `[n]`.

    What comes out is padded with zeros to the same T.
    """

    def __init__(self, input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool) -> None:
        if input.dim() != 3:
            raise CatenaError(f"lengths= belong to a 3D input, not to one of {input.dim()}D")
        self.shape, self.batch_first = input.shape[:2], batch_first
        self.rows = input.shape[0 if batch_first else 1]
        layout = Layout(_lengths(lengths, self.rows, input.shape[1 if batch_first else 0]))
        self.batch_sizes, self.order = layout.batch_sizes, layout.order
        self.inverse = layout.inverse
        time, row = steps(self.batch_sizes, int(layout.lengths.sum()))
        owner = self.order[row]
        place = owner * self.shape[1] + time if batch_first else time * self.rows + owner
        self.place = place.to(input.device)
        self.values = input.flatten(0, 1).index_select(0, self.place)

    def leave(self, outputs: Tensor) -> Tensor:
        padded = outputs.new_zeros(self.shape.numel(), outputs.shape[1])
        return padded.index_copy(0, self.place, outputs).unflatten(0, self.shape)


class Packed(Batch):
    """PyTorch's PackedSequence, which is in time-major order already.

    Args:
        rows: the number of sequences, where it is known.
    """

    def __init__(self, input: PackedSequence, rows: int | None) -> None:
        self.values, self.batch_sizes, self.order, self.inverse = input
        if self.order is not None:
            rows = self.order.shape[0]
        self.rows = int(self.batch_sizes[0]) if rows is None else rows

    def leave(self, outputs: Tensor) -> PackedSequence:
        return PackedSequence(outputs, self.batch_sizes, self.order, self.inverse)


class Listed(Batch):
    """catena's Sequences of values `[total, inputs]`."""

    def __init__(self, input: Sequences) -> None:
        self.input, self.rows = input, len(input)
        self.layout = Layout(input.lengths)
        self.batch_sizes, self.order = self.layout.batch_sizes, self.layout.order
        self.inverse = self.layout.inverse
        self.values = self.layout.pack(input.values)

    def leave(self, outputs: Tensor) -> Sequences:
        return self.input.with_values(self.layout.unpack(outputs))


def _even(length: int, rows: int) -> Tensor:
    """`[length]`: the batch sizes of a rectangle."""
    return torch.full((length,), rows, dtype=torch.int64, device="cpu")


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # a tensor made in inference mode could not be used in training
def _even_kept(length: int, rows: int) -> Tensor:
    """The same, made once for all calls: it is a fifth of what a short call costs here."""
    return _even(length, rows)


def steps(batch_sizes: Tensor, total: int) -> tuple[Tensor, Tensor]:
    """`(time, row)`, each `[total]`: which step of which row stands where in time-major order."""
    time = torch.repeat_interleave(batch_sizes, output_size=total)
    first = batch_sizes.cumsum(0) - batch_sizes
    return time, torch.arange(total, device="cpu") - first[time]


def _lengths(lengths: Tensor | Sequence[int], rows: int, longest: int) -> Tensor:
    """`[n]` int64 on the CPU."""
    given = torch.as_tensor(lengths, device="cpu")
    if given.shape != (rows,):
        raise ShapeError(f"lengths must have shape ({rows},), not {tuple(given.shape)}")
    if given.is_floating_point() and rows:
        raise CatenaError(f"lengths must be integers, not {given.dtype}")
    if rows and (int(given.min()) < 0 or int(given.max()) > longest):
        raise CatenaError(f"lengths must be from 0 to {longest}, the steps in the padded input")
    return given.to(torch.int64)
