"""Rows of scores: what a softmax divides by, and the best of each row; C++ beside PyTorch.

PyTorch's way to the first writes two more rectangles of scores, and its way to the second orders
more than is asked for; with thousands of symbols, either costs as much as a product.
"""

from __future__ import annotations

import torch
from torch import Tensor

import catena._native as _native

# Below this many numbers a second thread costs more than it helps.
ALONE = 200_000


@torch.no_grad()
def log_sums(scores: Tensor) -> Tensor:
    """`[m]` float64: log Σ exp of each row of `[m, columns]`, without gradients."""
    if not _fits(scores):
        return scores.double().logsumexp(-1)
    to = torch.empty(len(scores), dtype=torch.float64)
    _native.log_sums(*_call(scores), to.data_ptr())
    return to


@torch.no_grad()
def top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of each row of `[m, columns]`, the best first, of equals the first.

    Returns:
        Their scores and their columns int64, `[m, k]` each. Where a row has fewer above -inf, the
        rest are -inf, of any column.
    """
    k = min(k, scores.shape[1])
    if not _fits(scores) or not k:
        values, places = scores.sort(dim=-1, descending=True, stable=True)
        return values[:, :k], places[:, :k]
    values = scores.new_empty(len(scores), k)
    places = torch.empty(len(scores), k, dtype=torch.int64)
    _native.top_of_rows(*_call(scores), k, values.data_ptr(), places.data_ptr())
    return values, places


def _fits(scores: Tensor) -> bool:
    plain = scores.is_cpu and scores.dtype == torch.float32 and scores.stride(1) == 1
    return plain and scores.numel() > 0


def _call(scores: Tensor) -> tuple[int, ...]:
    threads = torch.get_num_threads() if scores.numel() > ALONE else 1
    return threads, len(scores), scores.stride(0), scores.shape[1], scores.data_ptr()
