"""The parameters of a layer under torch.nn's names, and how they begin."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn

from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell

_NAMES = {
    "ih": "weight_ih",
    "hh": "weight_hh",
    "bias_ih": "bias_ih",
    "bias_hh": "bias_hh",
    "projection": "weight_hr",
    "peephole": "weight_peephole",
    "norm_ih": "norm_ih",
    "norm_hh": "norm_hh",
    "norm_c": "norm_c",
}
_TORCH = tuple(_NAMES[field] for field in ("ih", "hh", "bias_ih", "bias_hh", "projection"))


def name(field: str, layer: int, backwards: bool) -> str:
    """What torch.nn calls a field of `Weights`; the variants' parameters are named alike."""
    return f"{_NAMES[field]}_l{layer}{'_reverse' if backwards else ''}"


def shapes(
    cell: Cell, inputs: int, units: int, projected: int, bias: bool, norm: bool, peephole: bool
) -> dict[str, tuple[int, ...]]:
    """The shape of each field of `Weights` that one direction of one layer has, in order."""
    rows = cell.gates * units
    memory = cell.states == 2
    there = {
        "ih": ((rows, inputs), True),
        "hh": ((rows, projected or units), True),
        "bias_ih": ((rows,), bias),
        "bias_hh": ((rows,), bias),
        "projection": ((projected, units), projected > 0),
        "peephole": ((3, units), peephole),
        "norm_ih": ((rows,), norm),
        "norm_hh": ((rows,), norm),
        "norm_c": ((2, units), norm and memory),
    }
    return {field: shape for field, (shape, wanted) in there.items() if wanted}


def initialise(
    parameters: Iterable[tuple[str, nn.Parameter]], units: int, forget_bias: float | None
) -> None:
    """Draw torch.nn's parameters as torch.nn does, from the same numbers, and then the others.

    Norms begin as the identity and learned starts at zero.

    Args:
        forget_bias: where the forget gate's bias begins: all of it in bias_ih.
    """
    named, bound = dict(parameters), 1 / math.sqrt(units)
    drawn = {key: value for key, value in named.items() if key.startswith(_TORCH)}
    peepholes = {key: value for key, value in named.items() if key.startswith("weight_peephole")}
    for value in (*drawn.values(), *peepholes.values()):
        nn.init.uniform_(value, -bound, bound)
    for key in named.keys() - drawn.keys() - peepholes.keys():
        _identity(key, named[key])
    if forget_bias is not None:
        for key, value in drawn.items():
            if key.startswith("bias"):
                begin = forget_bias if key.startswith("bias_ih") else 0.0
                nn.init.constant_(value[units : 2 * units], begin)


def _identity(key: str, value: nn.Parameter) -> None:
    nn.init.constant_(value, 1.0 if key.startswith("norm") else 0.0)
    if key.startswith("norm_c"):
        nn.init.zeros_(value[1])


def check_sizes(
    input_size: int,
    hidden_size: int,
    num_layers: int,
    proj_size: int,
    bias: bool,
    batch_first: bool,
) -> None:
    """Refuse what torch.nn refuses, with the same classes of error."""
    for label, flag in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(flag, bool):
            raise TypeError(f"{label} should be of type bool, got: {type(flag).__name__}")
    for label, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{label} should be of type int, got: {type(size).__name__}")
    for label, size in (
        ("input_size", input_size),
        ("hidden_size", hidden_size),
        ("num_layers", num_layers),
    ):
        if size <= 0:
            raise CatenaError(f"{label} must be greater than zero, not {size}")
    if not 0 <= proj_size < hidden_size:
        raise CatenaError(
            f"proj_size must be smaller than hidden_size, or 0 for no projection, not {proj_size}"
        )


def check_chances(**chances: float) -> None:
    """Each must be a number from 0 to 1."""
    for label, chance in chances.items():
        if isinstance(chance, bool) or not isinstance(chance, (int, float)):
            raise CatenaError(f"{label} should be a number from 0 to 1, not {chance!r}")
        if not 0 <= chance <= 1:
            raise CatenaError(f"{label} should be from 0 to 1, not {chance}")
