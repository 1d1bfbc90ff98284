"""What tells classes apart: a model of each and Bayes' rule, or one network with a head.

    generative       log p(c, x) = log p(c) + Σ_t log p(x_t given x_1..x_{t-1}, c)
    discriminative   log p(c given x) = log softmax(W summary(h_1..h_T) + b)

Of a network that gives a sequence several labels, each has a probability of its own, σ instead of
the softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from catena.ladder.encoder import Encoder
from catena.ladder.hmm import totals
from catena.model import PIECE, SequenceModel, groups
from catena.sequences import Sequences
from catena.summary import Attention


class Generative(nn.Module):
    """A model for each class beside the probability of the class.

    Args:
        models: C of them, over the same space.
    """

    log_prior: Tensor

    def __init__(self, models: Sequence[SequenceModel]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.register_buffer("log_prior", torch.zeros(len(models), dtype=torch.float64))

    @torch.no_grad()
    def scores(self, sequences: Sequences) -> Tensor:
        """log p(c, x) in nats, `[n, C]`; log p(c) where x is impossible in every class."""
        joint = self.summaries(sequences) + self.log_prior
        possible = (joint > -torch.inf).any(1, keepdim=True)
        return torch.where(possible, joint, self.log_prior)

    @torch.no_grad()
    def summaries(self, sequences: Sequences) -> Tensor:
        """log p(x given c) in nats, `[n, C]`."""
        models = cast("list[SequenceModel]", list(self.models))
        return torch.stack([totals(model.log_prob(sequences)).double() for model in models], 1)


class Discriminative(nn.Module):
    """A network that reads a sequence, sums it up and scores the classes.

    Args:
        encoder: the features of every step.
        summary: one vector from the features of all steps.
        classes: C.
        many: whether a sequence may have several labels.
    """

    def __init__(self, encoder: Encoder, summary: nn.Module, classes: int, many: bool) -> None:
        super().__init__()
        self.encoder, self.summary, self.many = encoder, summary, many
        self.head = nn.Linear(encoder.width, classes)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, sequences: Sequences) -> Tensor:
        """What the classes score, `[n, C]`."""
        return self.head(self.summary(self.encoder(sequences))).float()

    def log_prob(self, sequences: Sequences, targets: Tensor) -> Tensor:
        """log p(target given its sequence) in nats `[n]`, for class numbers `[n]` or, where there
        may be several, `[n, C]` of 0 and 1."""
        scores = self(sequences)
        if self.many:
            return -binary_cross_entropy_with_logits(scores, targets, reduction="none").sum(1)
        return scores.log_softmax(1).gather(1, targets[:, None]).squeeze(1)

    def scores(self, sequences: Sequences) -> Tensor:
        """What the classes score, `[n, C]` float64, as many sequences at a time as memory bears."""
        return _in_groups(self, sequences).double()

    def summaries(self, sequences: Sequences) -> Tensor:
        """One vector a sequence, `[n, width]`."""
        return _in_groups(lambda part: self.summary(self.encoder(part)), sequences)

    def attention(self, sequences: Sequences) -> Sequences | None:
        """What each step counts, `[total]`; None where the summary is no attention."""
        attend = self.summary
        if not isinstance(attend, Attention):
            return None
        shares = _in_groups(lambda part: attend.weights(self.encoder(part)).values, sequences)
        return sequences.with_values(shares)


def log_probabilities(scores: Tensor, many: bool) -> Tensor:
    """log p(class given its sequence) in nats, `[n, C]`, from scores `[n, C]`."""
    return logsigmoid(scores) if many else scores.log_softmax(1)


@torch.no_grad()
def _in_groups(function: Callable[[Sequences], Tensor], sequences: Sequences) -> Tensor:
    """The results for a few sequences after the others, put together."""
    rows = groups(sequences.lengths.tolist(), PIECE) or [[]]
    return torch.cat([function(sequences[torch.tensor(r, dtype=torch.int64)]) for r in rows])
