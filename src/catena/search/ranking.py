"""The best of what may continue several sequences."""

from __future__ import annotations

import torch
from torch import Tensor

from catena.kernels.rows import top
from catena.search.start import NEVER


def best_pairs(
    so_far: Tensor, scores: Tensor, owner: Tensor, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The `width` best (row, symbol) pairs of each prompt, best first; pairs of -inf are
    left out.

    Args:
        so_far: `[rows]` float64, what a row has.
        scores: `[rows, symbols]`, what its next symbol adds.
        owner: `[rows]`, in order.

    Returns:
        Rows, symbols and totals, `[pairs]` each, those of a prompt together.
    """
    # No pair is among the best of all that is not among the best of its row.
    values, symbols = top(scores, width)
    values = so_far[:, None] + values.double()
    prompts, place, counts = owner.unique_consecutive(return_inverse=True, return_counts=True)
    first = counts.cumsum(0) - counts
    table = values.new_full((len(prompts), int(counts.max()), values.shape[1]), NEVER)
    table[place, torch.arange(len(owner)) - first[place]] = values
    total, flat = table.flatten(1).topk(min(width, table[0].numel()), -1)
    rows = first[:, None] + flat // values.shape[1]
    possible = total > NEVER
    rows, total, column = rows[possible], total[possible], (flat % values.shape[1])[possible]
    return rows, symbols[rows, column], total


def joined_pairs(
    parts: list[tuple[Tensor, Tensor, Tensor]], owner: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs as `best_pairs` returns them, in its order."""
    parents, symbols, total = map(torch.cat, zip(*parts, strict=True))
    order = total.argsort(descending=True, stable=True)
    order = order[owner[parents[order]].argsort(stable=True)]
    return parents[order], symbols[order], total[order]


def repeating(history: Tensor, size: int, symbols: int) -> Tensor:
    """`[rows, symbols]`: which symbols would end a run of `size` that is there already.

    >>> repeating(torch.tensor([[1, 2, 0, 1], [0, 0, 2, 1]]), 2, 3).tolist()
    [[False, False, True], [False, False, False]]
    """
    banned = torch.zeros(len(history), symbols, dtype=torch.bool)
    if history.shape[1] < size:
        return banned
    runs = history.unfold(1, size, 1)
    latest = history[:, history.shape[1] - size + 1 :]
    same = (runs[:, :, :-1] == latest[:, None]).all(-1) & (runs[:, :, -1] >= 0)
    row, place = same.nonzero(as_tuple=True)
    banned[row, runs[row, place, -1]] = True
    return banned
