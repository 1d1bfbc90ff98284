"""The gated recurrent unit (Cho et al. 2014), with PyTorch's convention for the reset gate.

    r_t = σ(W_r x_t + b_r + U_r h_{t-1} + b'_r)                     reset
    z_t = σ(W_z x_t + b_z + U_z h_{t-1} + b'_z)                     update
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_{t-1} + b'_n))          candidate
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

The rows of the weights are r, z, n. Where z_t is near 1 the state is copied, so that it can be
kept for as long as the gate stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from catena.kernels.cell.cell import Cell
from catena.ladder.neural import Gated, Recurrent, fast
from catena.recurrence import State


@dataclass(frozen=True)
class GRU(Recurrent):
    """The gated recurrent unit; options as in `Recurrent`."""

    kind: ClassVar[str] = "gru"

    def cell(self, inputs: int) -> GRUCell:
        return GRUCell(inputs, self.units, self.start == "learned", self.layer_norm)


@fast
class GRUCell(Gated):
    """One layer: x `[batch, inputs]`, state (h `[batch, units]`,)."""

    def __init__(
        self, inputs: int, units: int, learned_start: bool = True, norm: bool = False
    ) -> None:
        super().__init__(Cell("gru"), inputs, units, learned_start, norm)

    def step(self, state: State, x: Tensor) -> State:
        (h,) = state
        (x_r, x_z, x_n), (h_r, h_z, h_n) = (half.chunk(3, -1) for half in self.halves(x, h))
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,)
