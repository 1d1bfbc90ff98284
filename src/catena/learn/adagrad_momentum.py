"""Adagrad (Duchi et al. 2011) with momentum, as session-based recommenders use it.

    G_t = G_{t-1} + g_t²
    v_t = μ v_{t-1} - η g_t / √(G_t + ε)
    θ_t = θ_{t-1} + v_t

Each parameter has a rate of its own, which falls with what it has been moved already: an item that
is seen seldom moves far when it is. PyTorch's own Adagrad has no momentum.

Of a table that gets a sparse gradient only the rows in it are moved, and only these rows' velocity
falls and weights decay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor

from catena.kernels.items import Rule, move, move_rows

EPSILON = 1e-6


class Adagrad(torch.optim.Optimizer):
    """The equations above.

    Args:
        groups: parameters, or groups of them with a `weight_decay` of their own, which pulls
            towards 0 apart from the gradient.
        lr: η.
        momentum: μ.
    """

    def __init__(self, groups: Iterable[Any], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})

    # PyTorch's own, out of a wrapper that loads its compiler: seconds, and 56 MiB.
    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["sum"] = torch.zeros_like(parameter)
            state["velocity"] = torch.zeros_like(parameter)
        rule = Rule(
            group["lr"], group["momentum"], 1 - group["lr"] * group["weight_decay"], EPSILON
        )
        held = (parameter, state["sum"], state["velocity"])
        if gradient.is_sparse:
            move_rows(held, *_parts(gradient), rule)
        else:
            move(held, gradient, rule)


def _parts(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of a sparse gradient, distinct, and theirs."""
    rows = gradient._indices()[0]
    # Autograd forgets that rows are in order; to look costs less than to sort them again.
    if not gradient.is_coalesced() and not bool((rows[1:] > rows[:-1]).all()):
        gradient = gradient.coalesce()
        rows = gradient._indices()[0]
    return rows, gradient._values()
