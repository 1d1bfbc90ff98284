"""Going on from a state one observation at a time, without gradients: what streams and samples do.

Where `catena.scanning` runs over observations that are all there, a walker takes them as they come.
It may keep its state in place and its weights in an order of its own; `register` enters the one for
a class of recurrence, and every other recurrence walks by its own `step`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from catena.recurrence import Recurrence, State


class Walker(Protocol):
    """A batch of sequences that grow together."""

    @property
    def state(self) -> State:
        """The state in the recurrence's own layout; later pushes do not change it."""
        ...

    @property
    def features(self) -> Tensor:
        """What the state shows `[batch, *features]`. The next push may write over it."""
        ...

    def push(self, x: Tensor) -> None:
        """Take what the recurrence's `step` takes, `[batch, *event]`."""
        ...


Start = Callable[..., Walker | None]
_Function = TypeVar("_Function", bound=Start)
_TABLE: dict[type, Start] = {}


def register(kind: type) -> Callable[[_Function], _Function]:
    """Enter the decorated function for recurrences of exactly this class: given the recurrence and
    a state it returns a walker, or None where it has none for this one."""

    def enter(start: _Function) -> _Function:
        _TABLE[kind] = start
        return start

    return enter


@torch.no_grad()
def walk(recurrence: Recurrence, state: State) -> Walker:
    """A walker that goes on from a state `[batch, ...]`.

    >>> from catena.recurrence import FromFunction
    >>> total = FromFunction(lambda s, x, theta: (s[0] + x,), state=[()])
    >>> walker = walk(total, total.start(1))
    >>> walker.push(torch.tensor([2.0]))
    >>> walker.push(torch.tensor([3.0]))
    >>> walker.features.item()
    5.0
    """
    start = _TABLE.get(type(recurrence))
    return (start and start(recurrence, state)) or Steps(recurrence, state)


class Steps:
    """The reference: one call of the recurrence's `step` a push."""

    def __init__(self, recurrence: Recurrence, state: State) -> None:
        self._recurrence, self.state = recurrence, state

    @property
    @torch.no_grad()
    def features(self) -> Tensor:
        return self._recurrence.read(self.state)

    @torch.no_grad()
    def push(self, x: Tensor) -> None:
        self.state = self._recurrence.step(self.state, x)
