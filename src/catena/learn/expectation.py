"""The two steps of expectation-maximisation for hidden Markov models.

    E-step   γ_t(k) = p(z_t = k given x),   ξ_t(i, j) = p(z_t = i, z_{t+1} = j given x)
                                                      = f_t(i) A(i, j) r_{t+1}(j)
    M-step   π ∝ Σ γ_1,   A(i, ·) ∝ Σ_t ξ_t(i, ·),   emissions: weighted maximum likelihood under γ

with f_t and r_t as in `catena.ladder.forward_backward`. The E-step leaves nothing but sums, so
those of several shards are added and maximised together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from catena.emission import LEAST_COUNT, Categorical, Sums
from catena.ladder.forward_backward import ForwardBackward, forward_backward
from catena.ladder.hmm import HiddenMarkov
from catena.layout import Layout
from catena.scanning import run
from catena.sequences import Sequences

# About so many beliefs (observations times states) are worked on at once: arrays of 8 MB, which
# stay in a cache.
BLOCK = 1 << 20


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
    """The E-step over one shard.

    Memory stays bounded: the steps are taken in blocks, once forwards to find where each block
    starts, then backwards, each block forwards and backwards.

    Args:
        observed: all that is emitted, as `HiddenMarkov.observed` gives it.
        weights: `[n]` float64, how many copies each sequence stands for; one each unless given.
    """
    times = None if weights is None else weights[Layout(observed.lengths).order]
    propagation, blocks = model.recurrence.propagation(), _blocks(observed, model.states)
    (start,) = propagation.start(len(observed))
    starts = [start]
    for x, layout in blocks[:-1]:
        starts.append(run(propagation, model.embed(x), layout, (starts[-1],))[1][0])
    message, following, sums = torch.ones_like(start), start[:0], []
    for (x, layout), state in zip(reversed(blocks), reversed(starts), strict=True):
        passed = forward_backward(propagation, model.embed(x), layout, state, message)
        if times is not None:
            passed = _repeated(passed, times)
        size = float(len(x)) if times is None else float(times[passed.links.row].sum())
        sums.append(_sums(model, x, passed, following, size, opens=state is start))
        message, following = passed.message, passed.share[: passed.links.opening]
    return reduce(add, sums)


def _repeated(passed: ForwardBackward, times: Tensor) -> ForwardBackward:
    """What all copies of the sequences add to the sums; `times` `[rows]` says how many each has."""
    each = times[passed.links.row]
    return passed._replace(
        log_evidence=passed.log_evidence * each,
        smoothed=passed.smoothed * each[:, None],
        share=passed.share * each[:, None],
    )


def _sums(
    model: HiddenMarkov,
    x: Tensor,
    passed: ForwardBackward,
    following: Tensor,
    size: float,
    opens: bool,
) -> Expected:
    """The sums of one block.

    Args:
        x: `[m, *event]`, time-major.
        following: `[rows, K]`, the shares of the next block's first step.
        size: how many observations they are, copies counted.
        opens: whether the block holds the sequences' first steps.
    """
    links, smoothed = passed.links, passed.smoothed
    first = smoothed[: links.opening] if opens else smoothed[:0]
    pairs = passed.filtered[links.before].T @ passed.share[links.opening :]
    # What goes on in the next block is live at the last step of this one, in the same rows.
    leaving = passed.filtered[links.closing :][: len(following)]
    return Expected(
        log_likelihood=passed.log_evidence.sum(),
        observations=torch.tensor(size, dtype=torch.float64),
        initial=first.sum(0),
        moves=model.recurrence.propagation().transition * (pairs + leaving.T @ following),
        visits=smoothed.sum(0),
        emitted=model.embed.emission.sums(x, smoothed),
    )


def _blocks(observed: Sequences, states: int) -> list[tuple[Tensor, Layout]]:
    """The observations in time-major order, some steps of all sequences at a time."""
    whole = Layout(observed.lengths)
    packed, lengths = whole.pack(observed.values), observed.lengths[whole.order]
    width = max(1, BLOCK // (states * max(1, len(observed))))
    longest = len(whole.batch_sizes)
    layouts = [
        Layout((lengths - begin).clamp(0, width)) for begin in range(0, max(longest, 1), width)
    ]
    sizes = [int(layout.lengths.sum()) for layout in layouts]
    return list(zip(packed.split(sizes), layouts, strict=True))


@torch.no_grad()
def maximise(model: HiddenMarkov, expected: Expected, pseudocount: float = 0.0) -> None:
    """The M-step, in place. What has no expected count keeps its parameters.

    Args:
        pseudocount: added to the count of every symbol that a state can emit.
    """
    moves, raw = model.recurrence, model.embed.raw
    moves.log_initial.copy_(_log_shares(expected.initial, moves.log_initial))
    moves.log_transition.copy_(_log_shares(expected.moves, moves.log_transition))
    emitted = expected.emitted
    if isinstance(model.embed.emission, Categorical):
        possible = (raw > -math.inf) & (expected.visits > LEAST_COUNT)[:, None]
        emitted = (emitted[0] + pseudocount * possible.to(raw.dtype),)
    raw.copy_(model.embed.emission.maximise(emitted, raw))


@torch.no_grad()
def log_prior(model: HiddenMarkov, pseudocount: float) -> float:
    """Σ pseudocount · log p(symbol given z), over what is possible: what the pseudo-counts are
    worth. The M-step maximises the likelihood and this together."""
    if not isinstance(model.embed.emission, Categorical) or pseudocount == 0.0:
        return 0.0
    log_p = model.embed.raw.log_softmax(-1)
    return pseudocount * float(log_p[log_p > -math.inf].sum())


def _log_shares(counts: Tensor, previous: Tensor) -> Tensor:
    total = counts.sum(-1, keepdim=True)
    return torch.where(total > LEAST_COUNT, (counts / total).log(), previous)
