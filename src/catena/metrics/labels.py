"""One label beside another: of whole sequences, or of the tokens of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from catena.errors import CatenaError
from catena.metrics.scores import Scores, check_alike, scores_of

# A label each, or the labels of the tokens of a sequence each.
Labels = Sequence[str] | Sequence[Sequence[str]]


class LabelError(NamedTuple):
    """A wrong label: of token `step` of a sequence, or of the whole where `step` is None."""

    sequence: int
    step: int | None
    gold: str
    predicted: str


@dataclass(frozen=True, eq=False)
class Confusion:
    """Which label was taken for which.

    Args:
        labels: `L` of them, sorted.
        counts: `[L, L]` int64, gold labels in rows, predicted ones in columns.
    """

    labels: tuple[str, ...]
    counts: np.ndarray

    def worst(self, k: int = 10) -> list[tuple[str, str, int]]:
        """The most frequent mistakes, at most k: the gold label, the predicted one, how often."""
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:k]
        pairs = [np.unravel_index(flat, wrong.shape) for flat in order]
        return [
            (self.labels[row], self.labels[column], int(wrong[row, column]))
            for row, column in pairs
            if wrong[row, column]
        ]


def accuracy(gold: Labels, predicted: Labels) -> float:
    """The share of labels that are right; 0 where there are none.

    >>> accuracy([["A", "B"], ["A"]], [["A", "A"], ["A"]])
    0.6666666666666666
    """
    pairs = _pairs(gold, predicted)
    return sum(one == other for one, other in pairs) / max(len(pairs), 1)


def label_scores(gold: Labels, predicted: Labels) -> Scores:
    """Precision, recall and F1 of every label, where each stands alone."""
    pairs = _pairs(gold, predicted)
    return scores_of(
        (one for one, other in pairs if one == other),
        (other for _, other in pairs),
        (one for one, _ in pairs),
    )


def confusion(gold: Labels, predicted: Labels) -> Confusion:
    """How often each label was taken for each."""
    counted = Counter(_pairs(gold, predicted))
    labels = sorted(set(chain.from_iterable(counted)))
    number = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for (one, other), times in counted.items():
        counts[number[one], number[other]] = times
    return Confusion(tuple(labels), counts)


def label_errors(gold: Labels, predicted: Labels) -> list[LabelError]:
    """Every wrong label, in order.

    >>> label_errors(["A", "B"], ["A", "C"])
    [LabelError(sequence=1, step=None, gold='B', predicted='C')]
    """
    if not _nested(gold, predicted):
        pairs = enumerate(_pairs(gold, predicted))
        return [LabelError(i, None, one, other) for i, (one, other) in pairs if one != other]
    check_alike(gold, predicted)
    return [
        LabelError(i, step, one, other)
        for i, rows in enumerate(zip(gold, predicted, strict=True))
        for step, (one, other) in enumerate(zip(*rows, strict=True))
        if one != other
    ]


def _pairs(gold: Labels, predicted: Labels) -> list[tuple[str, str]]:
    """Every gold label beside the predicted one."""
    if not _nested(gold, predicted):
        if len(gold) != len(predicted):
            raise CatenaError(f"{len(gold)} gold labels, but {len(predicted)} predicted ones")
        return list(zip(gold, predicted, strict=True))  # pyright: ignore[reportReturnType]
    check_alike(gold, predicted)
    return list(zip(chain.from_iterable(gold), chain.from_iterable(predicted), strict=True))


def _nested(gold: Labels, predicted: Labels) -> bool:
    return any(not isinstance(label, str) for label in chain(gold, predicted))
