"""Which rung do these labels need: of whole sequences, and of steps."""

import json
import math
import random

import numpy as np
import pytest
import torch

from catena import CRF, GRU, HMM, CatenaError, Classifier, Markov, Tagger, compare
from catena.comparing.bootstrap import Bootstrap
from catena.comparing.grid import classifiers, taggers
from catena.comparing.labelled import f1, macro_f1
from catena.comparing.report import page
from catena.comparing.tally import mean
from catena.metrics import label_scores, span_scores
from catena.space import Symbols, Vectors
from catena.split import split_labelled

TINY = 0.003  # minutes a network
KINDS = ["majority", "markov", "hmm", "window", "rnn", "gru", "lstm", "bilstm", "crf", "bilstm-crf"]


def names(count):
    """Words of two made-up languages, and now and then of a third."""
    draw = random.Random(3)
    X, y = [], []
    for _ in range(count):
        language = draw.choices(["up", "down", "odd"], [5, 4, 1])[0]
        letters = {"up": "abab", "down": "bbca", "odd": "ccd"}[language]
        X.append("".join(draw.choices(letters, k=draw.randint(2, 7))))
        y.append(language)
    return X, y


def sentences(count):
    """Articles, nouns and verbs, in which spans are chunks of nouns."""
    draw = random.Random(4)
    X, y = [], []
    for _ in range(count):
        words, tags = [], []
        for _ in range(draw.randint(1, 3)):
            if draw.random() < 0.6:
                words.append(draw.choice(["the", "a"]))
                tags.append("B-NP")
            words.append(draw.choice(["dog", "cat", "runs", "sleep"]))
            tags.append("I-NP" if tags and tags[-1] == "B-NP" else "B-NP")
            words.append(draw.choice(["runs", "sees", "sleep"]))
            tags.append("O")
        X.append(words)
        y.append(tags)
    return X, y


@pytest.fixture(scope="module")
def named():
    return compare(names(150), ["majority", Markov(1), "gru"], task="classify", minutes=TINY)


@pytest.fixture(scope="module")
def tagged():
    rungs = ["majority", "hmm", "bilstm-crf", CRF(l2=0.5)]
    return compare(sentences(60), rungs, task="tag", minutes=0.1)


# -- figures ------------------------------------------------------------------------------------


def test_a_classifiers_figures_are_its_own(named):
    parts = split_labelled(*names(150), 0)
    model = Classifier(Markov(1)).fit(*parts.train)
    own, row = model.evaluate(*parts.test), named.rows[2]
    assert row.name == "Markov(order=1)"
    assert (row.accuracy, row.macro_f1) == pytest.approx((own.accuracy, own.macro_f1), rel=1e-12)
    X, y = parts.test
    table = model.predict_log_proba(X)
    right = [table[i, model.classes_.tolist().index(label)] for i, label in enumerate(y)]
    assert row.log_loss == pytest.approx(-np.mean(right), rel=1e-9)
    assert named.sizes == tuple(len(part[1]) for part in parts[:3])


def test_the_majority_label_is_the_share_of_one(named):
    (_, learned), _, (_, y), _ = split_labelled(*names(150), 0)
    shares = {label: learned.count(label) / len(learned) for label in set(learned)}
    best, row = max(shares, key=lambda label: shares[label]), named.rows[0]
    assert row.accuracy == pytest.approx(y.count(best) / len(y))
    assert row.log_loss == pytest.approx(-np.mean([math.log(shares[label]) for label in y]))
    assert (named.baseline, row.explained) == ("majority", 0.0)


def test_a_taggers_figures_are_its_own(tagged):
    parts = split_labelled(*sentences(60), 0)
    model = Tagger(CRF(l2=0.5)).fit(*parts.train, parts.valid)
    own, row = model.evaluate(*parts.test), tagged.rows[-1]
    assert (row.name, row.rung) == ("CRF(l2=0.5)",) * 2
    assert (row.accuracy, row.span_f1) == pytest.approx((own.accuracy, own.span_f1), rel=1e-12)
    assert row.parameters == model.labeller_.parameters
    loss = -model.log_prob(*parts.test).sum() / own.tokens
    assert row.log_loss == pytest.approx(loss, rel=1e-9)


def test_rows_are_related_by_the_figure_that_decides(tagged):
    assert tagged.terms.decides.key == "span_f1"
    assert tagged.best.span_f1 == max(row.span_f1 for row in tagged.rows)
    for below, row in zip([None, *tagged.rows], tagged.rows, strict=False):
        if row is not tagged.best:
            gap = row.against_best
            assert gap.value == pytest.approx(row.span_f1 - tagged.best.span_f1, abs=1e-9)
            assert gap.low <= gap.value <= gap.high <= 0
        if below is not None:
            assert row.against_below.value == pytest.approx(row.span_f1 - below.span_f1, abs=1e-9)
        base = tagged.rows[0].span_f1
        share = (row.span_f1 - base) / (tagged.best.span_f1 - base)
        assert row.explained == pytest.approx(share)
        assert row.intervals["span_f1"].low <= row.span_f1 <= row.intervals["span_f1"].high


def test_an_hmm_is_shown_without_a_number_of_states(tagged):
    assert tagged.rows[1].rung == "HMM()"
    assert tagged.rows[2].rung.startswith("LSTM(units=")
    assert "decoder='crf', characters=CNN(units=30)" in tagged.rows[2].rung


def test_labels_that_training_did_not_show_are_wrong_and_lose_nothing():
    X, y = names(60)
    parts = split_labelled(X, y, test=(["ab", "bb", "x"], ["up", "down", "new"]))
    found = compare(None, ["majority", Markov(1)], task="classify", parts=parts)
    seen = parts._replace(test=(["ab", "bb"], ["up", "down"]))
    for row, own in zip(
        found.rows,
        compare(None, ["majority", Markov(1)], task="classify", parts=seen).rows,
        strict=True,
    ):
        assert row.accuracy == pytest.approx(own.accuracy * 2 / 3)
        assert row.log_loss == pytest.approx(own.log_loss)
    tags = compare(
        None,
        [HMM()],
        task="tag",
        parts=parts._replace(
            train=([["a", "b"]] * 3, [["X", "Y"]] * 3),
            valid=([], []),
            test=([["a", "b"], ["b"]], [["X", "Y"], ["Z"]]),
        ),
    )
    assert tags.rows[0].accuracy == pytest.approx(2 / 3)
    assert tags.rows[0].log_loss < 0.5
    assert "span_f1" not in tags.rows[0].figures


def test_the_log_prob_of_labels_is_that_of_all_paths():
    X, y = sentences(20)
    model = Tagger(CRF(l2=0.1)).fit(X, y)
    short = [["the", "dog"], ["runs"], []]
    for sentence, paths in zip(short, model.n_best(short, 10), strict=True):
        gold = [path.labels for path in paths]
        each = model.log_prob([sentence] * len(gold), gold)
        assert np.exp(each) == pytest.approx([path.probability for path in paths])
    assert model.log_prob([["dog"]], [["new"]]).tolist() == [-math.inf]


# -- what can be resampled ----------------------------------------------------------------------


def test_tallies_are_the_metrics():
    draw = np.random.default_rng(0)
    gold, found = draw.integers(0, 4, (2, 200))
    tally = macro_f1(torch.from_numpy(gold), torch.from_numpy(found), 6)
    assert tally.value == pytest.approx(
        label_scores([*map(str, gold)], [*map(str, found)]).macro.f1
    )
    rows = [["B-X", "I-X", "O"], ["B-Y"], []], [["B-X", "O", "O"], ["B-Y"], []]
    counts = torch.tensor([0, 1, 0]), torch.tensor([1, 1, 0]), torch.tensor([1, 1, 0])
    assert f1(*counts).value == span_scores(*rows).micro.f1 == 0.5


@pytest.mark.parametrize("figure", ["accuracy", "macro_f1"])
def test_the_interval_of_a_figure_covers_it(figure):
    """95 of 100: of labels that are right three times in four."""
    covered, draws = 0, 100
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        gold = torch.randint(2, (300,), generator=generator)
        wrong = torch.rand(300, generator=generator) < 0.25
        predicted = torch.where(wrong, 1 - gold, gold)
        tally = mean((gold == predicted).double())
        if figure == "macro_f1":
            tally = macro_f1(gold, predicted, 3)
        bounds = Bootstrap(torch.ones(300, dtype=torch.int64), seed, draws=400).interval(tally)
        covered += bounds.low <= 0.75 <= bounds.high
    assert 88 <= covered <= 100


# -- the split ----------------------------------------------------------------------------------


def test_labels_are_held_out_in_proportion():
    X = list(range(410))
    alone = [f"alone {i}" for i in range(10)]
    y = ["a"] * 300 + ["b"] * 90 + ["c"] * 10 + alone
    parts = split_labelled(X, y, seed=2)
    assert sorted(i for part in parts[:3] for i in part[0]) == X
    assert all(y[i] == label for part in parts[:3] for i, label in zip(*part, strict=True))
    assert [len(part[1]) for part in parts[:3]] == [290, 40, 80]
    assert parts.test[1].count("b") == 18
    assert {"a", "b", "c", *alone} == set(parts.train[1])
    assert split_labelled(X, y, seed=2).test == parts.test != split_labelled(X, y, seed=3).test


def test_parts_that_are_given_are_kept():
    X, y = names(20)
    given = (["ab"], ["up"])
    parts = split_labelled(X, y, test=given)
    assert parts.test is given
    assert len(parts.train[1]) + len(parts.valid[1]) == 20
    assert "the test part as given" in parts.rule
    assert split_labelled(X, y, valid=given, test=given).train == (X, y)


# -- what is said -------------------------------------------------------------------------------


def test_more_is_better_in_words_and_pictures(tagged):
    best = tagged.best
    assert tagged.verdict[0].startswith(f"{best.label} predicts best: span F1 {best.span_f1:.4f}, ")
    shown = page(tagged)
    for told in ("Span F1 on the test part", "Further right is better", "Span F1 against cost",
                 "Higher is better", "above 0 is better", "span F1 [95%]", "tokens/s",
                 "nats a label", "36 sentences to learn from"):  # fmt: skip
        assert told in shown.replace("42 sentences", "36 sentences"), told


def test_all_of_it_is_json(tagged, named):
    for found, keys in ((tagged, ("span_f1", "accuracy")), (named, ("accuracy", "macro_f1"))):
        told = json.loads(found.to_json())
        assert told["task"] == found.terms.task
        for row, own in zip(told["rows"], found.rows, strict=True):
            assert [row[key] for key in (*keys, "log_loss")] == [
                own.figures[key] for key in (*keys, "log_loss")
            ]
            assert set(row["intervals"]) == set(keys)


# -- the grids ----------------------------------------------------------------------------------


def test_every_candidate_can_be_built():
    for space, steps in ((Symbols(("⟨unk⟩", "a")), "words"), (Vectors(2), "measurements")):
        for total in (100, 10**6):
            grid = classifiers(KINDS, space, total) + taggers(KINDS, steps, total)
            for entry in grid:
                for rung in entry.candidates:
                    if hasattr(rung, "encoder"):
                        with torch.device("meta"):
                            rung.encoder(space)


def test_every_rung_of_a_task_has_a_row():
    found = compare(names(40), task="classify", minutes=8 * TINY)
    assert [row.name for row in found.rows] == KINDS[:8]
    labels = [row.label.split("-")[0] for row in found.rows]
    assert labels == ["majority label", "Markov", "HMM", "Window", "RNN", "GRU", "LSTM", "BiLSTM"]


def test_measurements_step_by_step():
    draw = np.random.default_rng(0)
    states = [draw.integers(0, 2, 6) for _ in range(30)]
    X = [state[:, None] + draw.normal(0, 0.1, (6, 1)) for state in states]
    y = [["low" if s == 0 else "high" for s in state] for state in states]
    found = compare((X, y), ["majority", "hmm", "crf", GRU(16)], task="tag", minutes=0.1)
    assert [row.name for row in found.rows] == ["majority", "GRU(units=16)"]
    assert found.unit == "step"
    assert found.rows[1].accuracy > found.rows[0].accuracy


# -- bad input ----------------------------------------------------------------------------------

BAD = {
    "no-pair": ("classify", ["ab", "ba"], None, "give a pair"),
    "one-label": ("classify", (["ab", "b", "a", "c", "d"] * 9, ["x"] * 45), None, "only the label"),
    "few": ("classify", (["ab", "b"], ["x", "y"]), None, "too few to be cut"),
    "sets": ("classify", (["ab", "b"] * 20, [{"x"}, {"y"}] * 20), None, "one label a sequence"),
    "unknown": ("classify", names(40), ["crf"], "no model 'crf'"),
    "numbers": ("classify", ([np.ones((3, 1))] * 20, ["x", "y"] * 10), ["markov"], "needs symbols"),
    "tags": ("tag", ([["a"]] * 20, [["X"]] * 20), None, "only the label 'X'"),
    "few-tags": ("tag", ([["a", "b"]] * 3, [["X", "Y"]] * 3), None, "too few to be cut"),
    "uneven": ("tag", ([["a", "b"]] * 9, [["X"]] * 9), None, "2 tokens, but 1 labels"),
    "markov": ("tag", sentences(9), ["markov"], "no model 'markov'"),
    "task": ("guess", "ab", None, "task must be generate, classify, tag"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case):
    task, data, rungs, told = BAD[case]
    with pytest.raises(CatenaError, match=told):
        compare(data, rungs, task=task)
