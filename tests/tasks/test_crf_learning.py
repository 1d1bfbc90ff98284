"""How a feature CRF is learned beside L-BFGS: sentence by sentence, in batches, piece by piece,
from labels that are partly known, and judged by held-out data."""

import itertools
import os
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from catena import CRF, HMM, AdaGrad, CatenaError, Perceptron, QuasiNewton, Tagger, load
from catena.features.objective import Objective
from catena.learn import Interrupted, Run
from catena.learn.adagrad import AdaGradRule
from catena.learn.checkpoint import Checkpoint
from catena.learn.online import Course
from catena.learn.perceptron import PerceptronRule
from catena.metrics import span_scores
from catena.tasks.crf_learning import Corpus, _framed
from catena.tasks.reader import Reader

X = [["a", "b", "a"], ["c"], ["b", "b", "c", "a"], [], ["a", "c"], ["c", "b"]]
Y = [["P", "Q", "P"], ["R"], ["Q", "P", "R", "P"], [], ["Q", "R"], ["R", "Q"]]
SETS = [[frozenset("PQ"), "Q", None], ["R"], ["Q", None, "R", "P"], [], ["Q", "R"], ["R", "Q"]]
WEIGHT = torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0, 3.0], dtype=torch.float64)


def framed(rung, labels=Y, weight=WEIGHT):
    reader = Reader.learn("U:%x[0,0]\nU-:%x[-1,0]\nB\n", X)
    frame, examples, _ = _framed(rung, reader, Corpus(X, labels, weight))
    return frame, examples


def vector(frame, examples, number, path):
    """f(x, y) of one sentence as a dense vector."""
    begin = int(examples.lengths[:number].sum())
    found = np.zeros(len(frame.features) + len(frame.moves))
    for t, label in enumerate(path):
        data = examples.data.steps(begin + t, begin + t + 1)
        for attribute in data.ids.tolist():
            for place in range(*frame.features.pairs[attribute : attribute + 2].tolist()):
                found[place] += int(frame.features.labels[place]) == label
    for a, b in itertools.pairwise(path):
        move = (frame.moves == a * len(frame.names) + b).nonzero().flatten().tolist()
        found[[len(frame.features) + place for place in move]] += 1
    return found


def best(frame, examples, number, theta, allowed):
    rows = [[i for i, right in enumerate(row) if right] for row in allowed.tolist()]
    # Of equal paths Viterbi takes the one whose last labels come first.
    paths = sorted(itertools.product(*rows), key=lambda path: path[::-1])
    scores = [vector(frame, examples, number, path) @ theta for path in paths]
    return paths[int(np.argmax(np.round(scores, 9)))]


# -- the perceptron -----------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [Y, SETS])
@pytest.mark.parametrize("averaged", [True, False])
def test_the_perceptron_is_that_of_dense_vectors(labels, averaged):
    frame, examples = framed(CRF(), labels)
    rule = PerceptronRule(examples, frame.features, frame.moves, averaged)
    size, width = len(frame.features) + len(frame.moves), len(frame.names)
    theta, mean, seen = np.zeros(size), np.zeros(size), 0
    order = [4, 0, 2, 5, 3, 1] * 3
    sets = examples.labels
    if sets.dtype != torch.bool:
        sets = torch.nn.functional.one_hot(sets, width).bool()
    for number in order:
        begin, length = int(examples.lengths[:number].sum()), int(examples.lengths[number])
        allowed = sets[begin : begin + length]
        taken = best(frame, examples, number, theta, torch.ones_like(allowed))
        right = best(frame, examples, number, theta, allowed)
        step = vector(frame, examples, number, right) - vector(frame, examples, number, taken)
        theta = theta + float(WEIGHT[number]) * step
        mean, seen = mean + theta, seen + 1
        rule.update(torch.tensor([number]))
    wanted = mean / seen if averaged else theta
    assert np.abs(theta).sum() > 0
    assert np.allclose(rule.theta().numpy(), wanted, rtol=0, atol=1e-9)


# -- AdaGrad ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.0, 0.3), (0.3, 0.0), (0.3, 0.3)])
def test_penalties_that_are_put_off_are_those_of_every_batch(l1, l2):
    frame, examples = framed(CRF())
    rule = AdaGradRule(examples, frame.features, frame.moves, 0.3, l1, l2)
    theta = torch.zeros(len(frame.features) + len(frame.moves), dtype=torch.float64)
    squares = torch.zeros_like(theta)
    for numbers in (torch.tensor(row) for row in [[0], [1, 3], [1], [5, 2], [1], [0, 4]] * 4):
        part = examples.pick(numbers)
        function = Objective(
            part.data, part.labels, part.lengths, frame.features, frame.moves, part.weight
        )
        gradient = function(theta)[1]
        squares += gradient**2
        rate = torch.where(squares > 0, 0.3 / squares.sqrt(), 0.0)
        theta = theta - rate * gradient
        shrunk = (theta.abs() - rate * l1).clamp_min(0) / (1 + 2 * rate * l2)
        theta = shrunk * theta.sign()
        rule.update(numbers)
    assert torch.allclose(rule.theta(), theta, rtol=0, atol=1e-9)
    assert torch.equal(rule.theta(), rule.theta())
    assert bool((theta == 0).any()) == (l1 > 0)


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.5), (0.2, 0.1)])
def test_adagrad_nears_what_l_bfgs_finds(l1, l2):
    rung = CRF(l1=l1, l2=l2)
    exact = Tagger(rung, learner=QuasiNewton(epsilon=1e-8, delta=0)).fit(X, SETS)
    near = Tagger(rung, learner=AdaGrad(epochs=300, batch=len(X), rate=0.5)).fit(X, SETS)
    for one, other in zip(exact.predict_proba(X), near.predict_proba(X), strict=True):
        assert np.allclose(one, other, atol=1e-3)


# -- stopping and going on ----------------------------------------------------------------------

ONLINE = {
    "perceptron": lambda epochs: Perceptron(epochs=epochs),
    "adagrad": lambda epochs: AdaGrad(epochs=epochs, batch=2),
}
online = pytest.mark.parametrize("kind", ONLINE)


def weights(tagger):
    crf: Any = tagger.labeller_
    return crf.weights, crf.transitions


@online
@pytest.mark.parametrize("judged", [False, True])
def test_stopped_and_resumed_it_ends_where_it_would_have(tmp_path, kind, judged):
    # Nothing is right there, so that the first epoch is the best one.
    path, valid = tmp_path / "checkpoint", (X, [["Z"] * len(row) for row in X]) if judged else None
    whole = Tagger(CRF(), learner=ONLINE[kind](4)).fit(X, Y, valid)

    def stop(progress):
        if progress.done > 0.4:
            os.kill(os.getpid(), 2)

    with (
        pytest.raises(Interrupted) as caught,
        patch("os.fsync"),
        patch("catena.learn.online.SELDOM", 0.0),
    ):
        Tagger(CRF(), learner=ONLINE[kind](4)).fit(X, Y, valid, checkpoint=path, report=stop)
    assert caught.value.checkpoint == path
    again = Tagger(CRF(), learner=ONLINE[kind](4))
    again.fit(X, Y, valid, checkpoint=path, resume=True)
    assert all(map(torch.equal, weights(again), weights(whole)))
    assert again.history_.notes == whole.history_.notes
    assert len(whole.history_.notes) == 1 + judged
    for one, other in zip(again.history_.rows, whole.history_.rows, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    others = [
        (Tagger(CRF(l2=2.0), learner=ONLINE[kind](4)), Y, valid),
        (Tagger(CRF(), learner=ONLINE[kind](4), seed=1), Y, valid),
        (Tagger(CRF(), learner=ONLINE[kind](4)), SETS, valid),
        (Tagger(CRF(), learner=ONLINE[kind](4)), Y, (X[:3], Y[:3])),
    ]
    for other, labels, held_out in others:
        with pytest.raises(CatenaError, match="belongs to a run with another model"):
            other.fit(X, labels, held_out, checkpoint=path, resume=True)


@online
def test_the_order_is_the_seeds(kind):
    one, same, other = (
        Tagger(CRF(), learner=ONLINE[kind](2), seed=seed).fit(X, Y) for seed in (0, 0, 3)
    )
    assert all(map(torch.equal, weights(one), weights(same)))
    assert not torch.equal(weights(one)[0], weights(other)[0])


def test_checkpoints_come_within_an_epoch(tmp_path):
    frame, examples = framed(CRF())
    rule = PerceptronRule(examples, frame.features, frame.moves, True)
    run = Run(checkpoint=tmp_path / "checkpoint")
    with patch.object(Checkpoint, "due", True), patch.object(Checkpoint, "save") as save:
        Course(rule, Perceptron(epochs=2), examples.lengths, run).learn()
    assert save.call_count == 2 * len(X)


def test_the_time_left_is_that_of_the_epochs_or_the_minutes():
    seen = []
    with patch("catena.learn.online.SELDOM", 0.0):
        Tagger(CRF(), learner=Perceptron(epochs=5)).fit(X, Y, report=seen.append)
    shares = [progress.done for progress in seen]
    assert shares == pytest.approx([(i + 1) / (5 * len(X)) for i in range(5 * len(X))])
    assert seen[-1].left == 0.0
    tagger = Tagger(CRF(), learner=Perceptron(epochs=10**6, minutes=0.001)).fit(X, Y)
    assert 0.06 <= tagger.history_.seconds < 5
    assert tagger.history_.notes == ["stopped: after 0.001 minutes"]


# -- held-out data ------------------------------------------------------------------------------

TAGS = ["B-A", "I-A", "O"]


def spans(count, seed):
    """Sentences in which many labels are wrong, so that one can learn too much of them."""
    draw = np.random.default_rng(seed)
    words = [[f"{k}{draw.integers(40)}" for k in draw.integers(3, size=5)] for _ in range(count)]
    noise = draw.random((count, 5)) < 0.3
    return words, [
        [
            TAGS[draw.integers(3) if odd else int(word[0])]
            for word, odd in zip(row, odds, strict=True)
        ]
        for row, odds in zip(words, noise, strict=True)
    ]


LEARNERS = {
    "quasi-newton": QuasiNewton(patience=3, epsilon=1e-9, delta=0),
    "perceptron": Perceptron(epochs=30, patience=3),
    "adagrad": AdaGrad(epochs=30, patience=3),
}


@pytest.mark.parametrize("kind", LEARNERS)
def test_the_best_weights_on_held_out_data_are_kept(kind):
    train, valid = spans(25, 0), spans(40, 1)
    tagger = Tagger(CRF(l2=0.001), learner=LEARNERS[kind]).fit(*train, valid)
    scores = [row["score"] for row in tagger.history_.rows]
    gold = span_scores(valid[1], tagger.predict(valid[0])).micro.f1
    assert gold == max(scores) >= scores[-1]
    assert len(scores) == scores.index(max(scores)) + 1 + 3
    assert "3 times in a row no better span F1" in tagger.history_.notes[0]
    assert f"span F1 {gold:.4f} on held-out data" in tagger.history_.notes[1]
    longer = Tagger(CRF(l2=0.001), learner=LEARNERS[kind])
    longer.set_params(
        learner__patience=None, **({} if kind != "quasi-newton" else {"learner__iterations": 30})
    )
    assert len(longer.fit(*train, valid).history_.rows) > len(scores)


def test_labels_without_spans_are_judged_by_accuracy():
    tagger = Tagger(CRF(), learner=QuasiNewton(iterations=5)).fit(X, Y, (X[:3], Y[:3]))
    assert tagger.history_.notes[-1].endswith(
        f"accuracy {tagger.score(X[:3], Y[:3]):.4f} on held-out data"
    )
    with pytest.raises(CatenaError, match="held-out data has no token"):
        Tagger(CRF()).fit(X, Y, ([[]], [[]]))


@pytest.mark.parametrize(("scheme", "score"), [("IOB2", 1.0), (None, 2 / 3)])
def test_the_scheme_binds_while_weights_are_judged(scheme, score):
    words, tags = [["b", "?"]] * 2 + [["o", "?"]], [["B-A", "I-A"]] * 2 + [["O", "O"]]
    tagger = Tagger(CRF(l2=0.1), "U:%x[0,0]\n", scheme, QuasiNewton(iterations=9))
    tagger.fit(words, tags, (words[1:], tags[1:]))
    assert tagger.history_.rows[-1]["score"] == pytest.approx(score)


def test_l_bfgs_that_is_judged_resumes(tmp_path):
    train, valid, path = spans(25, 0), spans(40, 1), tmp_path / "checkpoint"
    learner = QuasiNewton(iterations=14, patience=None)
    whole = Tagger(CRF(l2=0.01), learner=learner).fit(*train, valid)
    with patch.object(Checkpoint, "due", True), patch("os.fsync"):
        short = QuasiNewton(iterations=12, patience=None)
        Tagger(CRF(l2=0.01), learner=short).fit(*train, valid, checkpoint=path)
    again = Tagger(CRF(l2=0.01), learner=learner)
    again.fit(*train, valid, checkpoint=path, resume=True)
    assert all(map(torch.equal, weights(again), weights(whole)))
    assert again.history_.notes == whole.history_.notes


# -- what is partly known -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", LEARNERS)
def test_sets_of_one_label_are_labels(kind):
    sets = [[frozenset({label}) for label in row] for row in Y]
    one = Tagger(CRF(), learner=LEARNERS[kind]).fit(X, Y)
    other = Tagger(CRF(), learner=LEARNERS[kind]).fit(X, sets)
    for a, b in zip(one.predict_proba(X), other.predict_proba(X), strict=True):
        assert np.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("kind", LEARNERS)
def test_labels_of_which_half_are_known(kind):
    X, y = [["the", "dog", "runs"], ["a", "cat", "sees", "the", "dog"]] * 8, []
    right = {"the": "D", "a": "D", "dog": "N", "cat": "N", "runs": "V", "sees": "V"}
    draw = np.random.default_rng(0)
    for row in X:
        kinds = draw.integers(3, size=len(row))
        unsure = [right[word] for word in row]
        y.append([(x, {x, "V"}, None)[k] for x, k in zip(unsure, kinds, strict=True)])
    tagger = Tagger(CRF(l2=0.1), learner=LEARNERS[kind]).fit(X, y)
    assert tagger.labels_ == ["D", "N", "V"]
    assert tagger.score(X, [[right[word] for word in row] for row in X]) == 1.0


def test_a_weight_is_so_many_sentences():
    learner = QuasiNewton(epsilon=1e-9, delta=0)
    weighted = Tagger(CRF(), learner=learner).fit(X, Y, sample_weight=[2, 1, 1, 1, 0, 3])
    times = [0, 0, 1, 2, 3, 5, 5, 5]
    # The one that counts nothing still says which pairs there are.
    copies = Tagger(CRF(all_states=True, all_transitions=True), learner=learner)
    copies.fit([X[i] for i in times], [Y[i] for i in times])
    weighted = Tagger(CRF(all_states=True, all_transitions=True), learner=learner)
    weighted.fit(X, Y, sample_weight=[2, 1, 1, 1, 0, 3])
    for a, b in zip(weighted.predict_proba(X), copies.predict_proba(X), strict=True):
        assert np.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("weight", "told"),
    [([1.0], "shape"), ([-1.0] * 6, "at least 0"), ([np.nan] * 6, "finite"), ([0] * 6, "not 0")],
)
def test_weights_that_make_no_sense(weight, told):
    with pytest.raises(CatenaError, match=told):
        Tagger(CRF()).fit(X, Y, sample_weight=weight)


def test_an_hmm_needs_all_labels_and_counts_them_once():
    with pytest.raises(CatenaError, match=r"sentence 1, token 1: .* only a CRF"):
        Tagger(HMM()).fit(X, SETS)
    with pytest.raises(CatenaError, match="weights are for a CRF"):
        Tagger(HMM()).fit(X, Y, sample_weight=[1] * 6)


# -- piece by piece -----------------------------------------------------------------------------


@online
def test_two_passes_in_two_calls_are_those_of_one(kind):
    rung = CRF(l2=0.0)
    twice, once = (Tagger(rung, learner=ONLINE[kind](1)) for _ in range(2))
    twice.partial_fit(X, Y).partial_fit(X, Y)
    once.partial_fit(X + X, Y + Y)
    for one, other in zip(weights(twice), weights(once), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)
    assert (twice.history_.epochs, len(twice.history_.rows)) == (2, 2)


@online
def test_new_words_and_labels_are_learned_and_old_ones_kept(kind):
    tagger = Tagger(CRF(l2=0.0), learner=ONLINE[kind](10)).fit(X, Y)
    before = tagger.predict(X)
    tagger.partial_fit([["q", "q"], *X] * 20, [["A", "A"], *Y] * 20)
    assert tagger.labels_ == ["A", "P", "Q", "R"]
    assert tagger.predict([["q", "q", "q"]]) == [["A", "A", "A"]]
    assert tagger.predict(X) == before
    tagger.partial_fit([["q", "z"], ["z", "q"]], [["A", None], [{"A", "B"}, "A"]])
    assert tagger.predict([["q", "q", "q"]]) == [["A", "A", "A"]]


@online
def test_a_loaded_tagger_goes_on(kind, tmp_path):
    tagger = Tagger(CRF(l2=0.0), learner=ONLINE[kind](5)).fit(X, Y)
    tagger.save(tmp_path / "m")
    again = load(tmp_path / "m").partial_fit([["q"]] * 20, [["A"]] * 20)
    assert again.predict([["q"]]) == [["A"]]
    # The others are as they were: no sentence has had their attributes.
    assert heavy(tagger, "w[0]=a") == heavy(again, "w[0]=a") != {}
    again.save(tmp_path / "m")
    assert load(tmp_path / "m").predict([["q"]]) == [["A"]]
    other = Tagger(CRF(l2=0.0)).fit(X, Y).set_params(learner=ONLINE[kind](1))
    before = heavy(other, "w[0]=a")
    assert heavy(other.partial_fit([["q"]], [["A"]]), "w[0]=a") == before != {}


def heavy(tagger, attribute):
    """The weights of an attribute by label."""
    found = tagger.labeller_.heaviest(10**6)
    return {label: w for label, weighed in found for w, name in weighed if name == attribute}


def test_an_hmm_adds_to_its_counts():
    pieces = Tagger(HMM()).partial_fit(X[:2], Y[:2]).partial_fit(X[2:], Y[2:])
    whole = Tagger(HMM()).fit(X, Y)
    for one, other in zip(pieces.predict_proba(X), whole.predict_proba(X), strict=True):
        assert np.array_equal(one, other)


@online
def test_no_sentence_teaches_nothing(kind):
    tagger = Tagger(CRF(l2=0.0), learner=ONLINE[kind](3)).fit(X, Y)
    before = weights(tagger)
    assert all(map(torch.equal, weights(tagger.partial_fit([], [])), before))
    with pytest.raises(CatenaError, match="nothing to learn from"):
        Tagger(CRF(), learner=ONLINE[kind](3)).partial_fit([], [])


def test_another_rung_begins_anew():
    tagger = Tagger(CRF(), learner=AdaGrad(epochs=1)).fit(X, Y)
    tagger.set_params(rung=HMM(), learner=None).partial_fit(X[:2], Y[:2])
    assert tagger.predict(X) == Tagger(HMM()).fit(X[:2], Y[:2]).predict(X)
    tagger.set_params(rung=CRF(), learner=Perceptron()).partial_fit(X, Y)
    assert tagger.history_.epochs == 1


def test_what_cannot_go_on_says_so():
    with pytest.raises(CatenaError, match="L-BFGS needs all data at once"):
        Tagger(CRF()).partial_fit(X, Y)
    with pytest.raises(CatenaError, match="leave it at 1"):
        Tagger(CRF(minimum=2), learner=AdaGrad()).partial_fit(X, Y)
    with pytest.raises(CatenaError, match="a word is expected"):
        Tagger(CRF(), learner=AdaGrad()).partial_fit(X, Y).partial_fit([[("a", "b")]], [["P"]])


def test_options_that_make_no_sense():
    wrong: dict[str, Any]
    for wrong in ({"epochs": 0}, {"epochs": 1.5}, {"patience": 0}, {"minutes": -1}):
        for learner in (AdaGrad, Perceptron):
            with pytest.raises(CatenaError):
                learner(**wrong)
    for wrong in ({"rate": 0.0}, {"rate": float("inf")}, {"batch": 0}):
        with pytest.raises(CatenaError):
            AdaGrad(**wrong)
    with pytest.raises(CatenaError):
        QuasiNewton(patience=0)


# -- which weights there are --------------------------------------------------------------------


def test_the_minimum_counts_pairs_as_crfsuite_does():
    X = [[{"a": 1.0}, {"a": 0.5, "b": 1.0}], [{"b": 1.0}, {"a": 0.5, "c": 3.0}]]
    y = [["P", "Q"], ["P", "Q"]]
    crf: Any = Tagger(CRF(minimum=2, l2=0.1)).fit(X, y).labeller_
    # a goes with P once and with Q for 1.0, b with each once, c with Q for 3.0; P Q comes twice.
    assert crf.vocabulary.names.to_pylist() == ["c"]
    assert crf.transitions.count_nonzero() == 1
    assert len(crf.weights) == 1
