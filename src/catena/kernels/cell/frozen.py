"""A cell whose weights are packed once, for calls too short to pay for packing."""

from __future__ import annotations

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.kernels.cell import native
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.dispatch import native_refuses
from catena.kernels.cell.ops import NO_SEED, share_of_input, without_input
from catena.kernels.cell.reference import State


class Frozen:
    """A cell as it is now, in evaluation: what is learned afterwards does not reach it.

    Raises:
        CatenaError: when the native kernel cannot run it.
    """

    def __init__(self, cell: Cell, weights: Weights) -> None:
        if reason := native_refuses(cell, weights):
            raise CatenaError(f"the native kernel cannot run this {cell.kind}: {reason}")
        self._own = weights.hh.dtype
        self._whole = weights.map(lambda part: part.detach().float().clone())
        normed = weights.norm_hh is not None
        self._packs = native.prepared(cell, without_input(self._whole) if normed else self._whole)

    @torch.no_grad()
    def run(self, x: Tensor, batch_sizes: Tensor, state: State) -> tuple[Tensor, State]:
        """As `catena.kernels.cell.reference.reference`, without gradients."""
        h0, *rest = (part.float() for part in state)
        c0, x = rest[0] if rest else h0.new_empty(0), x.float()
        if self._packs.normed:
            x = share_of_input(x, self._whole)
        out, *last, _ = native.forward(self._packs, x, batch_sizes, h0, c0, None, NO_SEED, False)
        return out.to(self._own), tuple(part.to(self._own) for part in last[: 1 + len(rest)])
