"""What the variants of a cell cost over the plain one, and what matrix products beside it cost."""

from __future__ import annotations

from typing import Any

import torch
from cell_sides import Case, Packed, Shape
from harness import medians
from torch import Tensor, nn

SHAPE = Shape(32, 100, 256)
VOCABULARY = 2000
ZONEOUT = {"gru": {"zoneout": 0.1}, "lstm": {"zoneout": 0.1, "zoneout_c": 0.1}}


def variants(cell: str, seconds: float) -> dict[str, float]:
    """Milliseconds of a training step of each variant, on a ragged batch."""
    import catena.nn

    kind = {"lstm": catena.nn.LSTM, "gru": catena.nn.GRU}[cell]
    case = Case(cell, SHAPE, "uniform")
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "layer norm": {"layer_norm": True},
        "zoneout": ZONEOUT[cell],
        "recurrent dropout": {"recurrent_dropout": 0.2},
    }
    layers = {name: kind(SHAPE.size, SHAPE.size, **given) for name, given in options.items()}
    taken = medians({name: Packed(case, layer).train for name, layer in layers.items()}, seconds)
    return {name: 1000 * value for name, value in taken.items()}


def beside_products(seconds: float) -> dict[str, dict[str, float]]:
    """Milliseconds of a training step of an LSTM, of the output layer over its steps, and of both
    in one step, where the two pools of threads take turns."""
    case = Case("lstm", SHAPE, "uniform")
    sides = {"torch packed": Packed(case, case.layer), "catena": Packed(case, case.catena_layer)}
    found = {}
    for name, side in sides.items():
        head = _Head(case)
        work = {"layer": side.train, "head": head.train, "both": lambda s=side, h=head: h.after(s)}
        found[name] = {part: 1000 * took for part, took in medians(work, seconds).items()}
    return found


class _Head:
    """A linear layer to a vocabulary over all steps."""

    def __init__(self, case: Case) -> None:
        self.linear = nn.Linear(SHAPE.size, VOCABULARY)
        self.gradient = torch.randn(case.steps, VOCABULARY)
        self.alone = torch.randn(case.steps, SHAPE.size, requires_grad=True)

    def train(self) -> None:
        self._back(self.alone, [self.alone])

    def after(self, side: Packed) -> None:
        hidden = side.values(side.layer(side.form)[0])
        self._back(hidden, [side.input, *side.weights.values()])

    def _back(self, hidden: Tensor, wanted: list[Tensor]) -> None:
        wanted = [*wanted, *self.linear.parameters()]
        torch.autograd.grad(self.linear(hidden), wanted, self.gradient)
