"""What a feature CRF is trained on: the likelihood of labels, and its gradient.

    -log p(y | x) = log Z(x) - Σ_t θ_s · f(x_t, y_t) - Σ_t θ_m(y_{t-1}, y_t)

The gradient is the difference of what is expected of a path and what was observed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.state import StateFeatures
from catena.features.vocabulary import Encoded
from catena.kernels.chain.dispatch import expectations
from catena.kernels.chain.potentials import Potentials


def seen_moves(labels: Tensor, lengths: Tensor, width: int) -> Tensor:
    """int64 `[k]`: the pairs of labels that follow each other in training, from * width + to."""
    return _moves(labels, lengths, width).unique()


def _moves(labels: Tensor, lengths: Tensor, width: int) -> Tensor:
    """The pair of labels at each step but the first ones, from * width + to."""
    first = torch.zeros(len(labels) + 1, dtype=torch.bool)
    first[lengths.cumsum(0) - lengths] = True
    return (labels[:-1] * width + labels[1:])[~first[1:-1]]


class Objective:
    """The negative log-likelihood of training labels as a function of θ.

    θ holds the weights of the state features, then those of the moves from label to label.

    Args:
        data: the attributes of all steps.
        labels: int64 `[total]`, the right labels.
        lengths: int64 `[n]`, how many steps each sequence has.
        features: which attributes have weights for which labels.
        moves: int64 `[k]`, from * width + to: the moves that have weights; the others weigh 0.

    Raises:
        CatenaError: when the lengths do not sum to the number of steps.
    """

    def __init__(
        self, data: Encoded, labels: Tensor, lengths: Tensor, features: StateFeatures, moves: Tensor
    ) -> None:
        if int(lengths.sum()) != len(data):
            raise CatenaError(f"the lengths sum to {int(lengths.sum())} for {len(data)} steps")
        self.data, self.lengths, self.features, self.moves = data, lengths, features, moves
        self.size = len(features) + len(moves)
        followed = _moves(labels, lengths, features.width)
        counts = torch.bincount(followed, minlength=features.width**2)[moves]
        self._observed = torch.cat([features.count(data, labels), counts.double()])
        self._scores = torch.empty(len(data), features.width, dtype=torch.float64)

    def __call__(self, theta: Tensor) -> tuple[float, Tensor]:
        """The objective in nats, and its gradient, both float64.

        Args:
            theta: float64 `[size]`.
        """
        weights, of_moves = theta.split([len(self.features), len(self.moves)])
        scores = self.features.scores(self.data, weights, self._scores)
        found = expectations(self._chain(scores, of_moves), scores.new_ones(len(self.lengths)))
        gradient = self.features.gradient(self.data, found.marginals)
        expected = torch.cat([gradient, found.transitions.flatten()[self.moves]])
        value = float(found.log_z.sum()) - float(self._observed @ theta)
        return value, expected.sub_(self._observed)

    def _chain(self, scores: Tensor, of_moves: Tensor) -> Potentials:
        width = self.features.width
        transitions = scores.new_zeros(width * width)
        transitions[self.moves] = of_moves
        ends = scores.new_zeros(width)
        return Potentials(scores, self.lengths, transitions.view(width, width), ends, ends)
