"""Several models of one space as one: each walks on its own, and what they predict is mixed.

    arithmetic   p(x) = 1/K Σ_k p_k(x)             something one model believes in stays likely
    geometric    p(x) ∝ exp(1/K Σ_k log p_k(x))    what one model rules out is ruled out

The mixture is a SequenceModel like any other: it is scored, sampled and searched as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from catena.errors import CatenaError
from catena.kernels.registry import register
from catena.ladder.rung import one_of
from catena.layout import Layout
from catena.model import SequenceModel
from catena.recurrence import State
from catena.scanning import run
from catena.search import LooksBack
from catena.space import Symbols

Mean = Literal["arithmetic", "geometric"]


def ensemble(models: Sequence[SequenceModel], mean: Mean = "arithmetic") -> SequenceModel:
    """The model that predicts what these predict together.

    Args:
        models: of the same symbols.
        mean: of their probabilities, or of their log-probabilities.

    Raises:
        CatenaError: for no models, and for models of different spaces or of numbers.

    >>> from catena import Generator, Markov, Sequences
    >>> a, b = (Generator(Markov(order)).fit(["abba", "baab"]).model_ for order in (1, 2))
    >>> both = ensemble([a, b])
    >>> p = [model.next(model.start(1)).probs[0] for model in (a, b, both)]
    >>> bool(torch.allclose((p[0] + p[1]) / 2, p[2]))
    True
    """
    if not models:
        raise CatenaError("an ensemble needs at least one model")
    one_of("mean", mean, get_args(Mean))
    space = models[0].space
    if not isinstance(space, Symbols):
        raise CatenaError("an ensemble needs models of symbols; these are of numbers")
    for number, model in enumerate(models[1:], 2):
        if model.space != space:
            raise CatenaError(
                f"model {number} of the ensemble has other symbols than the first: "
                "learn them over one space"
            )
    return SequenceModel(space, _as_it_is, Together(models, mean), Mixed())


def _as_it_is(x: Tensor) -> Tensor:
    """Every model embeds observations in its own way."""
    return x


class Together(nn.Module):
    """The recurrences of several models beside one another: its state is all of theirs, and it
    shows `[batch, outcomes]`, the logarithm of what they predict together."""

    def __init__(self, models: Sequence[SequenceModel], mean: Mean) -> None:
        super().__init__()
        self.models, self.mean = nn.ModuleList(models), mean
        self._parts: list[int] = []

    def start(self, batch: int) -> State:
        """The states of all models, one after the other."""
        states = [model.start(batch) for model in self.members]
        self._parts = [len(state) for state in states]
        return tuple(part for state in states for part in state)

    def step(self, state: State, x: Tensor) -> State:
        """Those after the symbols x `[batch]`."""
        stepped = (model.step(own, x) for model, own in self.each(state))
        return tuple(part for state in stepped for part in state)

    def read(self, state: State) -> Tensor:
        """log p of the next symbol, `[batch, outcomes]`."""
        return self.mixed([model.next(own) for model, own in self.each(state)])

    @property
    def members(self) -> list[SequenceModel]:
        return cast("list[SequenceModel]", list(self.models))

    def each(self, state: State) -> list[tuple[SequenceModel, State]]:
        """Every model and its own part of the state."""
        if not self._parts:
            self.start(len(state[0]))
        cut, at = [], 0
        for model, size in zip(self.members, self._parts, strict=True):
            cut.append((model, state[at : at + size]))
            at += size
        return cut

    def mixed(self, predicted: Sequence[Distribution]) -> Tensor:
        """`[m, outcomes]`: the logarithm of the mean of these distributions."""
        log_p = torch.stack([one.logits.log_softmax(-1) for one in predicted])  # type: ignore[attr-defined]
        if self.mean == "arithmetic":
            return log_p.logsumexp(0) - math.log(len(log_p))
        return log_p.mean(0).log_softmax(-1)

    @property
    def tracking(self) -> bool:
        """Whether all of them know how much of their source was attended to."""
        own = [model.recurrence for model in self.members]
        return all(isinstance(one, LooksBack) and one.tracking for one in own)

    def uncovered(self, state: State) -> Tensor:
        """`[batch]`: the mean of what each of them left out of its source."""
        parts = [
            cast(LooksBack, model.recurrence).uncovered(own) for model, own in self.each(state)
        ]
        return torch.stack(parts).mean(0)


@register(Together, "each by its own")
def _scan_together(
    together: Together, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    """Every recurrence walks through all of time by the kernel it has."""
    predicted, last = [], []
    for model, own in together.each(state):
        features, after = run(model.recurrence, model.embed(inputs), layout, own)
        predicted.append(model.head.distribution(features))
        last.extend(after)
    return together.mixed(predicted), tuple(last)


class Mixed(nn.Module):
    """A head over what `Together` shows, which is log p already."""

    def distribution(self, features: Tensor) -> Distribution:
        """p(x given features), batch shape `[m]`."""
        return Categorical(logits=features, validate_args=False)

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        """log p(x given features) in nats `[m]`, for x `[m]`."""
        return features.gather(-1, x[:, None]).squeeze(-1)
