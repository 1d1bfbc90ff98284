"""The simple recurrent network (Elman 1990).

    h_t = tanh(W x_t + b + U h_{t-1} + b')

The state is one vector. All of the past that h_t keeps has gone through tanh and U at every step
since, so what it says of a distant step fades, and so does the gradient.
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
class RNN(Recurrent):
    """The simple (Elman) recurrent network; options as in `Recurrent`."""

    kind: ClassVar[str] = "rnn"

    def cell(self, inputs: int) -> ElmanCell:
        return ElmanCell(inputs, self.units, self.start == "learned", self.layer_norm)


@fast
class ElmanCell(Gated):
    """One layer: x `[batch, inputs]`, state (h `[batch, units]`,)."""

    def __init__(
        self, inputs: int, units: int, learned_start: bool = True, norm: bool = False
    ) -> None:
        super().__init__(Cell("rnn_tanh"), inputs, units, learned_start, norm)

    def step(self, state: State, x: Tensor) -> State:
        (h,) = state
        a, u = self.halves(x, h)
        return (torch.tanh(a + u),)
