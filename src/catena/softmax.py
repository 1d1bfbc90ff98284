"""The log-probability of one of many symbols, without a rectangle for every step of the sum.

    z_k = h · t_k + b_k                         of symbol k, for features h
    e_k = exp(z_k - max z),  s = Σ_k e_k
    log p(x) = z_x - max z - log s

    ∂ log s / ∂h = Σ_k e_k t_k / s,  ∂ log s / ∂t_k = e_k h / s

Of `[m, symbols]` numbers only the e_k are kept, in the memory that held the z_k; the gradients are
products with them. A chain of softmax, choice and mean would write some ten such rectangles, which
at thousands of symbols costs as much as the products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Rows of the rectangle begin at multiples of so many numbers: products write them faster.
ALIGNED = 16


def log_softmax_of(
    x: Tensor, hidden: Tensor, table: Tensor, bias: Tensor, smoothing: float = 0.0
) -> Tensor:
    """(1 - ε) log p(x) + ε Σ_k log p(k) / K, of K symbols, in nats `[m]`.

    Args:
        x: `[m]`, the symbols that came.
        hidden: `[m, width]`, h; where it is bfloat16, the products are too.
        table, bias: `[K, width]` and `[K]`.
        smoothing: ε.

    >>> log_softmax_of(torch.tensor([0]), torch.zeros(1, 2), torch.zeros(4, 2), torch.zeros(4))
    tensor([-1.3863])
    """
    own, log_sum = _Scores.apply(x, hidden, table, bias)  # type: ignore[misc]
    if smoothing:
        # The mean of all products is the product with the mean.
        mean = nn.functional.linear(hidden.to(table.dtype), table.mean(0)) + bias.mean()
        own = own + smoothing * (mean.to(own.dtype) - own)
    return own - log_sum


class _Scores(torch.autograd.Function):
    """z_x and log Σ_k exp z_k, `[m]` each."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, hidden: Tensor, table: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        z = _scores(hidden, table, bias)
        own = z.gather(1, x[:, None]).squeeze(1)
        top = z.amax(1, keepdim=True)
        e = z.sub_(top).exp_()
        s = e.sum(1)
        ctx.save_for_backward(x, hidden, table, e, s)
        return own, s.log() + top.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_own: Tensor, to_sum: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, hidden, table, e, s = ctx.saved_tensors
        e, share = e.to(hidden.dtype), (to_sum / s).to(hidden.dtype)[:, None]
        own = to_own.to(hidden.dtype)
        to_hidden = share * (e @ table.to(hidden.dtype)) + own[:, None] * table[x]
        to_table = e.T @ (share * hidden)
        to_table = to_table.to(table.dtype).index_add_(0, x, (own[:, None] * hidden).to(table))
        to_bias = (e.T @ share).squeeze(1).to(table.dtype).index_add_(0, x, to_own.to(table.dtype))
        return None, to_hidden.to(hidden.dtype), to_table, to_bias


def _scores(hidden: Tensor, table: Tensor, bias: Tensor) -> Tensor:
    """`[m, K]`, in float32 at least."""
    size = len(table)
    rows = hidden.new_empty(len(hidden), -(-size // ALIGNED) * ALIGNED)[:, :size]
    torch.addmm(bias.to(hidden.dtype), hidden, table.T.to(hidden.dtype), out=rows)
    return rows.float() if hidden.dtype == torch.bfloat16 else rows
