"""The recurrence along a chain of hidden states z_1, z_2, ...: what `scan` walks for an HMM.

    b_1 = π,    b_{t+1} ∝ (b_t ∘ l_t) A

With A the transition matrix, l_t(k) = p(x_t given z_t = k) and ∘ the product state by state, b_t is
the belief p(z_t given x_1..x_{t-1}). It is normalised at every step, so that no length underflows
(Rabiner 1989, section V.A).

Likelihoods come in as logarithms `[batch, K]`, so that an outlier that every state finds
improbable still tells the states apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

from catena.kernels.chain import native
from catena.kernels.registry import register
from catena.layout import Layout
from catena.recurrence import State
from catena.scanning import reference


class Propagation:
    """The belief about the states, carried past one observation after another.

    Args:
        first: `[K]`, π.
        transition: `[K, K]`, A, each row a distribution.
    """

    def __init__(self, first: Tensor, transition: Tensor) -> None:
        self.first, self.transition = first, transition

    def start(self, batch: int) -> State:
        return (self.first.expand(batch, -1),)

    def step(self, state: State, x: Tensor) -> State:
        (weights,) = state
        return (normalised(weights.log() + x, weights) @ self.transition,)

    def read(self, state: State) -> Tensor:
        return state[0]


def _without_native(recurrence: Propagation) -> str | None:
    if recurrence.transition.device.type != "cpu":
        return f"it runs on the CPU and the states are on {recurrence.transition.device}"
    if torch.is_grad_enabled() and recurrence.transition.requires_grad:
        return "it carries no gradients"
    return None


@register(Propagation, "native", _without_native)
def _scan_natively(
    recurrence: Propagation, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    # A table of kernels is asked about the recurrence alone, not about what it is given.
    if torch.is_grad_enabled() and (inputs.requires_grad or state[0].requires_grad):
        return reference(recurrence, inputs, layout, state)
    found, last = native.beliefs(inputs, layout, recurrence.transition, state[0])
    return found, (last,)


def normalised(log_joint: Tensor, otherwise: Tensor) -> Tensor:
    """p(z given x) `[m, K]` from log p(z, x) `[m, K]`.

    Where x is impossible in every state there is no posterior: those rows are taken from
    `otherwise`, as if x had not been seen.
    """
    found = torch.softmax(log_joint, -1)
    return torch.where(found.isnan(), otherwise, found)
