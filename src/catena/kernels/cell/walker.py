"""One layer, one observation at a time, by the native step.

Walkers of one layer share its packed weights, which are packed anew when a parameter was written to
or replaced. Writing through `parameter.data` goes unnoticed: PyTorch does not count it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.reference import State
from catena.kernels.cell.stepper import Packed, Stepper, pack_layers, refuses


class Layer(Protocol):
    """What has a cell and its weights."""

    cell: Cell

    @property
    def weights(self) -> Weights: ...


# Which tensors they are, where their numbers lie, and how often those were written to.
Stamp = list[tuple[int, int, int]]


class Frozen(NamedTuple):
    """A layer's weights, kept alive so that no other tensor can pass for one of them."""

    weights: Weights
    stamp: Stamp
    packed: list[Packed]


_FROZEN: WeakKeyDictionary[Layer, Frozen] = WeakKeyDictionary()


def frozen(layer: Layer) -> Frozen:
    """The layer's weights as they are now, packed once for all that ask."""
    weights = layer.weights
    known, stamp = _FROZEN.get(layer), _stamp(weights)
    if known is None or known.stamp != stamp:
        known = Frozen(weights, stamp, pack_layers(layer.cell, [weights]))
        _FROZEN[layer] = known
    return known


def _stamp(weights: Weights) -> Stamp:
    return [(id(part), part.data_ptr(), part._version) for part in weights if part is not None]


def walks(layer: Layer, state: State) -> bool:
    """Whether the native step can go on from this state `[batch, ...]`."""
    counted = not any(part is not None and part.is_inference() for part in layer.weights)
    return counted and len(state[0]) > 0 and refuses([layer.weights]) is None


class CellWalker:
    """A layer's sequences that grow together; see `catena.walking.Walker`."""

    def __init__(self, layer: Layer, state: State) -> None:
        self._layer, self.features = layer, state[0]
        self._begin(state)

    def _begin(self, state: State) -> None:
        self._frozen = frozen(self._layer)
        start = [part[None] for part in state]
        self._stepper = Stepper(self._layer.cell, self._frozen.packed, len(state[0]), start)

    @property
    def state(self) -> State:
        return tuple(part[0] for part in self._stepper.parts)

    @torch.no_grad()
    def push(self, x: Tensor) -> None:
        if _stamp(self._layer.weights) != self._frozen.stamp:
            self._begin(self.state)
        self.features = self._stepper.push(x.contiguous())
