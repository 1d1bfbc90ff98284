"""One layer, one observation at a time, by the native step.

Walkers of one layer share its packed weights, which are packed anew when a parameter was written to
or replaced; see `catena.kernels.kept`.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.reference import State
from catena.kernels.cell.stepper import Packed, Stepper, pack_layers, refuses
from catena.kernels.kept import Entry, Kept, stamp


class Layer(Protocol):
    """What has a cell and its weights."""

    cell: Cell

    @property
    def weights(self) -> Weights: ...


_FROZEN: Kept[list[Packed]] = Kept()


def frozen(layer: Layer) -> Entry[list[Packed]]:
    """The layer's weights as they are now, packed once for all that ask."""
    weights = layer.weights
    return _FROZEN.of(layer, weights, lambda: pack_layers(layer.cell, [weights]))


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
        self._stepper = Stepper(self._layer.cell, self._frozen.made, len(state[0]), start)

    @property
    def state(self) -> State:
        return tuple(part[0] for part in self._stepper.parts)

    @torch.no_grad()
    def push(self, x: Tensor) -> None:
        if stamp(self._layer.weights) != self._frozen.stamp:
            self._begin(self.state)
        self.features = self._stepper.push(x.contiguous())
