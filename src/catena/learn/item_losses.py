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
from typing import Any, ClassVar, Protocol

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

    def gain(self, scores: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor) -> Tensor:
        """What each prediction is worth, `[m]`.

        Args:
            scores: `[m, items]`, those of some items, each once.
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

    def gain(self, scores: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor) -> Tensor:
        weight = log_times - log_draws if self.logq else log_times
        return _Softmax.apply(scores, own, weight)  # type: ignore[no-any-return]


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

    def gain(self, scores: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor) -> Tensor:
        log_share = _others(scores, own, log_times).log_softmax(1)
        above = (log_share + logsigmoid(scores.gather(1, own[:, None]) - scores)).logsumexp(1)
        return above - self.regularisation * (log_share.exp() * scores.square()).sum(1)


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

    def gain(self, scores: Tensor, own: Tensor, log_times: Tensor, log_draws: Tensor) -> Tensor:
        share = _others(scores, own, log_times).softmax(1)
        below = torch.sigmoid(scores - scores.gather(1, own[:, None])) + torch.sigmoid(
            scores.square()
        )
        return -(share * below).sum(1)


def _others(scores: Tensor, own: Tensor, log_times: Tensor) -> Tensor:
    """Scores of the drawn, as often as they were; -inf for what was not and what came next."""
    return (scores + log_times).scatter(1, own[:, None], -torch.inf)


class _Softmax(torch.autograd.Function):
    """The log-probability of the item that came next among others with weights of their own.

    The same as a logsumexp over what `_others` gives beside the item, in the fewest passes: the
    scores are by far the largest thing an update computes, and the probabilities, which are their
    gradient, are left where the weighted scores were.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, own: Tensor, weight: Tensor) -> Tensor:
        column = own[:, None]
        mine = scores.gather(1, column)
        weighted = (scores + weight).scatter_(1, column, mine)
        highest = weighted.amax(1, keepdim=True)
        p = weighted.sub_(highest).exp_()
        total = p.sum(1, keepdim=True)
        p.div_(total)
        ctx.save_for_backward(p, column)
        return (mine - highest - total.log()).squeeze(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        p, column = ctx.saved_tensors
        gradient = gradient[:, None]
        return (p * -gradient).scatter_add_(1, column, gradient), None, None


ITEM_LOSSES: dict[str, type[CrossEntropy | BPRMax | TOP1Max]] = {
    loss.kind: loss for loss in (CrossEntropy, BPRMax, TOP1Max)
}
