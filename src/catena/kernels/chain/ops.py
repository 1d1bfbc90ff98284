"""`catena::chain_log_z`, `catena::chain_expectations` and `catena::chain_best`: the native kernels
as PyTorch operators.

The gradient of log Z is what is expected of a path, which is one more call; the gradient of that
goes through the reference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from catena.kernels.chain import native, reference
from catena.kernels.chain.potentials import Potentials
from catena.kernels.chain.reference import Expectations

_library = torch.library.Library("catena", "FRAGMENT")
_GIVEN = "Tensor scores, Tensor lengths, Tensor transitions, Tensor start, Tensor end"
_library.define(f"chain_log_z({_GIVEN}) -> Tensor")
_library.define(f"chain_expectations({_GIVEN}, Tensor weight) -> ({', '.join(['Tensor'] * 5)})")
_library.define(f"chain_best({_GIVEN}, SymInt k) -> (Tensor, Tensor)")


def log_z(chain: Potentials) -> Tensor:
    """As `catena.kernels.chain.reference.log_z`."""
    return torch.ops.catena.chain_log_z(*chain)


def expectations(chain: Potentials, weight: Tensor) -> Expectations:
    """As `catena.kernels.chain.reference.expectations`."""
    return Expectations(*torch.ops.catena.chain_expectations(*chain, weight))


def best(chain: Potentials, k: int) -> tuple[Tensor, Tensor]:
    """As `catena.kernels.chain.reference.best`."""
    return torch.ops.catena.chain_best(*chain.detached(), k)


def _log_z(*given: Tensor) -> Tensor:
    return native.log_z(Potentials(*given))


def _log_z_fake(*given: Tensor) -> Tensor:
    return _float64(given[0], given[1].shape[0])


def _expectations(*given: Tensor) -> tuple[Tensor, ...]:
    *chain, weight = given
    return tuple(native.expectations(Potentials(*chain), weight))


def _expectations_fake(*given: Tensor) -> tuple[Tensor, ...]:
    scores, lengths, *weights, _ = given
    counts = (_float64(scores, *part.shape) for part in weights)
    return _float64(scores, lengths.shape[0]), torch.empty_like(scores), *counts


def _best(*given: Any) -> tuple[Tensor, Tensor]:
    *chain, k = given
    return native.best(Potentials(*chain), k)


def _best_fake(*given: Any) -> tuple[Tensor, Tensor]:
    scores, lengths, *_, k = given
    paths = scores.new_empty((scores.shape[0], k), dtype=torch.int64)
    return paths, _float64(scores, lengths.shape[0], k)


def _float64(like: Tensor, *shape: Any) -> Tensor:
    return like.new_empty(shape, dtype=torch.float64)


def _remember(ctx: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*inputs)


def _pull_log_z(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
    """Gradients of all arguments of `catena::chain_log_z`."""
    if grad is None:
        return (None,) * 5
    chain = Potentials(*ctx.saved_tensors)
    found = expectations(chain, grad)
    counts = zip(found[2:], chain[2:], strict=True)
    return found.marginals, None, *(count.to(part.dtype) for count, part in counts)


def _pull_expectations(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    """Gradients of all arguments of `catena::chain_expectations`, which can be differentiated."""
    needs = ctx.needs_input_grad
    with torch.enable_grad():
        # Views of their own: one tensor may stand in two places, and is wanted in each.
        given = [part.view_as(part) if part.requires_grad else part for part in ctx.saved_tensors]
        *chain, weight = given
        found = reference.expectations(Potentials(*chain), weight)
        pulled = [
            (value, grad)
            for value, grad in zip(found, grads, strict=True)
            if grad is not None and value.requires_grad
        ]
        wanted = [part for part, need in zip(given, needs, strict=True) if need]
        values, flows = zip(*pulled, strict=True) if pulled else ((), ())
    found = iter(
        torch.autograd.grad(
            values, wanted, flows, create_graph=torch.is_grad_enabled(), allow_unused=True
        )
    )
    return tuple(next(found) if need else None for need in needs)


_library.impl("chain_log_z", _log_z, "CPU")
_library.impl("chain_expectations", _expectations, "CPU")
_library.impl("chain_best", _best, "CPU")
for _name, _fake in (
    ("log_z", _log_z_fake),
    ("expectations", _expectations_fake),
    ("best", _best_fake),
):
    torch.library.register_fake(f"catena::chain_{_name}", _fake, lib=_library)
for _name, _pull in (("log_z", _pull_log_z), ("expectations", _pull_expectations)):
    torch.library.register_autograd(
        f"catena::chain_{_name}", _pull, setup_context=_remember, lib=_library
    )
