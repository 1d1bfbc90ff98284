"""How high the item that came next was ranked among all: recall, MRR, NDCG, and what is shown.

With r the rank of the item that came next, 1 for the best, over all predictions:

    recall@k = mean of [r <= k]
    MRR@k    = mean of [r <= k] / r
    NDCG@k   = mean of [r <= k] / log2(r + 1)          one item is right: the ideal gain is 1

Every item is ranked, none is sampled away. Ties are counted conservatively: an item comes after all
others of the same score, so that a model gains nothing by scoring items alike. A score that is not
a number stands above every other item's, and never helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from catena.errors import CatenaError

TIES = "conservative"


@dataclass(frozen=True)
class RankingScores:
    """How well next items were ranked; the dicts are by cutoff k.

    Args:
        recall, mrr, ndcg: as above, over all predictions; 0 where there are none.
        coverage: the share of the items that was in the first k of at least one prediction.
        popularity: how often the first k had occurred in training, on average, divided by the same
            of the items that came next: above 1, the popular are shown more than they are taken.
        predictions: how many items came next, those included that no model could name.
        cold: how many of them training did not show; each counts as missed at every k.
        tied: the share of the predictions in which the right item shared its score with another.
        ties: how they were counted.
    """

    recall: dict[int, float]
    mrr: dict[int, float]
    ndcg: dict[int, float]
    coverage: dict[int, float]
    popularity: dict[int, float]
    predictions: int
    cold: int
    tied: float
    ties: str = TIES

    def describe(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        return asdict(self)


def ranks(scores: Tensor, targets: Tensor) -> Tensor:
    """The rank `[m]` of each target among the scores `[m, items]`, 1 for the best, ties last.

    >>> ranks(torch.tensor([[0.5, 2.0, 2.0, 1.0]]), torch.tensor([1]))
    tensor([2])
    """
    own = scores.gather(1, targets[:, None])
    # "Not below" and not "at least": so written, what is not a number counts against the target.
    return scores.shape[1] - _count(scores < own)


def _count(those: Tensor) -> Tensor:
    """How many of each row `[m]`: bytes are summed five times as fast into the shorter integers."""
    return those.sum(1, dtype=torch.int32).long()


class RankTally:
    """Ranks added up block by block; memory does not grow with the predictions.

    Args:
        counts: `[items]`, how often each item occurred in training.
        cutoffs: the k that are reported.

    Raises:
        CatenaError: for a cutoff that is no whole number from 1 up, or for none.
    """

    def __init__(self, counts: Tensor, cutoffs: Sequence[int]) -> None:
        if not cutoffs or any(not isinstance(k, int) or k < 1 for k in cutoffs):
            raise CatenaError(f"cutoffs must be whole numbers from 1 up, not {list(cutoffs)}")
        self._counts, self._cutoffs = counts.double(), sorted(set(cutoffs))
        self._recall, self._mrr, self._ndcg, self._shown = (
            torch.zeros(len(self._cutoffs), dtype=torch.float64) for _ in range(4)
        )
        self._seen = torch.zeros(len(self._cutoffs), len(counts), dtype=torch.bool)
        self._ranked = self._cold = self._tied = 0
        self._taken = 0.0

    def add(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Predictions `[m, items]` beside what came next `[m]`, an item's number each.

        Returns:
            their ranks `[m]` float64.
        """
        rank = ranks(scores, targets).double()
        own = scores.gather(1, targets[:, None])
        self._tied += int((_count(scores == own) > 1).sum())
        self._ranked += len(targets)
        self._taken += float(self._counts[targets].sum())
        best = scores.topk(min(self._cutoffs[-1], scores.shape[1]), 1).indices
        for place, k in enumerate(self._cutoffs):
            hit = rank[rank <= k]
            self._recall[place] += len(hit)
            self._mrr[place] += (1 / hit).sum()
            self._ndcg[place] += (1 / (hit + 1).log2()).sum()
            self._seen[place, best[:, :k]] = True
            self._shown[place] += self._counts[best[:, :k]].mean(1).sum()
        return rank

    def add_cold(self, count: int) -> None:
        """Predictions whose item training did not show: missed, whatever the model said."""
        self._cold += count

    def result(self) -> RankingScores:
        """What the blocks add up to."""
        predictions = self._ranked + self._cold
        return RankingScores(
            recall=self._named(self._recall / max(predictions, 1)),
            mrr=self._named(self._mrr / max(predictions, 1)),
            ndcg=self._named(self._ndcg / max(predictions, 1)),
            coverage=self._named(self._seen.double().mean(1)),
            popularity=self._named(self._shown / max(self._taken, 1.0)),
            predictions=predictions,
            cold=self._cold,
            tied=self._tied / max(self._ranked, 1),
        )

    def _named(self, values: Tensor) -> dict[int, float]:
        return dict(zip(self._cutoffs, values.tolist(), strict=True))
