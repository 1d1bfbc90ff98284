"""The recursion along a chain, in PyTorch: what every faster kernel computes.

With ⊕ and ⊗ those of a semiring (see `catena.kernels.chain.semiring`),

    α_1(j) = start(j) ⊗ s_1(j)
    α_t(j) = s_t(j) ⊗ ⊕_i α_{t-1}(i) ⊗ M(i, j)        α_t(j): the sum over all paths to j at step t
    total  = ⊕_j α_T(j) ⊗ end(j)                      of an empty sequence, 1

as in Lafferty, McCallum and Pereira (Conditional random fields, 2001) and Rabiner (1989). It does
work on real steps alone, is computed in float64 whatever the scores are in, and can be
differentiated to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from catena.kernels.chain.potentials import Potentials
from catena.kernels.chain.semiring import Best, Entropy, LogSum, Semiring
from catena.layout import Layout

Choice = Callable[[Tensor, Tensor], Tensor]


class Expectations(NamedTuple):
    """What is expected of a path, each sequence counted with its weight.

    Attributes:
        log_z: `[n]` float64, not weighted.
        marginals: `[total, L]`, p(y_t = j), in the scores' dtype.
        transitions: `[L, L]` float64, how often i is followed by j, over all sequences.
        start: `[L]` float64, how often a sequence begins with j.
        end: `[L]` float64, how often one ends with j.
    """

    log_z: Tensor
    marginals: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor


def log_z(chain: Potentials) -> Tensor:
    """log Σ exp(score) over all paths, in nats `[n]` float64; -∞ where every path is forbidden."""
    return _total(LogSum(), chain)


def entropy(chain: Potentials) -> Tensor:
    """Of the distribution over paths, in nats `[n]` float64; 0 where every path is forbidden."""
    return _total(Entropy(), chain)[:, 1]


def expectations(chain: Potentials, weight: Tensor) -> Expectations:
    """All expectations of a path: they are the gradients of log Z.

    Where every path is forbidden they are 0.

    Args:
        weight: `[n]`, how much each sequence counts.
    """
    kept = torch.is_grad_enabled() and any(part.requires_grad for part in (*chain, weight))
    with torch.enable_grad():
        scores, lengths, *weights = chain
        # Views of their own: one tensor may stand in two places, and be wanted in each.
        parts = [
            part.view_as(part) if part.requires_grad else part.detach().requires_grad_()
            for part in (scores, *weights)
        ]
        found = log_z(Potentials(parts[0], lengths, *parts[1:]))
        pulled = (found.masked_fill(found.isneginf(), 0.0) * weight.double()).sum()
        grads = torch.autograd.grad(pulled, parts, create_graph=kept, materialize_grads=True)
    found = found if kept else found.detach()
    return Expectations(found, grads[0], *(grad.double() for grad in grads[1:]))


def score(chain: Potentials, paths: Tensor) -> Tensor:
    """The score of one path a sequence, in nats `[n]` float64.

    Args:
        paths: `[total]` int64, labels.
    """
    scores, lengths, transitions, start, end = chain
    there = lengths[lengths > 0]
    last = (there.cumsum(0) - 1).to(scores.device)
    first = last - there.to(scores.device) + 1
    moves = transitions.double()[paths.roll(1), paths]
    moves = moves.index_copy(0, first, start.double()[paths[first]])
    terms = scores.double().gather(1, paths[:, None]).squeeze(1) + moves
    terms = terms.index_add(0, last, end.double()[paths[last]])
    owner = torch.repeat_interleave(lengths).to(scores.device)
    return terms.new_zeros(len(lengths)).index_add(0, owner, terms)


def best(chain: Potentials, k: int) -> tuple[Tensor, Tensor]:
    """The k best paths of each sequence, the best first.

    Returns:
        paths `[total, k]` int64, and their scores in nats `[n, k]` float64. Where there are fewer
        than k paths, labels of -1 and a score of -∞. Of paths with equal scores, either may come
        first.
    """
    chain = chain.detached()
    ranks = torch.arange(k, device=chain.scores.device)
    found = _total(Best(k), chain)
    return _where_possible(_trace(Best(k), chain, ranks, _of_rank), chain.lengths, found), found


def sample(chain: Potentials, draws: int, generator: torch.Generator | None) -> Tensor:
    """Paths drawn from the distribution over paths: forwards the sums, backwards the draws.

    Returns:
        `[total, draws]` int64; -1 where every path is forbidden.
    """
    chain = chain.detached()

    def draw(weights: Tensor, _: Tensor) -> Tensor:
        shares = torch.softmax(weights, -1).flatten(0, 1)
        shares = torch.where(shares.isnan(), 1.0, shares)  # every path is forbidden
        return torch.multinomial(shares, 1, generator=generator).view(weights.shape[:2])

    ranks = torch.zeros(draws, dtype=torch.int64, device=chain.scores.device)
    paths = _trace(LogSum(), chain, ranks, draw)
    return _where_possible(paths, chain.lengths, log_z(chain)[:, None])


def _messages(semiring: Semiring, chain: Potentials, layout: Layout) -> Iterator[Tensor]:
    """α_t `[m_t, L, *own]` for each step, over the sequences that have one, longest first."""
    transitions, alpha = chain.transitions.double(), None
    for scores in layout.pack(chain.scores.double()).split(layout.batch_sizes.tolist()):
        if alpha is None:
            alpha = semiring.lift(scores + chain.start.double())
        else:
            moved = semiring.times(alpha[: len(scores), :, None], transitions)
            alpha = semiring.times(semiring.plus(moved), scores)
        yield alpha


def _total(semiring: Semiring, chain: Potentials) -> Tensor:
    """The sum over all paths of each sequence, `[n, *own]`."""
    layout = Layout(chain.lengths)
    ended: list[Tensor] = []
    live = None
    for alpha in _messages(semiring, chain, layout):
        if live is not None:
            ended.append(live[len(alpha) :])
        live = alpha
    # A sum of no scores: 0, and a constant that autograd knows.
    nothing = chain.scores[:0].double().sum().expand(int((chain.lengths == 0).sum()))
    totals = [semiring.lift(nothing)]
    if live is not None:
        last = torch.cat([live, *reversed(ended)])
        totals.insert(0, semiring.plus(semiring.times(last, chain.end.double())))
    return torch.cat(totals)[layout.inverse.to(nothing.device)]


def _trace(semiring: Semiring, chain: Potentials, ranks: Tensor, choose: Choice) -> Tensor:
    """Paths, chosen from their ends to their beginnings, `[total, draws]` int64.

    Args:
        ranks: `[draws]`, what the choice at a sequence's last step is given.
        choose: the number `[m, draws]` of one among the weights `[m, draws, L * own]` of what leads
            to the step after, given the rank `[m, draws]` that was chosen there.
    """
    layout = Layout(chain.lengths)
    own = semiring.lift(chain.end).numel() // len(chain.end)
    into = chain.transitions.double().repeat_interleave(own, 0).T  # [to, L * own]
    end = chain.end.double().repeat_interleave(own)
    places: list[Tensor] = []
    after = ranks.new_empty(0, len(ranks))
    for alpha in reversed([*_messages(semiring, chain, layout)]):
        opened = len(alpha) - len(after)
        moves = [into[after // own], end.expand(opened, len(ranks), -1)]
        rank = torch.cat([after % own, ranks.expand(opened, -1)])
        after = choose(alpha.flatten(1)[:, None] + torch.cat(moves), rank)
        places.append(after)
    packed = torch.cat([*reversed(places), ranks.new_empty(0, len(ranks))])
    return layout.unpack(packed // own)


def _of_rank(weights: Tensor, rank: Tensor) -> Tensor:
    order = weights.sort(dim=-1, descending=True, stable=True).indices
    return order.gather(-1, rank[..., None]).squeeze(-1)


def _where_possible(paths: Tensor, lengths: Tensor, total: Tensor) -> Tensor:
    """The paths `[total, draws]`, -1 where there is none: where their sum `[n, draws]` is -∞."""
    owner = torch.repeat_interleave(lengths).to(paths.device)
    return paths.masked_fill(total[owner].isneginf(), -1)
