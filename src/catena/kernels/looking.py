"""Attention by products for a few queries of each of many memories; C++, see native/attend.hpp.

For many queries a memory, products of whole matrices are faster; laid in rectangles, a few would be
mostly padding.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import catena._native as _native

# Below this many multiplications a second thread costs more than it helps.
ALONE = 200_000


class Memories(NamedTuple):
    """Where the keys and values of n memories lie; whoever made it keeps them alive.

    Args:
        keys, values: `[n]` int64, addresses of `[heads, pitch, width]` and `[heads, pitch, shown]`
            in float32.
        steps, pitch: `[n]` int64, how many steps there are, and from one head to the next.
        longest: the most steps.
    """

    keys: Tensor
    values: Tensor
    steps: Tensor
    pitch: Tensor
    heads: int
    width: int
    shown: int
    longest: int


@torch.no_grad()
def attend(queries: Tensor, owner: Tensor, memories: Memories) -> tuple[Tensor, Tensor]:
    """Contexts `[m, heads · shown]` and weights `[m, longest]`, the mean over heads.

    Args:
        queries: `[m, heads, width]` float32 on the CPU.
        owner: `[m]` int64, the memory of each.
    """
    queries, owner = queries.contiguous(), owner.contiguous()
    count, heads, shown = len(queries), memories.heads, memories.shown
    context = queries.new_empty(count, heads * shown)
    weights = queries.new_empty(count, memories.longest)
    work = count * heads * memories.longest * (memories.width + shown)
    _native.attend(
        torch.get_num_threads() if work > ALONE else 1,
        *(count, queries.data_ptr(), owner.data_ptr()),
        *(part.data_ptr() for part in memories[:4]),
        *memories[4:],
        *(context.data_ptr(), weights.data_ptr()),
    )
    return context, weights
