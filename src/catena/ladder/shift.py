"""The shift register: a state that is the last `width` observations.

    s_t = (s_{t-1}[2], ..., s_{t-1}[width], x_t)
    s_0 = (fill, ..., fill)

It forgets exactly after `width` steps, which is the whole memory of a Markov chain and of a window.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from catena.kernels.registry import register
from catena.layout import Layout
from catena.recurrence import State


class Shift(nn.Module):
    """The last `width` observations, oldest first, as one tensor `[batch, width, *event]`.

    Args:
        width: how many observations are kept; 0 keeps none.
        fill: `[*event]`, what stands before the first observation; it gives the start its event
            shape, dtype and device.

    >>> shift = Shift(3, torch.tensor(9))
    >>> shift.step(shift.start(1), torch.tensor([4]))[0].tolist()
    [[9, 9, 4]]
    """

    fill: Tensor

    def __init__(self, width: int, fill: Tensor) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("fill", fill, persistent=False)

    def start(self, batch: int) -> State:
        return (self.fill.expand(batch, self.width, *self.fill.shape),)

    def step(self, state: State, x: Tensor) -> State:
        (window,) = state
        return (torch.cat([window, x[:, None]], 1)[:, 1:],)

    def read(self, state: State) -> Tensor:
        return state[0]


@register(Shift, "gather")
def _gather(shift: Shift, inputs: Tensor, layout: Layout, state: State) -> tuple[Tensor, State]:
    """Every window at once: each entry is looked up among the inputs and the starting windows."""
    (window,) = state
    pool = torch.cat([inputs, window.flatten(0, 1)])
    first = torch.cat([layout.batch_sizes.new_zeros(1), layout.batch_sizes.cumsum(0)])

    def windows(time: Tensor, row: Tensor) -> Tensor:
        """The windows `[m, width, *event]` after step `time[m]` of row `row[m]`; step -1 is the
        start."""
        when = time[:, None] + torch.arange(1 - shift.width, 1)
        before = len(inputs) + (row[:, None] + 1) * shift.width + when
        within = first[when.clamp_min(0)] + row[:, None]
        source = torch.where(when < 0, before, within).to(pool.device)
        return pool[source]

    time = torch.repeat_interleave(layout.batch_sizes)
    features = windows(time, torch.arange(len(time)) - first[time])
    rows = torch.arange(len(window))
    return features, (windows(layout.lengths[layout.order] - 1, rows),)
