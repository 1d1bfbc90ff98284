"""What a call of a cell must look like, before any kernel reads memory by it."""

from __future__ import annotations

import torch
from torch import Tensor

import catena._native as _native
from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell, Weights


def check_call(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    sizes: Tensor,
    state: tuple[Tensor, ...],
    mask: Tensor | None,
) -> None:
    """Refuse a call of `catena.kernels.cell.reference.reference` that a kernel would read wrongly.

    Raises:
        CatenaError: for tensors of another dtype, device or shape than they should have, and batch
            sizes that are not those of a time-major ragged batch.
    """
    if len(state) != cell.states:
        raise CatenaError(f"the state of {cell.kind} has {cell.states} parts, not {len(state)}")
    memory = weights.projection, weights.peephole, weights.norm_c
    if cell.kind != "lstm" and any(part is not None for part in memory):
        raise CatenaError(f"only an LSTM has projection, peepholes and norm_c, not {cell.kind}")
    if x.dim() != 2 or any(part.dim() != 2 for part in state):
        shapes = ", ".join(str(tuple(part.shape)) for part in (x, *state))
        raise CatenaError(f"x [total, inputs] and the state [n, units] have 2 dimensions: {shapes}")
    for tensor, shape in _expected(cell, weights, x, state, mask):
        if tensor is not None:
            _check_tensor(tensor, shape, weights.hh)
    check_sizes(sizes, x.shape[0], state[0].shape[0])


def _expected(
    cell: Cell, weights: Weights, x: Tensor, state: tuple[Tensor, ...], mask: Tensor | None
) -> list[tuple[Tensor | None, tuple[int, ...]]]:
    """Each tensor and the shape it must have."""
    n, units = state[0].shape[0], state[-1].shape[1]
    seen = units if weights.projection is None else weights.projection.shape[0]
    wide = cell.gates * units
    shared = weights.norm_hh is not None and weights.norm_ih is None
    inputs = wide if shared else x.shape[1]  # x may be the input's share of the gates already
    return [
        (x, (x.shape[0], inputs)),
        (state[0], (n, seen)),
        (state[-1], (n, units if cell.states == 2 else seen)),
        (mask, (n, seen)),
        (weights.ih, (0,) if shared else (wide, inputs)),
        (weights.hh, (wide, seen)),
        (weights.bias_ih, (wide,)),
        (weights.bias_hh, (wide,)),
        (weights.projection, (seen, units)),
        (weights.peephole, (3, units)),
        (weights.norm_ih, (wide,)),
        (weights.norm_hh, (wide,)),
        (weights.norm_c, (2, units)),
    ]


def _check_tensor(tensor: Tensor, shape: tuple[int, ...], like: Tensor) -> None:
    if tensor.dtype != like.dtype or tensor.device != like.device:
        raise CatenaError(
            f"the weights are {like.dtype} on {like.device}, another tensor of the same call is "
            f"{tensor.dtype} on {tensor.device}"
        )
    if tuple(tensor.shape) != shape:
        raise CatenaError(f"expected a tensor of shape {shape}, not {tuple(tensor.shape)}")


def check_sizes(sizes: Tensor, total: int, n: int) -> None:
    """Refuse batch sizes that are not those of n sequences with `total` steps."""
    if sizes.dtype != torch.int64 or sizes.device.type != "cpu" or sizes.dim() != 1:
        raise CatenaError("batch_sizes is a vector of int64 on the CPU")
    if not sizes.is_contiguous() or not _native.valid(sizes.data_ptr(), sizes.shape[0], total, n):
        raise CatenaError(
            f"batch_sizes of {n} sequences with {total} steps in all must lie without gaps in "
            f"memory, never rise from at most {n} and add up to {total}"
        )
