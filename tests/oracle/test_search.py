"""Sampling and beam search against distributions written down and sequences enumerated."""

import itertools
import math
from typing import cast
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from catena import Bits, CatenaError, FromFunction, SequenceModel, Sequences, Symbols, Vectors
from catena.emission import Categorical, Gaussian
from catena.ladder import LSTM
from catena.search import Beam, Sampling, allowed_log_probs, beam, filtered, sample

SPACE = Symbols(("⟨unk⟩", "a", "b", "c"))
NOTHING = torch.zeros(0, dtype=torch.int64)


class Fixed(torch.nn.Module):
    """A head that predicts from a table, the last symbol (or the beginning) being the row."""

    def __init__(self, table):
        super().__init__()
        self.table = torch.tensor(table, dtype=torch.float64).log()
        self.emission = Categorical(self.table.shape[1])

    def distribution(self, features):
        return self.emission.distribution(self.table[features.long()])

    def log_prob(self, features, x):
        return self.emission.log_prob(self.table[features.long()], x)


def chain(table, space=SPACE):
    """A first-order chain over a table `[1 + items, outcomes]`; row 0 is the beginning."""
    last = FromFunction(lambda s, x, theta: ((x + 1).to(s[0].dtype),), [()])
    return SequenceModel(space, lambda x: x, last, Fixed(table))


def random_chain(seed, space=SPACE):
    generator = torch.Generator().manual_seed(seed)
    table = torch.rand(len(space.items) + 1, space.outcomes, generator=generator) ** 3 + 1e-3
    return chain((table / table.sum(-1, keepdim=True)).tolist(), space)


def lstm(seed=0):
    torch.manual_seed(seed)
    model = LSTM(units=5).build(SPACE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    return model


def starts(n, *prompt):
    return Sequences(torch.tensor(prompt * n, dtype=torch.int64), torch.full((n,), len(prompt)))


def search(model, prompt, width=5, **options):
    return beam(model, prompt, Beam(width, **options))[0]


def draw(model, how, n=1, prompt=(), seed=0):
    return sample(model, starts(n, *prompt), how, torch.Generator().manual_seed(seed))


# -- the filters ------------------------------------------------------------------------------

P = [0.4, 0.3, 0.2, 0.1]


def p_after(p=P, **how):
    return filtered(torch.tensor([p], dtype=torch.float64).log(), Sampling(**how)).exp()[0].tolist()


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ({}, P),
        ({"temperature": 0.5}, [16 / 30, 9 / 30, 4 / 30, 1 / 30]),
        ({"temperature": 0}, [1, 0, 0, 0]),
        ({"temperature": 1e-320}, [1, 0, 0, 0]),
        ({"temperature": 1e300}, [0.25] * 4),
        ({"top_k": 1}, [1, 0, 0, 0]),
        ({"top_k": 2}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_k": 9}, P),
        ({"top_p": 0.39}, [1, 0, 0, 0]),
        ({"top_p": 0.41}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 1.0}, P),
        # Temperature comes before top-p: sharpened, the first two hold 25/30 of the mass.
        ({"temperature": 0.5, "top_p": 0.8}, [16 / 25, 9 / 25, 0, 0]),
        # Top-k comes before top-p: of three renormalised, the first two hold 7/9 > 0.75.
        ({"top_k": 3, "top_p": 0.75}, [4 / 7, 3 / 7, 0, 0]),
        ({"temperature": 0.5, "top_k": 3, "top_p": 0.56}, [16 / 25, 9 / 25, 0, 0]),
        ({"min_p": 0.0}, P),
        ({"min_p": 0.49}, [4 / 9, 3 / 9, 2 / 9, 0]),
        ({"min_p": 0.51}, [4 / 7, 3 / 7, 0, 0]),
        ({"min_p": 1.0}, [1, 0, 0, 0]),
        # Temperature comes before min-p: sharpened, the third has a quarter of the first.
        ({"temperature": 0.5, "min_p": 0.3}, [16 / 25, 9 / 25, 0, 0]),
        # Min-p comes last: before, it would have left top-p two symbols, of which one holds 0.55.
        ({"min_p": 0.51, "top_p": 0.55}, [4 / 7, 3 / 7, 0, 0]),
    ],
)
def test_filters_by_hand(how, wanted):
    assert p_after(**how) == pytest.approx(wanted, abs=1e-12)


def test_what_is_impossible_stays_impossible():
    for how in ({"temperature": 5.0}, {"top_p": 0.99}, {"min_p": 0.1}, {"temperature": 0}):
        assert p_after([0.0, 0.5, 0.5, 0.0], **how)[3] == 0.0


@given(st.lists(st.floats(-30, 5), min_size=2, max_size=6), st.integers(0, 5), st.floats(0.1, 1))
@settings(max_examples=40)
def test_filtered_is_a_distribution_and_leaves_its_input_alone(logits, k, mass):
    log_p = torch.tensor([logits], dtype=torch.float64).log_softmax(-1)
    before = log_p.clone()
    p = filtered(log_p, Sampling(temperature=0.7, top_k=k or None, top_p=mass)).exp()
    assert torch.equal(log_p, before)
    assert float(p.sum()) == pytest.approx(1, abs=1e-12)
    assert int((p > 0).sum()) <= (k or 6)


@pytest.mark.parametrize(
    "how",
    [
        {"temperature": -1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"min_p": 1.5},
        {"min_p": math.nan},
        {"min_length": -1},
        {"max_length": -1},
        {"min_length": 5, "max_length": 4},
    ],
    ids=str,
)
def test_what_cannot_be_sampled_with_is_refused(how):
    with pytest.raises(CatenaError):
        Sampling(**how)


# -- sampling ---------------------------------------------------------------------------------

TABLE = [
    [0.0, 0.5, 0.2, 0.2, 0.1],
    [0.2] * 5,
    [0.1, 0.2, 0.3, 0.1, 0.3],
    [0.0, 0.6, 0.1, 0.1, 0.2],
    [0.1, 0.3, 0.3, 0.2, 0.1],
]


def test_samples_follow_the_distribution():
    drawn = draw(chain(TABLE), Sampling(max_length=1), n=20_000, seed=5)
    first = [int(row[0]) if len(row) else 4 for row in drawn]
    counts = [first.count(symbol) for symbol in (1, 2, 3, 4)]
    assert chisquare(counts, [20_000 * p for p in TABLE[0][1:]]).pvalue > 1e-3


def test_samples_follow_the_filtered_distribution_after_a_prompt():
    how = Sampling(temperature=0.7, top_k=3, min_length=1, max_length=1)
    drawn = draw(chain(TABLE), how, n=20_000, prompt=(2, 1), seed=6)
    p = torch.tensor([0.2, 0.3, 0.1]).double() ** (1 / 0.7)  # without ⟨unk⟩ and the end
    counts = torch.bincount(drawn.values, minlength=4)[1:].tolist()
    assert sum(counts) == 20_000
    assert chisquare(counts, (20_000 * p / p.sum()).tolist()).pvalue > 1e-3


def test_two_steps_follow_the_chain():
    drawn = draw(chain(TABLE), Sampling(max_length=2), n=20_000, seed=7)
    pairs = [tuple(row.tolist()) for row in drawn if len(row) == 2]
    count = sum(pair == (1, 2) for pair in pairs)
    wanted = 0.5 * 0.3 / 0.9  # ⟨unk⟩ is never drawn, the rest shares its mass
    assert abs(count / 20_000 - wanted) < 4 * math.sqrt(wanted * (1 - wanted) / 20_000)


@pytest.mark.parametrize("seed", range(6))
def test_temperature_zero_is_greedy_is_a_beam_of_one(seed):
    for model in (random_chain(seed), lstm(seed)):
        for prompt in ((), (1, 3)):
            coldest = draw(model, Sampling(temperature=0, max_length=12), prompt=prompt)
            single = draw(model, Sampling(top_k=1, max_length=12), prompt=prompt, seed=9)
            (best,) = search(model, starts(1, *prompt), 1, max_length=12)
            assert coldest.values.tolist() == single.values.tolist() == best.numbers.tolist()


def test_lengths_are_kept_to_and_the_prompt_is_not_counted():
    model = random_chain(1)
    for prompt in ((), (2, 2, 1)):
        drawn = draw(model, Sampling(min_length=3, max_length=6), n=300, prompt=prompt)
        assert set(drawn.lengths.tolist()) <= {3, 4, 5, 6}
        assert {3, 6} <= set(drawn.lengths.tolist())
    assert draw(model, Sampling(max_length=0), n=4).lengths.tolist() == [0] * 4
    assert draw(model, Sampling(), n=0).lengths.tolist() == []


def test_neither_the_unknown_nor_the_end_is_among_the_drawn():
    drawn = draw(random_chain(3), Sampling(max_length=30), n=500)
    assert set(drawn.values.tolist()) == {1, 2, 3}


def test_where_only_the_forbidden_is_possible_something_else_comes():
    only_unknown = chain([[1.0, 0, 0, 0, 0]] * 5)
    drawn = draw(only_unknown, Sampling(min_length=3, max_length=3), n=50)
    assert set(drawn.values.tolist()) <= {1, 2, 3}
    assert drawn.lengths.tolist() == [3] * 50


def test_rows_that_ended_leave_the_batch():
    model, seen = random_chain(2), []
    step = model.recurrence.step

    def watched(state, x):
        seen.append(len(x))
        return step(state, x)

    model.recurrence.step = watched
    drawn = draw(model, Sampling(max_length=40), n=64)
    running = [int((drawn.lengths > t).sum()) for t in range(int(drawn.lengths.max()))]
    assert [n for n in seen if n] == running


def test_seeds_reproduce_and_differ_and_leave_the_users_numbers_alone():
    model, how = random_chain(4), Sampling(max_length=20)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    once, again, other = (draw(model, how, n=8, seed=s) for s in (1, 1, 2))
    assert once.values.tolist() == again.values.tolist()
    assert once.values.tolist() != other.values.tolist()
    vectors = Vectors(2)
    gauss = SequenceModel(
        vectors, lambda x: x, FromFunction(lambda s, x, t: s, [4]), _Head(vectors)
    )
    prompts = Sequences(torch.zeros(0, 2).double(), torch.zeros(3, dtype=torch.int64))
    how = Sampling(max_length=5)
    rows = [sample(gauss, prompts, how, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(rows[0].values, rows[1].values)
    assert not torch.equal(rows[0].values, rows[2].values)
    assert rows[0].lengths.tolist() == [5, 5, 5]
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(CatenaError, match="space is numeric"):
        sample(gauss, prompts, Sampling(top_k=2), torch.Generator())
    with pytest.raises(CatenaError, match="needs symbols"):
        search(gauss, prompts[:1])
    with pytest.raises(CatenaError, match="bits that a network predicts"):
        sample(gauss, prompts, Sampling(temperature=0.5), torch.Generator())


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 3.0])
def test_bits_at_a_temperature(temperature):
    torch.manual_seed(0)
    model = LSTM(units=4).build(Bits(3))
    with torch.no_grad():
        model.head.linear.weight.zero_()
        model.head.linear.bias.copy_(torch.tensor([0.2, -1.0, 2.0]))
    p = torch.tensor([0.2, -1.0, 2.0]).sigmoid()
    drawn = sample(
        model,
        Sequences(torch.zeros(0, 3), torch.zeros(50, dtype=torch.int64)),
        Sampling(temperature=temperature, max_length=100),
        torch.Generator().manual_seed(1),
    )
    if temperature:
        tempered = p ** (1 / temperature)
        expected = tempered / (tempered + (1 - p) ** (1 / temperature))
    else:
        expected = torch.tensor([1.0, 0.0, 1.0])
    assert torch.allclose(drawn.values.float().mean(0), expected, atol=0.03)  # 4 standard errors


class _Head(torch.nn.Module):
    def __init__(self, space):
        super().__init__()
        self.emission = Gaussian(space)

    def distribution(self, features):
        return self.emission.distribution(features)

    def log_prob(self, features, x):
        return self.emission.log_prob(features, x)


def test_the_models_own_probabilities_are_untouched():
    model = random_chain(8)
    batch, head = starts(2, 1, 2, 3), cast(Fixed, model.head)
    table = head.table.clone()
    before = model.log_prob(batch).values
    draw(model, Sampling(0.3, 2, 0.5, max_length=9), n=20)
    search(model, starts(1), 4, min_length=2, max_length=5)
    allowed_log_probs(model, model.read(model.start(2)), may_end=False)
    assert torch.equal(head.table, table)
    assert torch.equal(model.log_prob(batch).values, before)


# -- beam -------------------------------------------------------------------------------------


def enumerated(model, most, prompt=(), least=0):
    """Every continuation that may come, with its log-probability, best first."""
    space, found = model.space, []
    for length in range(most + 1):
        for numbers in itertools.product(range(1, len(space.items)), repeat=length):
            whole = starts(1, *prompt, *numbers)
            log_p = model.log_prob(whole).values.double()[len(prompt) :]
            if length == most:
                closing = log_p[:length].sum()
            elif length < least:
                continue
            else:
                closing = log_p.sum()
            found.append((list(numbers), float(closing)))
    return sorted(found, key=lambda pair: -pair[1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("least", [0, 2])
def test_a_wide_beam_is_exhaustive(seed, least):
    model = random_chain(seed)
    wanted = enumerated(model, 4, prompt=(1,), least=least)
    found = search(model, starts(1, 1), 1000, min_length=least, max_length=4)
    # The ranks are compared by score: a chain gives some permutations the same probability.
    assert [h.log_prob for h in found] == pytest.approx([log_p for _, log_p in wanted], abs=1e-10)
    by_numbers = {tuple(numbers): log_p for numbers, log_p in wanted}
    assert {tuple(h.numbers.tolist()) for h in found} == by_numbers.keys()
    for hypothesis in found:
        log_p = by_numbers[tuple(hypothesis.numbers.tolist())]
        assert hypothesis.log_prob == pytest.approx(log_p, abs=1e-10)
        assert hypothesis.ended == (len(hypothesis.numbers) < 4)


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_of_an_lstm_says_what_the_model_says(seed):
    model = lstm(seed)
    for hypothesis in search(model, starts(1, 2), 4, max_length=8):
        log_p = model.log_prob(starts(1, 2, *hypothesis.numbers.tolist())).values.double()[1:]
        wanted = float(log_p.sum() if hypothesis.ended else log_p[:-1].sum())
        assert hypothesis.log_prob == pytest.approx(wanted, abs=1e-5)


def test_the_length_penalty_ranks_and_the_search_does_not_stop_too_early():
    model = random_chain(9)
    every = enumerated(model, 5)
    for penalty in (0.0, 0.7, 1.0, 2.0):
        scores = [
            log_p / max(1, len(numbers) + (len(numbers) < 5)) ** penalty for numbers, log_p in every
        ]
        found = search(model, starts(1), 3000, max_length=5, length_penalty=penalty)
        assert [h.score for h in found] == pytest.approx(sorted(scores, reverse=True), abs=1e-10)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_stopping_early_changes_nothing(penalty):
    options = {"width": 3, "max_length": 30, "length_penalty": penalty}
    for seed in range(8):
        model = random_chain(seed)
        found = search(model, starts(1), **options)
        with patch("catena.search.seeking._Hunt._beaten", return_value=False):
            patient = search(model, starts(1), **options)
        assert [h.numbers.tolist() for h in found] == [h.numbers.tolist() for h in patient]


def test_a_beam_has_a_width():
    with pytest.raises(CatenaError, match="width must be at least 1"):
        Beam(0)
    assert search(random_chain(0), starts(1), 2, max_length=0)[0].numbers.tolist() == []
    assert beam(random_chain(0), starts(0), Beam()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_length": -1}, "min_length must be at least 0"),
        ({"max_length": -1}, "max_length must be at least 0"),
        ({"min_length": 5, "max_length": 4}, "min_length 5 is above max_length 4"),
        ({"groups": 0}, "groups must be at least 1"),
        ({"groups": 3}, "a width of 5 does not divide into 3 groups"),
        ({"diversity": -1.0}, "diversity must be a number from 0 up"),
        ({"length_penalty": -0.5}, "length_penalty must be a number from 0 up"),
        ({"length_penalty": math.nan}, "length_penalty must be a number from 0 up"),
    ],
)
def test_what_cannot_be_searched_with_is_refused(options, message):
    with pytest.raises(CatenaError, match=message):
        search(random_chain(0), starts(1), **options)


def test_where_no_end_is_predicted_every_beam_is_as_long_as_it_may_be():
    model = random_chain(0, Symbols(SPACE.items, end=False))
    found = search(model, starts(1), 1000, max_length=3)
    assert len(found) == 3**3
    assert all(len(hypothesis.numbers) == 3 and not hypothesis.ended for hypothesis in found)


def test_prompts_searched_together_are_searched_alone():
    for model in (random_chain(5), lstm(5)):
        prompts = Sequences(torch.tensor([1, 3, 2, 2, 1]), torch.tensor([2, 0, 1, 2]))
        for how in (
            Beam(3, max_length=7),
            Beam(3, max_length=9, length_penalty=1.0, exact=False),
            Beam(3, 2, 6, length_penalty=0.6, gnmt=True, no_repeat=2),
        ):
            limits = torch.tensor([6, 2, 0, 5])
            together = beam(model, prompts, how, limits)
            for row, limit, found in zip(prompts, limits, together, strict=True):
                (alone,) = beam(model, Sequences.from_list([row]), how, limit[None])
                assert [h.numbers.tolist() for h in found] == [h.numbers.tolist() for h in alone]
                assert [h.ended for h in found] == [h.ended for h in alone]
                wanted = [h.score for h in alone]
                assert [h.score for h in found] == pytest.approx(wanted, abs=1e-6)
                assert all(len(h.numbers) <= limit for h in found)


def test_prompts_that_are_done_leave_the_batch():
    model, seen = random_chain(2), []
    step = model.recurrence.step
    model.recurrence.step = lambda state, x: seen.append(len(x)) or step(state, x)
    limits = torch.tensor([1, 3, 9])
    beam(model, starts(3), Beam(1, min_length=9, max_length=9), limits)
    assert seen == [3, 2, 2, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("gnmt", [False, True])
def test_penalties_by_their_formulas(gnmt):
    model = random_chain(9)
    for hypothesis in search(model, starts(1), 40, max_length=5, length_penalty=0.8, gnmt=gnmt):
        steps = len(hypothesis.numbers) + hypothesis.ended
        norm = ((5 + steps) / 6) ** 0.8 if gnmt else max(1, steps) ** 0.8
        assert hypothesis.score == pytest.approx(hypothesis.log_prob / norm, abs=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_run_comes_twice_and_nothing_else_is_lost(size):
    def repeats(numbers):
        runs = [tuple(numbers[i : i + size]) for i in range(len(numbers) - size + 1)]
        return runs[-1] in runs[:-1]

    model, prompt = random_chain(3), (1, 2, 1)
    wanted = {
        tuple(numbers)
        for numbers, _ in enumerated(model, 4, prompt)
        if not any(repeats([*prompt, *numbers[:end]]) for end in range(1, len(numbers) + 1))
    }
    found = search(model, starts(1, *prompt), 1000, max_length=4, no_repeat=size)
    # What cannot be longer without repeating is found only if it ended.
    assert {tuple(h.numbers.tolist()) for h in found if h.ended} == {
        w for w in wanted if len(w) < 4
    }
    assert {tuple(h.numbers.tolist()) for h in found} == wanted


def test_prompts_of_any_length_count_for_what_may_not_come_twice():
    swinging = [[0.0, 0.3, 0.2, 0.2, 0.3], [0.2] * 5, [0.0, 0, 0.9, 0.05, 0.05]]
    model = chain([*swinging, [0.0, 0.9, 0, 0.05, 0.05], [0.0, 0.5, 0.4, 0, 0.1]])
    prompts = [[1, 2], [1], [], [3, 1, 2]]
    how = Beam(4, max_length=6, no_repeat=2)
    together = beam(model, Sequences.from_list(prompts), how)
    for prompt, found in zip(prompts, together, strict=True):
        for hypothesis in found:
            runs = list(itertools.pairwise([*prompt, *hypothesis.numbers.tolist()]))
            assert len(runs) == len(set(runs))
    assert [] in [hypothesis.numbers.tolist() for hypothesis in together[2]]


class Looking(torch.nn.Module):
    """A chain that tells how much of its source it has looked at: e^-1 more for each `a`."""

    tracking = True

    def start(self, batch):
        return (torch.full((batch,), -1.0), torch.zeros(batch))

    def step(self, state, x):
        return (x.float(), state[1] - (x == 1).float())

    def read(self, state):
        return state[0] + 1

    def uncovered(self, state):
        return state[1].double()


def test_a_coverage_penalty_counts_for_the_rank_alone():
    plain = random_chain(6)
    model = SequenceModel(SPACE, lambda x: x, Looking(), plain.head)
    found = search(model, starts(1), 500, max_length=4, coverage_penalty=0.7)
    assert len(found) > 50
    for hypothesis in found:
        extra = -0.7 * hypothesis.numbers.tolist().count(1)
        assert hypothesis.score == pytest.approx(hypothesis.log_prob + extra, abs=1e-9)
    with pytest.raises(CatenaError, match="keeps track of its source"):
        search(plain, starts(1), coverage_penalty=0.1)


def test_an_inexact_search_stops_once_enough_have_ended():
    model, steps = chain([[0.0, 0.2, 0.2, 0.1, 0.5]] * 4), []
    step = model.recurrence.step
    model.recurrence.step = lambda state, x: steps.append(len(x)) or step(state, x)
    exact = search(model, starts(1), 3, max_length=50, length_penalty=1.0)
    taken = len(steps)
    quick = search(model, starts(1), 3, max_length=50, length_penalty=1.0, exact=False)
    assert len(steps) - taken < taken
    assert len(quick) == 3
    assert all(hypothesis.ended for hypothesis in quick)
    assert quick[0].score <= exact[0].score + 1e-12


def test_an_inexact_search_does_not_stop_before_what_leads_has_ended():
    sure = 0.9996
    rest = (1 - sure) / 3
    # a, b, c, end; whatever else comes at each step ends the list of what is found soon.
    table = [[0.0, sure, rest, rest, rest], [0.0, rest, sure, rest, rest],
             [0.0, rest, rest, sure, rest], [0.0, rest, rest, rest, sure]]  # fmt: skip
    table.insert(1, [0.0, 0.25, 0.25, 0.25, 0.25])
    found = search(chain(table), starts(1), 2, max_length=50, length_penalty=1.0, exact=False)
    assert found[0].numbers.tolist() == [1, 2, 3]
    assert found[0].log_prob == pytest.approx(4 * math.log(sure))


# -- diverse beams ----------------------------------------------------------------------------


@torch.no_grad()
def diverse_by_hand(model, prompt, width, groups, diversity, most):
    """Diverse beam search by a plain loop: what each group found, (numbers, log p, ended)."""
    each, end = width // groups, model.space.end_number
    running, found = [[([], 0.0)] for _ in range(groups)], [[] for _ in range(groups)]
    for _ in range(most):
        counts = [0] * model.space.outcomes
        for group in range(groups):
            pairs = []
            for numbers, total in running[group]:
                state = model.start(1)
                for x in [*prompt, *numbers]:
                    state = model.step(state, torch.tensor([x]))
                log_p = model.next(state).logits.log_softmax(-1)[0].tolist()
                for symbol in range(1, model.space.outcomes):  # ⟨unk⟩ is never chosen
                    penalised = total + log_p[symbol] - diversity * counts[symbol]
                    pairs.append((penalised, numbers, symbol, total + log_p[symbol]))
            pairs = sorted(pairs, key=lambda pair: -pair[0])[:each]
            for _, _, symbol, _ in pairs:
                counts[symbol] += 1
            found[group] += [(n, total, True) for _, n, symbol, total in pairs if symbol == end]
            found[group] = sorted(found[group], key=lambda one: -one[1])[:each]
            running[group] = [([*n, s], total) for _, n, s, total in pairs if s != end]
            best = max((total for _, total in running[group]), default=-math.inf)
            if len(found[group]) == each and best <= found[group][-1][1]:
                running[group] = []
    for group, rest in zip(found, running, strict=True):
        group += [(numbers, total, False) for numbers, total in rest]
        group.sort(key=lambda one: -one[1])
        del group[each:]
    return found


@pytest.mark.parametrize(("width", "groups"), [(4, 2), (6, 3), (3, 3)])
@pytest.mark.parametrize("diversity", [0.0, 0.7, 5.0])
def test_diverse_beams_by_a_plain_loop(width, groups, diversity):
    model, prompts = lstm(width), [[2], [], [1, 3]]
    how = Beam(width, max_length=5, groups=groups, diversity=diversity)
    together = beam(model, Sequences.from_list(prompts), how)
    for prompt, found in zip(prompts, together, strict=True):
        by_hand = diverse_by_hand(model, prompt, width, groups, diversity, 5)
        wanted = {(*numbers, ended): total for group in by_hand for numbers, total, ended in group}
        got = {(*h.numbers.tolist(), h.ended): h.log_prob for h in found}
        assert got == pytest.approx(wanted, abs=1e-4)
        assert len(found) == len(got)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_groups_begin_apart_and_one_group_is_a_plain_beam():
    model = lstm(1)
    plain = search(model, starts(1, 2), 3, max_length=6)
    alike = search(model, starts(1, 2), 6, max_length=6, groups=2, diversity=0.0)
    single = search(model, starts(1, 2), 3, max_length=6, groups=1, diversity=3.0)
    for other in (alike, single):
        assert [h.numbers.tolist() for h in other] == [h.numbers.tolist() for h in plain]
    apart = search(model, starts(1, 2), 3, max_length=6, min_length=1, groups=3, diversity=1e3)
    assert len({int(hypothesis.numbers[0]) for hypothesis in apart}) == 3
