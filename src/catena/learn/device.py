"""Where and in what precision a network is learned: PyTorch's own devices and autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from catena.errors import CatenaError

PRECISIONS = ("auto", "float32", "bfloat16")


def device_named(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one.

    Raises:
        CatenaError: when it cannot be used here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise CatenaError(f"device {name!r} cannot be used here: {reason}") from error


def precision(name: str, device: torch.device) -> AbstractContextManager[object]:
    """Inside, matrix products run in this precision; "auto" is bfloat16 where it is faster."""
    if name == "auto":
        name = "bfloat16" if _bfloat16_is_faster(device) else "float32"
    if name == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def _bfloat16_is_faster(device: torch.device) -> bool:
    """Whether the device has matrix units for bfloat16; elsewhere it is emulated, and slower."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
