"""One vector from the features of a sequence's steps h_1..h_T, however many there are.

    last       h_T; what was read from the end, h_1
    mean       Σ_t h_t / T
    max        max_t h_t, feature by feature
    attention  Σ_t a_t h_t,  a = softmax over t of v · tanh(W h_t + b)

The attention is that of Yang et al. (Hierarchical attention networks, 2016). The summary of a
sequence of length 0 is zero. Only real steps are touched: nothing is padded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from catena.sequences import Sequences

SUMMARIES = ("last", "mean", "max", "attention")


def summary_for(name: str, width: int, both_ways: bool) -> nn.Module:
    """A module from features `[total, width]` over sequences to summaries `[n, width]`.

    Args:
        both_ways: whether the second half of the features was read from the end.
    """
    if name == "attention":
        return Attention(width)
    return {"last": Last(both_ways), "mean": Mean(), "max": Max()}[name]


class Last(nn.Module):
    """What is shown at the end of the way, or of both ways."""

    def __init__(self, both_ways: bool = False) -> None:
        super().__init__()
        self.both_ways = both_ways

    def forward(self, features: Sequences) -> Tensor:
        filled = features.lengths > 0
        last = features.values.index_select(0, _on(features, features.offsets[1:][filled] - 1))
        if self.both_ways:
            first = features.values.index_select(0, _on(features, features.offsets[:-1][filled]))
            half = last.shape[1] // 2
            last = torch.cat([last[:, :half], first[:, half:]], 1)
        return _zeros(features).index_copy(0, _on(features, filled.nonzero().squeeze(1)), last)


class Mean(nn.Module):
    """The mean of all steps."""

    def forward(self, features: Sequences) -> Tensor:
        length = _on(features, features.lengths).clamp_min(1)
        return added(features) / length[:, None]


class Max(nn.Module):
    """The largest value of each feature."""

    def forward(self, features: Sequences) -> Tensor:
        return _largest(features)


class Attention(nn.Module):
    """A mean in which some steps count more than others; which ones, is learned."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, 1, bias=False)

    def forward(self, features: Sequences) -> Tensor:
        weights = self.weights(features).values[:, None]
        return added(features.with_values(features.values * weights))

    def weights(self, features: Sequences) -> Sequences:
        """What each step counts, `[total]`; over each sequence they sum to 1."""
        scores = self.query(torch.tanh(self.key(features.values)))
        owner = _owner(features)
        largest = _largest(features.with_values(scores.detach()))
        powers = (scores - largest[owner]).exp()
        shares = powers / added(features.with_values(powers))[owner]
        return features.with_values(shares.squeeze(1))


def added(features: Sequences) -> Tensor:
    """The sum over each sequence's steps, `[n, width]` from values `[total, width]`."""
    return _zeros(features).index_add(0, _owner(features), features.values)


def _largest(features: Sequences) -> Tensor:
    owner = _owner(features)[:, None].expand_as(features.values)
    return _zeros(features).scatter_reduce(0, owner, features.values, "amax", include_self=False)


def _zeros(features: Sequences) -> Tensor:
    return features.values.new_zeros(len(features), *features.event)


def _owner(features: Sequences) -> Tensor:
    """`[total]`: which sequence each step belongs to."""
    return _on(features, torch.repeat_interleave(features.lengths))


def _on(features: Sequences, index: Tensor) -> Tensor:
    return index.to(features.values.device)
