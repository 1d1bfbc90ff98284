"""Taggers: whatever scores labels is fitted, asked, measured and kept in the same way."""

import itertools
import json
import os
import pickle
import random
import struct
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

import catena
from catena import (
    CRF,
    EM,
    GRU,
    HMM,
    AdaGrad,
    CatenaError,
    Classifier,
    Count,
    Generator,
    Gradient,
    Markov,
    Perceptron,
    QuasiNewton,
    Tagger,
    container,
    load,
)
from catena.formats import read_tokens
from catena.ladder import LADDER
from catena.learn import Interrupted
from catena.learn.checkpoint import Checkpoint
from catena.learn.labelled import LabelledHMM, count_labels
from catena.metrics import span_scores
from catena.schemes import first_invalid
from catena.tasks.judging import measured
from catena.tasks.picture import AGAINST, FOR
from catena.tasks.tag import load_tagger

NAMES = ["Ann", "Bob Ray", "Carla", "Dee Dee Ott"]
PLACES = ["Rome", "New York", "Oslo"]
PATTERNS = ["{n} went to {p} .", "{n} saw {n} in {p} .", "who is {n} ?", "{p} !"]


def sentences(count, seed):
    """Words with B, I and O tags of names and places."""
    draw = random.Random(seed)
    X, y = [], []
    for _ in range(count):
        words, tags = [], []
        for part in draw.choice(PATTERNS).split():
            kind = {"{n}": ("PER", NAMES), "{p}": ("LOC", PLACES)}.get(part)
            found = draw.choice(kind[1]).split() if kind else [part]
            words += found
            tags += [f"{'IB'[not i]}-{kind[0]}" for i in range(len(found))] if kind else ["O"]
        X.append(words)
        y.append(tags)
    return X, y


TRAIN, TEST = sentences(60, 1), sentences(20, 2)
QUICK = QuasiNewton(iterations=12)


def pairs(X):
    return [[(word, word[:1].upper()) for word in row] for row in X]


def attributes(X):
    return [[{"w": word, "long": len(word) > 3} for word in row] for row in X]


def strings(X):
    return [[[f"w={word}", "bias"] for word in row] for row in X]


def neighbours(sentence, i):
    return [f"w={sentence[i]}", f"last={i and sentence[i - 1]}"]


TEMPLATE = "U0:%x[0,0]\nU1:%x[-1,0]\nB\n"
CASES = {
    "crf": (Tagger(CRF(), learner=QUICK), list),
    "crf-columns": (Tagger(CRF(), learner=QUICK), pairs),
    "crf-l1": (Tagger(CRF(l1=0.5, l2=0.01), learner=QUICK), list),
    "crf-all": (Tagger(CRF(all_states=True, all_transitions=True), learner=QUICK), strings),
    "crf-dicts": (Tagger(CRF(minimum=2), learner=QUICK), attributes),
    "crf-template": (Tagger(CRF(), features=TEMPLATE, learner=QUICK), list),
    "crf-function": (Tagger(CRF(), features=neighbours, learner=QUICK), list),
    "crf-scheme": (Tagger(CRF(), scheme="iob2", learner=QUICK), list),
    "crf-perceptron": (Tagger(CRF(), learner=Perceptron(epochs=5)), list),
    "crf-adagrad": (Tagger(CRF(l1=0.1, l2=0.1), learner=AdaGrad(epochs=4, batch=8)), pairs),
    "hmm": (Tagger(HMM()), list),
    "hmm-columns": (Tagger(HMM(), scheme="IOB2"), pairs),
}
every = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def fitted():
    """Taggers by name, each fitted when first asked for, with the form that their tokens have."""
    made = {}

    def find(name):
        if name not in made:
            tagger, form = CASES[name]
            made[name] = tagger.fit(form(TRAIN[0]), TRAIN[1]), form
        return made[name]

    return find


def all_paths(tagger, sentence):
    """Every path's labels and probability, the best first, from scores and chain alone."""
    scores = tagger.labeller_.scores([sentence]).values
    chain, width = tagger.chain_, len(tagger.labels_)
    paths = list(itertools.product(range(width), repeat=len(sentence)))
    found = []
    for path in paths:
        total = sum(float(scores[t, label]) for t, label in enumerate(path))
        total += sum(float(chain.transitions[a, b]) for a, b in itertools.pairwise(path))
        if path:
            total += float(chain.start[path[0]] + chain.end[path[-1]])
        found.append(total)
    p = torch.tensor(found, dtype=torch.float64).softmax(0)
    order = p.argsort(descending=True, stable=True).tolist()
    return [([tagger.labels_[i] for i in paths[place]], float(p[place])) for place in order]


# -- labelling ----------------------------------------------------------------------------------


@every
def test_it_learns(fitted, name):
    tagger, form = fitted(name)
    assert tagger.labels_ == ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
    assert tagger.score(form(TEST[0]), TEST[1]) >= 0.97


@every
def test_paths_and_probabilities_are_those_of_all_paths(fitted, name):
    tagger, form = fitted(name)
    X = form([["Ann", "saw", "Quux"], [], ["New"]])
    best, proba = tagger.predict(X), tagger.predict_proba(X)
    for i, sentence in enumerate(X):
        wanted = all_paths(tagger, sentence)
        likely = [(labels, p) for labels, p in wanted if p > 0]
        assert best[i] == wanted[0][0]
        found = tagger.n_best([sentence], 200)[0]
        assert len(found) == len(likely)
        assert [path.probability for path in found] == pytest.approx([p for _, p in likely])
        assert found[0].labels == wanted[0][0]
        assert sum(path.probability for path in found) == pytest.approx(1, abs=1e-9)
        table = np.zeros((len(sentence), len(tagger.labels_)))
        for labels, p in wanted:
            for t, label in enumerate(labels):
                table[t, tagger.labels_.index(label)] += p
        assert proba[i].shape == table.shape
        assert np.allclose(proba[i], table, rtol=0, atol=1e-9)


@every
def test_a_sentence_alone_has_the_labels_it_has_in_company(fitted, name):
    tagger, form = fitted(name)
    X = form([*TEST[0], []])
    whole, proba = tagger.predict(X), tagger.predict_proba(X)
    for i, sentence in enumerate(X):
        assert tagger.predict([sentence]) == [whole[i]]
        assert np.array_equal(tagger.predict_proba([sentence])[0], proba[i])
    assert tagger.predict(X[::-1]) == whole[::-1]


@every
def test_nothing_to_label(fitted, name):
    tagger, _ = fitted(name)
    assert tagger.predict([]) == tagger.predict_proba([]) == tagger.n_best([], 2) == []
    assert tagger.predict([[], []]) == [[], []]
    assert tagger.n_best([[]], 3) == [[([], 1.0)]]
    assert tagger.score([[]], [[]]) == 0.0
    assert tagger.evaluate([], []).tokens == 0


def test_a_scheme_forbids_invalid_tags():
    X, y = [["a", "a", "b"], ["b", "c"]], [["B-X", "I-X", "O"], ["O", "B-X"]]
    for rung in (CRF(l2=0.01), HMM()):
        free = Tagger(rung).fit(X, y)
        bound = Tagger(rung, scheme="IOB2").fit(X, y)
        strange = [list(row) for row in itertools.product("abc", repeat=3)]
        assert all(first_invalid(tags, "IOB2") is None for tags in bound.predict(strange))
        proba = bound.predict_proba(strange)
        inside = bound.labels_.index("I-X")
        assert all(table[0, inside] == 0 for table in proba)
        assert not all(table[0, inside] == 0 for table in free.predict_proba(strange))
        paths = bound.n_best([["a", "b"]], 100)[0]
        assert len(paths) == 5  # O O, O B, B O, B B, B I
    with pytest.raises(CatenaError, match="sequence 1, token 2: 'I-X' cannot follow"):
        Tagger(CRF(), scheme="iob2").fit([["a", "b"]], [["O", "I-X"]])
    with pytest.raises(CatenaError, match="held-out sequence 1, token 1: 'I-X' cannot follow"):
        Tagger(CRF(), scheme="iob2").fit([["a"]], [["B-X"]], ([["a"]], [["I-X"]]))
    with pytest.raises(CatenaError, match="scheme must be one of"):
        Tagger(CRF(), scheme="iob9").fit(X, y)


def test_a_sentence_that_no_labels_of_training_suffice_for():
    tagger = Tagger(CRF(), scheme="IOBES").fit([["a", "b"]], [["B-X", "E-X"]])
    assert tagger.predict([["a", "b"], [], ["a"] * 4]) == [["B-X", "E-X"], [], ["B-X", "E-X"] * 2]
    for use in (tagger.predict, tagger.predict_proba, lambda X: tagger.n_best(X, 2)):
        with pytest.raises(
            CatenaError, match=r"sentence 2: 1 tokens, .* B-X, E-X are valid in IOBES"
        ):
            use([["a", "b"], ["a"]])


def test_sets_of_labels_that_are_never_valid_together():
    tagger = Tagger(CRF(), scheme="IOB2")
    X = [["a"], ["a", "b"]]
    with pytest.raises(CatenaError, match=r"sentence 2: of the labels .* valid together in IOB2"):
        tagger.fit(X, [["O"], ["O", {"I-X"}]])
    with pytest.raises(CatenaError, match="sentence 2: of the labels"):
        tagger.fit(X, [["O"], [None, {"I-X", "I-Y"}]])
    tagger.fit(X, [["B-X"], [None, {"I-X"}]])


def test_one_label_only():
    for rung in (CRF(), HMM()):
        tagger = Tagger(rung).fit([["a"], ["b", "a"]], [["X"], ["X", "X"]])
        assert tagger.predict([["a", "zzz"], []]) == [["X", "X"], []]
        assert np.array_equal(tagger.predict_proba([["q"]])[0], [[1.0]])


def test_sentences_of_one_token_and_steps_without_attributes():
    tagger = Tagger(CRF(), learner=QUICK).fit([[["a"]], [["b"]], [[]]], [["X"], ["Y"], ["Y"]])
    assert tagger.predict([[["a"]], [["b"], ["a"]]]) == [["X"], ["Y", "X"]]
    # Nothing is known of these, and no label is likelier than another.
    assert np.array_equal(tagger.predict_proba([[["new"], []]])[0], [[0.5, 0.5]] * 2)
    nothing = Tagger(CRF(), learner=QUICK).fit([[[], []], [[]]], [["X", "Y"], ["X"]])
    assert len(nothing.predict([[[], []]])[0]) == 2


def test_the_hmm_is_the_model_learned_by_counting(fitted):
    tagger, _ = fitted("hmm")
    model = LabelledHMM(count_labels(*TRAIN))
    assert tagger.predict(TEST[0]) == model.tag(TEST[0])
    assert tagger.learner_ == Count()


def test_counting_takes_held_out_data_like_every_learner_and_has_no_use_for_it(fitted):
    with_it = Tagger(HMM()).fit(*TRAIN, valid=TEST)
    assert with_it.labeller_.describe() == fitted("hmm")[0].labeller_.describe()


# -- what is learned ----------------------------------------------------------------------------


def test_less_is_learned_where_less_is_asked_for():
    X, y = strings(TRAIN[0]), TRAIN[1]

    def parameters(rung):
        return Tagger(rung, learner=QUICK).fit(X, y).labeller_.parameters

    plain = parameters(CRF())
    assert parameters(CRF(minimum=20)) < plain < parameters(CRF(all_states=True))
    assert parameters(CRF(l1=10.0)) < plain < parameters(CRF(all_transitions=True))
    without = Tagger(CRF(), features="U0:%x[0,0]\n", learner=QUICK).fit(*TRAIN)
    assert not without.labeller_.transitions.any()


def test_weights_of_zero_are_left_out_and_nothing_changes(fitted):
    tagger, _ = fitted("crf-l1")
    crf = tagger.labeller_
    assert bool((crf.weights != 0).all())
    assert bool((crf.features.pairs.diff() > 0).all())
    assert tagger.history_.rows[-1]["active"] == crf.parameters


def test_the_penalties_are_the_rungs(fitted):
    tagger, _ = fitted("crf-l1")
    assert (tagger.learner_.l1, tagger.learner_.l2) == (0.5, 0.01)
    with pytest.raises(CatenaError, match="l2 belongs to the rung"):
        Tagger(CRF(), learner=QuasiNewton(l2=3.0)).fit(*TRAIN)
    stronger = Tagger(CRF(l2=50.0), learner=QUICK).fit(*TRAIN)
    weaker = Tagger(CRF(l2=0.1), learner=QUICK).fit(*TRAIN)
    assert stronger.labeller_.weights.norm() < weaker.labeller_.weights.norm() / 2


def test_the_heaviest_attributes_as_text(fitted):
    tagger, _ = fitted("crf-function")
    told = tagger.top_features(2).split("\n")
    assert [line for line in told if line[0] != " "] == tagger.labels_
    assert len(told) == 3 * len(tagger.labels_)
    at = told.index("B-LOC")
    weights = [abs(float(line.split()[0])) for line in told[at + 1 : at + 3]]
    assert weights == sorted(weights, reverse=True)
    assert "w=Rome" in tagger.top_features(20)
    with pytest.raises(CatenaError, match="a CRF has"):
        fitted("hmm")[0].top_features()


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_the_heaviest_attributes_as_a_picture(fitted, tmp_path, kind):
    tagger, _ = fitted("crf-function")
    path = tmp_path / f"top.{kind}"
    tagger.draw_top_features(path, 3)
    if kind == "svg":
        drawn = path.read_text()
        weights = [w for _, weighed in tagger.labeller_.heaviest(3) for w, _ in weighed]
        for colour, sign in ((FOR, 1), (AGAINST, -1)):
            count = sum(w * sign > 0 for w in weights)
            assert drawn.count(f'style="fill: {colour}"') == count
        assert all(f">{label}</text>" in drawn for label in tagger.labels_)
        assert ">w=Rome</text>" in drawn
    assert path.stat().st_size > 1000
    with pytest.raises(CatenaError, match="ends in one of png, svg, pdf"):
        tagger.draw_top_features(tmp_path / "top.bmp")
    with pytest.raises(CatenaError, match="k must be at least 1"):
        tagger.draw_top_features(path, 0)
    with pytest.raises(CatenaError, match="a CRF has"):
        fitted("hmm")[0].draw_top_features(path)


def test_its_options_change_like_those_of_scikit_learn():
    tagger = Tagger(CRF(l2=2.0), features=TEMPLATE, scheme="IOB2", seed=3)
    assert tagger.get_params()["rung__l2"] == 2.0
    assert tagger.set_params(rung__l2=0.5).rung == CRF(l2=0.5)
    assert repr(Tagger(HMM())) == f"Tagger(rung={HMM()!r})"


def test_scikit_learn_searches_over_it():
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV

    tagger = Tagger(CRF(), learner=QUICK)
    assert base.clone(tagger).get_params() == tagger.get_params()
    search = GridSearchCV(tagger, {"rung__l2": [0.1, 1000.0]}, cv=2).fit(*TRAIN)
    assert search.best_params_ == {"rung__l2": 0.1}


def test_the_field_is_no_generative_rung():
    assert CRF not in LADDER
    for wrong in ({"l1": -1}, {"l2": float("nan")}, {"minimum": 0}, {"minimum": 1.5}):
        with pytest.raises(CatenaError):
            CRF(**wrong)


# -- measuring ----------------------------------------------------------------------------------


def test_labels_that_training_did_not_show_count_as_wrong(fitted):
    tagger, _ = fitted("crf")
    gold = [["B-GOD" if tag == "B-LOC" else tag for tag in row] for row in TEST[1]]
    found = tagger.evaluate(TEST[0], gold)
    times = sum(row.count("B-GOD") for row in gold)
    assert found.unseen == {"B-GOD": times}
    assert found.accuracy == pytest.approx(tagger.score(TEST[0], TEST[1]) - times / found.tokens)
    assert found.per_label["B-GOD"] == (0.0, 0.0, 0.0, times)


def test_an_evaluation_says_what_the_metrics_say(fitted):
    tagger, _ = fitted("hmm")
    found, spans = tagger.evaluate(*TEST), span_scores(TEST[1], tagger.predict(TEST[0]))
    assert found.span_f1 == spans.micro.f1
    assert found.per_span == spans.per_label
    strict = span_scores(TEST[1], tagger.predict(TEST[0]), "IOB2")
    assert (found.strict_span_f1, found.scheme) == (strict.micro.f1, "IOB2")
    assert (found.sentences, found.tokens) == (20, sum(map(len, TEST[0])))
    plain = Tagger(HMM()).fit([["a", "b"]], [["X", "Y"]]).evaluate([["a"]], [["X"]])
    assert (plain.accuracy, plain.span_f1, plain.per_span) == (1.0, None, None)
    assert (plain.strict_span_f1, plain.scheme, plain.odd) == (None, None, [])


def test_spans_are_read_strictly_in_the_taggers_scheme_or_that_of_the_right_labels():
    rows = [["B-A", "I-A", "O"]]
    tagger = Tagger(HMM()).fit([["a", "b", "c"]], rows)
    loose = tagger.judge(rows, [["I-A", "I-A", "O"]])
    assert (loose.span_f1, loose.strict_span_f1, loose.scheme) == (1.0, 0.0, "IOB2")
    own = Tagger(HMM(), scheme="iob1").fit([["a", "b", "c"]], rows)
    own = own.judge(rows, [["I-A", "I-A", "O"]])
    assert (own.span_f1, own.strict_span_f1, own.scheme) == (1.0, 0.0, "IOB1")
    bare = tagger.judge([["I-A", "I-A", "O"]], [["I-A", "I-A", "O"]])
    assert (bare.strict_span_f1, bare.scheme) == (1.0, "IOB1")
    assert json.dumps(loose.describe())


@pytest.mark.parametrize("rung", [CRF(l2=0.1), HMM(), GRU(units=4)])
def test_whole_numbers_come_back_as_such(rung, tmp_path):
    X = [["a", "b"], ["c"], []]
    y = [np.array([3, 10]), [np.int64(-2)], []]
    learner = Gradient(epochs=20, rate=0.1) if isinstance(rung, GRU) else None
    tagger = Tagger(rung, learner=learner).fit(X, y)
    tagger.save(tmp_path / "m")
    for model in (tagger, load_tagger(tmp_path / "m"), pickle.loads(pickle.dumps(tagger))):
        assert model.labels_ == [-2, 10, 3]
        found = model.predict(X)
        assert json.loads(json.dumps(found)) == [[3, 10], [-2], []]
        assert model.n_best(X, 1)[0][0].labels == found[0]
        assert model.score(X, y) == model.evaluate(X, found).accuracy == 1.0
        assert model.log_prob(X, y)[0] > -5
        assert model.evaluate(X, [["3", 4], [-2], []]).unseen == {"4": 1}
    again = Tagger(CRF(l2=0.1)).fit(X, [[{3, 10}, 10], [None], []])
    assert again.labels_ == [10, 3]
    assert tagger.fit(X, [["3", "10"], ["2"], []]).predict([["c"]]) == [["2"]]


@pytest.mark.parametrize("tagger", [Tagger(HMM()), Tagger(CRF(l2=0.1), learner=AdaGrad(epochs=2))])
def test_labels_stay_of_the_kind_that_they_began_as(tagger):
    X = [["a", "b"]]
    for first, later, told in (
        ([[1, 2]], [["X", "Y"]], "were whole numbers, and now they are strings"),
        ([["X", "Y"]], [[1, 2]], "were strings, and now they are whole numbers"),
    ):
        tagger.fit(X, first).partial_fit([[]], [[]]).partial_fit(X, first)
        with pytest.raises(CatenaError, match=told):
            tagger.partial_fit(X, later)
        assert tagger.predict(X) == first


def test_held_out_labels_of_a_counted_model_are_checked_too():
    with pytest.raises(CatenaError, match="sentence 1 has 1 tokens, but 2 labels"):
        Tagger(HMM()).fit([["a"]], [["X"]], ([["a"]], [["X", "Y"]]))


def test_strings_of_numpy_come_back_as_plain_ones():
    X, y = [["a", "b"]], [np.array(["X", "Y"])]
    tagger = Tagger(CRF(l2=0.1)).fit(X, y)
    assert {type(label) for label in [*tagger.labels_, *tagger.predict(X)[0]]} == {str}
    assert json.dumps(tagger.evaluate(X, y).describe())
    named = Classifier(Markov(1)).fit(["ab", "ba"], np.array(["X", "Y"]))
    assert json.dumps(named.classes_.tolist()) == '["X", "Y"]'


def test_an_odd_label_of_training_does_not_hide_the_spans():
    X, y = [["a", "b", "c", "d"]] * 3, [["B-A", "I-A", "O", "JUNK"]] * 3
    tagger = Tagger(CRF(l2=0.1)).fit(X, y, (X, y))
    assert any("'JUNK' is no tag of a span" in note for note in tagger.history_.notes)
    assert measured(y, tagger.labels_)[0] == "span F1"
    found = tagger.evaluate(X, y)
    assert (found.span_f1, found.strict_span_f1, found.accuracy) == (1.0, 1.0, 1.0)
    assert (found.odd, found.unseen) == (["JUNK"], {})


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "told"),
    [
        ([], [], "nothing to learn from"),
        ([[], []], [[], []], "nothing to learn from"),
        ([["a"]], [], "1 sentences, but labels for 0"),
        ([["a"], ["b", "c"]], [["X"], ["X"]], "sentence 2 has 2 tokens, but 1 labels"),
        ([["a"]], [[0.5]], "sentence 1, token 1: the label 0.5 is no string, whole number, set"),
        ([["a"]], [[True]], "sentence 1, token 1: the label True is no string, whole number, set"),
        ([["a"]], [[{1.5}]], "sentence 1, token 1: the label {1.5} is no set of strings or whole"),
        ([["a"], ["b"]], [["X"], [1]], "some labels are strings and some are numbers"),
        ([["a", "b"]], [[{"X"}, 1]], "some labels are strings and some are numbers"),
        ([["a"]], [[set()]], "sentence 1, token 1: an empty set allows no label"),
        ([["a"]], [[None]], "no label of any token is known"),
        (["a b"], [["X", "Y", "Z"]], "sentence 1: 'a b' is no list of tokens"),
        ("a b", ["X"], "not one text"),
        ([["a"], [("b", "c")]], [["X"], ["X"]], "sentence 2, token 1: .* a tuple of 2 columns"),
        ([["a", 3]], [["X", "X"]], "sentence 1, token 2: 3 is neither a string"),
        ([[3]], [["X"]], "3 is neither a string"),
        ([[("a", None)]], [["X"]], "is neither a string"),
        ([[["a"], "b"]], [["X", "X"]], "sentence 1, token 2: 'b' is a word"),
    ],
)
def test_data_that_cannot_be_learned_from(X, y, told):
    with pytest.raises(CatenaError, match=told):
        Tagger(CRF()).fit(X, y)


def test_other_tokens_than_those_of_training(fitted):
    with pytest.raises(CatenaError, match="a word, where a tuple of 2 columns is expected"):
        fitted("crf-columns")[0].predict([["a"]])
    with pytest.raises(CatenaError, match="where a word is expected"):
        fitted("hmm")[0].predict([[("a", "b")]])
    with pytest.raises(CatenaError, match="there is no column 1"):
        Tagger(CRF(), features="U:%x[0,1]").fit([["a"]], [["X"]])
    with pytest.raises(CatenaError, match="features, line 2: 'V' is no template"):
        Tagger(CRF(), features="B\nV\n").fit([["a"]], [["X"]])
    with pytest.raises(CatenaError, match="templates cannot read"):
        Tagger(CRF(), features=TEMPLATE).fit([[["a"]]], [["X"]])
    with pytest.raises(CatenaError, match=r"n\.template: cannot be read"):
        Tagger(CRF(), features=Path("n.template")).fit([["a"]], [["X"]])


@pytest.mark.parametrize(
    ("tagger", "told"),
    [
        (Tagger(Markov()), "a CRF, an HMM or a neural rung, not Markov"),
        (Tagger(CRF(), learner=EM()), "learned by QuasiNewton, AdaGrad or Perceptron"),
        (Tagger(CRF(l1=1.0), learner=Perceptron()), "leave l1 out"),
        (Tagger(HMM(), learner=QuasiNewton()), "learned by Count"),
        (Tagger(HMM(states=3)), "write HMM"),
        (Tagger(HMM(), features=TEMPLATE), "reads words alone"),
    ],
)
def test_what_does_not_go_together(tagger, told):
    with pytest.raises(CatenaError, match=told):
        tagger.fit([["a"]], [["X"]])


def test_an_hmm_reads_no_attributes():
    with pytest.raises(CatenaError, match="reads words"):
        Tagger(HMM()).fit([[["w=a"]]], [["X"]])


def test_nothing_is_asked_of_what_is_not_fitted(tmp_path):
    for ask in (lambda t: t.predict([]), lambda t: t.n_best([], 1), lambda t: t.save(tmp_path)):
        with pytest.raises(CatenaError, match="call fit first"):
            ask(Tagger(CRF()))


def test_k_below_one(fitted):
    with pytest.raises(CatenaError, match="k"):
        fitted("crf")[0].n_best([["a"]], 0)


# -- keeping ------------------------------------------------------------------------------------


@every
def test_a_saved_tagger_is_the_same(fitted, tmp_path, name):
    tagger, form = fitted(name)
    path = tmp_path / "m.safetensors"
    tagger.save(path)
    features = neighbours if name == "crf-function" else None
    again = load(path, features=features)
    assert isinstance(again, Tagger)
    X = form([*TEST[0], ["Zoë", "😀", ""]])
    assert again.predict(X) == tagger.predict(X)
    pairs = zip(again.predict_proba(X), tagger.predict_proba(X), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
    assert (again.rung, again.scheme, again.labels_) == (tagger.rung, tagger.scheme, tagger.labels_)
    assert (again.learner_, again.history_) == (tagger.learner_, tagger.history_)
    again.save(tmp_path / "again")
    (one, facts), (other, same) = container.read(path), container.read(tmp_path / "again")
    assert facts == same
    assert one.keys() == other.keys()
    assert all(container.same(one[key], other[key]) for key in one)
    refitted = again.set_params(rung=again.rung).fit(form(TRAIN[0]), TRAIN[1])
    assert refitted.predict(X) == tagger.predict(X)


def test_a_function_is_kept_in_no_file(fitted, tmp_path):
    fitted("crf-function")[0].save(tmp_path / "m")
    with pytest.raises(CatenaError, match=r"m: its features are a function.*features=\.\.\."):
        load(tmp_path / "m")


def test_a_template_file_goes_into_the_model(tmp_path):
    (tmp_path / "t").write_text(TEMPLATE)
    tagger = Tagger(CRF(), features=tmp_path / "t", learner=QUICK).fit(*TRAIN)
    tagger.save(tmp_path / "m")
    (tmp_path / "t").unlink()
    assert load(tmp_path / "m").predict(TEST[0]) == tagger.predict(TEST[0])


def test_each_task_loads_its_own_files_only(fitted, tmp_path):
    fitted("crf")[0].save(tmp_path / "tagger")
    Generator(Markov(order=1)).fit(["abab"]).save(tmp_path / "generator")
    assert isinstance(load(tmp_path / "generator"), Generator)
    with pytest.raises(CatenaError, match="for the task 'generate', not 'tag'"):
        load_tagger(tmp_path / "generator")
    with pytest.raises(CatenaError, match="for the task 'tag', not 'generate'"):
        catena.tasks.generate.load(tmp_path / "tagger")


@pytest.mark.parametrize("name", ["crf", "hmm"])
def test_a_damaged_file_is_refused(fitted, tmp_path, name):
    path = tmp_path / "m"
    fitted(name)[0].save(path)
    content = path.read_bytes()
    size = 8 + struct.unpack("<Q", content[:8])[0]
    for cut in [0, 7, 8, size // 2, size - 1, size, (size + len(content)) // 2, len(content) - 1]:
        if cut < len(content):
            path.write_bytes(content[:cut])
            refuse(path)
    draw = random.Random(0)
    for bit in [draw.randrange(8 * len(content)) for _ in range(150)]:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        refuse(path)


def refuse(path):
    with pytest.raises(CatenaError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def put(*keys, value):
    """A change of the facts: at these keys, this value."""

    def change(tensors, facts):
        inner = facts
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return change


def drop(name):
    return lambda tensors, facts: tensors.pop(name)


def swap(name, make):
    def change(tensors, facts):
        tensors[name] = make(tensors[name])

    return change


SPOILED = {
    "rung": put("rung", "kind", value="markov"),
    "option": put("rung", "depth", value=3),
    "l2": put("rung", "l2", value=-1.0),
    "learner": put("learner", "kind", value="luck"),
    "scheme": put("task", "scheme", value=7),
    "no such scheme": put("task", "scheme", value="IOB9"),
    "history": put("task", "history", value={"row": []}),
    "labels": put("labeller", "labels", value=["A", "A", "B", "C", "D"]),
    "fewer labels": put("labeller", "labels", value=["A", "B"]),
    "numbers": put("labeller", "labels", value=[1, 2, 3, 4, 5]),
    "reader": put("space", "columns", value="many"),
    "template": put("space", "text", value="Q%q"),
    "no labeller": lambda tensors, facts: facts.pop("labeller"),
    **{f"no {name}": drop(name) for name in ("names", "name_offsets", "pairs", "weights")},
    "short weights": swap("weights", lambda t: t[:-1]),
    "float weights": swap("weights", lambda t: t.float()),
    "NaN": swap("weights", lambda t: t * torch.nan),
    "transitions": swap("transitions", lambda t: t[:2]),
    "label": swap("labels", lambda t: t + 4),
    "pairs": swap("pairs", lambda t: t.flip(0)),
    "offsets": swap("name_offsets", lambda t: t + 10**6),
    "falling offsets": swap("name_offsets", lambda t: t.flip(0)),
    "no text": swap("names", lambda t: t | 128),
    "equal names": swap("names", lambda t: t * 0 + 65),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_file_that_was_tampered_with_is_refused(fitted, tmp_path, name):
    path = tmp_path / "m"
    fitted("crf")[0].save(path)
    tensors, facts = container.read(path)
    SPOILED[name](tensors, facts)
    container.write(path, tensors, facts)
    refuse(path)


@pytest.mark.parametrize(
    "counts",
    [
        {"words": [], "moves": []},
        {"words": [["a", "X", -1]], "moves": []},
        {"words": [["a", "X", 1.5]], "moves": []},
        {"words": [["a", None, 1]], "moves": []},
        {"words": [[3, "X", 1]], "moves": []},
        {"words": [["a", "X", 1]], "moves": [["Y", None, 1]]},
        {"words": [["a", "X"]], "moves": []},
        None,
    ],
)
def test_counts_that_were_tampered_with_are_refused(fitted, tmp_path, counts):
    path = tmp_path / "m"
    fitted("hmm")[0].save(path)
    tensors, facts = container.read(path)
    facts["labeller"]["counts"] = counts
    container.write(path, tensors, facts)
    refuse(path)


def test_a_file_with_a_rung_of_another_catena(fitted, tmp_path):
    path = tmp_path / "m"
    fitted("hmm")[0].save(path)
    tensors, facts = container.read(path)
    facts["rung"]["kind"] = "tango"
    container.write(path, tensors, facts)
    with pytest.raises(CatenaError, match=f"{path}: holds a rung 'tango' that this catena does"):
        load_tagger(path)


# -- stopping and going on ------------------------------------------------------------------------


def test_stopped_and_resumed_it_ends_where_it_would_have(tmp_path):
    whole = Tagger(CRF(), learner=QUICK).fit(*TRAIN)
    path = tmp_path / "checkpoint"
    short = Tagger(CRF(), learner=QuasiNewton(iterations=5))
    with patch.object(Checkpoint, "due", True), patch("os.fsync"):
        short.fit(*TRAIN, checkpoint=path)
    seen = []
    again = Tagger(CRF(), learner=QUICK)
    again.fit(*TRAIN, checkpoint=path, resume=True, report=lambda p: seen.append(p))
    assert len(seen) < 12
    assert torch.equal(again.labeller_.weights, whole.labeller_.weights)
    assert torch.equal(again.labeller_.transitions, whole.labeller_.transitions)
    others = [
        (Tagger(CRF(l2=2.0), learner=QUICK), TRAIN),
        (Tagger(CRF(minimum=2), learner=QUICK), TRAIN),
        (Tagger(CRF(), learner=QUICK), TEST),
        (Tagger(CRF(), learner=QUICK), (TRAIN[0][::-1], TRAIN[1][::-1])),
    ]
    for other, data in others:
        with pytest.raises(CatenaError, match="belongs to a run with another model"):
            other.fit(*data, checkpoint=path, resume=True)


def test_ctrl_c_keeps_the_work(tmp_path):
    path = tmp_path / "checkpoint"

    def stop(progress):
        os.kill(os.getpid(), 2)

    with pytest.raises(Interrupted) as caught:
        Tagger(CRF(), learner=QUICK).fit(*TRAIN, checkpoint=path, report=stop)
    assert caught.value.checkpoint == path
    whole = Tagger(CRF(), learner=QUICK).fit(*TRAIN)
    again = Tagger(CRF(), learner=QUICK).fit(*TRAIN, checkpoint=path, resume=True)
    assert torch.equal(again.labeller_.weights, whole.labeller_.weights)


# -- real data ------------------------------------------------------------------------------------


def test_chunks_of_conll_2000():
    folder = os.environ.get("CATENA_DATA")
    paths = [Path(folder or ".") / f"conll2000/{part}.txt.xz" for part in ("train", "test")]
    if folder is None or not all(path.exists() for path in paths):
        pytest.skip("CATENA_DATA names no folder with conll2000/train.txt.xz")
    train, test = (read_tokens(path) for path in paths)

    def tokens(file, count):
        columns = file.column("form")[:count], file.column("pos")[:count]
        return [list(zip(*rows, strict=True)) for rows in zip(*columns, strict=True)]

    tagger = Tagger(CRF(), scheme="IOB2", learner=QuasiNewton(iterations=30))
    tagger.fit(tokens(train, 1500), train.labels()[:1500])
    found = tagger.evaluate(tokens(test, 400), test.labels()[:400])
    assert found.accuracy > 0.93
    assert found.span_f1 > 0.89
