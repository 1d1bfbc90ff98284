"""What a linear chain is made of, and what a call must look like before a kernel reads memory.

    score(y_1..y_T) = start(y_1) + Σ_t s_t(y_t) + Σ_t M(y_{t-1}, y_t) + end(y_T)

A sequence of length 0 has exactly one path, the empty one, of score 0: start and end do not count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from catena.errors import CatenaError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Potentials(NamedTuple):
    """Log-potentials in nats; -∞ forbids.

    Args:
        scores: `[total, L]`, s, a row a step, one sequence after the other.
        lengths: `[n]` int64 on the CPU, 0 allowed; they sum to `total`.
        transitions: `[L, L]`, M, row: from, column: to.
        start: `[L]`.
        end: `[L]`.
    """

    scores: Tensor
    lengths: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor

    def detached(self) -> Potentials:
        """The same numbers, cut off from what they were computed by."""
        return Potentials(*(part.detach() for part in self))


def check(chain: Potentials) -> None:
    """Refuse potentials that a kernel would read wrongly.

    Raises:
        CatenaError: for tensors of a wrong shape, type or device, and lengths that are negative or
            do not sum to the number of rows.
    """
    scores, lengths, *weights = chain
    if scores.dim() != 2 or not scores.shape[1]:
        raise CatenaError(
            f"scores are [total, labels] with at least one label, not {tuple(scores.shape)}"
        )
    labels = scores.shape[1]
    shapes = {"transitions": (labels, labels), "start": (labels,), "end": (labels,)}
    for (name, shape), tensor in zip(shapes.items(), weights, strict=True):
        if tuple(tensor.shape) != shape:
            raise CatenaError(
                f"for scores of {labels} labels, {name} must have shape {shape}, "
                f"not {tuple(tensor.shape)}"
            )
        if tensor.device != scores.device:
            raise CatenaError(f"{name} are on {tensor.device}, the scores on {scores.device}")
    for tensor in (scores, *weights):
        if tensor.dtype not in FLOATS:
            raise CatenaError(f"scores and weights are floating-point numbers, not {tensor.dtype}")
    _check_lengths(lengths, len(scores))


def _check_lengths(lengths: Tensor, total: int) -> None:
    if lengths.dim() != 1 or lengths.dtype != torch.int64 or lengths.device.type != "cpu":
        raise CatenaError("lengths are a vector of int64 on the CPU")
    if bool((lengths < 0).any()) or int(lengths.sum()) != total:
        raise CatenaError(
            f"lengths must not be negative and must sum to the {total} rows of scores, "
            f"not to {int(lengths.sum())}"
        )
