"""PyTorch's own recurrent kernels, on time-major ragged input.

Where all sequences are equally long the dense kernel runs, which is the faster one; otherwise the
packed one, which does no work on padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from catena.layout import Layout
from catena.recurrence import State


def torch_scan(
    kernel: Callable[..., Any],
    weights: Sequence[Tensor],
    inputs: Tensor,
    layout: Layout,
    state: State,
) -> tuple[Tensor, State]:
    """Run `torch.lstm`, `torch.gru` or `torch.rnn_tanh` for one layer.

    Args:
        weights: weight_ih, weight_hh, bias_ih, bias_hh.
        inputs: `[total, inputs]`, time-major.
        state: parts `[n, units]`, longest sequence first.

    Returns:
        outputs `[total, units]` and the last state `[n, units]` of each part.
    """
    if not len(inputs):
        return inputs.new_empty(0, state[0].shape[1]), state
    live = int(layout.batch_sizes[0])
    begin = [part[None, :live].contiguous() for part in state]
    hx = begin if len(begin) > 1 else begin[0]
    train = torch.is_grad_enabled()
    flags = (True, 1, 0.0, train, False)  # biases, layers, dropout, train, bidirectional
    if layout.rectangular:
        steps = inputs.reshape(-1, live, inputs.shape[1])
        output, *last = kernel(steps, hx, weights, *flags, False)  # not batch first
        output = output.reshape(len(inputs), -1)
    else:
        output, *last = kernel(inputs, layout.batch_sizes, hx, weights, *flags)
    return output, tuple(
        torch.cat([after[0], before[live:]]) for after, before in zip(last, state, strict=True)
    )
