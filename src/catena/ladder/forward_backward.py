"""What all observations together say of each hidden state: forwards, then backwards.

    predicted  b_t = p(z_t given x_1..x_{t-1})
    filtered   f_t = b_t ∘ l_t / s_t                   with s_t = p(x_t given x_1..x_{t-1})
    share      r_t = l_t / s_t ∘ A r_{t+1}             p(z_t given x_1..x_T) over what was predicted
    smoothed   γ_t = b_t ∘ r_t = p(z_t given x_1..x_T)

in the notation of `catena.ladder.chain`. These are the scaled variables of Rabiner (1989, section
V.A). Everything is time-major, as `catena.layout` has it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from catena.ladder.chain import SAFE, Propagation, Scaled, Shares, normalised, scaled
from catena.layout import Layout
from catena.recurrence import Recurrence, State
from catena.scanning import run


class Links:
    """Where the steps of one sequence stand in time-major order.

    Attributes:
        opening: how many sequences have a first step; those stand first.
        closing: the position at which the last step of the longest sequence begins.
        before: the position of the step before, for every position from `opening` on.
        row: `[m]`, which sequence of the layout a position belongs to.
        last: the position of the last step of the first `opening` sequences.
    """

    def __init__(self, layout: Layout, device: torch.device) -> None:
        sizes = layout.batch_sizes
        time, first = torch.repeat_interleave(sizes), sizes.cumsum(0) - sizes
        position = torch.arange(len(time))
        self.opening = int(sizes[0]) if len(sizes) else 0
        self.closing = int(first[-1]) if len(sizes) else 0
        self.row = (position - first[time]).to(device)
        lengths = layout.lengths[layout.order][: self.opening]
        self.last = (first[lengths - 1] + torch.arange(self.opening)).to(device)
        self.before: Tensor | slice = slice(0, self.closing)
        if len(time) != self.opening * len(sizes):
            later = position[self.opening :]
            self.before = (later - sizes[time[self.opening :] - 1]).to(device)


class Forward(NamedTuple):
    """The pass forwards: `[m, K]` each, `log_evidence` (log s) `[m]`."""

    predicted: Tensor
    filtered: Tensor
    log_evidence: Tensor


class ForwardBackward(NamedTuple):
    """Both passes: `[m, K]` each, `log_evidence` (log s) `[m]`.

    `message` `[n, K]` is in proportion to the probability of everything here, given the state
    before the first step.
    """

    filtered: Tensor
    log_evidence: Tensor
    smoothed: Tensor
    share: Tensor
    message: Tensor
    links: Links


def forward(
    propagation: Propagation, log_likelihood: Tensor, layout: Layout, state: Tensor
) -> Forward:
    """What is known of each state at its step.

    Where x_t is impossible in every state that z_t can be in, log s_t is -∞, and what was predicted
    stays, as if x_t had not been seen.

    Args:
        log_likelihood: `[m, K]`.
        state: `[n, K]`, predicted of the first step, in the caller's order.
    """
    state = state[layout.order.to(state.device)]
    return _forward(propagation, log_likelihood, layout, state, Links(layout, state.device))


def forward_backward(
    propagation: Propagation, log_likelihood: Tensor, layout: Layout, state: Tensor, message: Tensor
) -> ForwardBackward:
    """What is known of each state afterwards.

    Args:
        log_likelihood: `[m, K]`.
        state: `[n, K]`, predicted of the first step, in the caller's order.
        message: `[n, K]`, in proportion to the probability of what comes after the last step, given
            the last state; in the caller's order.
    """
    order = layout.order.to(state.device)
    given = propagation, log_likelihood, layout, state[order], message[order]
    links = Links(layout, state.device)
    found = _without_logarithms(*given, links) or _with_logarithms(*given, links)
    return found._replace(message=found.message[layout.inverse.to(state.device)])


def _without_logarithms(
    propagation: Propagation,
    log_likelihood: Tensor,
    layout: Layout,
    state: Tensor,
    message: Tensor,
    links: Links,
) -> ForwardBackward | None:
    """The scaled variables; None where underflow or overflow would have lost something."""
    likelihood, largest = scaled(log_likelihood)
    fast = Scaled(propagation.first, propagation.transition)
    after = run(fast, likelihood, layout, (state,))[0]
    total = after.sum(-1, keepdim=True)  # s_t over the largest likelihood, as A's rows sum to 1
    if not bool((total > SAFE).all()):
        return None
    predicted = torch.cat([state[: links.opening], (after / total)[links.before]])
    ratio = likelihood / total
    ended = predicted[links.last] * ratio[links.last] * message[: links.opening]
    message = message.clone()
    message[: links.opening] /= ended.sum(-1, keepdim=True)
    share, (message, _) = _backwards(Shares(propagation.transition), ratio, layout, message)
    if not bool(share.sum().isfinite()):
        return None
    return ForwardBackward(
        filtered=predicted * ratio,
        log_evidence=(total.log() + largest).squeeze(-1),
        smoothed=predicted * share,
        share=share,
        message=message,
        links=links,
    )


def _with_logarithms(
    propagation: Propagation,
    log_likelihood: Tensor,
    layout: Layout,
    state: Tensor,
    message: Tensor,
    links: Links,
) -> ForwardBackward:
    """The same, whatever the likelihoods are; what is impossible is passed over."""
    passed = _forward(propagation, log_likelihood, layout, state, links)
    backwards = Propagation(message, propagation.transition.T)
    earlier, (first,) = _backwards(backwards, log_likelihood, layout, message)
    messages = message[links.row]
    messages[links.before] = earlier[links.opening :]
    smoothed = normalised(passed.filtered.log() + messages.log(), passed.filtered)
    share = torch.where(passed.predicted > 0, smoothed / passed.predicted, 0.0)
    return ForwardBackward(passed.filtered, passed.log_evidence, smoothed, share, first, links)


def _forward(
    propagation: Propagation, log_likelihood: Tensor, layout: Layout, state: Tensor, links: Links
) -> Forward:
    after = run(propagation, log_likelihood, layout, (state,))[0]
    predicted = torch.cat([state[: links.opening], after[links.before]])
    log_joint = predicted.log() + log_likelihood
    return Forward(predicted, normalised(log_joint, predicted), log_joint.logsumexp(-1))


def _backwards(
    recurrence: Recurrence, inputs: Tensor, layout: Layout, message: Tensor
) -> tuple[Tensor, State]:
    """Scan from every sequence's end; what is read stays beside its input."""
    reversal = layout.reversal.to(inputs.device)
    state = (message, *recurrence.start(len(message))[1:])
    features, last = run(recurrence, inputs.index_select(0, reversal), layout, state)
    return features.index_select(0, reversal), last
