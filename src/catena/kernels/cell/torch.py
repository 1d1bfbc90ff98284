"""PyTorch's own recurrent kernels, on time-major ragged input; on CUDA they are cuDNN's.

Where all sequences are equally long the dense kernel runs, which is the faster one; otherwise the
packed one, which does no work on padding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.reference import State

_KERNELS: dict[str, Any] = {
    "rnn_tanh": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
    "gru": torch.gru,
    "lstm": torch.lstm,
}


def run(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    batch_sizes: Tensor,
    state: State,
    mask: Tensor | None = None,
    seed: int | None = None,
) -> tuple[Tensor, State]:
    """As `catena.kernels.cell.reference.reference`, for a cell without variants but projection."""
    if not x.shape[0]:
        return x.new_empty(0, state[0].shape[1]), state
    live = int(batch_sizes[0])
    begin = [part[None, :live].contiguous() for part in state]
    hx = begin if len(begin) > 1 else begin[0]
    given = (weights.ih, weights.hh, weights.bias_ih, weights.bias_hh, weights.projection)
    present = [tensor for tensor in given if tensor is not None]
    # biases, layers, dropout, train, bidirectional
    flags = (weights.bias_ih is not None, 1, 0.0, torch.is_grad_enabled(), False)
    kernel = _KERNELS[cell.kind]
    if live == int(batch_sizes[-1]):
        steps = x.reshape(-1, live, x.shape[1])
        output, *last = kernel(steps, hx, present, *flags, False)  # not batch first
        output = output.reshape(len(x), -1)
    else:
        output, *last = kernel(x, batch_sizes, hx, present, *flags)
    if live == state[0].shape[0]:
        return output, tuple(after[0] for after in last)
    return output, tuple(
        torch.cat([after[0], before[live:]]) for after, before in zip(last, state, strict=True)
    )
