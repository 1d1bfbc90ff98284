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
            self._state: State = model.start(1)
        if stored is not None:
            self._state = _matching(state_from_bytes(stored), self._state)

    @torch.no_grad()
    def push(self, x: Any) -> float:
        """Take one observation; returns how surprising it was, in bits."""
        observation = self._encode(x)
        features = self._model.read(self._state)
        log_p = self._model.head.log_prob(features, observation)
        self._state = self._model.step(self._state, observation)
        return -float(log_p) / math.log(2.0)

    @torch.no_grad()
    def next(self) -> Distribution:
        """p(next observation given all that was pushed), batch shape `[1]`."""
        return self._model.next(self._state)

    def to_bytes(self) -> bytes:
        """The state, to be stored or sent; its size does not grow with the sequence."""
        return state_to_bytes(self._state)

    def _encode(self, x: Any) -> Tensor:
        space = self._model.space
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
