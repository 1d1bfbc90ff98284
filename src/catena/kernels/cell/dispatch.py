"""Which kernel runs a cell: native, then PyTorch's own, then the reference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.kernels.cell import ops
from catena.kernels.cell import torch as torchs
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.check import check_call, check_sizes
from catena.kernels.cell.reference import State, reference

# Packing the weights, which the native kernel begins with, pays from so many steps on.
FEW_STEPS = 4

_RUN = {"native": ops.run, "torch": torchs.run, "reference": reference}


def native_refuses(cell: Cell, weights: Weights) -> str | None:
    """Why the native kernel cannot run this cell, or None."""
    if weights.ih.device.type != "cpu":
        return f"it runs on the CPU and the weights are on {weights.ih.device}"
    if weights.ih.dtype not in (torch.float32, torch.bfloat16):
        return f"it takes float32 and bfloat16 and the weights are {weights.ih.dtype}"
    return None


def torch_refuses(cell: Cell, weights: Weights, masked: bool = False) -> str | None:
    """Why PyTorch's own kernel cannot run this cell, or None."""
    varied = cell.coupled or cell.zoneout or cell.zoneout_c or masked
    if varied or weights.peephole is not None or weights.norm_hh is not None:
        return "PyTorch's kernels have none of these variants"
    return None


def backends(cell: Cell, weights: Weights, masked: bool = False) -> list[str]:
    """What can run this cell, the preferred one first."""
    found = [] if native_refuses(cell, weights) else ["native"]
    if not torch_refuses(cell, weights, masked):
        found.append("torch")
    return [*found, "reference"]


def scan_cell(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    batch_sizes: Tensor,
    state: State,
    mask: Tensor | None = None,
    seed: int | None = None,
    backend: str | None = None,
    recompute: bool = False,
) -> tuple[Tensor, State]:
    """One layer over a time-major ragged batch, as `catena.kernels.cell.reference.reference`.

    Args:
        backend: the kernel by name.
        recompute: see `catena.kernels.cell.ops.run`.

    Unless a backend is asked for, the first of `backends` runs; but PyTorch's own, where it can, on
    a batch of at most `FEW_STEPS` steps.

    Raises:
        CatenaError: when the requested backend cannot run this cell, none is swapped silently; and
            for tensors of a wrong shape, dtype or device.
    """
    choice = backend or _choose(cell, weights, x, batch_sizes, mask, recompute)
    reason = refusal(choice, cell, weights, mask is not None)
    if recompute and choice != "native":
        reason = "only the native kernel computes again what it did not keep"
    if reason is not None:
        raise CatenaError(f"the {choice!r} kernel cannot run this {cell.kind}: {reason}")
    given = (cell, weights, x, batch_sizes, state, mask)
    options = {"recompute": True} if recompute else {}
    if torch.compiler.is_compiling():
        return _RUN[choice](*given, seed, **options)
    return _checked(choice, *given, seed=seed, **options)


def _checked(
    choice: str,
    cell: Cell,
    weights: Weights,
    x: Tensor,
    batch_sizes: Tensor,
    state: State,
    mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, State]:
    """Checking all shapes takes as long as a short step. Kernels but the reference check their own;
    what they refuse is then told in our words."""
    given = (cell, weights, x, batch_sizes, state, mask)
    kind = (weights.hh.dtype, weights.hh.device)
    alike = all(
        part is None or (part.dtype, part.device) == kind for part in (x, mask, *state, *weights)
    )
    if choice == "reference" or not alike or not batch_sizes.is_cpu:
        check_call(*given)
    elif choice == "torch":
        check_sizes(batch_sizes, x.shape[0], state[0].shape[0])
    try:
        return _RUN[choice](*given, **options)
    except (RuntimeError, TypeError, ValueError, IndexError):
        check_call(*given)
        raise


def _choose(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    batch_sizes: Tensor,
    mask: Tensor | None,
    recompute: bool,
) -> str:
    possible = backends(cell, weights, mask is not None)
    # PyTorch's kernels ask for numbers inside batch_sizes, which a traced graph has not, and under
    # autocast for a state of another type.
    few = batch_sizes.shape[0] <= FEW_STEPS and not torch.compiler.is_compiling()
    few = few and not (x.device.type == "cpu" and torch.is_autocast_enabled("cpu"))
    return "torch" if few and not recompute and "torch" in possible else possible[0]


def refusal(backend: str, cell: Cell, weights: Weights, masked: bool = False) -> str | None:
    """Why this backend cannot run the cell, or None."""
    if backend == "native":
        return native_refuses(cell, weights)
    if backend == "torch":
        return torch_refuses(cell, weights, masked)
    return None if backend in _RUN else f"there is none of that name; there are {', '.join(_RUN)}"
