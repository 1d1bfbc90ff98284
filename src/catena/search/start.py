"""What drawing and seeking have in common: where both start, what may come next, and where a
sequence ends."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.guiding import Constraints, Guide
from catena.kernels.rows import log_sums
from catena.ladder.rung import at_least
from catena.model import SequenceModel
from catena.recurrence import State
from catena.scanning import scan
from catena.sequences import Sequences
from catena.space import Symbols
from catena.walking import walk

NEVER = -math.inf
# In the place of a symbol where a sequence is complete and its space has no end to say so.
COMPLETE = -1


def check_lengths(least: int, most: int) -> None:
    at_least("min_length", least, 0)
    at_least("max_length", most, 0)
    if least > most:
        raise CatenaError(f"min_length {least} is above max_length {most}")


def prepare(model: SequenceModel, prompts: Sequences) -> State:
    """The state after each prompt; a prompt of length 0 leaves the start."""
    return scan(model, prompts).state


def guide_of(
    model: SequenceModel,
    prompts: Sequences,
    constraint: Constraints | None,
    limits: Tensor,
    least: int,
) -> Guide | None:
    if constraint is None or not len(prompts):
        return None
    if not isinstance(model.space, Symbols):
        raise CatenaError("a constraint needs symbols; this model's space is numeric")
    return Guide(model.space, constraint, prompts, limits, least)


class Predicted(NamedTuple):
    """Of the next symbol: log p = score - log_sum.

    Args:
        scores: `[rows, outcomes]`, for the caller to write over.
        log_sum: `[rows]` float64.
    """

    scores: Tensor
    log_sum: Tensor


@runtime_checkable
class Scores(Protocol):
    """A head that can tell log p but for a number that is the same for all symbols."""

    def scores(self, features: Tensor) -> Tensor:
        """`[m, outcomes]` for features `[m, *features]`, without gradients, in evaluation."""
        ...


def predicted(model: SequenceModel, state: State) -> Predicted:
    """What comes after a state `[rows, ...]`. In the model's own precision: there are as many
    scores as the vocabulary is large, so none are written that nobody asks for."""
    head, features = model.head, model.read(state)
    if isinstance(head, Scores):
        scores = head.scores(features)
        return Predicted(scores, log_sums(scores))
    # A distribution's normalised numbers are its own.
    scores = head.distribution(features).logits  # type: ignore[attr-defined]
    return Predicted(scores, torch.zeros(len(scores), dtype=torch.float64))


def advance(model: SequenceModel, state: State, x: Tensor) -> State:
    """`model.step`, without gradients and by the recurrence's own way to walk."""
    walker = walk(model.recurrence, state)
    walker.push(model.embed(x))
    return walker.state


def allowed_log_probs(model: SequenceModel, features: Tensor, may_end: bool) -> Tensor:
    """`[batch, outcomes]` the model's own log p of the next symbol; -inf for ⟨unk⟩, and for the
    end while it may not come. Not normalised over the rest."""
    assert isinstance(model.space, Symbols)
    distribution = model.head.distribution(features)
    log_p = distribution.logits.double().log_softmax(-1)  # type: ignore[attr-defined]
    return log_p.masked_fill(forbidden(model.space, may_end), NEVER)


def forbidden(space: Symbols, may_end: bool, unknown: bool = False) -> Tensor:
    """`[outcomes]`, which symbols may not come."""
    banned = torch.zeros(space.outcomes, dtype=torch.bool)
    if space.unknown_number is not None and not unknown:
        banned[space.unknown_number] = True
    if space.end_number is not None and not may_end:
        banned[space.end_number] = True
    return banned


def has_ended(model: SequenceModel, x: Tensor) -> Tensor:
    """`[batch]`, which rows have drawn the end, or are complete."""
    end = model.space.end_number
    if not isinstance(model.space, Symbols):
        return torch.zeros(len(x), dtype=torch.bool)
    return x == (COMPLETE if end is None else end)
