"""Emissions against closed forms, and their maximum likelihood against the likelihood itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from catena.emission import (
    LEAST_COUNT,
    MINIMUM_SPREAD,
    Bernoulli,
    Emission,
    ExpectationEmission,
    emission_for,
)
from catena.errors import CatenaError
from catena.sequences import Sequences
from catena.space import Bits, Counts, Space, Symbols, Vectors

VECTORS = Vectors(2, (1.0, -2.0), (3.0, 0.5))
SPACES: dict[str, Space] = {
    "categorical": Symbols(tuple("abcd"), unknown="error", end=False),
    "gaussian": VECTORS,
    "full": VECTORS,
    "mixture": VECTORS,
    "bernoulli": Bits(3),
    "poisson": Counts(2, (2.0, 5.0)),
}
every_emission = pytest.mark.parametrize("name", SPACES)
LEARNED = [name for name in SPACES if name != "mixture"]
every_learned = pytest.mark.parametrize("name", LEARNED)


def emission(name: str) -> Emission:
    return emission_for(SPACES[name], name)


def learned(name: str) -> ExpectationEmission:
    found = emission(name)
    assert isinstance(found, ExpectationEmission)
    return found


def raw_of(name: str, rows: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = emission(name).size
    return 0.7 * torch.randn(rows, size, generator=generator, dtype=torch.float64)


def observations(name: str, count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    real = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    if name == "categorical":
        return torch.randint(4, (count,), generator=generator)
    if name == "bernoulli":
        return (real > 0).double()
    if name == "poisson":
        return real[:, :2].abs().mul(4).floor()
    return real[:, :2] * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, -2.0])


@every_emission
def test_log_prob_is_that_of_the_distribution(name: str) -> None:
    raw, x = raw_of(name), observations(name, 5)
    ours, torchs = emission(name).log_prob(raw, x), emission(name).distribution(raw).log_prob(x)
    torch.testing.assert_close(ours, torchs, rtol=1e-12, atol=1e-12)
    each = emission(name).log_prob(raw, x[:, None])
    torch.testing.assert_close(each.diagonal(), ours, rtol=1e-12, atol=1e-12)
    assert each.shape == (5, 5)


@every_emission
def test_nothing_observed_is_nothing_scored(name: str) -> None:
    raw, x = raw_of(name), observations(name, 0)
    assert emission(name).log_prob(raw, x[:, None]).shape == (0, 5)
    assert emission(name).log_prob(raw[:0], x).shape == (0,)


@every_emission
def test_float32_parameters_give_float32(name: str) -> None:
    raw, x = raw_of(name), observations(name, 5)
    found, exact = emission(name).log_prob(raw.float(), x), emission(name).log_prob(raw, x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-4)


@every_emission
def test_gradients_of_log_prob(name: str) -> None:
    x = observations(name, 5)
    raw = raw_of(name).requires_grad_()
    assert torch.autograd.gradcheck(lambda raw: emission(name).log_prob(raw, x), raw)


@every_emission
def test_samples_have_the_shape_of_observations(name: str) -> None:
    drawn = emission(name).distribution(raw_of(name)).sample()
    assert drawn.shape == observations(name, 5).shape


# -- closed forms ---------------------------------------------------------------------------


def test_categorical_is_a_softmax() -> None:
    raw, x = raw_of("categorical"), observations("categorical", 5)
    p = np.exp(raw.numpy()) / np.exp(raw.numpy()).sum(1, keepdims=True)
    np.testing.assert_allclose(
        emission("categorical").log_prob(raw, x).numpy(), np.log(p[np.arange(5), x]), rtol=1e-12
    )


def test_gaussian_is_in_the_units_of_the_data() -> None:
    raw, x = raw_of("gaussian"), observations("gaussian", 5)
    shift, scale = np.array(VECTORS.shift), np.array(VECTORS.scale)
    mean, spread = shift + scale * raw[:, :2].numpy(), scale * np.exp(raw[:, 2:].numpy())
    expected = stats.norm(mean, spread).logpdf(x.numpy()).sum(1)
    np.testing.assert_allclose(emission("gaussian").log_prob(raw, x).numpy(), expected, rtol=1e-12)


def test_full_gaussian_has_this_covariance() -> None:
    raw, x = raw_of("full"), observations("full", 5)
    scale, log_p = np.diag(VECTORS.scale), emission("full").log_prob(raw, x)
    for row, one, found in zip(raw.numpy(), x.numpy(), log_p, strict=True):
        factor = np.array([[math.exp(row[2]), 0.0], [row[3], math.exp(row[4])]])
        mean = np.array(VECTORS.shift) + scale @ row[:2]
        covariance = scale @ factor @ factor.T @ scale
        expected = stats.multivariate_normal(mean, covariance).logpdf(one)
        assert float(found) == pytest.approx(expected, rel=1e-11)


def test_mixture_is_a_weighted_sum_of_gaussians() -> None:
    raw, x = raw_of("mixture"), observations("mixture", 5)
    weights = torch.softmax(raw[:, :5], 1).numpy()
    shift, scale = np.array(VECTORS.shift), np.array(VECTORS.scale)
    means = shift + scale * raw[:, 5:15].reshape(5, 5, 2).numpy()
    spreads = scale * np.exp(raw[:, 15:].reshape(5, 5, 2).numpy())
    each = stats.norm(means, spreads).pdf(x.numpy()[:, None]).prod(2)
    expected = np.log((weights * each).sum(1))
    np.testing.assert_allclose(emission("mixture").log_prob(raw, x).numpy(), expected, rtol=1e-11)


def test_bernoulli_is_a_product_of_switches() -> None:
    raw, x = raw_of("bernoulli") * 10, observations("bernoulli", 5)
    expected = stats.bernoulli(1 / (1 + np.exp(-raw.numpy()))).logpmf(x.numpy()).sum(1)
    np.testing.assert_allclose(emission("bernoulli").log_prob(raw, x).numpy(), expected, rtol=1e-9)


def test_poisson_is_relative_to_the_mean_of_the_space() -> None:
    raw, x = raw_of("poisson"), observations("poisson", 5)
    expected = stats.poisson(np.exp(raw.numpy()) * np.array([2.0, 5.0])).logpmf(x.numpy()).sum(1)
    np.testing.assert_allclose(emission("poisson").log_prob(raw, x).numpy(), expected, rtol=1e-12)


def test_certainty_is_exact() -> None:
    """Neither NaN nor a large finite number in place of infinity."""
    on = torch.tensor([[math.inf, -math.inf]], dtype=torch.float64)
    x = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    switches = Bernoulli(Bits(2))
    assert switches.log_prob(on, x).tolist() == [0.0, -math.inf]
    assert switches.distribution(on).log_prob(x).tolist() == [0.0, -math.inf]
    assert switches.distribution(on.expand(2, -1)).sample().tolist() == [[1.0, 0.0]] * 2
    never = torch.tensor([[-math.inf, -math.inf]], dtype=torch.float64)
    counts = torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    poisson = emission("poisson")
    assert poisson.log_prob(never, counts).tolist() == [0.0, -math.inf]
    assert poisson.distribution(never).log_prob(counts).tolist() == [0.0, -math.inf]


# -- maximum likelihood -----------------------------------------------------------------------


def weighted(name: str, raw: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """`[states]`: each state's log-likelihood of the observations under its weights."""
    return (weight * emission(name).log_prob(raw, x[:, None])).sum(0)


@every_learned
def test_maximise_finds_where_the_gradient_vanishes(name: str) -> None:
    x = observations(name, 200)
    weight = torch.rand(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = learned(name).maximise(learned(name).sums(x, weight), raw_of(name, 3))
    raw = found.clone().requires_grad_()
    total = weighted(name, raw, x, weight)
    (gradient,) = torch.autograd.grad(total.sum(), raw)
    assert float(gradient.abs().max()) < 1e-9 * float(weight.sum())
    for seed in range(10):
        near = found + 0.01 * raw_of(name, 3, seed)
        assert bool((weighted(name, near, x, weight) <= total + 1e-9).all())


@every_learned
def test_sums_of_shards_add_up(name: str) -> None:
    x = observations(name, 20)
    weight = torch.rand(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = learned(name).sums(x, weight)
    first, rest = learned(name).sums(x[:7], weight[:7]), learned(name).sums(x[7:], weight[7:])
    for total, a, b in zip(whole, first, rest, strict=True):
        torch.testing.assert_close(total, a + b, rtol=1e-12, atol=1e-12)


@every_learned
@pytest.mark.parametrize("amount", [0.0, LEAST_COUNT / 100])
def test_a_state_without_observations_keeps_its_row(name: str, amount: float) -> None:
    x, previous = observations(name, 10), raw_of(name, 3)
    weight = torch.tensor([1.0, amount / 10, 1.0], dtype=torch.float64).expand(10, 3)
    found = learned(name).maximise(learned(name).sums(x, weight), previous)
    assert torch.equal(found[1], previous[1])
    assert not found.isnan().any()
    assert not torch.equal(found[0], previous[0])


@pytest.mark.parametrize("name", ["gaussian", "full"])
def test_a_covariance_has_a_floor_which_is_the_maximum_above_it(name: str) -> None:
    """All observations on one line: the likelihood has no maximum but for the floor."""
    line = torch.linspace(-1, 1, 9, dtype=torch.float64)
    x = torch.stack([line, torch.full_like(line, -2.0)], 1)
    weight = torch.ones(9, 1, dtype=torch.float64)
    found = learned(name).maximise(learned(name).sums(x, weight), raw_of(name, 1))
    spread = torch.tensor(VECTORS.scale) * MINIMUM_SPREAD
    deviation = learned(name).distribution(found).variance.sqrt()
    assert float(deviation[0, 1]) == pytest.approx(float(spread[1]), rel=1e-6)
    total = weighted(name, found, x, weight)
    for seed in range(10):
        wider = found + 0.01 * raw_of(name, 1, seed)
        wider[:, -1] = found[:, -1] + (wider[:, -1] - found[:, -1]).abs()
        assert bool((weighted(name, wider, x, weight) <= total + 1e-9).all())


@every_learned
@pytest.mark.parametrize("count", [0, 1, 50])
def test_guesses_are_finite_and_differ_between_states(name: str, count: int) -> None:
    x = observations(name, count)
    raw = learned(name).guess(x, 4, torch.Generator().manual_seed(0))
    assert raw.shape == (4, learned(name).size)
    assert raw.dtype == torch.float64
    assert bool(raw.isfinite().all())
    if count != 1 or name == "categorical":  # one observation is the same for every state
        assert len(torch.unique(raw, dim=0)) > 1
    assert bool(learned(name).log_prob(raw, observations(name, 20)[:, None]).isfinite().all())


# -- units ----------------------------------------------------------------------------------

UNITS = [(1.0, 1e8), (1e20, 0.0), (1e-20, 0.0), (1e200, 0.0), (1e-200, 0.0)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["gaussian", "full", "mixture"])
@pytest.mark.parametrize(("a", "b"), UNITS)
def test_a_density_follows_the_units_of_the_data(name: str, a: float, b: float, dtype) -> None:
    """p(ax + b) = p(x) / a, where float32 cannot tell one observation from the next."""
    plain, moved = Vectors(2), Vectors(2, (b, b), (a, a))
    raw, x = raw_of(name).to(dtype), observations(name, 5)
    found = emission_for(moved, name).log_prob(raw, a * x + b) + 2 * math.log(a)
    bound = 1e-6 if dtype == torch.float64 else 1e-4  # 10⁸ + x holds x to 10⁻⁸
    expected = emission_for(plain, name).log_prob(raw, x)
    torch.testing.assert_close(found, expected, rtol=bound, atol=bound)
    drawn = emission_for(moved, name).distribution(raw.expand(100, 5, -1)).sample()
    assert len(drawn.reshape(-1, 2).unique(dim=0)) == 500


def test_large_counts_are_told_apart() -> None:
    space = Counts(1, (1e9,))
    x = torch.tensor([[1e9], [1e9 + 100.0]], dtype=torch.float64)
    found = emission_for(space).log_prob(torch.zeros(2, 1), x)
    expected = stats.poisson(1e9).logpmf(x[:, 0].numpy())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


# -- the choice -----------------------------------------------------------------------------


def test_an_emission_that_the_space_lacks_is_refused() -> None:
    with pytest.raises(CatenaError, match="choose from gaussian, full, mixture"):
        emission_for(VECTORS, "poisson")


def test_learned_units_leave_densities_in_the_units_of_the_data() -> None:
    x = observations("gaussian", 100) * 1000.0
    space = Vectors.learn(Sequences(x, torch.tensor([100])))
    standard = torch.zeros(1, 4, dtype=torch.float64)
    found = emission_for(space).log_prob(standard, x)
    expected = stats.norm(x.numpy().mean(0), x.numpy().std(0)).logpdf(x.numpy()).sum(1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
