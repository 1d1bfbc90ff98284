"""Predictions scored against a few rows of a table, with the gradients of all that took part."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from catena.learn.item_losses import ItemLoss


class Candidates(NamedTuple):
    """The items that predictions choose among, each once.

    rows: `[items, width]`, and bias: `[items]`, what they are scored with. log_times, log_draws:
    `[items]`, as `catena.learn.item_losses.ItemLoss` takes them.
    """

    rows: Tensor
    bias: Tensor
    log_times: Tensor
    log_draws: Tensor


def gains(loss: ItemLoss, hidden: Tensor, own: Tensor, among: Candidates) -> Tensor:
    """What predictions are worth, `[m]`, by what the rows are multiplied with, `[m, width]`, and
    which item came next, `[m]`."""
    return _Gains.apply(hidden, among.rows, among.bias, own, loss, among)  # type: ignore[no-any-return]


class _Gains(torch.autograd.Function):
    """Scores are by far the largest thing an update computes: `[m, items]` is there once, first the
    products, then their slopes. A prediction's own factor waits for what is multiplied with them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        rows: Tensor,
        bias: Tensor,
        own: Tensor,
        loss: ItemLoss,
        among: Candidates,
    ) -> Tensor:
        products = hidden @ rows.T
        if products.dtype not in (torch.float32, torch.float64):
            products = products.float()
        gain, slopes = loss.gain(products, bias, own, among.log_times, among.log_draws)
        ctx.save_for_backward(hidden, rows, slopes)
        return gain

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        hidden, rows, slopes = ctx.saved_tensors
        column = factor[:, None]
        of_hidden = (slopes @ rows.to(slopes.dtype)).mul_(column)
        of_rows = slopes.T @ (hidden.to(slopes.dtype) * column)
        of_bias = slopes.T.mv(factor)
        return of_hidden.to(hidden.dtype), of_rows.to(rows.dtype), of_bias, None, None, None
