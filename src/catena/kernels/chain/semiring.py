"""What the recursion along a chain computes is a matter of how it adds and multiplies.

An element of a semiring is a tensor with the semiring's own dimensions at the end. Weights are
log-potentials in nats; -∞ is the zero and 0 the one of all of them.

    semiring     own shape   Σ over paths gives
    LogSum       ()          log Σ exp(score): log Z
    Best(k)      (k,)        the k largest scores, descending
    Entropy      (2,)        log Z and the entropy of the distribution over paths (Hernando, Crespi
                             and Cybenko, Efficient computation of the hidden Markov model entropy
                             for a given observation sequence, 2005)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Semiring(Protocol):
    """Sums and products of elements `[..., *own]`."""

    def lift(self, weights: Tensor) -> Tensor:
        """Weights `[...]` as elements `[..., *own]`."""
        ...

    def times(self, elements: Tensor, weights: Tensor) -> Tensor:
        """Elements `[..., *own]` times weights `[...]`, which broadcast."""
        ...

    def plus(self, elements: Tensor) -> Tensor:
        """The sum over dimension 1: `[m, L, ..., *own]` to `[m, ..., *own]`."""
        ...


class LogSum:
    """Sums of probabilities, as logarithms."""

    def lift(self, weights: Tensor) -> Tensor:
        return weights

    def times(self, elements: Tensor, weights: Tensor) -> Tensor:
        return elements + weights

    def plus(self, elements: Tensor) -> Tensor:
        return log_sum(elements)


@dataclass(frozen=True)
class Best:
    """The k best paths; -∞ where there are fewer. With k = 1 the maximum (Viterbi 1967)."""

    k: int

    def lift(self, weights: Tensor) -> Tensor:
        others = weights.new_full((*weights.shape, self.k - 1), -torch.inf)
        return torch.cat([weights[..., None], others], -1)

    def times(self, elements: Tensor, weights: Tensor) -> Tensor:
        return elements + weights[..., None]

    def plus(self, elements: Tensor) -> Tensor:
        together = elements.movedim(1, -2).flatten(-2)
        return together.sort(dim=-1, descending=True, stable=True).values[..., : self.k]


class Entropy:
    """log Z beside the entropy in nats."""

    def lift(self, weights: Tensor) -> Tensor:
        return torch.stack([weights, torch.zeros_like(weights)], -1)

    def times(self, elements: Tensor, weights: Tensor) -> Tensor:
        log_weights, entropies = elements.unbind(-1)
        log_weights = log_weights + weights
        return torch.stack([log_weights, entropies.expand_as(log_weights)], -1)

    def plus(self, elements: Tensor) -> Tensor:
        log_weights, entropies = elements.unbind(-1)
        total = log_sum(log_weights)
        log_shares = log_weights - torch.where(total.isinf(), 0.0, total)[:, None]
        shares = log_shares.exp()
        # 0 log 0 = 0, in the gradient too.
        surprise = torch.where(shares > 0, log_shares, 0.0)
        return torch.stack([total, (shares * (entropies - surprise)).sum(1)], -1)


def log_sum(values: Tensor) -> Tensor:
    """log Σ exp over dimension 1; of nothing but -∞ it is -∞, with a gradient of 0."""
    largest = values.detach().amax(1, keepdim=True)
    largest = torch.where(largest.isneginf(), 0.0, largest)
    total = (values - largest).exp().sum(1)
    none = total == 0
    return torch.where(none, -torch.inf, torch.where(none, 1.0, total).log() + largest.squeeze(1))
