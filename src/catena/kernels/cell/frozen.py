"""A cell whose weights are packed once, for calls too short to pay for packing."""

from __future__ import annotations

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.kernels.cell import native
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.check import check_sizes
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
        self._dtype = weights.hh.dtype
        self._whole = weights.map(lambda part: part.detach().float().clone())
        normed = weights.norm_hh is not None
        self._packs = native.prepared(cell, without_input(self._whole) if normed else self._whole)

    def run(self, x: Tensor, batch_sizes: Tensor, state: State) -> tuple[Tensor, State]:
        """As `catena.kernels.cell.reference.reference`, without gradients. Whoever calls has made
        sure of the shapes.

        Raises:
            CatenaError: for another dtype or device than the weights', and wrong batch sizes.
        """
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self.run(x, batch_sizes, state)
        for part in (x, *state):
            if part.dtype != self._dtype or not part.is_cpu:
                kind = f"{part.dtype} on {part.device}"
                raise CatenaError(f"this frozen layer takes {self._dtype} on the CPU, not {kind}")
        check_sizes(batch_sizes, x.shape[0], state[0].shape[0])
        if self._dtype == torch.float32:
            return self._walk(x, batch_sizes, state)
        wide = tuple(part.float() for part in state)
        out, last = self._walk(x.float(), batch_sizes, wide)
        return out.to(self._dtype), tuple(part.to(self._dtype) for part in last)

    def _walk(self, x: Tensor, batch_sizes: Tensor, state: State) -> tuple[Tensor, State]:
        if self._packs.normed:
            x = share_of_input(x, self._whole)
        h0, *c0 = (part.contiguous() for part in state)
        given = (x.contiguous(), batch_sizes, h0, c0[0] if c0 else h0.new_empty(0))
        out, h, c, _ = native.Forward(self._packs, *given, None, NO_SEED, "nothing").run()
        return out, (h, c) if c0 else (h,)
