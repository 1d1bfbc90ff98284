"""Which rung does this data need: the numbers of a comparison, and what it says of them."""

import ctypes
import dataclasses
import json
import math
import random
import time

import numpy as np
import pytest
import torch

from catena import (
    GRU,
    HMM,
    LSTM,
    CatenaError,
    Custom,
    FromFunction,
    Generator,
    Markov,
    Sequences,
    Symbols,
    Vectors,
    compare,
)
from catena.comparing.bootstrap import Interval
from catena.comparing.classifying import Classifying
from catena.comparing.generating import terms_of
from catena.comparing.grid import entries
from catena.comparing.measure import Meter, count_parameters
from catena.comparing.result import Comparison, Row
from catena.comparing.verdict import verdict
from catena.learn import EM, Gradient
from catena.space import Counts
from catena.split import split

TINY = 0.005  # minutes


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(0)
    words = ["ab", "abc", "cab", "bca", "aab"]
    return [" ".join(draw.choices(words, k=4)) for _ in range(120)]


@pytest.fixture(scope="module")
def found(texts):
    return compare(texts, ["markov", "hmm", "rnn"], minutes=3 * TINY)


# -- numbers ------------------------------------------------------------------------------------


def test_the_rows_follow_the_ladder(found):
    names = [row.name for row in found.rows]
    assert names == ["markov-0", "markov-1", "markov-2", "markov-k", "hmm", "rnn"]
    assert [row.label for row in found.rows[:3]] == ["Markov-0", "Markov-1", "Markov-2"]
    assert found.rows[3].label == f"Markov-{found.rows[3].rung.removeprefix('Markov(order=')[0]}"
    assert (found.baseline, found.unit) == ("markov-1", "character")


def test_bits_are_those_of_a_generator_on_the_same_split(texts, found):
    parts = split(texts, 0)
    for order, row in enumerate(found.rows[:3]):
        alone = Generator(Markov(order)).fit(parts.train)
        assert row.bits == pytest.approx(alone.bits(parts.test), rel=1e-12)
        assert row.perplexity == pytest.approx(2**row.bits, rel=1e-12)
        assert row.parameters == count_parameters(alone.model_)
    assert found.sizes == tuple(sum(map(len, part)) for part in parts[:3])


def test_the_higher_order_is_chosen_on_the_validation_part(texts, found):
    parts, row = split(texts, 0), found.rows[3]
    tried = {
        f"Markov(order={order})": Generator(Markov(order)).fit(parts.train).bits(parts.valid)
        for order in range(3, 9)
    }
    assert dict(row.tried) == pytest.approx(tried, rel=1e-12)
    assert row.rung == min(tried, key=lambda rung: tried[rung])


def test_differences_and_shares(found):
    best, base = found.best, found.rows[1]
    assert best.against_best is None
    assert found.rows[0].against_below is None
    for below, row in zip([None, *found.rows], found.rows, strict=False):
        if row is not best:
            assert row.against_best.value == pytest.approx(row.bits - best.bits, abs=1e-9)
            assert row.against_best.low <= row.against_best.value <= row.against_best.high
        if below is not None:
            assert row.against_below.value == pytest.approx(row.bits - below.bits, abs=1e-9)
        share = (base.bits - row.bits) / (base.bits - best.bits)
        assert row.explained == pytest.approx(share)
    assert (base.explained, best.explained) == (0.0, 1.0)


def test_positions_average_to_the_whole(found):
    for row in found.rows:
        assert row.positions[0][:2] == (1, 1)
        assert all(last + 1 == first for (_, last, _), (first, _, _) in
                   zip(row.positions, row.positions[1:], strict=False))  # fmt: skip
    assert found.rows[0].positions != found.rows[3].positions


def test_what_it_cost(found):
    for row in found.rows:
        assert row.seconds > 0
        assert row.speed > 0
        assert row.epochs > 0
        assert row.parameters > 0
        assert isinstance(row.sample, str)
    assert found.rows[5].curve


def test_what_was_not_learned_is_not_counted():
    space = Symbols(("⟨unk⟩", "a", "b"))
    zero, learned = (LSTM(4, start=start).build(space) for start in ("zero", "learned"))
    assert count_parameters(learned) - count_parameters(zero) == 2 * 4
    held = sum(part.numel() for part in learned.parameters())
    assert count_parameters(learned) == held
    assert count_parameters(Markov(2).build(space)) == 0


def test_a_chain_has_a_weight_an_n_gram_and_a_backoff_a_context():
    chain = Generator(Markov(1, "witten_bell")).fit(["aab"])
    # a, b and the end; then, after the beginning, a, b: a, a b, the end. Four contexts in all.
    assert count_parameters(chain.model_) == 3 + 4 + 1 + 3


def test_the_peak_of_a_row_does_not_lean_on_what_was_freed():
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("the C library cannot hand free memory back")

    def fill():
        return [bytearray(b"x" * 65_000) for _ in range(1000)]

    pin = fill()[-1]  # what lies below it is free, and not handed back by itself
    with Meter() as meter:
        held = fill()
        time.sleep(0.1)
    assert held
    assert pin
    assert meter.peak_memory > 50 << 20


def test_all_of_it_is_json(found):
    told = json.loads(found.to_json())
    assert told["best"] == found.best.name
    assert [row["bits"] for row in told["rows"]] == [row.bits for row in found.rows]
    assert told["verdict"] == found.verdict
    assert set(told["machine"]) == {"processor", "threads", "python", "torch"}


def test_the_same_seed_gives_the_same_bits(texts, found):
    again = compare(texts, ["markov"], minutes=TINY)
    assert [row.bits for row in again.rows] == [row.bits for row in found.rows[:4]]
    other = compare(texts, ["markov"], minutes=TINY, seed=1)
    assert [row.bits for row in other.rows] != [row.bits for row in again.rows]


# -- data and rungs of every kind ---------------------------------------------------------------


def test_numbers_start_from_one_state_without_memory():
    draw = np.random.default_rng(0)
    state = draw.integers(0, 2, 40).repeat(10)
    data = [np.stack([4.0 * state, state], 1) + draw.normal(0, 0.3, (400, 2))]
    found = compare(data, ["markov", "hmm"], minutes=TINY)
    assert [row.name for row in found.rows] == ["independent", "hmm"]
    assert (found.baseline, found.unit) == ("independent", "step")
    assert found.rows[1].bits < found.rows[0].bits
    assert found.rows[1].explained == 1.0
    assert found.rows[0].sample is None
    same = compare((data[0], [400]), ["hmm"], minutes=TINY)
    assert same.sizes == found.sizes


def test_rungs_as_they_are_given(texts):
    found = compare(texts, [Markov(1, "witten_bell"), HMM(2), "markov"], minutes=TINY)
    assert [row.name for row in found.rows][-2:] == [
        "Markov(order=1, smoothing='witten_bell')",
        "HMM(states=2)",
    ]
    assert all(not row.tried for row in found.rows[-2:])


def averages(width):
    return FromFunction(lambda s, x, theta: (0.5 * s[0] + 0.5 * x,), state=[(width,)])


def test_rungs_of_one_kind_are_told_apart(texts):
    found = compare(texts, [LSTM(2), LSTM(4), HMM(2)], minutes=TINY)
    assert [row.label for row in found.rows] == ["LSTM(units=2)", "LSTM(units=4)", "HMM"]
    assert "LSTM " not in " ".join(found.verdict)


def test_the_same_rung_twice_is_two_rows(texts):
    found = compare(texts, [Markov(1), Markov(2), Markov(1)], minutes=TINY)
    names = ["Markov(order=1) (1)", "Markov(order=2)", "Markov(order=1) (2)"]
    assert [row.name for row in found.rows] == names
    assert [row.label for row in found.rows] == [names[0], "Markov-2", names[2]]
    assert found.rows[0].bits == found.rows[2].bits
    gap = found.rows[2].against_below
    assert gap.value == pytest.approx(found.rows[2].bits - found.rows[1].bits, abs=1e-9)


def test_a_chosen_order_and_the_same_order_given(texts):
    found = compare(texts, ["markov", Markov(1)], minutes=TINY)
    labels = [row.label for row in found.rows]
    assert len(set(labels)) == 5
    assert labels[1::3] == ["Markov(order=1) (1)", "Markov(order=1) (2)"]
    assert found.baseline == "markov-1"


def test_a_recurrence_of_ones_own_is_shown_by_its_name(texts):
    found = compare(texts, [Custom(averages, embedding=4)], minutes=TINY)
    assert found.rows[0].rung == "Custom(recurrence=averages, embedding=4)"
    assert (found.rows[0].name, found.rows[0].label) == (found.rows[0].rung, "Custom")
    assert " at 0x" not in found.to_json()


def test_one_rung_alone(texts):
    found = compare(texts, [Markov(1)], minutes=TINY)
    assert (found.rows[0].against_best, found.rows[0].against_below) == (None, None)
    assert len(found.verdict) == 1


def test_items_mean_the_same_in_lists_and_in_sequences():
    lists = [[10, 20, 30, 20][: i % 5] for i in range(60)]
    found = compare(lists, ["markov"])
    stored = Sequences.from_list([torch.tensor(row, dtype=torch.int64) for row in lists])
    assert [row.bits for row in compare(stored, ["markov"]).rows] == [r.bits for r in found.rows]
    assert found.unit == "symbol"


def test_numbers_of_a_space_of_ones_own():
    space = Symbols(("x", "y", "z"), unknown="error")
    stored = Sequences.from_list([[0, 1, 2, 1][: i % 5] for i in range(60)])
    found = compare(stored, [Markov(1)], space=space)
    words = [[space.items[n] for n in row.tolist()] for row in stored]
    assert found.rows[0].bits == compare(words, [Markov(1)], space=space).rows[0].bits


def test_words_are_not_cut_in_two():
    text = " ".join(f"word{i % 7} then" for i in range(300))
    found = compare(text, [Markov(1)], unit="word")
    assert found.unit == "word"
    assert found.rows[0].bits_per_character == pytest.approx(found.rows[0].bits / 5.5, rel=0.05)
    assert found.rows[0].bits < 1.6  # log2(7) for every other word


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"rungs": ["crf"]}, "no model 'crf'"),
        ({"minutes": 0.0}, "minutes must be above 0"),
        ({"minutes": math.nan}, "minutes must be above 0"),
        ({"data": ["a", "b"]}, "cannot be cut"),
        ({"data": [np.zeros((50, 2))], "rungs": ["markov"], "name": "x.csv"}, "x.csv: markov"),
        ({"data": [np.zeros((50, 2))], "rungs": [Markov(1)]}, "Markov chain counts symbols"),
    ],
)
def test_what_is_refused(texts, arguments, told):
    with pytest.raises(CatenaError, match=told):
        compare(**{"data": texts, **arguments})


def test_probability_zero_in_the_test_part(texts):
    rare = [*texts[:-30], *(f"{chr(0x4E00 + i)}" for i in range(30))]
    found = compare(rare, [Markov(3, "none"), Markov(1)], minutes=TINY)
    assert found.rows[0].bits == math.inf
    assert found.best is found.rows[1]
    told = json.loads(found.to_json())
    assert told["rows"][0]["bits"] is None
    assert "Markov-1 predicts best" in found.verdict[0]
    assert "probability 0" in found.verdict[0]


# -- the grid -----------------------------------------------------------------------------------


def test_the_grid_builds_and_follows_the_ladder():
    kinds = ["lstm", "gru", "rnn", "window", "hmm", "markov"]
    for space in (Symbols(("⟨unk⟩", "a")), Vectors(2), Counts(1)):
        for observations in (100, 10**6):
            grid = entries(kinds, space, observations)
            assert [entry.name for entry in grid][-4:] == ["window", "rnn", "gru", "lstm"]
            for entry in grid:
                with torch.device("meta"):
                    assert all(rung.build(space) for rung in entry.candidates)


# -- the verdict --------------------------------------------------------------------------------


def row(name, value, seconds=1.0, best=None, below=None, key="bits"):
    """A row with only what the verdict reads."""
    blank = dict.fromkeys(field.name for field in dataclasses.fields(Row))
    given = {"name": name, "label": name, "figures": {key: value}, "seconds": seconds, "notes": []}
    return Row(**{**blank, **given, "against_best": best, "against_below": below})


def said(*rows, terms=None):
    terms = terms or terms_of(Symbols(("⟨unk⟩", "a"), "char"))
    return " ".join(verdict(Comparison("d", terms, "", (1, 1, 1), 0, 1.0, list(rows))))


def test_a_clear_lead():
    text = said(row("Markov", 2.5, 0.1, Interval(0.5, 0.4, 0.6)), row("LSTM", 2.0, 60.0))
    assert "LSTM predicts best: 2.000 bits a character, 0.500 bits ahead of Markov" in text
    assert "(95% interval 0.400 to 0.600, so the lead is clear)" in text
    assert "No cheaper model comes within 0.02 bits" in text


def test_a_lead_that_is_not_clear_and_a_cheap_rung_that_would_do():
    text = said(
        row("Markov-4", 2.0151, 0.6, Interval(0.0151, -0.001, 0.03)),
        row("GRU", 2.2, 30.0, Interval(0.2, 0.1, 0.3)),
        row("LSTM", 2.0, 60.0),
    )
    assert "so the lead is not clear" in text
    assert "Markov-4 is within 0.016 bits of LSTM at 1/100 of the cost" in text


def test_the_cheapest_is_the_best():
    text = said(row("Markov", 2.0, 0.1), row("LSTM", 2.5, 60.0, Interval(0.5, 0.4, 0.6)))
    assert "Markov predicts best" in text
    assert "No model here is much cheaper" in text


def test_steps_that_brought_nothing():
    worse, better, unsure = Interval(0.1, 0.05, 0.2), Interval(-1, -2, -0.5), Interval(0.1, -1, 1)
    text = said(
        row("A", 3.0, best=worse), row("B", 3.1, best=worse, below=worse),
        row("C", 2.0, below=better), row("D", 2.1, best=worse, below=unsure),
    )  # fmt: skip
    assert text.endswith("No better than the row above it here: B (+0.100) bits.")


def test_more_may_be_better():
    better = Classifying.terms
    text = said(
        row("HMM", 0.9, 0.5, Interval(-0.02, -0.03, -0.01), key="accuracy"),
        row("GRU", 0.9161, 30.0, Interval(-0.0039, -0.01, 0.002), key="accuracy"),
        row("LSTM", 0.92, 60.0, below=Interval(0.0039, -0.002, 0.01), key="accuracy"),
        row("X", 0.7, 9.0, Interval(-0.22, -0.3, -0.1), Interval(-0.2, -0.3, 0.0), key="accuracy"),
        terms=better,
    )
    assert text == (
        "LSTM predicts best: accuracy 0.9200, 0.0039 ahead of GRU (95% interval -0.0020 to 0.0100, "
        "so the lead is not clear). GRU is within 0.0039 of LSTM at 50% of the cost: use it unless "
        "that matters. No better than the row above it here: X (-0.2000)."
    )


@pytest.mark.parametrize(
    ("networks", "low", "told"),
    [
        (("LSTM",), 0.01, "A network was worth it: the best without one, CRF, is 0.0200 behind."),
        (
            ("LSTM",),
            -0.01,
            "Whether a network was worth it is not clear: the best without one",
        ),
        (("HMM", "CRF"), 0.01, "No network was worth it: none is ahead of LSTM."),
        ((), 0.01, None),
    ],
)
def test_whether_a_network_was_worth_it(networks, low, told):
    rows = [
        row("HMM", 0.8, 0.1, Interval(-0.12, -0.2, -0.1), key="accuracy"),
        row("CRF", 0.9, 9.0, Interval(-0.02, -0.03, -low), key="accuracy"),
        row("LSTM", 0.92, 60.0, key="accuracy"),
    ]
    for one in rows:
        one.network = one.name in networks
    text = said(*rows, terms=Classifying.terms)
    assert told in text if told else "network" not in text


def test_one_row_or_none_that_is_possible():
    assert (
        said(row("HMM", 8.1), terms=terms_of(Vectors(1))) == "HMM predicts best: 8.100 bits a step."
    )
    none = said(row("A", math.inf), row("B", math.nan))
    assert none == "Every model here gives something in the test part probability 0."
    undefined = Interval(math.inf, 0.0, math.inf)
    text = said(row("A", math.inf, 0.1, undefined, undefined), row("B", 2.0, 9.0))
    assert text.startswith("B predicts best: 2.000 bits a character; all others give something")
    assert "inf" not in text


def test_the_learners_of_a_comparison_keep_to_their_time():
    from catena.comparing.grid import learner

    assert learner(HMM(2), 0.5, 100) == EM(minutes=0.5)
    for observations in (100, 10**6):
        how = learner(GRU(4), 0.5, observations)
        assert isinstance(how, Gradient)
        assert how.minutes == 0.5
