"""Products with weights that stay as they are for many of them: packed once, multiplied natively.

A product of a few rows is mostly a matter of reading the weights, so they are kept in the order in
which they are read.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from catena.kernels.cell.native import dense, pack_forward
from catena.kernels.kept import Kept

_PACKED: Kept[Tensor] = Kept()


@torch.no_grad()
def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """What the layer makes of x `[m, inputs]`, without gradients."""
    return product(layer, x, layer.weight, layer.bias)


@torch.no_grad()
def product(owner: nn.Module, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`x @ weight.T + bias` `[m, columns]`, without gradients.

    Args:
        owner: whose weights these are; with it goes what was packed.
        x: `[m, depth]`.
        weight, bias: `[columns, depth]` and `[columns]`.
    """
    if not all(part is None or _fits(part) for part in (x, weight, bias)) or not len(x):
        return nn.functional.linear(x, weight, bias)
    packed = _PACKED.of(owner, (weight,), lambda: pack_forward(weight.detach().contiguous(), 1))
    to = x.new_empty(len(x), len(weight))
    bias = None if bias is None else bias.contiguous()
    dense(x.contiguous(), packed.made, bias, to, len(weight))
    return to


def _fits(part: Tensor) -> bool:
    # Of a tensor made in inference mode, PyTorch does not count the writes.
    return part.is_cpu and part.dtype == torch.float32 and not part.is_inference()
