"""Some rows of a table, with a gradient that holds these alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from catena.kernels.sampled import add_rows


def taken(table: Tensor, items: Tensor) -> Tensor:
    """Rows `[count, ...]` of a table, each once and in order."""
    return _Taken.apply(table, items)  # type: ignore[no-any-return]


def taken_and_read(table: Tensor, items: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """The same, and those among them that are read besides `[n]`: their gradients are added to the
    others' in place, so that there is one of that size."""
    return _TakenAndRead.apply(table, items, place)  # type: ignore[no-any-return]


class _Taken(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, items: Tensor) -> Tensor:
        ctx.save_for_backward(items)
        ctx.shape = table.shape
        return table.index_select(0, items)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (items,) = ctx.saved_tensors
        return _sparse(gradient, items, ctx.shape), None


class _TakenAndRead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, items: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(items, place)
        ctx.shape = table.shape
        rows = table.index_select(0, items)
        return rows, rows.index_select(0, place)

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: Any, of_rows: Tensor, of_read: Tensor
    ) -> tuple[Tensor, None, None]:
        items, place = ctx.saved_tensors
        add_rows(of_rows, place, of_read)
        return _sparse(of_rows, items, ctx.shape), None, None


def _sparse(gradient: Tensor, items: Tensor, shape: torch.Size) -> Tensor:
    return torch.sparse_coo_tensor(
        items[None], gradient, shape, is_coalesced=True, check_invariants=False
    )
