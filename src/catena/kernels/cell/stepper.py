"""A frozen stack of layers that takes one observation at a time, in one native call a step.

The weights are packed once, the state stays in place, and a step allocates nothing. A step of one
row does little else than read the weights, so they lie in the order in which they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

import catena._native as _native
from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.native import KINDS, PANEL, biases

# A thread is given at least this many weights: with fewer, meeting the others costs more time than
# they save.
SHARE = 200_000


def refuses(weights: Sequence[Weights]) -> str | None:
    """Why these layers, the lowest first, cannot be stepped through natively, or None."""
    units = weights[0].hh.shape[1]
    for layer in weights:
        if layer.ih.device.type != "cpu" or layer.ih.dtype != torch.float32:
            return f"it takes float32 on the CPU, not {layer.ih.dtype} on {layer.ih.device}"
        if layer.projection is not None:
            return "it has no projection"
        if layer.hh.shape[1] != units:
            return "its layers have the same number of units"
    return None


class Packed(NamedTuple):
    """A layer's weights as a step reads them; see native/stream.hpp.

    `weights` is float32 or bfloat16, the rest float32.
    """

    inputs: int
    units: int
    weights: Tensor
    bias: Tensor | None
    bias_n: Tensor | None
    peephole: Tensor | None
    norm_ih: Tensor | None
    norm_hh: Tensor | None
    norm_c: Tensor | None


@torch.no_grad()
def pack_layers(
    cell: Cell, weights: Sequence[Weights], dtype: torch.dtype = torch.float32
) -> list[Packed]:
    """A copy of the weights of each layer, the lowest first, in the order in which they are read.

    Args:
        dtype: what the matrices are rounded to: float32, or bfloat16 in half the memory.

    Raises:
        CatenaError: when there is no native step for these layers.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        raise CatenaError(f"the weights of a step are float32 or bfloat16, not {dtype}")
    if reason := refuses(weights):
        raise CatenaError(f"the native step cannot run this {cell.kind}: {reason}")
    return [_packed(cell, layer, dtype) for layer in weights]


def _packed(cell: Cell, layer: Weights, dtype: torch.dtype) -> Packed:
    inputs, units = layer.ih.shape[1], layer.hh.shape[1]
    rest = *biases(cell, layer), layer.peephole, layer.norm_ih, layer.norm_hh, layer.norm_c
    kept = (None if part is None else part.detach().clone() for part in rest)
    deep = 2 if dtype is torch.bfloat16 else 1
    matrices = (pad(part, (0, -part.shape[1] % deep)) for part in (layer.ih, layer.hh))
    return Packed(inputs, units, pack(torch.cat([*matrices], 1).to(dtype), cell.gates, deep), *kept)


class Stepper:
    """A stack of layers of one kind of cell, in evaluation, with a state of its own.

    What was learned after it was made does not reach it. It belongs to one thread at a time.

    Args:
        cell: what each layer computes.
        layers: the weights of each layer, the lowest first; all have the same number of units and
            one dtype.
        batch: how many sequences step together.
        start: where they start, each part `[layers, batch, units]`; zero unless given.

    >>> import catena.nn
    >>> stepper = catena.nn.LSTM(3, 5).eval().stepper()
    >>> stepper.push(torch.randn(1, 3)).shape
    torch.Size([1, 5])
    """

    def __init__(
        self,
        cell: Cell,
        layers: Sequence[Packed],
        batch: int = 1,
        start: Sequence[Tensor] | None = None,
    ) -> None:
        if batch < 1:
            raise CatenaError(f"batch must be at least 1, not {batch}")
        units = layers[0].units
        shape = (len(layers), batch, units)
        self._state = [torch.empty(shape) for _ in range(cell.states)]
        self._shape = torch.Size((batch, layers[0].inputs))
        self._out = torch.zeros(batch, units)
        products = 2 * cell.gates * units if layers[0].norm_ih is not None else 0
        rooms = torch.empty(shape), torch.empty(batch, 4 * units), torch.empty(batch, products)
        self._alive = [*rooms, *layers]
        c = self._state[1].data_ptr() if cell.states == 2 else 0
        fresh, gates, room = (room.data_ptr() for room in rooms)
        self._native = _native.Stepper(
            KINDS.index(cell.kind), cell.coupled, cell.zoneout, cell.zoneout_c,
            layers[0].weights.dtype is torch.bfloat16, _threads(layers), batch, units,
            self._state[0].data_ptr(), fresh, c, gates, room, self._out.data_ptr(),
        )  # fmt: skip
        for layer in layers:
            addresses = (0 if part is None else part.data_ptr() for part in layer[2:])
            self._native.add(layer.inputs, *addresses)
        self._push = self._native.push
        zero = torch.zeros(()).expand(shape)
        self.state = [zero] * cell.states if start is None else start
        self._start = [part.clone() for part in self._state]

    def push(self, x: Tensor) -> Tensor:
        """One step.

        Args:
            x: `[batch, inputs]` float32, contiguous, on the CPU.

        Returns:
            what the top layer shows `[batch, units]`. The next push overwrites it: clone what is
            to be kept.

        Raises:
            CatenaError: for another shape, dtype, device or layout.
        """
        if (
            x.shape != self._shape
            or x.dtype is not torch.float32
            or not x.is_cpu
            or not x.is_contiguous()
        ):
            raise CatenaError(
                f"push takes a contiguous float32 tensor {tuple(self._shape)} on the CPU, not "
                f"{tuple(x.shape)} {x.dtype} on {x.device} with strides {x.stride()}"
            )
        self._push(x.data_ptr())
        return self._out

    @property
    def state(self) -> Tensor | tuple[Tensor, ...]:
        """A copy of the state as torch.nn's hx: h `[layers, batch, units]`, of an LSTM (h, c).

        What is assigned is copied too.
        """
        parts = self.parts
        return parts[0] if len(parts) == 1 else parts

    @state.setter
    def state(self, hx: Tensor | Sequence[Tensor]) -> None:
        parts = (hx,) if isinstance(hx, Tensor) else hx
        wanted = [tuple(part.shape) for part in self._state]
        given = [tuple(part.shape) for part in parts]
        if given != wanted:
            raise CatenaError(f"the state has parts of shapes {wanted}, not {given}")
        for own, part in zip(self._state, parts, strict=True):
            own.copy_(part.detach())

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """A copy of the state, always as a tuple."""
        return tuple(part.clone() for part in self._state)

    def reset(self) -> None:
        """Back to where it started."""
        for own, first in zip(self._state, self._start, strict=True):
            own.copy_(first)


def pack(weights: Tensor, gates: int, deep: int) -> Tensor:
    """`[G*H, K]` in strips `[K / deep, panels, 16, deep]`, one after another.

    A strip holds the gates of 16 units; of a cell with one gate, 64 units. See native/stream.hpp.
    """
    rows, depth = weights.shape
    units = rows // gates
    blocks = -(-units // PANEL)
    padded = pad(weights.view(gates, units, depth), (0, 0, 0, blocks * PANEL - units))
    panels = padded.view(gates, blocks, PANEL, depth).transpose(0, 1).flatten(0, 1)
    strips = panels.split(4 if gates == 1 else gates)
    rows = (strip.unflatten(2, (-1, deep)).permute(2, 0, 1, 3) for strip in strips)
    return torch.cat([strip.reshape(-1) for strip in rows])


def _threads(layers: Sequence[Packed]) -> int:
    numbers = min(layer.weights.numel() for layer in layers)
    return max(1, min(torch.get_num_threads(), numbers // SHARE))
