"""Classifiers and taggers on data that nobody would choose: empty, endless, foreign or broken."""

import math
import resource
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pyarrow
import pytest
import torch

import catena
from catena import (
    CRF,
    EM,
    GRU,
    HMM,
    CatenaError,
    Classifier,
    Generator,
    Gradient,
    Markov,
    QuasiNewton,
    Tagger,
    Window,
)

TEXTS = ["aba", "abab", "ab", "bbba", "bb", "bbb", "abaa", "bbab"]
UP = [True, True, True, False, False, False, True, False]
LABELS = ["up" if up else "down" for up in UP]
ADD = Markov(order=1, smoothing="add")
QUICK = Gradient(epochs=1)
RUNGS = {
    "markov": (ADD, None),
    "hmm": (HMM(states=2), EM(iterations=2)),
    "gru": (GRU(units=4), QUICK),
    "window": (Window(units=4), QUICK),
}
MEASURING = [name for name in RUNGS if name != "markov"]
TAGGERS = {"counted": (HMM(), None), "field": (CRF(), QuasiNewton(iterations=3))}
WORDS = [["a", "b"], ["b"], [], ["é\U0001f600", "a"]]
TAGS = [["A", "B"], ["B"], [], ["A", "A"]]

# -- labels -------------------------------------------------------------------------------------

PAIRS = {
    "whole": (1, 2),
    "negative": (-(2**63), 2**63 - 1),
    "numpy": (np.str_("up"), np.str_("down")),
    "bool": (True, False),
    "numpy-bool": (np.True_, np.False_),
    "lines": ("up\n\tup", "up\n\tdown"),
    "unicode": ("↑é", "\U0001f600"),
    "half-a-character": ("\ud800", "b"),
    "empty": ("", "b"),
    "spaces": ("up", "up "),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_label_comes_back_as_it_was(name, tmp_path):
    y = [PAIRS[name][not up] for up in UP]
    model = Classifier(ADD).fit(TEXTS, y)
    assert model.predict(TEXTS).tolist() == y
    assert model.evaluate(TEXTS, y).accuracy == 1.0
    model.save(tmp_path / "m")
    back = catena.load(tmp_path / "m")
    assert back.predict(TEXTS).tolist() == y
    assert back.classes_.dtype == model.classes_.dtype


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (None, "is None; a label is a string"),
        (1.5, "is 1.5; a label is a string"),
        (b"up", "a label is a string"),
        ("up\0", "must not end in a NUL"),
        (2**63, "must fit in 64 bits"),
    ],
)
def test_what_cannot_be_a_label_is_named(label, message):
    y = [label if up else 0 if isinstance(label, int) else "down" for up in UP]
    with pytest.raises(CatenaError, match=f"label of sequence 1 .*{message}"):
        Classifier(ADD).fit(TEXTS, y)


@pytest.mark.parametrize("y", [None, set(LABELS), dict(enumerate(LABELS)), iter(LABELS)])
def test_labels_in_no_order_are_refused(y):
    with pytest.raises(CatenaError, match=r"y must have one label|y to be passed"):
        Classifier(ADD).fit(TEXTS, y)


@pytest.mark.parametrize("name", TAGGERS)
def test_tags_come_back_as_they_were(name, tmp_path):
    rung, learner = TAGGERS[name]
    for odd in ("A\n\tx", "", "↑\U0001f600"):
        y = [[odd if tag == "A" else tag for tag in row] for row in TAGS]
        model = Tagger(rung, learner=learner).fit(WORDS, y)
        model.save(tmp_path / "m")
        assert catena.load(tmp_path / "m").predict(WORDS) == model.predict(WORDS) == y


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "a list of labels is needed"),
        (["AB", "B", "", "AA"], "sentence 1: 'AB' is no list of labels"),
        ([1, 2, 3, 4], "sentence 1: 1 is no list of labels"),
        ([["A", None], *TAGS[1:]], "token 2: the label None is no string"),
        ([["A"], *TAGS[1:]], "has 2 tokens, but 1 labels"),
    ],
)
def test_tags_that_are_none_are_named(y, message):
    with pytest.raises(CatenaError, match=message):
        Tagger(HMM()).fit(WORDS, y)


# -- sequences ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNGS)
def test_nothing_one_step_and_what_was_never_seen(name):
    rung, learner = RUNGS[name]
    model = Classifier(rung, learner=learner).fit(["", "a", "b", ""], [1, 1, 2, 2])
    new = ["", "a", "zzz", "é\U0001f600", "\ud800", "ab" * 40]
    found = model.predict_proba(new)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    order = [3, 0, 5, 4, 2, 1]
    np.testing.assert_allclose(
        model.predict_proba([new[i] for i in order]), found[order], atol=2e-7
    )
    with pytest.raises(CatenaError, match="there is only the label 1: one class"):
        Classifier(rung, learner=learner).fit(["abc"], [1])
    strict = Classifier(rung, learner=learner, unknown="error").fit(TEXTS, LABELS)
    with pytest.raises(CatenaError, match="sequence 2, position 3: the symbol 'z'"):
        strict.predict(["ab", "abz"])


@pytest.mark.parametrize("name", MEASURING)
def test_numbers_without_spread_and_beyond_all_measure(name):
    rung, learner = RUNGS[name]
    for levels in ((1e150, 9e149), (1.0, 2.0)):
        X = [np.full((3, 1), level) for level in levels * 2]
        model = Classifier(rung, learner=learner).fit(X, [1, 2, 1, 2])
        found = model.predict_proba([X[0], np.full((2, 1), -1e308), np.full((1, 1), 1e308)])
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    with pytest.raises(CatenaError, match=r"every observation is the same, 1e\+300"):
        Classifier(rung, learner=learner).fit([np.full((3, 1), 1e300)] * 4, [1, 2, 1, 2])
    for bad in (math.nan, math.inf):
        with pytest.raises(CatenaError, match=r"sequence 2, step 1, column 1: (nan|inf)"):
            model.predict([[1.0], [bad]])


@pytest.mark.parametrize("name", TAGGERS)
def test_taggers_on_nothing_and_on_what_was_never_seen(name):
    rung, learner = TAGGERS[name]
    model = Tagger(rung, learner=learner).fit(WORDS, TAGS)
    new = [[], ["zz"], ["a"] * 5, ["\n", "\t", ""]]
    found = model.predict(new)
    assert [len(row) for row in found] == [0, 1, 5, 3]
    assert model.predict(new[::-1]) == found[::-1]
    assert [model.predict([one])[0] for one in new] == found
    assert [p.shape for p in model.predict_proba(new)] == [(len(row), 2) for row in new]
    assert model.n_best([[]], 3) == [[([], 1.0)]]
    assert model.predict([]) == []
    assert Tagger(rung, learner=learner).fit([["a"]], [["A"]]).predict([["b"], []]) == [["A"], []]
    for broken in ([["a", math.nan]], [["a", None]], [["a", 1]]):
        with pytest.raises(CatenaError, match=r"sentence 1, token 2: .* a word is expected"):
            model.predict(broken)


# -- columns of tables --------------------------------------------------------------------------


def columns():
    found = {
        "tuple": tuple,
        "numpy": np.array,
        "objects": lambda rows: np.array([*rows, None], dtype=object)[:-1],
        "arrow": pyarrow.array,
        "chunks": lambda rows: pyarrow.chunked_array([rows[:3], rows[3:]]),
    }
    for name in ("pandas", "polars"):
        if find_spec(name) is not None:
            found[name] = lambda rows, name=name: import_module(name).Series(rows)
    return found


@pytest.mark.parametrize("name", columns())
def test_a_column_is_a_list(name):
    column = columns()[name]
    wanted = Classifier(ADD).fit(TEXTS, LABELS)
    model = Classifier(ADD).fit(column(TEXTS), column(LABELS), sample_weight=column([1.0] * 8))
    assert model.space_ == wanted.space_
    np.testing.assert_array_equal(model.predict_proba(column(TEXTS)), wanted.predict_proba(TEXTS))
    assert model.score(column(TEXTS), column(LABELS)) == 1.0
    bits = Generator(ADD).fit(column(TEXTS)).bits(column(TEXTS))
    assert bits == Generator(ADD).fit(TEXTS).bits(TEXTS)


def test_numbers_in_columns():
    X = [[1.0, 2.0], [0.5], [3.0, 1.0, 2.0], [2.0]]
    wanted = Classifier(HMM(2), learner=EM(iterations=1)).fit(X, [1, 2, 1, 2]).predict_proba(X)
    objects = [np.array(row, dtype=object) for row in X]
    for form in (pyarrow.array(X), objects, [torch.tensor(row, dtype=torch.float64) for row in X]):
        model = Classifier(HMM(2), learner=EM(iterations=1)).fit(form, np.array([1, 2, 1, 2]))
        np.testing.assert_array_equal(model.predict_proba(form), wanted)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pyarrow.table({"text": TEXTS}), "a Table is a table"),
        (pyarrow.array([*TEXTS[:7], None]), "a sequence is needed, not .* None"),
        ((text for text in TEXTS), "must be a list or an array of sequences"),
        ([{"a": 1}] * 8, "a dict is no sequence"),
        ([{"a"}] * 8, "a set is no sequence"),
        ([np.zeros((2, 1), complex)] * 8, "Complex data not supported"),
        ([np.array([["a", 1.5]], dtype=object)] * 8, "no rows of numbers"),
        ([text.encode() for text in TEXTS], "bytes need unit='byte'"),
    ],
)
def test_what_holds_no_sequences_is_refused(X, message):
    with pytest.raises(CatenaError, match=message):
        Classifier(HMM(1), learner=EM(iterations=1)).fit(X, LABELS)


# -- long ---------------------------------------------------------------------------------------

STEPS, MEGABYTES = 100_000, 400


def classified(rung, learner, steps, **options):
    model = Classifier(rung, learner=learner, **options).fit(TEXTS, LABELS)
    return model.predict_proba(["ab" * (steps // 2)])[0]


def tagged(name):
    rung, learner = TAGGERS[name]
    model = Tagger(rung, learner=learner).fit(WORDS, TAGS)
    return np.concatenate(model.predict_proba([["a", "b"] * (STEPS // 2)]))


LONG = {
    "markov": lambda: classified(ADD, None, STEPS),
    "hmm": lambda: classified(HMM(states=2), EM(iterations=1), STEPS // 10),
    "gru": lambda: classified(GRU(units=8, bidirectional=True), QUICK, STEPS, summary="attention"),
    "counted": lambda: tagged("counted"),
    "field": lambda: tagged("field"),
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_sequence_is_judged_within_memory(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = LONG[name]()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEGABYTES
