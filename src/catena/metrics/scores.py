"""Precision, recall and F1 from three counts a label.

    precision = correct / predicted     recall = correct / gold     F1 = 2 P R / (P + R)

Each is 0 where it would divide by 0, as in conlleval, seqeval and scikit-learn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from catena.errors import CatenaError


class Score(NamedTuple):
    """Shares from 0 to 1; `support` is how many there are in the gold labels."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, eq=False)
class Scores:
    """The counts of every label, and all that follows from them.

    Args:
        labels: `L` of them, sorted: all that the gold labels or the predicted ones hold.
        correct, predicted, gold: `[L]` int64, how many are right, were predicted, and are there.
    """

    labels: tuple[str, ...]
    correct: np.ndarray
    predicted: np.ndarray
    gold: np.ndarray

    @property
    def per_label(self) -> dict[str, Score]:
        """One score a label."""
        precision, recall, f1 = self._shares()
        rows = zip(precision, recall, f1, self.gold, strict=True)
        return {
            label: Score(float(p), float(r), float(f), int(n))
            for label, (p, r, f, n) in zip(self.labels, rows, strict=True)
        }

    @property
    def micro(self) -> Score:
        """Of all labels put together: conlleval's overall figures."""
        correct, predicted, gold = (
            int(counts.sum()) for counts in (self.correct, self.predicted, self.gold)
        )
        precision, recall, f1 = _shares(*map(np.array, (correct, predicted, gold)))
        return Score(float(precision), float(recall), float(f1), gold)

    @property
    def macro(self) -> Score:
        """The mean over labels, each of the same weight."""
        return self._mean(np.ones(len(self.labels)))

    @property
    def weighted(self) -> Score:
        """The mean over labels, each weighted by its support."""
        return self._mean(self.gold)

    def describe(self) -> dict[str, Any]:
        """Averages and labels as JSON takes them."""
        averages = {name: getattr(self, name)._asdict() for name in ("micro", "macro", "weighted")}
        return averages | {
            "per_label": {label: score._asdict() for label, score in self.per_label.items()}
        }

    def _shares(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _shares(self.correct, self.predicted, self.gold)

    def _mean(self, weights: np.ndarray) -> Score:
        total = max(float(weights.sum()), 1.0)
        precision, recall, f1 = (float(share @ weights) / total for share in self._shares())
        return Score(precision, recall, f1, int(self.gold.sum()))


def scores_of(correct: Iterable[str], predicted: Iterable[str], gold: Iterable[str]) -> Scores:
    """The scores of labels, each named once for every time it was right, predicted and there."""
    counted = [Counter(names) for names in (correct, predicted, gold)]
    labels = sorted(counted[1].keys() | counted[2].keys())
    arrays = [np.array([counts[label] for label in labels], np.int64) for counts in counted]
    return Scores(tuple(labels), *arrays)


def check_alike(
    gold: Sequence[Sequence[Hashable]], predicted: Sequence[Sequence[Hashable]]
) -> None:
    """Raise unless there are as many sequences, each as long, on both sides.

    Raises:
        CatenaError: at the first that differs.
    """
    if len(gold) != len(predicted):
        raise CatenaError(
            f"{len(gold)} sequences of gold labels, but {len(predicted)} of predicted ones"
        )
    for i, (one, other) in enumerate(zip(gold, predicted, strict=True)):
        if len(one) != len(other):
            raise CatenaError(
                f"sequence {i + 1} has {len(one)} gold labels, but {len(other)} predicted ones",
                sequence=i,
            )


def _shares(
    correct: np.ndarray, predicted: np.ndarray, gold: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    precision = correct / np.maximum(predicted, 1)
    recall = correct / np.maximum(gold, 1)
    both = precision + recall
    return precision, recall, 2 * precision * recall / np.where(both > 0, both, 1)
