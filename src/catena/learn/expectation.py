"""The two steps of expectation-maximisation for hidden Markov models.

    E-step   γ_t(k) = p(z_t = k given x),   ξ_t(i, j) = p(z_t = i, z_{t+1} = j given x)
    M-step   π ∝ Σ γ_1,   A(i, ·) ∝ Σ_t ξ_t(i, ·),   emissions: weighted maximum likelihood under γ

γ and ξ are what is expected of a path along the linear chain with scores log p(x_t given z_t) and
moves log π and log A, whose log Z is the evidence. The E-step leaves nothing but sums, so those of
several shards are added and maximised together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from catena.emission import LEAST_COUNT, Bernoulli, Categorical, Sums
from catena.kernels.chain.dispatch import expectations
from catena.ladder.hmm import HiddenMarkov
from catena.model import groups
from catena.sequences import Sequences

# About so many beliefs (observations times states) are worked on at once: what is computed of them
# on the way stays in a cache.
BLOCK = 1 << 17


@dataclass(frozen=True)
class Expected:
    """What the E-step leaves: sums over the data, `a + b` being those of both shards.

    Args:
        log_likelihood: nats.
        observations: how many, ends included.
        initial: `[K]`, Σ γ_1.
        moves: `[K, K]`, Σ_t ξ_t.
        visits: `[K]`, Σ_t γ_t.
        emitted: the emission's own sums under γ.
    """

    log_likelihood: Tensor
    observations: Tensor
    initial: Tensor
    moves: Tensor
    visits: Tensor
    emitted: Sums

    def __add__(self, other: Expected) -> Expected:
        pairs = zip(self.tensors(), other.tensors(), strict=True)
        return Expected.from_tensors([a + b for a, b in pairs])

    def tensors(self) -> list[Tensor]:
        """All sums in a row, to be added up across processes."""
        first = [self.log_likelihood, self.observations, self.initial, self.moves, self.visits]
        return [*first, *self.emitted]

    @staticmethod
    def from_tensors(tensors: list[Tensor]) -> Expected:
        """The inverse of `tensors`."""
        return Expected(*tensors[:5], emitted=tuple(tensors[5:]))


@torch.no_grad()
def expect(model: HiddenMarkov, observed: Sequences, weights: Tensor | None = None) -> Expected:
    """The E-step over one shard, some sequences at a time, so that memory stays bounded.

    Args:
        observed: all that is emitted, as `HiddenMarkov.observed` gives it.
        weights: `[n]` float64, how many copies each sequence stands for; one each unless given.
    """
    weights = torch.ones(len(observed), dtype=torch.float64) if weights is None else weights
    parts = groups(observed.lengths.tolist(), max(1, BLOCK // model.states)) or [[]]
    return reduce(add, (_expect(model, observed[rows], weights[rows]) for rows in parts))


def _expect(model: HiddenMarkov, observed: Sequences, weights: Tensor) -> Expected:
    found = expectations(model.chain(observed), weights)
    return Expected(
        log_likelihood=found.log_z @ weights,
        observations=observed.lengths.double() @ weights,
        initial=found.start,
        moves=found.transitions,
        visits=found.marginals.sum(0),
        emitted=model.embed.emission.sums(observed.values, found.marginals),
    )


@torch.no_grad()
def maximise(model: HiddenMarkov, expected: Expected, pseudocount: float = 0.0) -> None:
    """The M-step, in place. What has no expected count keeps its parameters.

    Args:
        pseudocount: added to the count of every symbol that a state can emit, and to that of
            every switch being on and being off.
    """
    moves, raw = model.recurrence, model.embed.raw
    moves.log_initial.copy_(_log_shares(expected.initial, moves.log_initial))
    moves.log_transition.copy_(_log_shares(expected.moves, moves.log_transition))
    emitted = _with_prior(model, expected, pseudocount)
    raw.copy_(model.embed.emission.maximise(emitted, raw))


def _with_prior(model: HiddenMarkov, expected: Expected, pseudocount: float) -> Sums:
    """The expected counts and the pseudo-counts of what is possible, in the states that occur."""
    emission, raw, emitted = model.embed.emission, model.embed.raw, expected.emitted
    visited = (expected.visits > LEAST_COUNT)[:, None]
    if isinstance(emission, Categorical):
        possible = (raw > -math.inf) & visited
        return (emitted[0] + pseudocount * possible.to(raw.dtype),)
    if isinstance(emission, Bernoulli):
        # One of either kind; a switch that is certain stays so.
        on = pseudocount * (torch.sign(raw) * raw.isinf() + 1) * visited
        return emitted[0] + 2 * pseudocount * visited[:, 0], emitted[1] + on
    return emitted


@torch.no_grad()
def log_prior(model: HiddenMarkov, pseudocount: float) -> float:
    """Σ pseudocount · log p(symbol given z), over what is possible, or over both ways that a switch
    may stand: what the pseudo-counts are worth. The M-step maximises the likelihood and this
    together."""
    emission, raw = model.embed.emission, model.embed.raw
    if not isinstance(emission, (Categorical, Bernoulli)) or pseudocount == 0.0:
        return 0.0
    if isinstance(emission, Bernoulli):
        log_p = torch.stack([logsigmoid(raw), logsigmoid(-raw)])[:, raw.isfinite()]
    else:
        log_p = raw.log_softmax(-1)
    return pseudocount * float(log_p[log_p > -math.inf].sum())


def _log_shares(counts: Tensor, previous: Tensor) -> Tensor:
    total = counts.sum(-1, keepdim=True)
    return torch.where(total > LEAST_COUNT, (counts / total).log(), previous)
