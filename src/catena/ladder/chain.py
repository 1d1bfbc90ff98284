"""The recurrences along a chain of hidden states z_1, z_2, ...: what `scan` walks for an HMM.

With A the transition matrix, l_t(k) = p(x_t given z_t = k), and ∘ the product state by state:

    belief     b_1 = π,    b_{t+1} ∝ (b_t ∘ l_t) A         b_t = p(z_t given x_1..x_{t-1})
    message    m_T = e,    m_{t-1} ∝ A (m_t ∘ l_t)         m_t ∝ p(x_{t+1}..x_T given z_t)
    best path  v_1 = log π,  v_{t+1}(j) = max_i (v_t + log l_t)(i) + log A(i, j)

Message and belief are one recurrence: the message runs backwards, with A transposed. Both are
normalised at every step, so that no length underflows (Rabiner 1989, section V.A).

Likelihoods come in as logarithms `[batch, K]`, so that an outlier that every state finds
improbable still tells the states apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

from catena.kernels.registry import register
from catena.layout import Layout
from catena.recurrence import State
from catena.scanning import reference, scan
from catena.sequences import Sequences

# A product of weights and likelihoods whose sum is at least this, the largest likelihood being 1,
# has lost nothing to underflow that could be seen; below, logarithms are taken.
SAFE = 1e-200


class Propagation:
    """Weights over the states, carried past one observation after another.

    Args:
        first: `[K]`, or `[n, K]` for a start of each sequence's own; what the weights are before
            anything was observed.
        transition: `[K, K]`, each row a distribution; transposed for a message.
    """

    def __init__(self, first: Tensor, transition: Tensor) -> None:
        self.first, self.transition = first, transition

    def start(self, batch: int) -> State:
        return (self.first.expand(batch, -1),)

    def step(self, state: State, x: Tensor) -> State:
        (weights,) = state
        return (normalised(weights.log() + x, weights) @ self.transition,)

    def read(self, state: State) -> Tensor:
        return state[0]


class Scaled(Propagation):
    """The same without logarithms, on `scaled` likelihoods; the weights come out unnormalised."""

    def step(self, state: State, x: Tensor) -> State:
        (weights,) = state
        return ((weights * x / weights.sum(-1, keepdim=True)) @ self.transition,)


@register(Propagation, "scaled")
def _scan_scaled(
    recurrence: Propagation, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    """Without logarithms at each step; with them where that would have lost something."""
    fast = Scaled(recurrence.first, recurrence.transition)
    features, (last,) = reference(fast, scaled(inputs)[0], layout, state)
    total = features.sum(-1, keepdim=True)
    if not bool((total > SAFE).all()):
        return reference(recurrence, inputs, layout, state)
    return features / total, (last / last.sum(-1, keepdim=True),)


class Shares:
    """The message backwards, its scale given by the pass forwards: takes l_t / s_t `[batch, K]`,
    reads r_t = l_t / s_t ∘ m_t, and goes on with m_{t-1} = A r_t.

    Args:
        transition: `[K, K]`, each row a distribution.
    """

    def __init__(self, transition: Tensor) -> None:
        self._backwards = transition.T

    def start(self, batch: int) -> State:
        ones = self._backwards.new_ones(batch, len(self._backwards))
        return ones, ones

    def step(self, state: State, x: Tensor) -> State:
        share = x * state[0]
        return share @ self._backwards, share

    def read(self, state: State) -> Tensor:
        return state[1]


def scaled(log_likelihood: Tensor) -> tuple[Tensor, Tensor]:
    """Likelihoods `[m, K]` divided by their largest, and its logarithm `[m, 1]`."""
    largest = log_likelihood.amax(-1, keepdim=True)
    return (log_likelihood - largest).exp(), largest


def normalised(log_joint: Tensor, otherwise: Tensor) -> Tensor:
    """p(z given x) `[m, K]` from log p(z, x) `[m, K]`.

    Where x is impossible in every state there is no posterior: those rows are taken from
    `otherwise`, as if x had not been seen.
    """
    found = torch.softmax(log_joint, -1)
    return torch.where(found.isnan(), otherwise, found)


class MaxProduct:
    """The score of the best path into each state (Viterbi 1967), and where that path came from.

    State: v `[batch, K]`, the best path into each state of the step to come; v + log l of the step
    just taken; and the pointers `[batch, K]` from the former to the latter, which are what is read.

    Args:
        log_first: `[K]`.
        log_transition: `[K, K]`.
    """

    def __init__(self, log_first: Tensor, log_transition: Tensor) -> None:
        self.log_first, self.log_transition = log_first, log_transition

    def start(self, batch: int) -> State:
        first = self.log_first.expand(batch, -1)
        return first, first, torch.zeros_like(first, dtype=torch.int64)

    def step(self, state: State, x: Tensor) -> State:
        score = state[0] + x
        into, pointers = (score[:, :, None] + self.log_transition).max(1)
        return into, score, pointers

    def read(self, state: State) -> Tensor:
        return state[2]


class Backtrace:
    """The path that pointers `[batch, K]` lead along from its end: z_t = pointers_t(z_{t+1})."""

    def start(self, batch: int) -> State:
        return (torch.zeros(batch, dtype=torch.int64),)

    def step(self, state: State, x: Tensor) -> State:
        return (x.gather(1, state[0].to(x.device)[:, None]).squeeze(1),)

    def read(self, state: State) -> Tensor:
        return state[0]


def best_path(
    log_first: Tensor, log_transition: Tensor, log_last: Tensor, log_likelihood: Sequences
) -> tuple[Sequences, Tensor]:
    """The path of hidden states with the highest score, `[total]`, and its score in nats, `[n]`.

    Of paths that score the same, one; the empty path of a sequence of length 0 scores the best
    that `log_first + log_last` has, which means nothing.

    Args:
        log_first, log_last: `[K]`, of the first and the last state.
        log_transition: `[K, K]`, row: from, column: to.
        log_likelihood: `[total, K]`, log p(x_t given z_t).
    """
    forward = scan(MaxProduct(log_first, log_transition), log_likelihood)
    best, last = (forward.state[1] + log_last).max(1)
    there = log_likelihood.lengths > 0
    # At its last step every pointer of a sequence leads to the best last state.
    pointers = forward.features.values.index_copy(
        0, log_likelihood.offsets[1:][there] - 1, last[there, None].expand(-1, len(log_first))
    )
    path = scan(Backtrace(), log_likelihood.with_values(pointers), reverse=True).features
    return path, best
