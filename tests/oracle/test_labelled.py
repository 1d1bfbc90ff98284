"""The tagger learned by counting: its equations by hand, its paths against enumeration."""

import json
import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from catena.errors import CatenaError
from catena.learn.labelled import LabelCounts, LabelledHMM, count_labels

SENTENCES = [
    ["the", "dog", "barks"],
    ["the", "old", "dog", "walked"],
    ["dogs", "walk"],
    [],
    ["Rome"],
    ["walk", "the", "walk"],
]
LABELS = [
    ["DET", "NOUN", "VERB"],
    ["DET", "ADJ", "NOUN", "VERB"],
    ["NOUN", "VERB"],
    [],
    ["NAME"],
    ["VERB", "DET", "NOUN"],
]


@pytest.fixture(scope="module")
def model():
    return LabelledHMM(count_labels(SENTENCES, LABELS))


def test_moves_by_hand(model):
    assert model.labels == ("ADJ", "DET", "NAME", "NOUN", "VERB")
    # 18 moves, 4 of them to NOUN; from DET once to ADJ and twice to NOUN: 2 different labels.
    assert model.transitions[1].exp().tolist() == pytest.approx(
        [(1 + 2 * 1 / 18) / 5, 2 * 3 / 18 / 5, 2 * 1 / 18 / 5, (2 + 2 * 4 / 18) / 5, 2 * 4 / 18 / 5]
    )
    assert model.end[2].exp().item() == pytest.approx((1 + 1 * 5 / 18) / 2)
    assert model.start[0].exp().item() == pytest.approx(4 * 1 / 18 / 9)


def test_moves_and_words_are_distributions(model):
    rows = torch.cat([model.transitions, model.end[:, None]], 1)
    assert rows.exp().sum(1).tolist() == pytest.approx([1] * 5)
    prior = np.array([1, 3, 1, 4, 4]) / 13
    for word in ("walk", "unseen", "", "é", "犬"):
        posterior = model.scores([word])[0].exp().numpy() * prior
        assert posterior.sum() == pytest.approx(1)
        assert (posterior > 0).all()


def test_a_frequent_word_by_hand():
    # 11 times A and once B: too often for its spelling to count, so its contexts are itself in
    # small letters and as it is; beneath lie equal shares, for no rare word gave others.
    model = LabelledHMM(count_labels([["a"]] * 12, [["A"]] * 11 + [["B"]]))
    share = 1 / 2
    for _ in range(2):
        share = (11 + 2 * share) / 14
    expected = [math.log(share / (11 / 12)), math.log((1 - share) / (1 / 12))]
    assert model.scores(["a"])[0].tolist() == pytest.approx(expected, rel=1e-12)


def test_the_best_path_of_all(model):
    for length in range(1, 5):
        words = ["walk", "the", "Unknown", "walk"][:length]
        scores = model.scores(words)
        paths = {
            path: float(
                model.start[path[0]]
                + sum(scores[t, z] for t, z in enumerate(path))
                + sum(model.transitions[a, b] for a, b in pairwise(path))
                + model.end[path[-1]]
            )
            for path in product(range(5), repeat=length)
        }
        best = max(paths, key=lambda path: paths[path])
        assert model.tag([words]) == [[model.labels[z] for z in best]]


def test_unknown_words_are_judged_by_their_spelling(model):
    assert model.tag([["the", "dog", "talked"], ["Paris"]]) == [["DET", "NOUN", "VERB"], ["NAME"]]


def test_a_sentence_is_tagged_the_same_alone_and_in_any_company(model):
    together = model.tag([*SENTENCES, ["Dog", "walks"]])
    assert together == [model.tag([words])[0] for words in [*SENTENCES, ["Dog", "walks"]]]
    assert together[3] == []
    assert model.tag([]) == []
    assert model.tag([[]]) == [[]]


def test_shards_add_up_and_survive_json(model):
    parts = [count_labels(SENTENCES[i::2], LABELS[i::2]) for i in range(2)]
    assert parts[0] + parts[1] == model.counts
    again = LabelCounts.from_description(json.loads(json.dumps(model.counts.describe())))
    assert again == model.counts
    words = ["walk", "unseen", "Rome"]
    assert torch.equal(LabelledHMM(again).transitions, model.transitions)
    assert torch.allclose(LabelledHMM(parts[1] + parts[0]).scores(words), model.scores(words))


def test_what_cannot_be_counted_is_named():
    with pytest.raises(CatenaError, match="nothing to learn from"):
        LabelledHMM(count_labels([[]], [[]]))
    with pytest.raises(CatenaError, match="1 sentences, but labels for 0"):
        count_labels([["a"]], [])
    with pytest.raises(CatenaError, match="sentence 2: 1 words, but 2 labels") as caught:
        count_labels([[], ["a"]], [[], ["A", "B"]])
    assert caught.value.sequence == 1
