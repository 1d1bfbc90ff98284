"""Accuracy, per-label scores and confusion: small cases by hand, and scikit-learn where it is."""

import random

import numpy as np
import pytest

from catena.errors import CatenaError
from catena.metrics import LabelError, accuracy, confusion, label_errors, label_scores

GOLD = ["a", "a", "a", "b", "b", "new"]
PREDICTED = ["a", "a", "b", "b", "a", "c"]


def test_by_hand():
    assert accuracy(GOLD, PREDICTED) == 0.5
    scores = label_scores(GOLD, PREDICTED)
    assert scores.labels == ("a", "b", "c", "new")
    assert scores.per_label["a"] == pytest.approx((2 / 3, 2 / 3, 2 / 3, 3))
    assert scores.per_label["new"] == scores.per_label["c"]._replace(support=1) == (0, 0, 0, 1)
    assert scores.micro == pytest.approx((0.5, 0.5, 0.5, 6))
    assert scores.macro.f1 == pytest.approx((2 / 3 + 1 / 2) / 4)
    assert scores.weighted.f1 == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 6)


def test_confusion_by_hand():
    table = confusion(GOLD, PREDICTED)
    assert table.labels == ("a", "b", "c", "new")
    assert table.counts.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert table.worst(2) == [("a", "b", 1), ("b", "a", 1)]
    assert table.worst() == [("a", "b", 1), ("b", "a", 1), ("new", "c", 1)]


def test_tokens_of_sequences_count_one_by_one():
    gold, predicted = [GOLD[:2], [], GOLD[2:]], [PREDICTED[:2], [], PREDICTED[2:]]
    assert accuracy(gold, predicted) == accuracy(GOLD, PREDICTED)
    assert (confusion(gold, predicted).counts == confusion(GOLD, PREDICTED).counts).all()
    assert label_scores(gold, predicted).describe() == label_scores(GOLD, PREDICTED).describe()
    assert label_errors(gold, predicted)[-1] == LabelError(2, 3, "new", "c")
    assert label_errors(GOLD, PREDICTED)[-1] == LabelError(5, None, "new", "c")


def test_nothing_is_zero():
    assert accuracy([], []) == accuracy([[]], [[]]) == 0
    assert confusion([], []).counts.shape == (0, 0)
    assert label_scores([], []).macro == (0, 0, 0, 0)


def test_different_lengths_are_named():
    with pytest.raises(CatenaError, match="2 gold labels, but 1 predicted"):
        accuracy(["a", "b"], ["a"])
    with pytest.raises(
        CatenaError, match="sequence 2 has 1 gold labels, but 2 predicted"
    ) as caught:
        label_errors([[], ["a"]], [[], ["a", "b"]])
    assert caught.value.sequence == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = random.Random(seed)
    labels = "abcdef"[: 2 + seed]
    gold = [rng.choice(labels) for _ in range(200)]
    predicted = [rng.choice([label, rng.choice("abcdefg")]) for label in gold]
    scores = label_scores(gold, predicted)
    assert accuracy(gold, predicted) == pytest.approx(metrics.accuracy_score(gold, predicted))
    assert (confusion(gold, predicted).counts == metrics.confusion_matrix(gold, predicted)).all()
    for average in ("micro", "macro", "weighted"):
        theirs = metrics.precision_recall_fscore_support(
            gold, predicted, average=average, zero_division=0
        )
        assert getattr(scores, average)[:3] == pytest.approx(theirs[:3], abs=1e-14)
    theirs = metrics.precision_recall_fscore_support(gold, predicted, zero_division=0)
    assert np.array(list(scores.per_label.values())) == pytest.approx(np.array(theirs).T)
