"""One recurrent layer on one batch, computed by each side: PyTorch padded, PyTorch packed, catena.

A `Case` is the batch. A `Side` computes it: `infer` and `train` are what is timed, and `outcome`
gives the numbers, in time-major packed order, for the comparison with float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import catena.nn

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
Outcome = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """A batch of sequences and the layer's size; the input is as wide as the layer."""

    batch: int
    length: int
    size: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.length}x{self.size}"


def draw_lengths(shape: Shape, kind: str) -> Tensor:
    """`[N]` lengths, one of them the full one. uniform: T/4 to T; lognormal: most near T/8."""
    full = torch.full((shape.batch,), shape.length, dtype=torch.int64)
    if kind == "full":
        return full
    generator = torch.Generator().manual_seed(0)
    if kind == "uniform":
        least = max(1, shape.length // 4)
        drawn = torch.randint(least, shape.length + 1, full.shape, generator=generator)
    else:
        spread = torch.randn(full.shape, generator=generator).mul(0.8).exp()
        drawn = (spread * shape.length / 8).long().clamp(1, shape.length)
    drawn[0] = shape.length
    return drawn


class Case:
    """A cell ("lstm", "gru", "rnn"), a batch of that shape, and a gradient for its outputs."""

    def __init__(self, cell: str, shape: Shape, kind: str) -> None:
        self.cell, self.shape, self.kind = cell, shape, kind
        self.lengths = draw_lengths(shape, kind)
        generator = torch.Generator().manual_seed(1)
        dimensions = (shape.length, shape.batch, shape.size)
        self.padded = torch.randn(dimensions, generator=generator)
        self.packed = self.pack(self.padded)
        gradient = torch.randn(dimensions, generator=generator)
        real = torch.arange(shape.length)[:, None] < self.lengths
        self.padded_gradient = gradient * real[..., None]
        self.packed_gradient = self.pack(self.padded_gradient).data

    @property
    def steps(self) -> int:
        return int(self.lengths.sum())

    def operations(self, training: bool) -> int:
        """Floating-point operations of the real steps; a backward pass is two forward ones."""
        forward = 2 * GATES[self.cell] * self.shape.size * 2 * self.shape.size * self.steps
        return 3 * forward if training else forward

    def pack(self, padded: Tensor) -> PackedSequence:
        """`[T, N, features]` without its padding."""
        return pack_padded_sequence(padded, self.lengths, enforce_sorted=False)

    @cached_property
    def layer(self) -> nn.RNNBase:
        """PyTorch's layer, whose weights every side shares."""
        torch.manual_seed(2)
        size = self.shape.size
        return {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[self.cell](size, size)

    @cached_property
    def catena_layer(self) -> catena.nn.LSTM | catena.nn.GRU | catena.nn.RNN:
        """catena's layer with the same weights."""

        kind = {"lstm": catena.nn.LSTM, "gru": catena.nn.GRU, "rnn": catena.nn.RNN}[self.cell]
        layer = kind(self.shape.size, self.shape.size)
        layer.load_state_dict(self.layer.state_dict())
        return layer

    def exact(self, training: bool) -> Outcome:
        """What every side must come to, in float64."""
        return Packed(self, deepcopy(self.layer).double(), torch.float64).outcome(training)


class Side(ABC):
    """A layer on a case, in one form of input."""

    form: Tensor | PackedSequence
    input: Tensor
    gradient: Tensor

    def __init__(self, case: Case, layer: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        self.case, self.layer = case, layer
        self.weights = dict(layer.named_parameters())
        self.prepare(dtype)

    @abstractmethod
    def prepare(self, dtype: torch.dtype) -> None:
        """Bring `input`, `form` (what the layer is called with) and `gradient` about."""

    @abstractmethod
    def values(self, output: Any) -> Tensor:
        """The tensor of an output, shaped like `gradient`."""

    @abstractmethod
    def in_order(self, values: Tensor) -> Tensor:
        """Such a tensor in time-major packed order `[steps, features]`."""

    @torch.inference_mode()
    def infer(self) -> Tensor:
        return self.values(self.layer(self.form)[0])

    def train(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Outputs, and the gradients of the input, the weights and the biases."""
        output = self.values(self.layer(self.form)[0])
        wanted = [self.input, *self.weights.values()]
        return output, torch.autograd.grad(output, wanted, self.gradient)

    def outcome(self, training: bool) -> Outcome:
        if not training:
            return {"output": self.in_order(self.infer())}
        output, (inputs, *weights) = self.train()
        found = {"output": self.in_order(output.detach()), "input": self.in_order(inputs)}
        return found | dict(zip(self.weights, weights, strict=True))


class Padded(Side):
    """A rectangle `[T, N, features]`, computed with its padding."""

    def prepare(self, dtype: torch.dtype) -> None:
        self.form = self.input = self.case.padded.to(dtype, copy=True).requires_grad_()
        self.gradient = self.case.padded_gradient.to(dtype)

    def values(self, output: Any) -> Tensor:
        return output

    def in_order(self, values: Tensor) -> Tensor:
        return self.case.pack(values).data


class Packed(Side):
    """A PackedSequence of the real steps."""

    def prepare(self, dtype: torch.dtype) -> None:
        self.input = self.case.packed.data.to(dtype, copy=True).requires_grad_()
        self.form = self.case.packed._replace(data=self.input)
        self.gradient = self.case.packed_gradient.to(dtype)

    def values(self, output: Any) -> Tensor:
        return output.data

    def in_order(self, values: Tensor) -> Tensor:
        return values


def torch_sides(case: Case) -> dict[str, Side]:
    return {"torch padded": Padded(case, case.layer), "torch packed": Packed(case, case.layer)}


def catena_side(case: Case, training: bool) -> Side:
    """catena on the form that a user of it has: packed when lengths differ, else the rectangle; for
    inference with its weights packed once, as onnxruntime's are."""
    form = Padded if case.kind == "full" else Packed
    return form(case, case.catena_layer if training else case.catena_layer.freeze())


def difference(found: Outcome, exact: Outcome) -> float:
    """The greatest relative difference |found - exact| / |exact| of a tensor (Frobenius norms)."""
    return max(
        float((found[name].double() - wanted).norm() / wanted.norm())
        for name, wanted in exact.items()
    )
