"""Hidden Markov models against enumeration of every path, exact identities, and EM's promises."""

from __future__ import annotations

import itertools
import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.kernels import explain
from catena.ladder import hmm as hmm_module
from catena.ladder.chain import Propagation
from catena.ladder.hmm import HMM, Filter, HiddenMarkov
from catena.learn.checkpoint import Checkpoint
from catena.learn.em import EM, cut
from catena.learn.expectation import expect, log_prior, maximise
from catena.learn.interrupt import Interrupted
from catena.learn.learner import Run
from catena.scanning import scan
from catena.sequences import Sequences
from catena.space import Bits, Counts, Symbols, Vectors

SYMBOLS = Symbols(("a", "b", "c"), unknown="error", end=False)
ENDING = replace(SYMBOLS, end=True)
VECTORS = Vectors(2, (1.0, -2.0), (3.0, 0.5))
KINDS = {
    "categorical": (SYMBOLS, None),
    "ending": (ENDING, None),
    "gaussian": (VECTORS, None),
    "full": (VECTORS, "full"),
    "bernoulli": (Bits(2), None),
    "poisson": (Counts(2, (2.0, 5.0)), None),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
SEVERAL = (5, 0, 1, 3, 4, 0)


def build(kind: str, states: int = 3, seed: int = 0) -> HiddenMarkov:
    """A model with random parameters, far from even."""
    torch.manual_seed(seed)
    space, emission = KINDS[kind]
    model = HMM(states, emission).build(space)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    return model


def draw(kind: str, lengths: tuple[int, ...], seed: int = 0) -> Sequences:
    generator = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    real = torch.randn(total, 2, generator=generator, dtype=torch.float64)
    values = {
        "gaussian": real * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, -2.0]),
        "bernoulli": (real > 0).double(),
        "poisson": real.abs().mul(3).floor(),
    }
    values["full"] = values["gaussian"]
    symbols = torch.randint(3, (total,), generator=generator)
    return Sequences(values.get(kind, symbols), torch.tensor(lengths))


def enumerate_paths(model: HiddenMarkov, x: torch.Tensor) -> dict[tuple[int, ...], float]:
    """log p(x, z_1..z_T) of every path; where ends are predicted, the end's own state summed out.

    It uses numpy and the emission's distribution objects, nothing of the model's recursions.
    """
    initial = np.exp(model.log_initial.detach().numpy())
    transition = np.exp(model.log_transition.detach().numpy())
    raw = model.embed.raw.detach()
    emit = [model.embed.emission.distribution(row) for row in raw]
    end = model.space.end_number
    ends = np.ones(model.states)
    if end is not None:
        ends = np.array([float(d.log_prob(torch.tensor(end)).exp()) for d in emit])
    found = {}
    for path in itertools.product(range(model.states), repeat=len(x)):
        log_p, coming = 0.0, initial
        for state, one in zip(path, x, strict=True):
            log_p += math.log(coming[state]) + float(emit[state].log_prob(one))
            coming = transition[state]
        found[path] = log_p + math.log(coming @ ends)
    return found


def log_total(log_p: list[float]) -> float:
    return float(np.logaddexp.reduce(log_p))


# -- enumeration ----------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("states", [1, 2, 3])
def test_evidence_is_the_sum_over_all_paths(kind: str, states: int) -> None:
    model, data = build(kind, states), draw(kind, SEVERAL)
    expected = [log_total(list(enumerate_paths(model, x).values())) for x in data]
    torch.testing.assert_close(
        model.evidence(data), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9
    )


@every_kind
def test_filter_is_the_posterior_of_the_last_state_of_each_prefix(kind: str) -> None:
    model, data = build(kind), draw(kind, SEVERAL)
    unending = build("categorical" if kind == "ending" else kind)
    if kind == "ending":  # what is filtered does not know yet whether the sequence ends here
        unending.space = SYMBOLS
        unending.embed, unending.recurrence = model.embed, model.recurrence
    rows = [
        marginal(enumerate_paths(unending, x[:t]), t - 1, model.states)
        for x in data
        for t in range(1, len(x) + 1)
    ]
    torch.testing.assert_close(
        model.filter(data).values, torch.tensor(np.stack(rows)), rtol=1e-9, atol=1e-9
    )


@every_kind
def test_smooth_is_the_posterior_of_each_state(kind: str) -> None:
    model, data = build(kind), draw(kind, SEVERAL)
    rows = [
        marginal(enumerate_paths(model, x), t, model.states) for x in data for t in range(len(x))
    ]
    torch.testing.assert_close(
        model.smooth(data).values, torch.tensor(np.stack(rows)), rtol=1e-9, atol=1e-9
    )


def marginal(paths: dict[tuple[int, ...], float], t: int, states: int) -> np.ndarray:
    """p(z_t given x) from the log joints of all paths."""
    log_p = [log_total([v for z, v in paths.items() if z[t] == k]) for k in range(states)]
    return np.exp(np.array(log_p) - log_total(list(paths.values())))


@every_kind
def test_viterbi_finds_the_best_of_all_paths(kind: str) -> None:
    model, data = build(kind), draw(kind, SEVERAL)
    paths, best = model.viterbi(data)
    for x, path, found in zip(data, paths, best, strict=True):
        every = enumerate_paths(model, x)
        assert tuple(path.tolist()) == max(every, key=every.__getitem__)
        assert float(found) == pytest.approx(max(every.values()), rel=1e-9, abs=1e-9)


@every_kind
def test_log_joint_of_every_path(kind: str) -> None:
    model = build(kind)
    for x in draw(kind, (3, 1, 0)):
        every = enumerate_paths(model, x)
        paths = Sequences(
            torch.tensor([z for path in every for z in path], dtype=torch.int64),
            torch.full((len(every),), len(x)),
        )
        copies = Sequences(x.repeat(len(every), *[1] * (x.dim() - 1)), paths.lengths)
        torch.testing.assert_close(
            model.log_joint(copies, paths),
            torch.tensor(list(every.values()), dtype=torch.float64),
            rtol=1e-9,
            atol=1e-9,
        )


@every_kind
def test_expected_counts_are_those_of_all_paths(kind: str) -> None:
    model, data = build(kind), draw(kind, (4, 0, 1))
    unended = build(kind)
    if kind == "ending":  # the end is one more observation to EM: enumerate it as one
        unended.space = SYMBOLS
    initial, moves = np.zeros(3), np.zeros((3, 3))
    for x in model.observed(data):
        every = enumerate_paths(unended, x)
        total = log_total(list(every.values()))
        for path, log_p in every.items():
            share = math.exp(log_p - total)
            for z in path[:1]:
                initial[z] += share
            for pair in itertools.pairwise(path):
                moves[pair] += share
    expected = expect(model, model.observed(data))
    np.testing.assert_allclose(expected.initial.numpy(), initial, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(expected.moves.numpy(), moves, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(expected.log_likelihood, model.evidence(data).sum())


def test_log_joint_refuses_paths_that_do_not_fit() -> None:
    model, data = build("categorical"), draw("categorical", (2, 1))
    with pytest.raises(CatenaError, match="other lengths"):
        model.log_joint(data, draw("categorical", (1, 2)))
    with pytest.raises(CatenaError, match="outside 0 to 2"):
        model.log_joint(data, data.with_values(torch.tensor([0, 1, 3])))


# -- identities -----------------------------------------------------------------------------


@every_kind
def test_the_next_distribution_gives_the_log_probability(kind: str) -> None:
    model, data = build(kind), draw(kind, (4,))
    state, found = model.start(1), []
    for x in data.values:
        found.append(model.next(state).log_prob(x[None]))
        state = model.step(state, x[None])
    expected = model.log_prob(data).values[:4]
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-12, atol=1e-12)


@every_kind
def test_before_any_observation_the_mixture_has_the_initial_weights(kind: str) -> None:
    model, x = build(kind), draw(kind, (1,)).values
    weighted = model.log_initial + torch.stack(
        [model.embed.emission.log_prob(row, x)[0] for row in model.embed.raw]
    )
    found = model.next(model.start(1)).log_prob(x)
    torch.testing.assert_close(found[0], weighted.logsumexp(0), rtol=1e-12, atol=1e-12)


def test_one_to_one_emissions_make_a_bigram_chain() -> None:
    model = build("categorical")
    with torch.no_grad():
        model.embed.raw.copy_(torch.eye(3).log())
    data = draw("categorical", SEVERAL)
    initial, transition = model.log_initial.detach(), model.log_transition.detach()
    for x, found in zip(data, model.log_prob(data), strict=True):
        chain = [initial[x[:1]], transition[x[:-1], x[1:]]] if len(x) else []
        torch.testing.assert_close(found, torch.cat(chain) if chain else found[:0])
    assert torch.equal(model.viterbi(data)[0].values, data.values)


def test_em_on_one_to_one_emissions_counts_the_bigrams() -> None:
    model = build("categorical")
    with torch.no_grad():
        model.embed.raw.copy_(torch.eye(3).log())
    data = Sequences.from_list([[0, 1, 1, 2], [1, 1], [0]])
    EM(1, pseudocount=0, start="present").fit(model, data, None, Run())
    expected = torch.tensor([[0, 1, 0], [0, 2 / 3, 1 / 3], [0, 0, 0]], dtype=torch.float64)
    found = model.log_transition.detach().exp()
    torch.testing.assert_close(found[:2], expected[:2])
    torch.testing.assert_close(found[2], build("categorical").log_transition[2].detach().exp())


@every_kind
def test_the_kernel_equals_the_reference_loop(kind: str) -> None:
    model, data = build(kind), draw(kind, SEVERAL)
    log_likelihood = data.with_values(model.embed(data.values).detach())
    reference = scan(model.recurrence, log_likelihood, backend="reference")
    with torch.no_grad():
        assert "native, the first" in explain(model.recurrence.propagation())
        fast = scan(model.recurrence, log_likelihood)
    torch.testing.assert_close(fast.features.values, reference.features.values)
    torch.testing.assert_close(fast.state[0], reference.state[0])


def test_outliers_tell_states_apart_where_scaled_likelihoods_vanish() -> None:
    """The likelihoods e^-2000 and e^-3000 of the states that are possible, beside 1 of one that
    is not: a ratio to the largest likelihood is 0 for both."""
    recurrence = Propagation(
        torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    )
    log_likelihood = torch.tensor([[-2000.0, -3000.0, 0.0]], dtype=torch.float64)
    scanned = scan(recurrence, Sequences(log_likelihood, torch.tensor([1])))
    assert scanned.state[0].tolist() == [[1.0, 0.0, 0.0]]


def test_the_kernel_carries_no_gradients_and_says_so() -> None:
    model, data = build("categorical"), draw("categorical", SEVERAL)
    assert "not native: it carries no gradients" in explain(model.recurrence.propagation())
    model.score(data).log_prob.values.sum().backward()
    assert all(bool(p.grad is not None and p.grad.any()) for p in model.parameters())
    model.zero_grad()
    model.recurrence.requires_grad_(False)
    model.score(data).log_prob.values.sum().backward()
    assert bool(model.embed.raw.grad is not None and model.embed.raw.grad.any())


# -- the impossible, and what is not there ----------------------------------------------------


def impossible() -> HiddenMarkov:
    """State 0 emits a and stays; state 1 emits b; c is never emitted."""
    model = HMM(2).build(SYMBOLS)
    with torch.no_grad():
        model.recurrence.log_initial.copy_(torch.tensor([0.0, -math.inf]))
        model.recurrence.log_transition.copy_(torch.tensor([[0.0, -math.inf], [0.0, 0.0]]))
        model.embed.raw.copy_(torch.eye(3)[:2].log())
    return model


def test_the_impossible_is_minus_infinity_and_then_passed_over() -> None:
    model = impossible()
    data = Sequences.from_list([[0, 2, 0], [0, 1, 0], [0, 0]])
    found = model.log_prob(data)
    assert found.values.tolist() == [0, -math.inf, 0, 0, -math.inf, 0, 0, 0]
    assert model.evidence(data).tolist() == [-math.inf, -math.inf, 0.0]
    assert model.filter(data).values.tolist() == [[1.0, 0.0]] * 8
    assert model.smooth(data).values.tolist() == [[1.0, 0.0]] * 8
    paths, best = model.viterbi(data)
    assert best.tolist() == [-math.inf, -math.inf, 0.0]
    assert model.log_joint(data, paths).tolist() == best.tolist()


def test_an_end_that_is_impossible_is_passed_over() -> None:
    model = HMM(2).build(ENDING)
    with torch.no_grad():
        model.embed.raw[:, -1] = -math.inf
    data = Sequences.from_list([[0, 1], []])
    assert model.evidence(data).tolist() == [-math.inf] * 2
    smoothed = model.smooth(data).values
    assert not smoothed.isnan().any()
    model.space = SYMBOLS
    torch.testing.assert_close(smoothed, model.smooth(data).values)


@every_kind
def test_sequences_of_length_0_only(kind: str) -> None:
    model = build(kind)
    for data in (draw(kind, (0, 0)), draw(kind, ())):
        n = len(data)
        nothing = 0.0 if kind != "ending" else model._log_evidence_of_nothing.item()
        assert model.evidence(data).tolist() == pytest.approx([nothing] * n)
        assert model.filter(data).values.shape == model.smooth(data).values.shape == (0, 3)
        paths, best = model.viterbi(data)
        assert paths.total == 0
        assert best.tolist() == pytest.approx([nothing] * n)
        assert model.log_joint(data, paths).tolist() == pytest.approx([nothing] * n)


def test_a_long_sequence_does_not_underflow() -> None:
    model, data = build("gaussian"), draw("gaussian", (3000,))
    assert -math.inf < model.evidence(data).item() < -3000
    torch.testing.assert_close(
        model.smooth(data).values.sum(1), torch.ones(3000, dtype=torch.float64)
    )


# -- EM -------------------------------------------------------------------------------------


@every_kind
@settings(max_examples=12, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6).filter(any),
    states=st.integers(1, 4),
    seed=st.integers(0, 10_000),
    pseudocount=st.sampled_from([0.0, 0.3]),
)
def test_em_never_lowers_its_objective(
    kind: str, lengths: list[int], states: int, seed: int, pseudocount: float
) -> None:
    space, emission = KINDS[kind]
    model, data = HMM(states, emission).build(space), draw(kind, tuple(lengths), seed)
    observed = model.observed(data)
    model.guess(data.values, torch.Generator().manual_seed(seed))
    objectives = []
    for _ in range(8):
        expected = expect(model, observed)
        assert all(bool(sums.isfinite().all()) for sums in expected.tensors())
        objectives.append(float(expected.log_likelihood) + log_prior(model, pseudocount))
        maximise(model, expected, pseudocount)
        assert not any(bool(p.isnan().any()) for p in model.parameters())
    assert all(b >= a - 1e-9 * (abs(a) + data.total) for a, b in itertools.pairwise(objectives))


def test_a_switch_that_training_never_saw_on_stays_possible():
    never = Sequences.from_list([torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])])
    once = Sequences.from_list([torch.tensor([[1.0, 1.0]])])
    model = HMM(1).build(Bits(2))
    EM(5, pseudocount=0.5).fit(model, never, None, Run())
    # (2 + ½) / (3 + 1) for the first, ½ / (3 + 1) for the second.
    assert float(model.log_prob(once).values) == pytest.approx(math.log(2.5 / 4 * 0.5 / 4))
    EM(5, pseudocount=0.0).fit(model, never, None, Run())
    assert float(model.log_prob(once).values) == -math.inf


@every_kind
def test_sums_of_shards_add_up(kind: str) -> None:
    model, data = build(kind), model_data(kind)
    whole = expect(model, data)
    parts = expect(model, data[:2]) + expect(model, data[2:3]) + expect(model, data[3:])
    for a, b in zip(whole.tensors(), parts.tensors(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@every_kind
def test_a_weight_is_so_many_copies(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = build(kind), model_data(kind)
    weights = torch.tensor([2, 1, 4, 1, 3])
    whole = expect(model, data[torch.arange(5).repeat_interleave(weights)])
    half = expect(model, data, weights.double() / 2)
    monkeypatch.setattr("catena.learn.expectation.BLOCK", 40)
    found = expect(model, data, weights.double())
    for a, b, c in zip(whole.tensors(), found.tensors(), half.tensors(), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(2 * c, a, rtol=1e-10, atol=1e-12)


@every_kind
def test_weights_belong_to_every_piece_of_their_sequence(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, weights = draw(kind, (30, 0, 1, 20)), torch.tensor([1, 1, 3, 2])
    copied, weighed = build(kind), build(kind)
    options = EM(3, tolerance=0, span=8, start="present")
    options.fit(copied, data[torch.arange(4).repeat_interleave(weights)], None, Run())
    monkeypatch.setattr("catena.learn.expectation.BLOCK", 20)
    options.fit(weighed, data, None, Run(), weights.double())
    for a, b in zip(weighed.parameters(), copied.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


def model_data(kind: str) -> Sequences:
    return build(kind).observed(draw(kind, (7, 0, 1, 12, 5)))


@every_kind
def test_fit_improves_and_keeps_its_best(kind: str) -> None:
    model, data = build(kind), draw(kind, (30, 0, 1, 20))
    history = EM(20, restarts=2, tolerance=1e-6).fit(model, data, None, Run(seed=3))
    best = -min(row["train"] for row in history.rows)
    observations = model.observed(data).total
    # With pseudo-counts the best objective need not be the best likelihood, but is close to it.
    assert float(model.evidence(data).sum()) / observations == pytest.approx(best, abs=1e-3)
    assert {row["restart"] for row in history.rows} == {1, 2}
    assert [row["step"] for row in history.rows] == list(range(len(history.rows)))


def test_held_out_likelihood_decides_what_is_kept() -> None:
    train, valid = draw("poisson", (15,), 1), draw("poisson", (40,), 2)
    model = build("poisson")
    history = EM(40, restarts=2, tolerance=0.0).fit(model, train, valid, Run())
    best = -min(row["valid"] for row in history.rows)
    assert best > -history.rows[-1]["valid"]
    assert float(model.log_prob(valid).values.mean()) == pytest.approx(best, rel=1e-12)


def test_structural_zeros_stay() -> None:
    model = build("categorical")
    forbidden = torch.tensor([[0, 0, 1], [1, 0, 0], [1, 1, 0]], dtype=torch.bool)
    with torch.no_grad():
        model.recurrence.log_transition[forbidden] = -math.inf
        model.recurrence.log_initial[1:] = -math.inf
        model.embed.raw[0, 2] = -math.inf
    data = draw("categorical", (30, 20))
    EM(10, start="present", tolerance=0).fit(model, data, None, Run())
    assert bool((model.log_transition[forbidden] == -math.inf).all())
    assert model.log_initial.tolist() == [0.0, -math.inf, -math.inf]
    assert model.embed.raw[0, 2].item() == -math.inf
    assert not any(bool(p.isnan().any()) for p in model.parameters())


@every_kind
def test_dead_states_keep_their_rows_and_are_reported(kind: str) -> None:
    model = build(kind)
    with torch.no_grad():
        model.recurrence.log_initial[1] = -math.inf
        model.recurrence.log_transition[:, 1] = -math.inf
    before = [p.detach().clone() for p in (model.embed.raw[1], model.log_transition[1])]
    data = draw(kind, (20, 5))
    history = EM(5, start="present", tolerance=0).fit(model, data, None, Run())
    after = [model.embed.raw[1].detach(), model.log_transition[1].detach()]
    torch.testing.assert_close(after, before)
    assert any(note.startswith("dead states") and ": 2;" in note for note in history.notes)


def test_data_that_the_start_makes_impossible_is_refused() -> None:
    with pytest.raises(CatenaError, match="impossible under the parameters"):
        EM(start="present").fit(impossible(), Sequences.from_list([[2]]), None, Run())


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(CatenaError, match="not one observation"):
        EM().fit(build("gaussian"), draw("gaussian", (0, 0)), None, Run())
    EM(2).fit(build("ending"), draw("ending", (0, 0)), None, Run())  # two ends are something


def test_a_fall_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(model: HiddenMarkov, expected: object, pseudocount: float) -> None:
        with torch.no_grad():
            model.embed.raw[:, 0] -= 1.0

    monkeypatch.setattr("catena.learn.em.maximise", spoil)
    data = Sequences.from_list([[0, 0, 0]])
    with pytest.raises(RuntimeError, match="iteration 1 lowered the objective from -"):
        EM().fit(build("categorical"), data, None, Run())


def test_a_start_below_the_covariance_floor_may_fall_once() -> None:
    """The Cholesky factor [[100, 0], [100, 1e-3]] has both of its diagonal above the floor, but an
    eigenvalue below it; the floor then takes away from the likelihood of points on its axis."""
    model = HMM(1, "full").build(Vectors(2))
    with torch.no_grad():
        model.embed.raw.copy_(torch.tensor([[0.0, 0.0, math.log(100.0), 100.0, math.log(1e-3)]]))
    line = torch.linspace(-100, 100, 9, dtype=torch.float64)
    data = Sequences(torch.stack([line, line], 1), torch.tensor([9]))
    history = EM(5, start="present", tolerance=0).fit(model, data, None, Run())
    assert history.rows[1]["train"] > history.rows[0]["train"]
    assert any("outside the allowed parameters" in note for note in history.notes)


def test_long_sequences_are_cut_and_it_is_said() -> None:
    data = draw("categorical", (25, 3, 0))
    pieces, ends = cut(data, 10)
    assert pieces.lengths.tolist() == [10, 10, 5, 3, 0]
    assert ends.tolist() == [False, False, True, True, True]
    assert cut(Sequences.from_list([[1, 2]]), 2)[0].lengths.tolist() == [2]
    history = EM(2, span=10).fit(build("categorical"), data, None, Run())
    assert any("cut into pieces" in note for note in history.notes)
    whole = EM(2, span=None).fit(build("categorical"), data, None, Run())
    assert not whole.notes


@every_kind
@pytest.mark.parametrize("block", [1, 40, 70])
def test_blocks_of_sequences_give_the_same_sums(
    kind: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = build(kind), model_data(kind)
    whole = expect(model, data).tensors()
    monkeypatch.setattr("catena.learn.expectation.BLOCK", block)
    for a, b in zip(whole, expect(model, data).tensors(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_groups_of_sequences_give_the_same_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    data, options = draw("gaussian", (9, 0, 4, 1, 7)), EM(4, tolerance=0)
    together, apart = build("gaussian"), build("gaussian")
    options.fit(together, data, None, Run())
    monkeypatch.setattr("catena.learn.expectation.BLOCK", 20)
    options.fit(apart, data, None, Run())
    for a, b in zip(together.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@every_kind
def test_a_shard_of_nothing_adds_nothing(kind: str) -> None:
    model, data = build(kind), model_data(kind)
    nothing = expect(model, data[1:2] if kind != "ending" else data[:0])
    assert all(not sums.any() for sums in nothing.tensors())


@pytest.mark.parametrize("stop", [0, 3, 8, 13])
def test_resumed_runs_end_with_the_same_bits(tmp_path, stop: int) -> None:
    data, options = draw("ending", (30, 4)), EM(5, restarts=3, tolerance=0)
    whole, halted = build("ending"), build("ending", seed=5)
    history = options.fit(whole, data, None, Run(seed=1))
    path, calls = tmp_path / "em.checkpoint", itertools.count()

    def press(progress: object) -> None:
        if next(calls) == stop:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        options.fit(halted, data, None, Run(1, press, path))
    assert caught.value.checkpoint == path
    assert path.exists()
    resumed = build("ending", seed=9)
    again = options.fit(resumed, data, None, Run(1, checkpoint=path, resume=True))
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [row["train"] for row in again.rows] == [row["train"] for row in history.rows]


def test_a_run_that_was_killed_resumes_from_its_last_saving(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoint, "due", property(lambda self: self.path is not None))
    data, options = draw("gaussian", (20,)), EM(6, restarts=2, tolerance=0)
    whole, killed = build("gaussian"), build("gaussian")
    options.fit(whole, data, None, Run())
    path, calls = tmp_path / "em.checkpoint", itertools.count()

    def die(progress: object) -> None:
        if next(calls) == 9:
            raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        options.fit(killed, data, None, Run(0, die, path))
    options.fit(killed, data, None, Run(0, checkpoint=path, resume=True))
    for a, b in zip(whole.parameters(), killed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_of_other_data_is_refused(tmp_path) -> None:
    path = tmp_path / "em.checkpoint"
    stop = Run(0, lambda progress: signal.raise_signal(signal.SIGINT), path)
    with pytest.raises(Interrupted):
        EM().fit(build("ending"), draw("ending", (9,)), None, stop)
    with pytest.raises(CatenaError, match="other options or other data"):
        EM().fit(build("ending"), draw("ending", (8,)), None, Run(0, checkpoint=path, resume=True))


def test_a_time_limit_stops_and_is_noted() -> None:
    history = EM(50, minutes=0.0).fit(build("ending"), draw("ending", (9,)), None, Run())
    assert len(history.rows) == 1
    assert history.notes == ["stopped: out of time, in restart 1"]


def test_progress_runs_from_0_to_1() -> None:
    seen = []
    EM(4, restarts=2, tolerance=0).fit(
        build("ending"), draw("ending", (9,)), None, Run(report=seen.append)
    )
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert (done[-1], seen[-1].left) == (1.0, 0.0)
    assert seen[0].text == "restart 1, iteration 0"


def test_em_learns_hidden_markov_models_only() -> None:
    model = build("categorical")
    plain = hmm_module.SequenceModel(SYMBOLS, model.embed, model.recurrence, model.head)
    with pytest.raises(CatenaError, match="not a SequenceModel"):
        EM().fit(plain, draw("categorical", (3,)), None, Run())


# -- the rung -------------------------------------------------------------------------------


def test_the_rung_refuses_what_it_cannot_be() -> None:
    with pytest.raises(CatenaError, match="states must be at least 1"):
        HMM(0)
    with pytest.raises(CatenaError, match="no closed form"):
        HMM(2, "mixture").build(VECTORS)
    with pytest.raises(CatenaError, match="no emission 'full'"):
        HMM(2, "full").build(SYMBOLS)


def test_gradients_reach_every_parameter() -> None:
    model, data = build("categorical"), draw("categorical", (4, 2))
    with torch.no_grad():
        model.recurrence.log_transition[0, 1] = -math.inf
    model.score(data).log_prob.values.sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert bool(parameter.grad.isfinite().all())
        assert bool((parameter.grad != 0).any())


def test_a_filter_steps_as_it_scans() -> None:
    recurrence = Filter(3)
    inputs = Sequences(torch.randn(6, 3, dtype=torch.float64), torch.tensor([4, 2]))
    state = recurrence.start(2)
    for t in range(2):
        state = recurrence.step(state, torch.stack([row[t] for row in inputs]))
    found = scan(recurrence, inputs).features
    torch.testing.assert_close(recurrence.read(state)[1], found[1][1])
