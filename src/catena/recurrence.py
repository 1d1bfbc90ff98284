"""The contract: s_t = f(s_{t-1}, x_t; θ), and all that is known of x_1..x_t is s_t.

A recurrence is three methods, `start`, `step` and `read`. Its state is an opaque tuple of tensors,
batch first, so that a beam can reorder it, a server can store it, and nothing else needs to know
what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

import torch
from safetensors.torch import load as _tensors_from_bytes
from safetensors.torch import save as _tensors_to_bytes
from torch import Tensor, nn

from catena.errors import CatenaError

State = tuple[Tensor, ...]


class Scannable(Protocol):
    """Anything that has a state and that a kernel can run over whole sequences."""

    def start(self, batch: int) -> State:
        """The state before anything was observed; every tensor is `[batch, ...]`."""
        ...


@runtime_checkable
class Recurrence(Scannable, Protocol):
    """Anything with a state that takes one observation at a time."""

    def step(self, state: State, x: Tensor) -> State:
        """The state after observing x `[batch, *event]`. Rows do not touch one another."""
        ...

    def read(self, state: State) -> Tensor:
        """What the state shows to the outside: features `[batch, *features]`."""
        ...


def select(state: State, rows: Tensor) -> State:
    """The state of the chosen rows `[m]`, in that order; a row may be chosen twice."""
    return tuple(part.index_select(0, rows.to(part.device)) for part in state)


def detach(state: State) -> State:
    """The same state, cut from the graph: gradients stop here."""
    return tuple(part.detach() for part in state)


def state_to_bytes(state: State) -> bytes:
    """The state as safetensors bytes, to be stored or sent."""
    # Copies, because safetensors refuses two tensors in the same memory.
    parts = [part.detach().clone(memory_format=torch.contiguous_format) for part in state]
    return _tensors_to_bytes({f"{i:06d}": part for i, part in enumerate(parts)})


def state_from_bytes(stored: bytes) -> State:
    """The state that `state_to_bytes` stored.

    Raises:
        CatenaError: when the bytes are not a stored state.
    """
    try:
        parts = _tensors_from_bytes(stored)
    except Exception as error:  # safetensors raises its own error type for each kind of damage
        raise CatenaError(f"these bytes are not a stored state: {error}") from error
    return tuple(parts[name] for name in sorted(parts))


class FromFunction(nn.Module):
    """A recurrence from a plain step function f(state, x, θ) -> state.

    Args:
        step: takes the state (a tuple of tensors `[batch, *size]`), x `[batch, *event]` and the
            parameters θ (a mapping of names to tensors), and returns the next state.
        state: the size of each part of the state; all start at zero.
        parameters: the shapes of θ; each is drawn uniformly from ±1/√(last dimension).
        read: what the state shows; its first part unless given.
    """

    def __init__(
        self,
        step: Callable[[State, Tensor, Mapping[str, Tensor]], State],
        state: Sequence[int | Sequence[int]],
        parameters: Mapping[str, Sequence[int]] | None = None,
        read: Callable[[State], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self._step, self._read = step, read or (lambda state: state[0])
        self._sizes = [(size,) if isinstance(size, int) else tuple(size) for size in state]
        self.theta = nn.ParameterDict(
            {name: _uniform(shape) for name, shape in (parameters or {}).items()}
        )
        self.register_buffer("anchor", torch.zeros(()), persistent=False)
        self.anchor: Tensor

    def start(self, batch: int) -> State:
        return tuple(self.anchor.new_zeros(batch, *size) for size in self._sizes)

    def step(self, state: State, x: Tensor) -> State:
        return self._step(state, x, cast(Mapping[str, Tensor], self.theta))

    def read(self, state: State) -> Tensor:
        return self._read(state)


def _uniform(shape: Sequence[int]) -> nn.Parameter:
    bound = shape[-1] ** -0.5 if shape else 1.0
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))
