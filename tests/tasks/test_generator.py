"""The Generator: every form of data, every rung, every method."""

import math

import numpy as np
import pytest
import torch

from catena import (
    EM,
    GRU,
    HMM,
    LADDER,
    LSTM,
    RNN,
    Bits,
    CatenaError,
    Counts,
    Custom,
    FromFunction,
    Generator,
    Gradient,
    Markov,
    Sequences,
    Symbols,
    Vectors,
    Window,
    load,
)
from catena.space import END, UNKNOWN

TEXTS = ["abab", "abba", "", "baab", "a"]
QUICK = Gradient(epochs=2, batch=2, span=8)


def running_mean(inputs):
    return FromFunction(lambda s, x, theta: (0.5 * s[0] + x,), [inputs])


RUNGS = {
    "markov": (Markov(order=2), None),
    "hmm": (HMM(states=2), EM(restarts=1, iterations=5)),
    "window": (Window(width=2, units=4, embedding=2), QUICK),
    "rnn": (RNN(units=4), QUICK),
    "gru": (GRU(units=4), QUICK),
    "lstm": (LSTM(units=4, tied=True, embedding=3), QUICK),
    "custom": (Custom(running_mean, embedding=4), QUICK),
}
every_rung = pytest.mark.parametrize("name", RUNGS)
NUMERIC = [name for name in RUNGS if name not in ("markov", "lstm")]


@pytest.fixture(scope="module")
def fitted():
    made = {}
    for name, (rung, learner) in RUNGS.items():
        made[name] = Generator(rung, learner=learner, seed=3).fit(TEXTS)
    return made


def test_every_rung_is_here():
    assert {type(rung) for rung, _ in RUNGS.values()} == {*LADDER, Custom}


# -- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind", "unit", "end"),
    [
        ("abab", Symbols, "char", False),
        (["abab", "ba"], Symbols, "char", True),
        (("abab", "ba"), Symbols, "char", True),
        (("ab", "ba", ""), Symbols, "char", True),
        ([["x", "y"], ["x"]], Symbols, "item", True),
        ([[3, 4], [], [3]], Symbols, "item", True),
        (([3, 4], [3]), Symbols, "item", True),
        ([np.array([3, 4]), np.array([3])], Symbols, "item", True),
        ([[np.int64(3), np.int64(4)], [np.int64(3)]], Symbols, "item", True),
        ((np.array([3, 4, 3]), [2, 1]), Symbols, "item", True),
        ((torch.tensor([3, 4, 3]), torch.tensor([2, 0, 1])), Symbols, "item", True),
        (Sequences.from_list([[3, 4], [], [3]]), Symbols, "item", True),
        ([[], [1.5, 2.5], [0.5]], Vectors, None, False),
        (([1.5, 2.5], [0.5]), Vectors, None, False),
        ([np.ones((3, 2)), np.zeros((0, 2))], Vectors, None, False),
        ((np.ones((4, 2)), [3, 0, 1]), Vectors, None, False),
        (Sequences.from_list([torch.ones(3, 2)]), Vectors, None, False),
        ([np.ones((2, 4))], Vectors, None, False),
        ([[1, 2.5, 3.0]], Vectors, None, False),
        ([[1, 2], [2, 1.5]], Vectors, None, False),
        (np.array([[1, 2], [2, 1]]), Symbols, "item", True),
    ],
)
def test_the_space_is_told_from_the_data(data, kind, unit, end):
    rung = Markov(order=1) if kind is Symbols else HMM(states=1)
    model = Generator(rung, learner=None if kind is Symbols else EM(restarts=1, iterations=2))
    model.fit(data)
    assert type(model.space_) is kind
    assert getattr(model.space_, "unit", None) == unit
    assert (model.space_.end_number is not None) == end
    assert math.isfinite(model.bits(data))


@pytest.mark.parametrize("unit", ["char", "word", "byte"])
def test_a_text_is_one_stream_and_a_list_is_many(unit):
    text = "ab ba ab"
    stream = Generator(Markov(order=1), unit=unit).fit(text)
    lines = Generator(Markov(order=1), unit=unit).fit([text])
    count = 3 if unit == "word" else 8
    assert stream.evaluate(text).symbols == count
    assert lines.evaluate([text]).symbols == lines.evaluate(text).symbols == count + 1
    shown = stream.sample(1, text, max_length=2, seed=1)[0]
    assert shown.startswith(text if unit != "byte" else text.encode())


@pytest.mark.parametrize("data", [[], [[]], [[], []], "", [""], ["", ""]])
@pytest.mark.parametrize("rung", [HMM(states=1), Markov(order=1)])
def test_nothing_to_learn_from(data, rung):
    with pytest.raises(CatenaError, match="nothing to learn from"):
        Generator(rung).fit(data)


@pytest.mark.parametrize(
    "data", [np.zeros(20), [1, 2, 1, 2], [0.5, 1.5], np.array([1, 2]), torch.zeros(3), b"ab"]
)
def test_one_sequence_is_to_be_wrapped_in_a_list(data):
    with pytest.raises(CatenaError, match="wrap one sequence in a list"):
        Generator(HMM(states=1)).fit(data)


def test_one_array_alone_is_refused():
    for array in (np.zeros((20, 3)), torch.zeros(20, 3)):
        with pytest.raises(CatenaError, match=r"give \[X\] for one, or \(X, lengths\)"):
            Generator(HMM(states=1)).fit(array)


def test_symbols_are_measured_in_lists():
    model = Generator(Markov(order=1)).fit([[1, 2, 1]])
    with pytest.raises(CatenaError, match="wrap one sequence in a list"):
        model.bits([1, 2, 1])


@pytest.mark.parametrize(
    ("space", "rows"),
    [
        (Bits(2), [[[0, 1], [1, 1]], [[1, 0]]]),
        (Counts(2, (2.0, 3.0)), [[[0, 4], [2, 1]], [[5, 3]]]),
        (Vectors(2), [[[0.5, 4.0], [2.0, 1.0]], [[5.0, 3.0]]]),
    ],
)
@pytest.mark.parametrize("name", NUMERIC)
def test_numeric_spaces_on_every_rung(name, space, rows):
    rung, learner = RUNGS[name]
    model = Generator(rung, space=space, learner=learner).fit(rows)
    assert model.evaluate(rows).symbols == 3
    (drawn,) = model.sample(1, rows[0], max_length=3, seed=2)
    assert drawn.shape == (5, 2)
    assert np.array_equal(drawn[:2], np.array(rows[0], float))
    space.encode([drawn])  # what is drawn is of the space
    assert np.array_equal(drawn, model.sample(1, rows[0], max_length=3, seed=2)[0])
    stream = model.stream()
    surprises = [stream.push(x) for x in rows[0]]
    assert surprises == pytest.approx(model.surprise(rows[0]), rel=1e-5, abs=1e-5)
    assert model.next_distribution(rows[0]).batch_shape == (1,)
    assert model.encode(rows).shape[0] == 2
    for method in (model.next, model.beam):
        with pytest.raises(CatenaError, match="needs symbols"):
            method(rows[0])


@pytest.mark.parametrize(("a", "b"), [(1.0, 1e8), (1e20, 0.0), (1e-20, 0.0)])
@pytest.mark.parametrize("name", ["hmm", "window", "gru", "lstm"])
def test_densities_follow_the_units_of_the_data(name, a, b):
    """Whatever the units, the same model is learned; its bits change by log2 of the unit."""
    rung = LSTM(units=4) if name == "lstm" else RUNGS[name][0]
    rows = list(np.random.default_rng(0).normal(size=(4, 25, 2)))
    moved = [a * row + b for row in rows]
    plain = Generator(rung, learner=RUNGS[name][1], seed=1).fit(rows)
    model = Generator(rung, learner=RUNGS[name][1], seed=1).fit(moved)
    assert model.bits(moved) == pytest.approx(plain.bits(rows) + 2 * math.log2(a), abs=1e-4)
    drawn, usual = (np.stack(m.sample(50, max_length=2, seed=2)) for m in (model, plain))
    assert len(np.unique(drawn)) == drawn.size
    assert (drawn.std((0, 1)) / a) == pytest.approx(usual.std((0, 1)), rel=1e-3)


def test_numbers_of_the_callers_own_space_are_taken_as_they_are():
    space = Symbols(("a", "b"), unknown="error")
    model = Generator(Markov(order=1, smoothing="add"), space=space)
    model.fit(Sequences.from_list([[0, 1, 1]]))
    assert model.bits(Sequences.from_list([[0, 1]])) == model.bits([["a", "b"]])
    for bad, message in (
        ([[0, 2]], "observation 2 is 2"),
        ([[-1]], "is -1"),
        ([[0.5]], "whole numbers"),
    ):
        with pytest.raises(CatenaError, match=message):
            model.bits(Sequences.from_list(bad))


# -- every method on every rung ---------------------------------------------------------------


@every_rung
def test_evaluation_is_consistent(fitted, name):
    model, held_out = fitted[name], ["ab", "bxa", ""]
    found = model.evaluate(held_out)
    log_prob = model.log_prob(held_out)
    assert (found.symbols, found.sequences, found.unknown) == (8, 3, 1)
    assert log_prob.lengths.tolist() == [3, 4, 1]
    assert found.log_likelihood == pytest.approx(float(log_prob.values.double().sum()))
    assert found.bits_per_symbol == pytest.approx(-found.log_likelihood / math.log(2) / 8)
    assert found.perplexity == pytest.approx(2**found.bits_per_symbol)
    assert model.score(held_out) == pytest.approx(found.log_likelihood / 8)
    assert model.bits(held_out) == found.bits_per_symbol
    assert model.perplexity(held_out) == found.perplexity
    surprise = [model.surprise(text) for text in held_out]
    assert sum(s.sum() for s in surprise) == pytest.approx(8 * found.bits_per_symbol, rel=1e-5)


@every_rung
def test_what_comes_next(fitted, name):
    model = fitted[name]
    for prefix in (None, "", "ab", "zz"):
        following = model.next(prefix)
        assert sum(p for _, p in following) == pytest.approx(1, abs=1e-6)
        assert [p for _, p in following] == sorted((p for _, p in following), reverse=True)
        assert {symbol for symbol, _ in following} <= {"a", "b", END, UNKNOWN}
        assert model.next(prefix, 2) == following[:2]
    chosen = dict(model.next("ab"))
    assert model.surprise("aba")[2] == pytest.approx(-math.log2(chosen["a"]), abs=1e-5)


@every_rung
def test_samples_begin_with_their_prompt(fitted, name):
    model = fitted[name]
    for prompt in (None, "", "ba"):
        drawn = model.sample(20, prompt, max_length=6, min_length=1, seed=4)
        assert drawn == model.sample(20, prompt, max_length=6, min_length=1, seed=4)
        assert all(text.startswith(prompt or "") for text in drawn)
        assert {len(text) - len(prompt or "") for text in drawn} <= set(range(1, 7))
        assert set("".join(drawn)) <= {"a", "b"}
    assert model.sample(0) == []
    with pytest.raises(CatenaError, match="at least 0"):
        model.sample(-1)


@every_rung
def test_beams_begin_with_their_prompt(fitted, name):
    found = fitted[name].beam("b", 3, max_length=5)
    assert all(text.startswith("b") for text, _ in found)
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)


@every_rung
def test_a_stream_says_what_the_whole_sequence_says(fitted, name):
    model, text = fitted[name], "abbaz"
    stream, surprises = model.stream(), []
    for place, symbol in enumerate(text):
        expected = model.next_distribution(text[:place])
        assert torch.allclose(stream.next().probs, expected.probs, atol=1e-6)
        surprises.append(stream.push(symbol))
        stream = model.stream(stream.to_bytes())
    assert surprises == pytest.approx(model.surprise(text)[:5], abs=1e-5)
    with pytest.raises(CatenaError, match="one observation at a time"):
        stream.push("ab")
    with pytest.raises(CatenaError, match="one observation at a time"):
        stream.push("")


def test_a_stored_state_of_another_model_is_refused(fitted):
    stored = fitted["lstm"].stream().to_bytes()
    for bad in (stored, b"", b"nonsense", stored[:-1]):
        with pytest.raises(CatenaError, match=r"another model|not a stored state"):
            fitted["markov"].stream(bad)


@every_rung
def test_the_state_as_a_vector(fitted, name):
    found = fitted[name].encode(["ab", "", "ab"])
    assert found.shape[0] == 3
    assert np.array_equal(found[0], found[2])
    assert not np.isnan(found).any()


@every_rung
def test_a_saved_model_is_the_same_model(fitted, name, tmp_path):
    model, path = fitted[name], tmp_path / "model.safetensors"
    model.save(path)
    back = load(path, model.rung if name == "custom" else None)
    assert back.bits(["abx", ""]) == model.bits(["abx", ""])
    assert back.next("ab") == model.next("ab")
    assert back.sample(3, "a", seed=5, max_length=9) == model.sample(3, "a", seed=5, max_length=9)
    assert (back.rung, back.space_, back.history_) == (model.rung, model.space_, model.history_)
    assert (back.seed, back.unit, back.unknown, back.minimum) == (3, "char", "replace", 1)


def test_a_loaded_model_reads_data_as_the_fitted_one_did(tmp_path):
    path, data = tmp_path / "m", Sequences.from_list([[10, 20, 20], [10]])
    for space in (None, Symbols((10, 20), unknown="error")):
        rows = data if space is None else Sequences.from_list([[0, 1, 1], [0]])
        model = Generator(Markov(order=1), space=space, unknown="error").fit(rows)
        model.save(path)
        back = load(path)
        assert back.bits(rows) == model.bits(rows)
        assert back.get_params()["unknown"] == "error"
        assert back.space == space


def test_unknown_symbols_are_refused_where_that_was_asked_for():
    model = Generator(Markov(order=1), unknown="error").fit(["ab"])
    for method in (model.bits, model.surprise, model.next, model.sample, model.beam):
        with pytest.raises(CatenaError, match="'x' was not seen"):
            method(["ax"]) if method == model.bits else (
                method(1, "ax") if method == model.sample else method("ax")
            )
    with pytest.raises(CatenaError, match="'x' was not seen"):
        model.stream().push("x")


def test_a_prompt_is_shown_as_it_was_given():
    model = Generator(Markov(order=1)).fit(["abab", "ab"])
    assert all(text.startswith("axb") for text in model.sample(5, "axb", max_length=3))
    assert all(text.startswith("xa") for text, _ in model.beam("xa", 2, max_length=3))
    words = Generator(Markov(order=1), unit="word").fit(["the cat", "the dog"])
    assert words.sample(1, "one  the", min_length=1, max_length=1)[0] in (
        "one the cat",
        "one the dog",
    )


def test_rare_symbols_are_unknown():
    model = Generator(Markov(order=0), minimum=2).fit(["aabbc"])
    assert model.space_.items == (UNKNOWN, "a", "b")
    assert model.evaluate(["c"]).unknown == 1


def test_bits_per_character_of_words():
    model = Generator(Markov(order=0), unit="word").fit(["the cat", "the"])
    found = model.evaluate(["the cat"])
    assert found.bits_per_character == pytest.approx(found.bits_per_symbol * 3 / 8)
    assert Generator(Markov(order=0)).fit(["ab"]).evaluate(["ab"]).bits_per_character is None
    assert model.evaluate(["the dog"]).bits_per_character is None  # nobody spelt out "dog"


@pytest.mark.parametrize(
    ("rows", "characters"),
    [
        ([["a", "bc", "\n", "a"]], len("a bc\na ")),
        ([["a", "\n", "\n", "bc", "\n"]], len("a\n\nbc\n")),
        ([["\n", "a"], [], ["\n", "a"]], 2 * len("\na ")),
    ],
)
def test_a_line_break_stands_where_the_space_would(rows, characters):
    space = Symbols(("a", "bc", "\n"), "word", "error", end=False)
    model = Generator(Markov(order=0), space=space).fit(rows)
    found = model.evaluate(rows)
    bits = found.bits_per_symbol * found.symbols
    assert found.bits_per_character == pytest.approx(bits / characters)


def test_the_measure_of_nothing():
    model = Generator(Markov(order=0)).fit(["ab"])
    found = model.evaluate([])
    assert (found.symbols, found.sequences) == (0, 0)
    assert math.isnan(found.bits_per_symbol)
    assert math.isnan(found.perplexity)


def test_the_impossible_is_infinitely_surprising():
    model = Generator(Markov(order=1, smoothing="none")).fit(["ab", "ab"])
    found = model.evaluate(["ba"])
    assert (found.log_likelihood, found.bits_per_symbol, found.perplexity) == (
        -math.inf,
        math.inf,
        math.inf,
    )


# -- manners ----------------------------------------------------------------------------------


def test_before_fit_it_says_that_it_is_not_fitted(tmp_path):
    model = Generator(Markov())
    for call in (
        lambda: model.bits(["a"]),
        lambda: model.next("a"),
        lambda: model.sample(1),
        lambda: model.beam(),
        lambda: model.surprise("a"),
        lambda: model.encode(["a"]),
        lambda: model.stream(),
        lambda: model.save(tmp_path / "m"),
        lambda: model.log_prob(["a"]),
    ):
        with pytest.raises(CatenaError, match="not fitted yet"):
            call()


def test_parameters_in_and_out():
    model = Generator(LSTM(units=8), learner=Gradient(epochs=3), seed=5)
    params = model.get_params()
    assert (params["rung__units"], params["learner__epochs"], params["seed"]) == (8, 3, 5)
    assert "rung__units" not in model.get_params(deep=False)
    assert model.set_params(rung__units=4, seed=1) is model
    assert (model.rung, model.seed) == (LSTM(units=4), 1)
    for name, message in (
        ("size", "no parameter"),
        ("rung__size", "no option"),
        ("seed__x", "no option"),
    ):
        with pytest.raises(CatenaError, match=message):
            model.set_params(**{name: 1})
    with pytest.raises(CatenaError, match="units must be at least 1"):
        model.set_params(rung__units=0)
    assert repr(Generator(Markov(order=1), seed=2)).endswith("alpha=1.0), seed=2)")


def test_scikit_learn_can_clone_and_search_it():
    base = pytest.importorskip("sklearn.base")
    from sklearn.model_selection import GridSearchCV

    model = Generator(Markov(order=1), unknown="replace", seed=4).fit(TEXTS)
    copy = base.clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "model_")
    search = GridSearchCV(Generator(Markov()), {"rung__order": [0, 1]}, cv=2, error_score="raise")
    search.fit(["abab", "abab", "abab", "abab"])
    assert search.best_params_ == {"rung__order": 1}


def test_a_weight_is_so_many_copies():
    space = Symbols.learn(TEXTS)
    weights = np.arange(len(TEXTS)) % 3
    copies = [text for text, times in zip(TEXTS, weights, strict=True) for _ in range(times)]
    model = Generator(Markov(order=2), space=space)
    wanted = model.fit(copies).evaluate(TEXTS)
    assert model.fit(TEXTS, sample_weight=weights).evaluate(TEXTS) == wanted
    assert model.fit(TEXTS).evaluate(TEXTS) != wanted
    half = Markov(order=1, smoothing="none")
    wanted = Generator(half).fit(TEXTS).bits(TEXTS)
    found = Generator(half).fit(TEXTS, sample_weight=[0.3] * len(TEXTS)).bits(TEXTS)
    assert found == pytest.approx(wanted, rel=1e-12)
    for learner, given, message in (
        (None, [0.0] * len(TEXTS), "all weights are zero"),
        (Gradient(epochs=1), [1.0] * len(TEXTS), "takes no weights"),
    ):
        rung = Markov() if learner is None else GRU(units=2)
        with pytest.raises(CatenaError, match=message):
            Generator(rung, learner=learner).fit(TEXTS, sample_weight=given)


def test_fit_returns_itself_and_starts_anew(fitted):
    model = Generator(Markov(order=1))
    assert model.fit(["ab"]) is model
    model.fit(["cd"])
    assert "a" not in model.space_.items


@every_rung
def test_the_seed_decides(fitted, name):
    rung, learner = RUNGS[name]
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = Generator(rung, learner=learner, seed=3).fit(TEXTS)
    assert torch.equal(torch.get_rng_state(), before)
    mine, theirs = again.model_.state_dict(), fitted[name].model_.state_dict()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    if name != "markov":
        other = Generator(rung, learner=learner, seed=4).fit(TEXTS).model_.state_dict()
        assert any(not torch.equal(mine[key], other[key]) for key in mine)
