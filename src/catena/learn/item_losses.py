"""What a prediction of the next item is worth, against a sample of the other items.

With r_i the score of the item that came next, r_j those of k sampled others, σ the logistic
function and s_j = exp(r_j) / Σ exp(r_l) the softmax over the samples alone:

    cross-entropy  log exp(r_i) / (exp(r_i) + Σ_j exp(r_j - log(k q_j)))
    BPR-max        log Σ_j s_j σ(r_i - r_j)  -  λ Σ_j s_j r_j²
    TOP1-max       -Σ_j s_j (σ(r_j - r_i) + σ(r_j²))

each to be made large (Hidasi and Karatzoglou 2018, equations 8 and 10 with the sign turned). In the
first, q_j is the probability with which j was drawn: so weighted, the sum is on average that over
all other items (Bengio and Senécal 2008), and what frequent items are drawn more often for is made
good. Without that correction, logQ, k q_j is left out. A sample that happens to be the item that
came next is no other item, and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from catena.ladder.rung import at_least, whole


class ItemLoss(Protocol):
    """A way to learn from the next item and a sample of others."""

    kind: ClassVar[str]

    @property
    def samples(self) -> int:
        """How many others are drawn for each update, shared by all its predictions; 0 takes all."""
        ...

    @property
    def exponent(self) -> float:
        """Others are drawn with a probability in proportion to their count to this power."""
        ...

    def gain(self, own: Tensor, others: Tensor, hit: Tensor, log_draws: Tensor) -> Tensor:
        """What each prediction is worth, `[m]`.

        Args:
            own: `[m]`, the scores of the items that came next.
            others: `[m, k]`, those of the sampled.
            hit: `[m, k]` bool, where the sampled is the one that came next; not all of a row.
            log_draws: `[k]`, how often each was to be expected among the samples, log(k q_j).
        """
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """The log-probability of the next item under a softmax.

    Args:
        samples: how many others are drawn for each update; 0 takes the softmax over all items.
        exponent: others are drawn in proportion to their count to this power: 0 draws all alike.
        logq: whether what is drawn more often is made good.
    """

    kind: ClassVar[str] = "cross_entropy"

    samples: int = 2048
    exponent: float = 0.5
    logq: bool = True

    def __post_init__(self) -> None:
        whole("samples", self.samples, 0)
        at_least("exponent", self.exponent, 0)

    def gain(self, own: Tensor, others: Tensor, hit: Tensor, log_draws: Tensor) -> Tensor:
        weighted = others - log_draws if self.logq else others
        rest = _without(weighted, hit).logsumexp(1)
        return own - torch.logaddexp(own, rest)


@dataclass(frozen=True)
class BPRMax:
    """The probability of standing above the best of the others, as far as a softmax finds it.

    Args:
        samples, exponent: as in `CrossEntropy`; at least one sample.
        regularisation: λ, what large scores of others cost.
    """

    kind: ClassVar[str] = "bpr_max"

    samples: int = 2048
    exponent: float = 0.5
    regularisation: float = 1.0

    def __post_init__(self) -> None:
        whole("samples", self.samples, 1)
        at_least("exponent", self.exponent, 0)
        at_least("regularisation", self.regularisation, 0)

    def gain(self, own: Tensor, others: Tensor, hit: Tensor, log_draws: Tensor) -> Tensor:
        log_weight = _without(others, hit).log_softmax(1)
        above = (log_weight + logsigmoid(own[:, None] - others)).logsumexp(1)
        return above - self.regularisation * (log_weight.exp() * others.square()).sum(1)


@dataclass(frozen=True)
class TOP1Max:
    """How far the best of the others, as far as a softmax finds it, stands below, and near 0.

    Args:
        samples, exponent: as in `CrossEntropy`; at least one sample.
    """

    kind: ClassVar[str] = "top1_max"

    samples: int = 2048
    exponent: float = 0.5

    def __post_init__(self) -> None:
        whole("samples", self.samples, 1)
        at_least("exponent", self.exponent, 0)

    def gain(self, own: Tensor, others: Tensor, hit: Tensor, log_draws: Tensor) -> Tensor:
        weight = _without(others, hit).softmax(1)
        below = torch.sigmoid(others - own[:, None]) + torch.sigmoid(others.square())
        return -(weight * below).sum(1)


def _without(scores: Tensor, hit: Tensor) -> Tensor:
    return scores.masked_fill(hit, -torch.inf)


ITEM_LOSSES: dict[str, type[CrossEntropy | BPRMax | TOP1Max]] = {
    loss.kind: loss for loss in (CrossEntropy, BPRMax, TOP1Max)
}
