"""The classifier: a model a class and Bayes' rule, or one network that reads and sums up."""

import math
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import catena
from catena import (
    EM,
    GRU,
    HMM,
    LSTM,
    RNN,
    CatenaError,
    Classifier,
    Custom,
    FromFunction,
    Generator,
    Gradient,
    Markov,
    Sequences,
    Symbols,
    Vectors,
    Window,
    container,
)
from catena.formats.ts import read_series
from catena.learn import History, Interrupted
from catena.learn.checkpoint import Checkpoint
from catena.summary import SUMMARIES, Attention, Last, Max, Mean
from catena.tasks.calibration import temperature
from catena.tasks.class_models import Discriminative
from catena.tasks.labels import Labels
from catena.tasks.picture import FOR

TEXTS = ["aba", "abab", "ab", "bbba", "bb", "bbb", "abaa", "bbab"]
LABELS = ["up", "up", "up", "down", "down", "down", "up", "down"]
QUICK = Gradient(epochs=2, batch=4)
ADD = Markov(order=1, smoothing="add")


def first_decides(count=60, seed=0):
    """Texts whose first symbol is their class; what follows says nothing."""
    chance = np.random.default_rng(seed)
    y = chance.integers(0, 2, count)
    noise = ["".join(chance.choice(list("cd"), chance.integers(1, 7))) for _ in y]
    return ["ab"[label] + text for label, text in zip(y, noise, strict=True)], y


def series(count=24, seed=0):
    """Vectors whose drift is their class."""
    chance = np.random.default_rng(seed)
    y = np.array(["fall", "rise"])[chance.integers(0, 2, count)]
    slopes = np.where(y == "rise", 0.5, -0.5)
    lengths = chance.integers(3, 9, count)
    X = [
        slope * np.arange(length)[:, None] + chance.normal(0, 0.3, (length, 2))
        for slope, length in zip(slopes, lengths, strict=True)
    ]
    return X, y


NEURAL = {
    "window": Window(width=8, units=16, embedding=4),
    "rnn": RNN(units=12),
    "gru": GRU(units=12),
    "lstm": LSTM(units=12, layers=2),
    "both-ways": LSTM(units=8, bidirectional=True),
    "deep-both-ways": GRU(units=6, layers=3, bidirectional=True, residual=True, dropout=0.1),
}


def small(rung, **options):
    return Classifier(rung, learner=QUICK, **options).fit(TEXTS, LABELS)


# -- a model a class --------------------------------------------------------------------------


def test_scores_are_bayes_rule():
    model = Classifier(ADD).fit(TEXTS[:-1], LABELS[:-1])
    new = ["abba", "", "z"]
    wanted = []
    for label, share in [("down", 3 / 7), ("up", 4 / 7)]:
        own = [text for text, y in zip(TEXTS[:-1], LABELS[:-1], strict=True) if y == label]
        one = Generator(ADD, space=model.space_).fit(own)
        rows = one.log_prob(new)
        wanted.append([float(row.sum()) + math.log(share) for row in rows])
    joint = np.array(wanted).T
    assert model.classes_.tolist() == ["down", "up"]
    np.testing.assert_allclose(model.decision_function(new), joint[:, 1] - joint[:, 0], rtol=1e-12)
    posterior = np.exp(joint) / np.exp(joint).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(new), posterior, rtol=1e-12)
    assert model.predict(new).tolist() == [model.classes_[i] for i in joint.argmax(1)]
    np.testing.assert_allclose(
        model.encode(new), joint - np.log([3 / 7, 4 / 7]), rtol=1e-12, atol=1e-14
    )


def test_priors_are_counted_or_weighted():
    y = [*LABELS[:4], "up", "up", "up", "down"]
    counted = Classifier(ADD).fit(TEXTS, y).model_.log_prior.exp().tolist()
    assert counted == pytest.approx([2 / 8, 6 / 8])
    balanced = Classifier(ADD, class_weight="balanced").fit(TEXTS, y)
    assert balanced.model_.log_prior.exp().tolist() == pytest.approx([1 / 2, 1 / 2])
    given_ = Classifier(ADD, class_weight={"down": 9}).fit(TEXTS, y)
    assert given_.model_.log_prior.exp().tolist() == pytest.approx([18 / 24, 6 / 24])


def test_what_is_impossible_everywhere_is_judged_by_the_priors():
    model = Classifier(Markov(order=1, smoothing="none")).fit(["aa", "ab", "ab"], [1, 2, 2])
    found = model.predict_proba(["ba", "ab"])
    np.testing.assert_allclose(found, [[1 / 3, 2 / 3], [0, 1]], rtol=1e-12)


def test_hidden_markov_models_tell_series_apart():
    X, y = series()
    model = Classifier(HMM(states=2), learner=EM(iterations=10)).fit(X, y)
    assert model.score(*series(seed=1)) > 0.9
    assert {row["class"] for row in model.history_.rows} == {"fall", "rise"}


def test_a_class_is_learned_from_its_own_sequences_alone():
    X, y = series()
    one = Classifier(HMM(states=2), learner=EM(iterations=3), space=Vectors(2)).fit(X, y)
    others = [x + 1 if label == "rise" else x for x, label in zip(X, y, strict=True)]
    two = Classifier(HMM(states=2), learner=EM(iterations=3), space=Vectors(2)).fit(others, y)
    mine, theirs = one.encode(X), two.encode(X)
    assert (mine[:, 0] == theirs[:, 0]).all()
    assert not (mine[:, 1] == theirs[:, 1]).any()


# -- one network ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEURAL)
def test_every_rung_learns_what_stands_at_the_beginning(name):
    X, y = first_decides()
    learner = Gradient(epochs=30, rate=0.02)
    model = Classifier(NEURAL[name], learner=learner).fit(X, y)
    assert model.score(X, y) == 1.0
    assert model.score(*first_decides(seed=1)) > 0.9
    assert model.predict(X[:3]).dtype == np.int64


@pytest.mark.parametrize("summary", SUMMARIES)
@pytest.mark.parametrize("both_ways", [False, True])
def test_every_summary_learns(summary, both_ways):
    X, y = series()
    rung = GRU(units=8, bidirectional=both_ways)
    model = Classifier(rung, summary=summary, learner=Gradient(epochs=30, rate=0.02)).fit(X, y)
    assert model.score(*series(seed=1)) > 0.9
    assert model.encode(X).shape == (len(X), 16 if both_ways else 8)


def test_a_recurrence_of_ones_own_classifies():
    rung = Custom(lambda n: FromFunction(lambda s, x, theta: (0.5 * s[0] + x,), [n]), embedding=3)
    X, y = first_decides()
    model = Classifier(rung, summary="max", learner=Gradient(epochs=40, rate=0.05)).fit(X, y)
    assert model.score(X, y) == 1.0


def test_a_bidirectional_summary_is_where_both_ways_end():
    model = small(NEURAL["both-ways"])
    stack = model.model_.encoder.recurrence.layers[0]
    x = model.space_.encode(["abb"])
    embedded = x.with_values(model.model_.encoder.embed(x.values))
    with torch.no_grad():
        (ahead,) = [catena.scan(stack.forwards, embedded).features[0][-1]]
        (behind,) = [catena.scan(stack.backwards, embedded, reverse=True).features[0][0]]
    wanted = torch.cat([ahead, behind]).numpy()
    np.testing.assert_allclose(model.encode(["abb"])[0], wanted, atol=1e-6)


@pytest.mark.parametrize("name", [*NEURAL, "markov", "hmm"])
def test_a_sequence_is_judged_alike_alone_and_in_any_company(name):
    rung = {**NEURAL, "markov": ADD, "hmm": HMM(states=2)}[name]
    learner = {"markov": None, "hmm": EM(iterations=2)}.get(name, QUICK)
    model = Classifier(rung, summary="last", learner=learner).fit(TEXTS, LABELS)
    X = ["", *TEXTS, "bab" * 9, ""]
    alone = np.concatenate([model.predict_proba([x]) for x in X])
    np.testing.assert_allclose(model.predict_proba(X), alone, atol=2e-7)
    np.testing.assert_allclose(model.predict_proba(X[::-1])[::-1], alone, atol=2e-7)
    assert model.predict_proba([]).shape == (0, 2)
    assert len(model.predict([])) == 0


def test_long_input_is_taken_in_pieces():
    model = small(NEURAL["gru"])
    whole = model.predict_proba(TEXTS)
    with patch("catena.tasks.class_models.PIECE", 5):
        np.testing.assert_allclose(model.predict_proba(TEXTS), whole, atol=2e-7)


def test_the_seed_decides():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    one, two = (small(NEURAL["lstm"], seed=3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert (one.predict_proba(TEXTS) == two.predict_proba(TEXTS)).all()
    assert (small(NEURAL["lstm"], seed=4).predict_proba(TEXTS) != one.predict_proba(TEXTS)).any()


# -- summaries --------------------------------------------------------------------------------


def by_hand(summary, rows):
    """One sequence after the other."""
    found = []
    for h in rows:
        if not len(h):
            found.append(torch.zeros(h.shape[1], dtype=h.dtype))
        elif isinstance(summary, Last):
            half = h.shape[1] // 2
            both = torch.cat([h[-1, :half], h[0, half:]])
            found.append(both if summary.both_ways else h[-1])
        elif isinstance(summary, Mean):
            found.append(h.mean(0))
        elif isinstance(summary, Max):
            found.append(h.max(0).values)
        else:
            a = summary.query(torch.tanh(summary.key(h))).softmax(0)
            found.append((a * h).sum(0))
    return torch.stack(found)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 9))
def test_summaries_are_those_of_each_sequence(lengths, seed):
    torch.manual_seed(seed)
    values = torch.randn(sum(lengths), 4, dtype=torch.float64, requires_grad=True)
    features = Sequences(values, torch.tensor(lengths))
    for summary in (Last(), Last(both_ways=True), Mean(), Max(), Attention(4).double()):
        found = summary(features)
        torch.testing.assert_close(found, by_hand(summary, list(features)), rtol=1e-12, atol=1e-12)
        if len(values):
            assert torch.autograd.gradcheck(
                lambda v, s=summary: s(features.with_values(v)), (values,), atol=1e-6
            )


def test_attention_is_shown():
    model = small(NEURAL["gru"], summary="attention")
    weights = model.attention(["abab", "", "b"])
    assert [len(row) for row in weights] == [4, 0, 1]
    assert [float(row.sum()) for row in weights] == pytest.approx([1, 0, 1])
    with pytest.raises(CatenaError, match="summary='attention'"):
        small(NEURAL["gru"]).attention(["a"])


def test_influence_is_what_leaving_a_step_out_does():
    for model in (Classifier(ADD).fit(TEXTS, LABELS), small(NEURAL["both-ways"])):
        found = model.influence(["abb", "", "b"])
        (whole,) = model.predict_log_proba(["abb"])
        without = model.predict_log_proba(["bb", "ab", "ab"])
        np.testing.assert_allclose(found[0], whole - without, atol=1e-6)
        assert [row.shape for row in found] == [(3, 2), (0, 2), (1, 2)]
    impossible = Classifier(Markov(order=1, smoothing="none")).fit(["aab", "bab"], [1, 2])
    assert not np.isnan(impossible.influence(["bab", "bb"])[0]).any()


def test_influence_is_drawn(tmp_path):
    model = Classifier(ADD).fit(TEXTS, LABELS)
    model.draw(tmp_path / "one.svg", "abz")
    drawn = (tmp_path / "one.svg").read_text()
    assert all(f">{text}</text>" in drawn for text in ("a", "b", "⟨unk⟩", "for and against up"))
    (steps,) = model.influence(["abz"])
    for column, label in enumerate(["down", "up"]):
        model.draw(tmp_path / f"{label}.svg", "abz", label)
        bars = (tmp_path / f"{label}.svg").read_text().count(f"fill: {FOR}")
        assert bars == (steps[:, column] >= 0).sum()
    model.draw(tmp_path / "empty.png", "")
    impossible = Classifier(Markov(order=1, smoothing="none")).fit(["aab", "bab"], [1, 2])
    impossible.draw(tmp_path / "infinite.pdf", "bab")
    X, y = series()
    Classifier(HMM(states=1), learner=EM(iterations=1)).fit(X, y).draw(tmp_path / "long.png", X[0])
    for message, path, label in [("ends in one of", "x.bmp", "up"), ("not seen", "x.png", "left")]:
        with pytest.raises(CatenaError, match=message):
            model.draw(tmp_path / path, "ab", label)


# -- weights ----------------------------------------------------------------------------------

FULL = Gradient(
    epochs=4, batch=64, optimizer="sgd", rate=0.3, warmup=0, schedule="constant", weight_decay=0.0
)


def probabilities(X, y, **options):
    space = Symbols.learn(TEXTS)
    weight = options.pop("sample_weight", None)
    model = Classifier(GRU(units=5), space=space, learner=FULL, **options)
    return model.fit(X, y, sample_weight=weight).predict_proba(TEXTS)


def test_a_weight_is_so_many_copies():
    X = [*TEXTS, *TEXTS[:2], TEXTS[0]]
    y = [*LABELS, *LABELS[:2], LABELS[0]]
    copied = probabilities(X, y)
    weighted = probabilities(TEXTS, LABELS, sample_weight=[3, 2, 1, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(weighted, copied, atol=1e-5)
    assert np.abs(probabilities(TEXTS, LABELS) - copied).max() > 1e-3


SMOOTHINGS = {
    name: (Markov(order=2, smoothing=name), None)
    for name in ("none", "add", "witten_bell", "modified_kneser_ney")
}
# With one state, what EM ends with does not depend on where it begins.
COUNTED = SMOOTHINGS | {"hmm": (HMM(states=1), EM(iterations=1, tolerance=0.0, span=3))}


@pytest.mark.parametrize("name", COUNTED)
def test_a_model_a_class_counts_copies(name):
    (rung, learner), weights = COUNTED[name], [3, 2, 1, 0, 1, 2, 1, 1]
    space = Symbols.learn(TEXTS)
    X = [text for text, times in zip(TEXTS, weights, strict=True) for _ in range(times)]
    y = [label for label, times in zip(LABELS, weights, strict=True) for _ in range(times)]
    model = Classifier(rung, space=space, learner=learner)
    plain = model.fit(TEXTS, LABELS).encode(TEXTS)
    copied, priors = model.fit(X, y).encode(TEXTS), model.model_.log_prior
    found = model.fit(TEXTS, LABELS, sample_weight=weights).encode(TEXTS)
    np.testing.assert_allclose(found, copied, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model.model_.log_prior, priors)
    assert not np.allclose(plain, copied, atol=0.01)


def test_a_class_weight_weighs_every_sequence_of_the_class():
    weights = [3.0 if label == "up" else 0.5 for label in LABELS]
    by_class = probabilities(TEXTS, LABELS, class_weight={"up": 3.0, "down": 0.5})
    by_sample = probabilities(TEXTS, LABELS, sample_weight=weights)
    np.testing.assert_array_equal(by_class, by_sample)
    y = ["up"] * 6 + ["down"] * 2
    balanced = probabilities(TEXTS, y, class_weight="balanced")
    by_hand_ = probabilities(TEXTS, y, sample_weight=[1 / 6] * 6 + [1 / 2] * 2)
    np.testing.assert_allclose(balanced, by_hand_, atol=1e-6)


# -- several labels ---------------------------------------------------------------------------


def has(symbols="abc", count=80, seed=0):
    """Texts, each labelled with those of the symbols that it has."""
    chance = np.random.default_rng(seed)
    X = ["".join(chance.choice(list("abcdef"), chance.integers(1, 5))) for _ in range(count)]
    return X, [set(x) & set(symbols) for x in X]


def test_several_labels_are_learned():
    X, y = has()
    model = Classifier(
        Window(width=1, units=16), summary="max", learner=Gradient(epochs=60, rate=0.02)
    ).fit(X, y)
    new, truth = has(seed=1)
    assert model.score(new, truth) > 0.9
    assert model.predict(["af", "d", "cb"]) == [{"a"}, set(), {"b", "c"}]
    proba = model.predict_proba(new)
    assert proba.shape == (80, 3)
    assert ((proba > 0.5) == (model.decision_function(new) > 0)).all()
    found = model.evaluate(new, truth)
    assert found.accuracy == model.score(new, truth)
    assert set(found.scores.labels) == {"a", "b", "c"}
    assert found.confusion is None


def test_a_matrix_of_0_and_1_is_answered_by_one(tmp_path):
    X, sets = has("ab")
    y = np.array([["a" in own, "b" in own, False] for own in sets]).astype(int)
    learner = Gradient(epochs=30, rate=0.02)
    model = Classifier(Window(width=1, units=8), summary="max", learner=learner).fit(X, y)
    model.save(tmp_path / "m")
    for one in (model, catena.load(tmp_path / "m")):
        found = one.predict(X)
        assert (found.dtype, found.shape, one.classes_.tolist()) == (np.int64, y.shape, [0, 1, 2])
        assert ((one.predict_proba(X) > 0.5) == found).all()
        assert one.score(X, y) == (found == y).all(1).mean() > 0.9
        assert one.evaluate(X, y).accuracy == one.score(X, y)
        assert not found[:, 2].any()
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(y)
    assert model.score(X, sparse) == model.score(X, y.astype(bool)) == model.score(X, y)


@pytest.mark.parametrize("weight", ["balanced", {0: 3.0, 2: 0.5}])
def test_sets_of_labels_are_weighed_as_scikit_learn_does(weight):
    weights = pytest.importorskip("sklearn.utils.class_weight").compute_sample_weight
    y = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]])
    labels = Labels.learn(y)
    theirs = weight
    if weight != "balanced":
        theirs = [{0: 1.0, 1: weight.get(label, 1.0)} for label in range(3)]
    ours = labels.weights(labels.encode(y), weight)
    np.testing.assert_allclose(ours, weights(theirs, y), rtol=1e-12)
    learner = Gradient(epochs=1)
    Classifier(GRU(units=2), class_weight=weight, learner=learner).fit(["a", "b"] * 2 + ["c"], y)


# -- how good ---------------------------------------------------------------------------------


def test_evaluation_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    X, y = series(40, seed=2)
    y[:6] = "rise"
    model = Classifier(HMM(states=2), learner=EM(iterations=4)).fit(X, y)
    found, predicted = model.evaluate(X, y), model.predict(X)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(y, predicted))
    assert found.accuracy < 1
    assert found.macro_f1 == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
    np.testing.assert_array_equal(found.confusion.counts, metrics.confusion_matrix(y, predicted))
    assert len(found.errors) == sum(y != predicted)
    weights = np.arange(40.0)
    assert model.score(X, y, weights) == pytest.approx(
        metrics.accuracy_score(y, predicted, sample_weight=weights)
    )
    with pytest.raises(CatenaError, match="all weights are zero: no sequence counts"):
        model.score(X, y, np.zeros(40))


def test_a_label_unseen_in_training_is_an_error_and_is_named():
    model = Classifier(ADD).fit(TEXTS, LABELS)
    y = ["sideways", *LABELS[1:]]
    assert model.score(TEXTS, y) <= 7 / 8
    found = model.evaluate(TEXTS, y)
    assert found.accuracy == model.score(TEXTS, y)
    assert found.unseen == ("sideways",)
    assert found.errors[0][:3] == (0, None, "sideways")


def test_calibration_finds_the_temperature():
    chance = np.random.default_rng(0)
    scores = torch.from_numpy(chance.normal(size=(4000, 3)))
    targets = torch.distributions.Categorical(logits=scores / 2.5).sample()
    for many in (False, True):
        if many:
            targets = torch.bernoulli((scores / 2.5).sigmoid())
        assert temperature(scores, targets, many) == pytest.approx(2.5, rel=0.15)
    impossible = torch.tensor([[-math.inf, 0.0]])
    assert temperature(impossible, torch.tensor([0]), False) == 1.0


def test_calibrated_probabilities_suit_the_held_out_data():
    # Every symbol stands five times, which the model takes for five times the evidence.
    chance = np.random.default_rng(0)
    y = chance.integers(0, 2, 80)
    texts = ["".join(5 * c for c in chance.choice(list("ab"), 3, p=[0.6, 0.4])) for _ in y]
    X = [
        text.translate(str.maketrans("ab", "ba")) if c else text
        for c, text in zip(y, texts, strict=True)
    ]
    held = X[40:], y[40:]
    plain = Classifier(Markov(order=0)).fit(X[:40], y[:40], held)
    sure = Classifier(Markov(order=0), calibrate=True).fit(X[:40], y[:40], held)

    def loss(model):
        return -model.predict_log_proba(held[0])[range(40), held[1]].mean()

    assert plain.temperature_ == 1.0
    assert sure.temperature_ > 1.0
    assert loss(sure) < loss(plain)
    assert (sure.predict(X) == plain.predict(X)).all()


def test_held_out_data_says_when_to_stop():
    X, y = first_decides(40)
    learner = Gradient(epochs=400, patience=2, rate=0.05)
    other, _ = first_decides(20, seed=1)
    model = Classifier(GRU(units=6), learner=learner).fit(X, y, (other, y[:20]))
    assert any("stopped early" in note for note in model.history_.notes)
    assert all("valid" in row for row in model.history_.rows)


# -- keeping ----------------------------------------------------------------------------------

MANY = [{"x"}, {"y", "x"}, set(), {"y"}, {"x"}, {"y"}, set(), {"x"}]
KEPT = {
    "markov": (ADD, LABELS, {"class_weight": {"up": 2}}),
    "hmm": (HMM(states=2), [1, 1, 1, 2, 2, 2, 1, 2], {"learner": EM(iterations=2)}),
    "lstm": (LSTM(units=4, bidirectional=True), LABELS, {"summary": "attention"}),
    "window": (Window(units=4), [True, False] * 4, {"class_weight": {True: 2.0}}),
    "several": (GRU(units=4), MANY, {"unit": "byte"}),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_saved_classifier_says_the_same(name, tmp_path):
    rung, y, options = KEPT[name]
    options = {"learner": QUICK, **options} if name != "markov" else options
    model = Classifier(rung, **options).fit(TEXTS, y)
    model.save(tmp_path / "m")
    back = catena.load(tmp_path / "m")
    assert isinstance(back, Classifier)
    assert (back.predict_proba(TEXTS) == model.predict_proba(TEXTS)).all()
    assert (back.encode(TEXTS) == model.encode(TEXTS)).all()
    assert list(back.predict(TEXTS)) == list(model.predict(TEXTS))
    assert back.classes_.dtype == model.classes_.dtype
    assert (back.space_, back.learner_, back.history_) == (
        model.space_, model.learner_, model.history_
    )  # fmt: skip
    wanted = {**model.get_params(deep=False), "learner": model.learner_}
    assert back.get_params(deep=False) == wanted


def test_a_calibrated_classifier_stays_calibrated(tmp_path):
    model = Classifier(ADD, calibrate=True).fit(TEXTS, LABELS, (TEXTS[::-1], LABELS))
    model.save(tmp_path / "m")
    assert model.temperature_ != 1.0
    found = catena.load(tmp_path / "m").predict_proba(TEXTS)
    assert (found == model.predict_proba(TEXTS)).all()


def test_files_of_other_tasks_and_damaged_ones_are_refused(tmp_path):
    Generator(ADD).fit(TEXTS).save(tmp_path / "g")
    with pytest.raises(CatenaError, match="a model for the task 'generate', not 'classify'"):
        catena.tasks.classify.load(tmp_path / "g")
    assert isinstance(catena.load(tmp_path / "g"), Generator)
    Classifier(ADD).fit(TEXTS, LABELS).save(tmp_path / "c")
    tensors, facts = container.read(tmp_path / "c")
    for change in (
        {"labels": {"names": ["a", "b", "c"], "many": False}},
        {"labels": {"names": ["a"], "many": False}},
        {"labels": 3},
        {"history": 3},
        {"temperature": None},
    ):
        container.write(tmp_path / "d", tensors, {**facts, "task": {**facts["task"], **change}})
        with pytest.raises(CatenaError, match="damaged"):
            catena.load(tmp_path / "d")


def test_it_is_resumed_to_the_same_bits(tmp_path):
    def fitted(resume=False, checkpoint=None, y=LABELS):
        learner = Gradient(epochs=6, batch=3, average=0.9)
        model = Classifier(LSTM(units=4, dropout=0.3, bidirectional=True), learner=learner)
        return model.fit(TEXTS, y, checkpoint=checkpoint, resume=resume)

    class CutError(Exception):
        pass

    wanted, save, saves = fitted(), Checkpoint.save, [0]

    def cutting(self, *rest):
        save(self, *rest)
        saves[0] += 1
        if saves[0] in (4, 9):
            raise CutError

    path, cuts, found = tmp_path / "c", 0, None
    with patch.object(Checkpoint, "due", True), patch.object(Checkpoint, "save", cutting):
        while found is None:
            try:
                found = fitted(True, path)
            except CutError:
                cuts += 1
    assert cuts == 2
    mine, theirs = found.model_.state_dict(), wanted.model_.state_dict()
    assert all(container.same(mine[name], theirs[name]) for name in theirs)
    with pytest.raises(CatenaError, match="another model, other options or other data"):
        fitted(True, path, LABELS[::-1])


def test_class_after_class_is_resumed(tmp_path):
    X, y = series()
    learner = EM(iterations=5, tolerance=0.0)
    wanted = Classifier(HMM(states=2), learner=learner).fit(X, y).encode(X)
    calls = [0]

    def stopping(progress):
        calls[0] += 1
        assert 0 <= progress.done <= 1
        if calls[0] == 9:  # in the second class
            signal.raise_signal(signal.SIGINT)

    path = tmp_path / "c"
    model = Classifier(HMM(states=2), learner=learner)
    with pytest.raises(Interrupted):
        model.fit(X, y, report=stopping, checkpoint=path)
    assert not hasattr(model, "model_")
    assert list(tmp_path.iterdir())
    again = model.fit(X, y, checkpoint=path, resume=True)
    assert (again.encode(X) == wanted).all()
    assert not list(tmp_path.iterdir())


# -- what goes wrong --------------------------------------------------------------------------

NAN = np.array([[1.0], [math.nan]])
REFUSED = {
    "lengths": (ADD, {}, TEXTS, LABELS[:-1], "8 sequences, but labels for 7"),
    "one-class": (ADD, {}, TEXTS, ["up"] * 8, "only the label 'up'"),
    "no-class": (ADD, {}, [], [], "there is no label"),
    "one-text": (ADD, {}, "abab", list("abab"), "wrap it in a list"),
    "mixed": (ADD, {}, TEXTS, [*LABELS[:-1], 3], "some labels are strings and some are numbers"),
    "nan-label": (ADD, {}, TEXTS, [1.0] * 7 + [math.nan], "label of sequence 1 is 1.0"),
    "none": (ADD, {}, TEXTS, [*LABELS[:-1], None], "label of sequence 8 is None"),
    "table": (GRU(units=2), {}, TEXTS, np.full((8, 2), 2), "1 where a sequence has it"),
    "column": (ADD, {}, TEXTS, np.zeros((8, 1)), "a column for each label, two or more"),
    "table-markov": (ADD, {}, TEXTS, np.eye(8), "one label, not a set"),
    "constant": (GRU(units=2), {}, [[1.5, 1.5], [1.5]], [1, 2], "the same, 1.5: there is nothing"),
    "text-labels": (ADD, {}, TEXTS, "updownup", "one label, or one set of labels"),
    "half-sets": (GRU(units=2), {}, TEXTS, [*LABELS[:-1], {"up"}], "give each sequence a set"),
    "sets-markov": (ADD, {}, TEXTS, MANY, "one label, not a set"),
    "sets-weight": (GRU(units=2), {"class_weight": "even"}, TEXTS, MANY, "'balanced' or a dict"),
    "weight-name": (ADD, {"class_weight": {"left": 1}}, TEXTS, LABELS, "names 'left'"),
    "weight-word": (ADD, {"class_weight": "even"}, TEXTS, LABELS, "'balanced' or a dict"),
    "weight-below": (ADD, {"class_weight": {"up": -1}}, TEXTS, LABELS, "at least 0, not -1"),
    "weight-zero": (ADD, {"class_weight": {"up": 0, "down": 0}}, TEXTS, LABELS, "weights are zero"),
    "summary": (GRU(units=2), {"summary": "sum"}, TEXTS, LABELS, "summary must be one of last"),
    "calibrate": (ADD, {"calibrate": True}, TEXTS, LABELS, "calibrate needs held-out data"),
    "learner": (GRU(units=2), {"learner": EM()}, TEXTS, LABELS, "learned by gradient, not by em"),
    "all-empty": (GRU(units=2), {}, ["", ""], [1, 2], "nothing to learn from"),
    "nan": (HMM(states=1), {}, [NAN, NAN + 1], [1, 2], "sequence 1, step 2, column 1: nan"),
    "empty-class": (HMM(states=1), {}, [[1.0, 2.0], []], ["a", "b"], "the class 'b' is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learned_is_named(name):
    rung, options, X, y, message = REFUSED[name]
    with pytest.raises(CatenaError, match=message):
        Classifier(rung, **options).fit(X, y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "8 numbers"),
        ([-1.0] * 8, "at least 0"),
        ([math.nan] * 8, "finite"),
        ([0] * 8, "all weights are zero"),
        (["one"] * 8, "must be numbers"),
    ],
)
@pytest.mark.parametrize("rung", [ADD, GRU(units=2)], ids=["markov", "gru"])
def test_weights_that_are_none_are_refused(rung, weights, message):
    with pytest.raises(CatenaError, match=message):
        Classifier(rung).fit(TEXTS, LABELS, sample_weight=weights)


def test_misuse_is_named():
    with pytest.raises(CatenaError, match="must be whole numbers"):
        Classifier(Markov(order=1)).fit(TEXTS, LABELS, sample_weight=[0.5] * 8)
    with pytest.raises(CatenaError, match="takes no weights of sequences"):
        Classifier(HMM(2), learner=QUICK).fit(TEXTS, LABELS, sample_weight=[0.5] * 8)
    weights = [float(label == "up") for label in LABELS]
    with pytest.raises(CatenaError, match="the class 'down' weighs 0"):
        Classifier(ADD).fit(TEXTS, LABELS, sample_weight=weights)
    with pytest.raises(CatenaError, match="not fitted yet"):
        Classifier(ADD).predict(["a"])
    with pytest.raises(CatenaError, match="'sideways' was not seen in training"):
        Classifier(ADD).fit(TEXTS, LABELS, (["a"], ["sideways"]))
    with pytest.raises(CatenaError, match="wrap it in a list"):
        Classifier(ADD).fit(TEXTS, LABELS).predict("ab")
    with pytest.raises(CatenaError, match="2 sequences, but labels for 1"):
        Classifier(ADD).fit(TEXTS, LABELS).score(["a", "b"], ["up"])


@pytest.mark.parametrize("rung", [ADD, HMM(states=2), GRU(units=3)], ids=["markov", "hmm", "gru"])
def test_a_class_of_one_example_is_learned_and_named(rung):
    y = ["up"] * 7 + ["down"]
    learner = QUICK if isinstance(rung, GRU) else None
    model = Classifier(rung, learner=learner).fit(TEXTS, y)
    assert model.history_.notes[0] == "the class 'down' has one example only"
    assert np.isfinite(model.predict_log_proba(TEXTS)).all()


@pytest.mark.parametrize("rung", [HMM(states=2), GRU(units=3)], ids=["hmm", "gru"])
def test_constant_numbers_and_empty_series_are_judged(rung):
    X = [np.ones((3, 2)), np.ones((0, 2)), np.ones((5, 2)), np.ones((1, 2))]
    learner = QUICK if isinstance(rung, GRU) else EM(iterations=2)
    model = Classifier(rung, learner=learner).fit(X, [1, 1, 2, 2])
    proba = model.predict_proba([*X, np.ones((0, 2))])
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-6)


def test_texts_with_end_of_length_zero_make_a_class():
    model = Classifier(ADD).fit(["", "", "ab", "a"], ["none", "none", "some", "some"])
    assert model.predict(["", "ab"]).tolist() == ["none", "some"]


# -- scikit-learn's manners -------------------------------------------------------------------


def test_scikit_learn_can_search_over_it():
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV, cross_val_score

    model = Classifier(ADD, class_weight={"up": 2.0}, seed=4).fit(TEXTS, LABELS)
    copy = base.clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "model_")
    assert base.is_classifier(copy)
    X, y = ["abababab", "aabbaabb"] * 6, [0, 1] * 6
    search = GridSearchCV(Classifier(ADD), {"rung__order": [0, 1]}, cv=3, error_score="raise")
    search.fit(X, y)
    assert search.best_params_["rung__order"] == 1
    assert search.best_estimator_.score(X, y) == search.score(X, y)
    X, y = first_decides()
    learner = Gradient(epochs=20, rate=0.03)
    scores = cross_val_score(Classifier(GRU(units=8), learner=learner), X, y, cv=3)
    assert scores.mean() > 0.9
    X, y = series()
    options = {"cv": 3, "scoring": "roc_auc", "error_score": "raise"}
    scores = cross_val_score(Classifier(HMM(states=2), learner=EM(iterations=5)), X, y, **options)
    assert scores.mean() > 0.9


def test_summaries_feed_what_scikit_learn_has():
    linear = pytest.importorskip("sklearn.linear_model")
    X, y = series()
    model = Classifier(GRU(units=8), summary="mean", learner=Gradient(epochs=20)).fit(X, y)
    other = linear.LogisticRegression().fit(model.encode(X), y)
    assert other.score(model.encode(X), y) > 0.9


@pytest.mark.parametrize("form", ["list", "pair", "sequences", "tensors", "array"])
def test_forms_of_data_are_the_same(form):
    X, y = series()
    forms = {
        "list": X,
        "pair": (np.concatenate(X), [len(x) for x in X]),
        "sequences": Sequences.from_list(X),
        "tensors": [torch.from_numpy(x) for x in X],
        "array": np.array([*X, None], dtype=object)[:-1],
    }
    learner = EM(iterations=2)
    wanted = Classifier(HMM(states=2), learner=learner).fit(X, y).predict_proba(X)
    found = Classifier(HMM(states=2), learner=learner).fit(forms[form], y)
    np.testing.assert_array_equal(found.predict_proba(forms[form]), wanted)


def test_repr_shows_what_was_chosen():
    assert repr(Classifier(ADD, summary="mean")) == f"Classifier(rung={ADD!r}, summary='mean')"


def test_the_network_is_one():
    model = small(NEURAL["lstm"])
    assert isinstance(model.model_, Discriminative)
    assert not model.model_.training


# -- real data --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hmm", "gru"])
def test_japanese_vowels(kind):
    """Nine speakers, the archive's own split: at least 0.97 are right."""
    folder = Path(os.environ.get("CATENA_DATA", "."))
    paths = [folder / f"uea_ucr/JapaneseVowels_{part}.ts.xz" for part in ("TRAIN", "TEST")]
    if not paths[0].exists():
        pytest.skip("CATENA_DATA names no folder with uea_ucr/JapaneseVowels")
    train, test = map(read_series, paths)
    model = {
        "hmm": Classifier(HMM(states=5), learner=EM(iterations=30)),
        "gru": Classifier(
            GRU(units=32, dropout=0.3, bidirectional=True),
            summary="mean",
            learner=Gradient(epochs=40, rate=5e-3, average=0.98),
        ),
    }[kind]
    assert model.fit(train.sequences, train.labels).score(test.sequences, test.labels) >= 0.97


def test_classes_share_the_time_by_their_size():
    spent = []

    @dataclass(frozen=True)
    class Timed:
        minutes: float
        kind: ClassVar[str] = "em"

        def fit(self, model, train, valid, run, weights):
            spent.append(self.minutes)
            return History()

    X, y = ["ab"] * 30 + ["abab"] * 6, ["many"] * 30 + ["few"] * 6
    Classifier(HMM(2), learner=Timed(4.0)).fit(X, y)
    assert spent == [1.0, 3.0]  # by steps, the ends among them
