"""The linear chain: a distribution over the paths of labels along a sequence.

    p(y_1..y_T) = exp(score(y_1..y_T)) / Z
    score(y_1..y_T) = start(y_1) + Σ_t s_t(y_t) + Σ_t M(y_{t-1}, y_t) + end(y_T)
    Z = Σ exp(score) over all L^T paths

The scores s come from anywhere: features, a network, the log-likelihoods of a hidden Markov model.
With learned M this is the conditional random field of Lafferty, McCallum and Pereira (Conditional
random fields, 2001). Everything is in nats and in float64, whatever the scores are in; -∞ forbids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.kernels.chain import dispatch, reference
from catena.kernels.chain.potentials import Potentials, check
from catena.kernels.chain.reference import Expectations
from catena.sequences import Sequences


class KBest(NamedTuple):
    """The k best paths of each sequence, the best first.

    Where a sequence has fewer than k, the others have labels of -1 and scores of -∞.

    Attributes:
        paths: `[total, k]` int64.
        scores: `[n, k]` in nats.
        log_probs: `[n, k]` in nats.
    """

    paths: Sequences
    scores: Tensor
    log_probs: Tensor


@dataclass(frozen=True, eq=False)
class LinearChain:
    """What joins the labels of neighbouring steps; the scores of each step come with every call.

    Scores are Sequences of `[total, L]`. `allowed`, where it is given, is a tensor `[total, L]` of
    bool: which labels a step may have. All methods take sequences of length 0, which have exactly
    one path, the empty one: its score and log Z are 0, its entropy too. A sequence in which every
    path is forbidden has log Z = -∞, marginals and gradients of 0.

    NaN and +∞ among the scores of a sequence make its own log Z, marginals and gradients NaN; what
    answers with labels refuses them.

    Args:
        transitions: `[L, L]` in nats, row: from, column: to.
        start: `[L]` in nats.
        end: `[L]` in nats.

    >>> chain = LinearChain(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), torch.zeros(2), torch.zeros(2))
    >>> scores = Sequences.from_list([[[0.0, 0.0], [0.0, 0.5]], []])
    >>> path, score = chain.viterbi(scores)
    >>> path.values.tolist(), score.tolist()
    ([0, 1], [1.5, 0.0])
    """

    transitions: Tensor
    start: Tensor
    end: Tensor

    def constrained(
        self,
        transitions: Tensor | None = None,
        start: Tensor | None = None,
        end: Tensor | None = None,
    ) -> LinearChain:
        """The same chain with moves, first and last labels forbidden.

        Args:
            transitions: `[L, L]` bool, the moves that are allowed.
            start: `[L]` bool.
            end: `[L]` bool.

        Raises:
            CatenaError: for masks of another shape, or that are not bool.
        """
        return LinearChain(
            _forbidden(self.transitions, transitions, "transitions"),
            _forbidden(self.start, start, "start"),
            _forbidden(self.end, end, "end"),
        )

    def log_z(
        self, scores: Sequences, allowed: Tensor | None = None, backend: str | None = None
    ) -> Tensor:
        """log Σ exp(score) over all paths, in nats `[n]`; differentiable to any order.

        Args:
            backend: "native" or "reference"; without one, the first that can run.

        Raises:
            CatenaError: for scores and weights of shapes that do not fit each other, and when the
                requested backend cannot run.
        """
        return dispatch.log_z(self._potentials(scores, allowed), backend)

    def score(self, scores: Sequences, paths: Sequences) -> Tensor:
        """The score of one path for each sequence, in nats `[n]`.

        Args:
            paths: `[total]`, labels from 0 to L - 1.

        Raises:
            CatenaError: as `log_z`, and for paths of other lengths or with other labels.
        """
        chain = self._potentials(scores, None)
        check(chain)
        return reference.score(chain, self._checked(scores, paths))

    def log_prob(self, scores: Sequences, paths: Sequences, backend: str | None = None) -> Tensor:
        """log p of one path for each sequence, in nats `[n]`; raises as `score`."""
        return self.score(scores, paths) - self.log_z(scores, backend=backend)

    def log_prob_allowed(
        self, scores: Sequences, allowed: Tensor, backend: str | None = None
    ) -> Tensor:
        """log p that the path is one of those allowed, in nats `[n]`; raises as `log_z`.

        Its mean is what partly labelled data are learned by: labels that are not known are summed
        out.
        """
        return self.log_z(scores, allowed, backend) - self.log_z(scores, backend=backend)

    def marginals(
        self, scores: Sequences, allowed: Tensor | None = None, backend: str | None = None
    ) -> Sequences:
        """p(y_t = j), `[total, L]` in the scores' dtype; raises as `log_z`."""
        return scores.with_values(self.expectations(scores, None, allowed, backend).marginals)

    def expectations(
        self,
        scores: Sequences,
        weight: Tensor | None = None,
        allowed: Tensor | None = None,
        backend: str | None = None,
    ) -> Expectations:
        """log Z, marginals and expected counts of moves, first and last labels, in one call.

        Args:
            weight: `[n]`, how much each sequence counts; 1 unless given.

        Raises:
            CatenaError: as `log_z`.
        """
        chain = self._potentials(scores, allowed)
        if weight is None:
            weight = torch.ones(len(scores), dtype=torch.float64, device=chain.scores.device)
        return dispatch.expectations(chain, weight, backend)

    def entropy(self, scores: Sequences, allowed: Tensor | None = None) -> Tensor:
        """Of the distribution over paths, in nats `[n]` (Hernando, Crespi and Cybenko 2005);
        differentiable; raises as `log_z`."""
        chain = self._potentials(scores, allowed)
        check(chain)
        return reference.entropy(chain)

    def viterbi(
        self, scores: Sequences, allowed: Tensor | None = None, backend: str | None = None
    ) -> tuple[Sequences, Tensor]:
        """The best path `[total]` int64 and its score in nats `[n]` (Viterbi 1967).

        Raises:
            CatenaError: as `log_z`; for NaN and +∞; and where every path is forbidden.
        """
        paths, found = self._best(scores, 1, allowed, backend)
        return scores.with_values(paths[:, 0]), found[:, 0]

    def k_best(
        self,
        scores: Sequences,
        k: int,
        allowed: Tensor | None = None,
        backend: str | None = None,
    ) -> KBest:
        """The k best paths and their probabilities; raises as `viterbi`, and for a k below 1.

        The kernel deviates from the best path (Hoffman and Pavley 1959; Eppstein, Finding the k
        shortest paths, 1998), the reference keeps k paths a label (Seshadri and Sundberg, List
        Viterbi decoding algorithms, 1994).
        """
        paths, found = self._best(scores, k, allowed, backend)
        log_z = dispatch.log_z(self._potentials(scores, allowed).detached(), backend)
        return KBest(scores.with_values(paths), found, found - log_z[:, None])

    def _best(
        self, scores: Sequences, k: int, allowed: Tensor | None, backend: str | None
    ) -> tuple[Tensor, Tensor]:
        """The k best paths `[total, k]` and their scores `[n, k]`."""
        chain = self._potentials(scores, allowed).detached()
        paths, found = dispatch.best(chain, k, backend)
        _refuse(chain, found[:, 0])
        return paths, found

    def sample(
        self,
        scores: Sequences,
        draws: int = 1,
        generator: torch.Generator | None = None,
        allowed: Tensor | None = None,
    ) -> Sequences:
        """Paths drawn from the distribution, `[total, draws]` int64; raises as `viterbi`.

        Args:
            generator: where the randomness comes from; the same state gives the same paths.
        """
        chain = self._potentials(scores, allowed).detached()
        if draws < 1:
            raise CatenaError(f"draws must be at least 1, not {draws}")
        _refuse(chain, dispatch.log_z(chain))
        return scores.with_values(reference.sample(chain, draws, generator))

    def _potentials(self, scores: Sequences, allowed: Tensor | None) -> Potentials:
        values = _forbidden(scores.values, allowed, "scores")
        return Potentials(values, scores.lengths, self.transitions, self.start, self.end)

    def _checked(self, scores: Sequences, paths: Sequences) -> Tensor:
        if not torch.equal(scores.lengths, paths.lengths) or paths.event:
            raise CatenaError("the paths must be one label for each row of scores")
        labels = paths.values.to(scores.values.device).long()
        wrong = (labels < 0) | (labels >= len(self.start))
        if bool(wrong.any()):
            place = int(wrong.nonzero()[0])
            raise _at(
                f"label {int(labels[place])} is not one of 0 to {len(self.start) - 1}",
                scores.lengths,
                place,
            )
        return labels


def known(labels: Tensor, count: int) -> Tensor:
    """`[total, count]` bool, what is allowed where some labels `[total]` are known; -1: any.

    >>> known(torch.tensor([1, -1]), 2).tolist()
    [[False, True], [True, True]]
    """
    return (labels[:, None] < 0) | (labels[:, None] == torch.arange(count, device=labels.device))


def _forbidden(weights: Tensor, allowed: Tensor | None, name: str) -> Tensor:
    if allowed is None:
        return weights
    if allowed.dtype != torch.bool or allowed.shape != weights.shape:
        raise CatenaError(
            f"what is allowed of {name} must be bool {tuple(weights.shape)}, "
            f"not {allowed.dtype} {tuple(allowed.shape)}"
        )
    return weights.masked_fill(~allowed.to(weights.device), -torch.inf)


def _refuse(chain: Potentials, found: Tensor) -> None:
    """Refuse sequences whose log Z or best score `[n]` is no number or -∞."""
    wrong = (found.isnan() | found.isinf()).nonzero()
    if not len(wrong):
        return
    sequence = int(wrong[0])
    if float(found[sequence]) == -torch.inf:
        raise CatenaError(
            f"sequence {sequence} (counted from 0) has no path: every one is forbidden by a score, "
            "a transition, the start or the end of -inf",
            sequence,
        )
    for name, weights in zip(("transitions", "start", "end"), chain[2:], strict=True):
        if not bool((weights < torch.inf).all()):
            raise CatenaError(f"{name} hold NaN or +inf, where only numbers and -inf make sense")
    rows = (~(chain.scores < torch.inf).all(1)).nonzero()
    raise _at("the scores hold NaN or +inf", chain.lengths, int(rows[0]))


def _at(message: str, lengths: Tensor, place: int) -> CatenaError:
    """An error about one row of all."""
    ends = lengths.cumsum(0)
    sequence = int((ends <= place).sum())
    step = place - int(ends[sequence] - lengths[sequence])
    return CatenaError(
        f"{message} (sequence {sequence}, step {step}, counted from 0)", sequence, step
    )
