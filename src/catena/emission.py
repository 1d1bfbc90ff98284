"""p(x given parameters), for the states of an HMM and for the heads of neural rungs alike.

An emission turns raw parameters `[..., size]`, any real numbers, into a distribution over one
observation. A neural head computes them from its features; an HMM keeps one row `[states, size]`
and, where the maximum has a closed form, learns it from sums that can be added up across shards.

Measurements and counts are compared with their parameters in float64, whatever the dtype of the
parameters: float32 cannot tell 10⁸ from 10⁸ + 1.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch import distributions as D
from torch.nn.functional import logsigmoid

from catena.errors import CatenaError
from catena.space import Bits, Counts, Space, Symbols, Vectors

# Standard deviations, in units of the data's own spread, never go below this: a density that can
# sit on a single point has no maximum likelihood.
MINIMUM_SPREAD = 1e-3
LOG_ROOT_2_PI = 0.5 * math.log(2 * math.pi)

# A state that fewer observations than this belong to has nothing to be estimated from.
LEAST_COUNT = 1e-8

Sums = tuple[Tensor, ...]


class Emission(ABC):
    """A family of distributions over one observation.

    Attributes:
        size: how many raw parameters one distribution takes.
    """

    size: int

    @abstractmethod
    def distribution(self, raw: Tensor) -> D.Distribution:
        """The distribution with parameters `[..., size]`; its batch shape is `[...]`."""

    @abstractmethod
    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        """log p(x given raw) in nats `[...]`, in raw's dtype; raw `[..., size]` and
        x `[..., *event]` broadcast."""


class ExpectationEmission(Emission):
    """An emission whose weighted maximum likelihood is a function of sums over the data."""

    @abstractmethod
    def sums(self, x: Tensor, weight: Tensor) -> Sums:
        """Sufficient statistics `[states, ...]` of x `[m, *event]` under weights `[m, states]`.

        Those of two shards of the data, added, are those of both.
        """

    @abstractmethod
    def maximise(self, sums: Sums, previous: Tensor) -> Tensor:
        """Raw parameters `[states, size]` of highest likelihood; a state that no observation
        belongs to (fewer than LEAST_COUNT) keeps its previous row."""

    @abstractmethod
    def guess(self, x: Tensor, states: int, generator: torch.Generator) -> Tensor:
        """Raw parameters `[states, size]` to start from, different for every state; x `[m, *event]`
        may be empty."""


class Categorical(ExpectationEmission):
    """One of `size` symbols; raw parameters are unnormalised log-probabilities."""

    def __init__(self, size: int) -> None:
        self.size = size

    def distribution(self, raw: Tensor) -> D.Distribution:
        return D.Categorical(logits=raw, validate_args=False)

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        log_p, index = torch.broadcast_tensors(raw.log_softmax(-1), x[..., None])
        return log_p.gather(-1, index[..., :1]).squeeze(-1)

    def sums(self, x: Tensor, weight: Tensor) -> Sums:
        counts = weight.new_zeros(self.size, weight.shape[1]).index_add_(0, x, weight)
        return (counts.T.contiguous(),)

    def maximise(self, sums: Sums, previous: Tensor) -> Tensor:
        (counts,) = sums
        total = counts.sum(-1, keepdim=True)
        return torch.where(total > LEAST_COUNT, (counts / total).log(), previous)

    def guess(self, x: Tensor, states: int, generator: torch.Generator) -> Tensor:
        share = torch.ones(self.size, dtype=torch.float64)
        share = share.index_add(0, x, torch.ones(len(x), dtype=torch.float64))
        share = share / share.sum()
        # Squared exponential draws: a few symbols stand out in each state. From states that are
        # nearly alike, EM needs tens of iterations more before they part.
        uniform = torch.rand(states, self.size, generator=generator, dtype=torch.float64)
        drawn = -uniform.clamp(1e-12, 1 - 1e-12).log()
        return (share.log() + 2.0 * drawn.log()).log_softmax(-1)


class Gaussian(ExpectationEmission):
    """A normal distribution with diagonal covariance.

    Raw parameters: the mean, then the log standard deviation, both in the space's own units.
    """

    def __init__(self, space: Vectors) -> None:
        self.dim, self.size = space.dim, 2 * space.dim
        self._units = _Units(space)

    def distribution(self, raw: Tensor) -> D.Distribution:
        mean, spread = self._mean_and_spread(raw.double())
        shift, scale = self._units.like(mean)
        normal = D.Normal(shift + scale * mean, scale * spread, validate_args=False)
        return D.Independent(normal, 1, validate_args=False)

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        mean, spread = self._mean_and_spread(raw.double())
        distance = (self._units.standardise(x) - mean) * spread.reciprocal()
        log_volume = spread.log().sum(-1) + self._units.log_volume + self.dim * LOG_ROOT_2_PI
        return (-0.5 * distance.square().sum(-1) - log_volume).to(raw.dtype)

    @staticmethod
    def _mean_and_spread(raw: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_spread = raw.chunk(2, -1)
        return mean, log_spread.exp().clamp_min(MINIMUM_SPREAD)

    def sums(self, x: Tensor, weight: Tensor) -> Sums:
        x = self._units.standardise(x)
        return weight.sum(0), weight.T @ x, weight.T @ x.square()

    def maximise(self, sums: Sums, previous: Tensor) -> Tensor:
        count, first, second = sums
        n = count[:, None].clamp_min(LEAST_COUNT)
        mean = first / n
        variance = (second / n - mean.square()).clamp_min(MINIMUM_SPREAD**2)
        found = torch.cat([mean, 0.5 * variance.log()], -1)
        return torch.where(count[:, None] > LEAST_COUNT, found, previous)

    def guess(self, x: Tensor, states: int, generator: torch.Generator) -> Tensor:
        means = _spread_out(self._units.standardise(x), states, generator)
        return torch.cat([means, torch.zeros_like(means)], -1)


class FullGaussian(ExpectationEmission):
    """A normal distribution with a full covariance.

    Raw parameters: the mean, then the lower triangle (row by row) of its Cholesky factor, the
    diagonal as logarithms, all in the space's own units.
    """

    def __init__(self, space: Vectors) -> None:
        self.dim = space.dim
        self.size = space.dim + space.dim * (space.dim + 1) // 2
        self._rows, self._columns = torch.tril_indices(space.dim, space.dim)
        self._units = _Units(space)

    def distribution(self, raw: Tensor) -> D.Distribution:
        return self._within(self._units, raw.double())

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        return self._units.log_prob(self._within, raw, x)

    def _within(self, units: _Units, raw: Tensor) -> D.Distribution:
        mean, factor = self._unfold(raw)
        shift, scale = units.like(raw)
        return D.MultivariateNormal(
            shift + scale * mean, scale_tril=scale[:, None] * factor, validate_args=False
        )

    def sums(self, x: Tensor, weight: Tensor) -> Sums:
        x = self._units.standardise(x)
        second = torch.einsum("mk,md,me->kde", weight, x, x)
        return weight.sum(0), weight.T @ x, second

    def maximise(self, sums: Sums, previous: Tensor) -> Tensor:
        count, first, second = sums
        n = count.clamp_min(LEAST_COUNT)
        mean = first / n[:, None]
        covariance = second / n[:, None, None] - mean[:, :, None] * mean[:, None, :]
        found = torch.cat([mean, self._fold(_floored_cholesky(covariance))], -1)
        return torch.where(count[:, None] > LEAST_COUNT, found, previous)

    def guess(self, x: Tensor, states: int, generator: torch.Generator) -> Tensor:
        means = _spread_out(self._units.standardise(x), states, generator)
        unit = torch.eye(self.dim, dtype=means.dtype).expand(states, -1, -1)
        return torch.cat([means, self._fold(unit)], -1)

    def _unfold(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        mean, flat = raw[..., : self.dim], raw[..., self.dim :]
        factor = raw.new_zeros(*raw.shape[:-1], self.dim, self.dim)
        on_diagonal = (self._rows == self._columns).to(raw.device)
        flat = torch.where(on_diagonal, flat.exp().clamp_min(MINIMUM_SPREAD), flat)
        factor[..., self._rows, self._columns] = flat
        return mean, factor

    def _fold(self, factor: Tensor) -> Tensor:
        flat = factor[..., self._rows, self._columns]
        on_diagonal = (self._rows == self._columns).to(factor.device)
        return torch.where(on_diagonal, flat.log(), flat)


class GaussianMixture(Emission):
    """A mixture of normal distributions with diagonal covariances (Bishop 1994).

    Raw parameters: a weight for each component, then all means, then all log standard deviations.
    """

    def __init__(self, space: Vectors, components: int = 5) -> None:
        self.dim, self.components = space.dim, components
        self.size = components * (1 + 2 * space.dim)
        self._units = _Units(space)

    def distribution(self, raw: Tensor) -> D.Distribution:
        return self._within(self._units, raw.double())

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        return self._units.log_prob(self._within, raw, x)

    def _within(self, units: _Units, raw: Tensor) -> D.Distribution:
        wide = self.components * self.dim
        weights, means, log_spreads = raw.split([self.components, wide, wide], -1)
        shape = (*raw.shape[:-1], self.components, self.dim)
        shift, scale = units.like(raw)
        spreads = scale * log_spreads.reshape(shape).exp().clamp_min(MINIMUM_SPREAD)
        normal = D.Normal(shift + scale * means.reshape(shape), spreads, validate_args=False)
        return D.MixtureSameFamily(
            D.Categorical(logits=weights, validate_args=False),
            D.Independent(normal, 1, validate_args=False),
            validate_args=False,
        )


class Bernoulli(ExpectationEmission):
    """Independent switches; raw parameters are log-odds."""

    def __init__(self, space: Bits) -> None:
        self.size = space.dim

    def distribution(self, raw: Tensor) -> D.Distribution:
        return D.Independent(_Switches(logits=raw, validate_args=False), 1, validate_args=False)

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        return _log_prob(self.distribution(raw), x.to(raw.dtype))

    def sums(self, x: Tensor, weight: Tensor) -> Sums:
        return weight.sum(0), weight.T @ x.to(weight.dtype)

    def maximise(self, sums: Sums, previous: Tensor) -> Tensor:
        count, on = sums
        off = (count[:, None] - on).clamp_min(0.0)
        return torch.where(count[:, None] > LEAST_COUNT, on.log() - off.log(), previous)

    def guess(self, x: Tensor, states: int, generator: torch.Generator) -> Tensor:
        centre = _spread_out(x.double(), states, generator)
        if not len(x):
            return centre
        return torch.logit((0.5 * (x.double().mean(0) + centre)).clamp(0.02, 0.98))


class _Switches(D.Bernoulli):
    """PyTorch's Bernoulli computes ∞ - ∞ for a switch that is certain; this one is exact there."""

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.where(value > 0, logsigmoid(self.logits), logsigmoid(-self.logits))


class Poisson(ExpectationEmission):
    """Independent counts; raw parameters are log-rates relative to the space's mean."""

    def __init__(self, space: Counts) -> None:
        self.size = space.dim
        self._log_mean = torch.tensor([math.log(mean) for mean in space.mean], dtype=torch.float64)

    def distribution(self, raw: Tensor) -> D.Distribution:
        rate = self._log_rate(raw).exp()
        return D.Independent(D.Poisson(rate, validate_args=False), 1, validate_args=False)

    def log_prob(self, raw: Tensor, x: Tensor) -> Tensor:
        log_rate, x = self._log_rate(raw), x.double()
        # A rate of 0 is certain of the count 0: 0·log 0 is 0.
        hits = torch.where(x > 0, x * log_rate, torch.zeros_like(x))
        return (hits - log_rate.exp() - torch.lgamma(x + 1)).sum(-1).to(raw.dtype)

    def _log_rate(self, raw: Tensor) -> Tensor:
        return raw.double() + self._log_mean.to(raw.device)

    def sums(self, x: Tensor, weight: Tensor) -> Sums:
        return weight.sum(0), weight.T @ x.to(weight.dtype)

    def maximise(self, sums: Sums, previous: Tensor) -> Tensor:
        count, first = sums
        rate = first / count[:, None].clamp_min(LEAST_COUNT)
        return torch.where(count[:, None] > LEAST_COUNT, rate.log() - self._log_mean, previous)

    def guess(self, x: Tensor, states: int, generator: torch.Generator) -> Tensor:
        centre = _spread_out(x.double(), states, generator)
        if not len(x):
            return 0.5 * centre
        return (0.5 * (x.double().mean(0) + centre) + 0.05).log() - self._log_mean


def _log_prob(distribution: D.Distribution, x: Tensor) -> Tensor:
    """log p(x), of no observations too, over which PyTorch's Independent cannot sum."""
    batch = torch.broadcast_shapes(distribution.batch_shape, x.shape[:-1])
    return distribution.log_prob(x) if 0 not in batch else x.new_zeros(batch)


class _Units:
    """Where a raw 0 lies and how far a raw 1 reaches: `[dim]` each, float64."""

    def __init__(self, space: Vectors) -> None:
        self._shift = torch.tensor(space.shift, dtype=torch.float64)
        self._scale = torch.tensor(space.scale, dtype=torch.float64)
        self.log_volume = math.fsum(math.log(scale) for scale in space.scale)
        self._unit = self if space == Vectors(space.dim) else _Units(Vectors(space.dim))

    def like(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        return self._shift.to(raw), self._scale.to(raw)

    def standardise(self, x: Tensor) -> Tensor:
        shift, scale = self.like(x.double())
        return (x.double() - shift) / scale

    def log_prob(
        self, within: Callable[[_Units, Tensor], D.Distribution], raw: Tensor, x: Tensor
    ) -> Tensor:
        """log p(x) = log p(z) - Σ log scale for z = (x - shift) / scale, in raw's dtype.

        So no variance in the units of the data, which may be beyond float64, is ever formed.
        """
        standard = _log_prob(within(self._unit, raw.double()), self.standardise(x))
        return (standard - self.log_volume).to(raw.dtype)


def _spread_out(x: Tensor, states: int, generator: torch.Generator) -> Tensor:
    """`[states, dim]` observations far from one another: the k-means++ rule of Arthur and
    Vassilvitskii (2007), each next one drawn in proportion to its squared distance. Where there is
    no observation, standard normal numbers."""
    if not len(x):
        return torch.randn(states, x.shape[1], generator=generator, dtype=x.dtype)
    sample = x[torch.randint(len(x), (min(len(x), 10_000),), generator=generator)]
    chosen = [sample[int(torch.randint(len(sample), (), generator=generator))]]
    while len(chosen) < states:
        distance = torch.cdist(sample, torch.stack(chosen)).amin(1).square()
        even = torch.ones_like(distance)
        drawn = torch.multinomial(distance if distance.sum() > 0 else even, 1, generator=generator)
        chosen.append(sample[int(drawn)])
    return torch.stack(chosen)


def _floored_cholesky(covariance: Tensor) -> Tensor:
    """The Cholesky factor `[..., d, d]` after raising every eigenvalue to the floor."""
    values, vectors = torch.linalg.eigh(covariance)
    raised = values.clamp_min(MINIMUM_SPREAD**2)
    return torch.linalg.cholesky(vectors * raised[..., None, :] @ vectors.mT)


def emission_for(space: Space, name: str | None = None) -> Emission:
    """The emission of a space; `name` chooses among those of Vectors: gaussian, full or mixture.

    Raises:
        CatenaError: when the space has no emission of that name.
    """
    choices = _choices(space)
    chosen = name or next(iter(choices))
    if chosen not in choices:
        raise CatenaError(
            f"{type(space).__name__} have no emission {chosen!r}; choose from {', '.join(choices)}"
        )
    return choices[chosen]()


def _choices(space: Space) -> dict[str, Callable[[], Emission]]:
    """The emissions of a space by name, its own choice first."""
    if isinstance(space, Symbols):
        return {"categorical": lambda: Categorical(space.outcomes)}
    if isinstance(space, Bits):
        return {"bernoulli": lambda: Bernoulli(space)}
    if isinstance(space, Counts):
        return {"poisson": lambda: Poisson(space)}
    return {
        "gaussian": lambda: Gaussian(space),
        "full": lambda: FullGaussian(space),
        "mixture": lambda: GaussianMixture(space),
    }
