"""One observation at a time: the state of a running session, which can be stored and sent."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from catena.errors import CatenaError
from catena.model import SequenceModel
from catena.recurrence import State, state_from_bytes, state_to_bytes
from catena.space import Symbols
from catena.walking import walk


class Stream:
    """A sequence that grows.

    Args:
        model: a fitted model.
        stored: what `to_bytes` of another stream of the same model returned.

    Raises:
        CatenaError: when the stored state is not one of this model.
    """

    def __init__(self, model: SequenceModel, stored: bytes | None = None) -> None:
        self._model = model
        with torch.no_grad():
            state = model.start(1)
        if stored is not None:
            state = _matching(state_from_bytes(stored), state)
        self._walker = walk(model.recurrence, state)

    @torch.no_grad()
    def push(self, x: Any) -> float:
        """Take one observation; returns how surprising it was, in bits."""
        observation = self._encode(x)
        log_p = self._model.head.log_prob(self._walker.features, observation)
        self._walker.push(self._model.embed(observation))
        return -float(log_p) / math.log(2.0)

    @torch.no_grad()
    def next(self) -> Distribution:
        """p(next observation given all that was pushed), batch shape `[1]`."""
        # A copy: a distribution may hold on to its features, and the next push writes over them.
        return self._model.head.distribution(self._walker.features.clone())

    def to_bytes(self) -> bytes:
        """The state, to be stored or sent; its size does not grow with the sequence."""
        return state_to_bytes(self._walker.state)

    def _encode(self, x: Any) -> Tensor:
        space = self._model.space
        if isinstance(space, Symbols) and (known := space.number(x)) is not None:
            return torch.tensor([known])
        wrapped = x if isinstance(space, Symbols) and isinstance(x, (str, bytes)) else [x]
        wrapped = [x] if isinstance(space, Symbols) and space.unit == "item" else wrapped
        encoded = space.encode([wrapped])
        if encoded.total != 1:
            raise CatenaError(f"push takes one observation at a time; {x!r} is {encoded.total}")
        return encoded.values


def _matching(stored: State, wanted: State) -> State:
    shapes = [(part.shape, part.dtype) for part in stored]
    if shapes != [(part.shape, part.dtype) for part in wanted]:
        raise CatenaError("the stored state belongs to another model")
    return stored
