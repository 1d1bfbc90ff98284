"""Which kernel runs a chain: native on the CPU, elsewhere the reference."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor
from torch.autograd import forward_ad

from catena.errors import CatenaError
from catena.kernels.chain import ops, reference
from catena.kernels.chain.potentials import Potentials, check
from catena.kernels.chain.reference import Expectations

_RUN: dict[str, ModuleType] = {"native": ops, "reference": reference}


def refusal(backend: str, chain: Potentials) -> str | None:
    """Why this backend cannot run the chain, or None."""
    if backend not in _RUN:
        return f"there is none of that name; there are {', '.join(_RUN)}"
    if backend == "native" and chain.scores.device.type != "cpu":
        return f"it runs on the CPU and the scores are on {chain.scores.device}"
    if backend == "native" and forward_ad._current_level >= 0:
        return "it does not carry derivatives forwards"
    return None


def log_z(chain: Potentials, backend: str | None = None) -> Tensor:
    """As `catena.kernels.chain.reference.log_z`.

    Raises:
        CatenaError: when the requested backend cannot run the chain, none is swapped silently; and
            for tensors of a wrong shape, dtype or device.
    """
    return _chosen(chain, backend).log_z(chain)


def expectations(chain: Potentials, weight: Tensor, backend: str | None = None) -> Expectations:
    """As `catena.kernels.chain.reference.expectations`; raises as `log_z`."""
    module = _chosen(chain, backend)
    if weight.shape != chain.lengths.shape or weight.device != chain.scores.device:
        raise CatenaError(
            f"there is one weight for each of the {len(chain.lengths)} sequences, beside the "
            f"scores on {chain.scores.device}, not {tuple(weight.shape)} on {weight.device}"
        )
    return module.expectations(chain, weight)


def best(chain: Potentials, k: int, backend: str | None = None) -> tuple[Tensor, Tensor]:
    """As `catena.kernels.chain.reference.best`; raises as `log_z`, and where k is less than 1."""
    module = _chosen(chain, backend)
    if k < 1:
        raise CatenaError(f"k, how many paths are wanted, must be at least 1, not {k}")
    return module.best(chain, k)


def _chosen(chain: Potentials, backend: str | None) -> ModuleType:
    if not torch.compiler.is_compiling():
        check(chain)
    choice = backend or next(name for name in _RUN if refusal(name, chain) is None)
    if reason := refusal(choice, chain):
        raise CatenaError(f"the {choice!r} kernel cannot run this chain: {reason}")
    return _RUN[choice]
