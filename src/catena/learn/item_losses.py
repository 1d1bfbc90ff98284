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

from catena.kernels.sampled import softmax
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

    def gain(
        self, products: Tensor, bias: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What each prediction is worth, `[m]`, and its slopes by the scores, `[m, items]`.

        Args:
            products: `[m, items]`, which with the bias are scores of some items, each once; they
                may be written over.
            bias: `[items]`.
            own: `[m]`, which of them came next; another must have been drawn.
            log_times: `[items]`, how often each was drawn as another; -inf where it was not.
            log_draws: `[items]`, how often it was to be expected among the samples, log(k q_j).
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

    def gain(
        self, products: Tensor, bias: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        weight = log_times - log_draws if self.logq else log_times
        return softmax(products, bias, own, weight), products


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

    def gain(
        self, products: Tensor, bias: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores, column = products.add_(bias), own[:, None]
        away = scores.gather(1, column) - scores
        log_share = _others(scores, column, log_times).log_softmax(1)
        joint = log_share + logsigmoid(away)
        above = joint.logsumexp(1, keepdim=True)
        share, blame = log_share.exp(), (joint - above).exp()
        pushed = blame * torch.sigmoid(-away)
        cost = (share * scores.square()).sum(1, keepdim=True)
        of_cost = share * (scores.square() - cost + 2 * scores)
        slopes = blame - share - pushed - self.regularisation * of_cost
        slopes.scatter_add_(1, column, pushed.sum(1, keepdim=True))
        return (above - self.regularisation * cost).squeeze(1), slopes


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

    def gain(
        self, products: Tensor, bias: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores, column = products.add_(bias), own[:, None]
        share = _others(scores, column, log_times).softmax(1)
        below = torch.sigmoid(scores - scores.gather(1, column))
        large = torch.sigmoid(scores.square())
        cost = (share * (below + large)).sum(1, keepdim=True)
        pushed = share * below * (1 - below)
        of_large = 2 * scores * large * (1 - large)
        slopes = share * (cost - below - large - of_large) - pushed
        slopes.scatter_add_(1, column, pushed.sum(1, keepdim=True))
        return -cost.squeeze(1), slopes


def _others(scores: Tensor, own: Tensor, log_times: Tensor) -> Tensor:
    """Scores of the drawn, as often as they were; -inf for what was not and what came next."""
    return (scores + log_times).scatter_(1, own, -torch.inf)


ITEM_LOSSES: dict[str, type[CrossEntropy | BPRMax | TOP1Max]] = {
    loss.kind: loss for loss in (CrossEntropy, BPRMax, TOP1Max)
}
