"""The long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    i_t = σ(W_i x_t + b_i + U_i h_{t-1} + b'_i)          input gate
    f_t = σ(W_f x_t + b_f + U_f h_{t-1} + b'_f)          forget gate
    g_t = tanh(W_g x_t + b_g + U_g h_{t-1} + b'_g)       candidate
    o_t = σ(W_o x_t + b_o + U_o h_{t-1} + b'_o)          output gate
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)

The rows of the weights are i, f, g, o. The memory c_t is changed only by adding and by the forget
gate, so with f_t near 1 both it and its gradient pass through many steps unharmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from catena.kernels.cell.cell import Cell
from catena.kernels.cell.reference import shown
from catena.ladder.neural import Gated, Recurrent, fast
from catena.recurrence import State


@dataclass(frozen=True)
class LSTM(Recurrent):
    """The long short-term memory; options as in `Recurrent`."""

    kind: ClassVar[str] = "lstm"

    def cell(self, inputs: int) -> LSTMCell:
        return LSTMCell(inputs, self.units, self.start == "learned", self.layer_norm)


@fast
class LSTMCell(Gated):
    """One layer: x `[batch, inputs]`, state (h, c), each `[batch, units]`."""

    def __init__(
        self, inputs: int, units: int, learned_start: bool = True, norm: bool = False
    ) -> None:
        super().__init__(Cell("lstm"), inputs, units, learned_start, norm)
        # A forget gate that starts open lets the gradient reach back (Jozefowicz et al. 2015).
        self.bias_ih.data[units : 2 * units] = 1.0

    def step(self, state: State, x: Tensor) -> State:
        h, c = state
        a, u = self.halves(x, h)
        i, f, g, o = (a + u).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(shown(c, self.norm_c)), c
