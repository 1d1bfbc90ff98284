"""What a feature CRF is trained on: the likelihood of labels, and its gradient.

    -log p(y | x) = log Z(x) - Σ_t θ_s · f(x_t, y_t) - Σ_t θ_m(y_{t-1}, y_t)

The gradient is the difference of what is expected of a path and what was observed. Where steps have
sets of labels instead of one, those paths are summed out that the sets allow:

    -log p(y ∈ A | x) = log Z(x) - log Z_A(x)

and what was observed becomes what is expected of a path within A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.state import Room, StateFeatures
from catena.features.vocabulary import Encoded
from catena.kernels.chain.native import expectations
from catena.kernels.chain.potentials import Potentials
from catena.kernels.features import Columns

# So many steps are worked on together: the memory for them is used again for the next ones, and a
# thread gets enough to do.
PART = 1 << 16


def seen_moves(labels: Tensor, lengths: Tensor, width: int, minimum: int = 1) -> Tensor:
    """int64 `[k]`: the pairs of labels that follow each other in training at least so many times,
    from * width + to.

    Args:
        labels: int64 `[total]`; or bool `[total, width]`, the labels that each step may have.
    """
    if labels.dtype == torch.bool:
        inside, sets = _inside(lengths), labels.double()
        counts = (sets[:-1][inside].T @ sets[1:][inside]).flatten()
    else:
        counts = torch.bincount(_moves(labels, lengths, width), minlength=width**2)
    return (counts >= minimum).nonzero().flatten()


def _moves(labels: Tensor, lengths: Tensor, width: int) -> Tensor:
    """The pair of labels at each step but the first ones, from * width + to."""
    return (labels[:-1] * width + labels[1:])[_inside(lengths)]


def _inside(lengths: Tensor) -> Tensor:
    """bool `[total - 1]`: whether a step, from the second on, is not the first of its sequence."""
    first = torch.zeros(int(lengths.sum()) + 1, dtype=torch.bool)
    first[lengths.cumsum(0) - lengths] = True
    return ~first[1:-1]


class Objective:
    """The negative log-likelihood of training labels as a function of θ.

    θ holds the weights of the state features, then those of the moves from label to label.

    Args:
        data: the attributes of all steps.
        labels: int64 `[total]`, the right labels; or bool `[total, width]`, which labels each step
            may have, at least one.
        lengths: int64 `[n]`, how many steps each sequence has.
        features: which attributes have weights for which labels.
        moves: int64 `[k]`, from * width + to: the moves that have weights; the others weigh 0.
        weight: float64 `[n]`, how much each sequence counts; 1 unless given.

    Raises:
        CatenaError: when the labels, or the lengths' sum, are not as many as the steps, and where a
            step may have no label.
    """

    def __init__(
        self,
        data: Encoded,
        labels: Tensor,
        lengths: Tensor,
        features: StateFeatures,
        moves: Tensor,
        weight: Tensor | None = None,
    ) -> None:
        if not int(lengths.sum()) == len(labels) == len(data):
            raise CatenaError(
                f"the lengths sum to {int(lengths.sum())}, and there are {len(labels)} labels, for "
                f"{len(data)} steps"
            )
        self.features, self.moves = features, moves
        self.size = len(features) + len(moves)
        parts = list(_parts(data, lengths))
        self._columns = [features.columns(part) for part, _ in parts]
        self._lengths = [own for _, own in parts]
        weight = torch.ones(len(lengths), dtype=torch.float64) if weight is None else weight
        self._weights = weight.split([len(own) for own in self._lengths])
        steps = [len(part) for part, _ in parts]
        self._room = Room(features, max(steps, default=0))
        if labels.dtype == torch.bool:
            self._observed, self._allowed = torch.zeros(self.size).double(), labels.split(steps)
            if not bool(labels.any(1).all()):
                raise CatenaError("a step may have none of the labels; allow it one at least")
            return
        self._allowed = (None,) * len(steps)
        each = weight.repeat_interleave(lengths)
        followed, counted = _moves(labels, lengths, features.width), each[1:][_inside(lengths)]
        counts = torch.bincount(followed, counted, features.width**2)[moves]
        labelled = zip(self._columns, labels.split(steps), each.split(steps), strict=True)
        self._observed = torch.cat([features.count(labelled), counts])

    def __call__(self, theta: Tensor) -> tuple[float, Tensor]:
        """The objective in nats, and its gradient, both float64.

        Args:
            theta: float64 `[size]`.
        """
        weights, of_moves = theta.split([len(self.features), len(self.moves)])
        sums = _Sums(-float(self._observed @ theta), self._transitions(of_moves).zero_())
        parts = self._expect(weights, of_moves, sums)
        gradient = self.features.gradient(parts, self._room)
        expected = torch.cat([gradient, sums.moves.flatten()[self.moves]])
        return sums.value, expected.sub_(self._observed)

    def _expect(
        self, weights: Tensor, of_moves: Tensor, sums: _Sums
    ) -> Iterator[tuple[Columns, Tensor]]:
        """The marginals of one part after the other; log Z and the moves go into the sums."""
        ready, transitions = self.features.spread(weights, self._room), self._transitions(of_moves)
        ends = transitions.new_zeros(self.features.width)
        for lengths, columns, weight, allowed in zip(
            self._lengths, self._columns, self._weights, self._allowed, strict=True
        ):
            scores, marginals = self._room.part(columns.total)
            columns.scores(ready, scores)
            chain = Potentials(scores, lengths, transitions, ends, ends)
            found = expectations(chain, weight, marginals)
            sums.value += float(found.log_z @ weight)
            sums.moves += found.transitions
            if allowed is not None:
                within = chain._replace(scores=chain.scores.masked_fill_(~allowed, -torch.inf))
                among = expectations(within, weight)
                sums.value -= float(among.log_z @ weight)
                sums.moves -= among.transitions
                found.marginals.sub_(among.marginals)
            yield columns, found.marginals

    def _transitions(self, of_moves: Tensor) -> Tensor:
        """float64 `[width, width]`."""
        width = self.features.width
        return of_moves.new_zeros(width * width).index_put((self.moves,), of_moves).view(width, -1)


@dataclass
class _Sums:
    """What the parts add up to: the objective, and how often each move is expected."""

    value: float
    moves: Tensor


def _parts(data: Encoded, lengths: Tensor) -> Iterator[tuple[Encoded, Tensor]]:
    """Whole sequences, some PART steps together."""
    ends = lengths.cumsum(0)
    number = (ends - 1).clamp_min(0) // PART
    begin = 0
    for own in lengths.split(number.unique_consecutive(return_counts=True)[1].tolist()):
        end = begin + int(own.sum())
        yield data.steps(begin, end), own
        begin = end
