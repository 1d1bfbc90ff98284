"""Recurrences made of recurrences: wrappers that change no part of what they wrap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from catena.dropping import Dropout
from catena.kernels.registry import register
from catena.layout import Layout
from catena.recurrence import Recurrence, State
from catena.scanning import run
from catena.walking import register as register_walker
from catena.walking import walk


class Stack(nn.Module):
    """Recurrences on top of one another: each reads what the one below shows.

    Args:
        layers: the lowest first.
        dropout: the share of features dropped between two layers while training.
        variational: whether a scan draws what is dropped once a sequence. A step knows of no
            sequence and draws each time.
    """

    def __init__(
        self, layers: Sequence[Recurrence], dropout: float = 0.0, variational: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(cast("Sequence[nn.Module]", layers))
        self.between = Dropout(dropout, variational)
        self._parts = [len(layer.start(1)) for layer in layers]

    def start(self, batch: int) -> State:
        return tuple(part for layer in self._recurrences() for part in layer.start(batch))

    def step(self, state: State, x: Tensor) -> State:
        after: list[Tensor] = []
        for depth, (layer, own) in enumerate(self._with_states(state)):
            own = layer.step(own, self.between.drop(x) if depth else x)
            after.extend(own)
            x = layer.read(own)
        return tuple(after)

    def read(self, state: State) -> Tensor:
        layer, own = self._with_states(state)[-1]
        return layer.read(own)

    def _recurrences(self) -> list[Recurrence]:
        return [cast(Recurrence, layer) for layer in self.layers]

    def _with_states(self, state: State) -> list[tuple[Recurrence, State]]:
        """Each layer beside its own part of the state."""
        return list(zip(self._recurrences(), _split(state, self._parts), strict=True))


@register(Stack, "layerwise")
def _scan_stack(stack: Stack, inputs: Tensor, layout: Layout, state: State) -> tuple[Tensor, State]:
    """A layer runs through all of time before the next one begins, each with its own kernel."""
    last: list[Tensor] = []
    for depth, (layer, own) in enumerate(stack._with_states(state)):
        inputs = stack.between(inputs, layout.rows) if depth else inputs
        inputs, own = run(layer, inputs, layout, own)
        last.extend(own)
    return inputs, tuple(last)


@register_walker(Stack)
class _StackWalker:
    """A walker for each layer, each with its own way to walk."""

    def __init__(self, stack: Stack, state: State) -> None:
        self._between = stack.between.drop
        self._walkers = [walk(layer, own) for layer, own in stack._with_states(state)]

    @property
    def state(self) -> State:
        return tuple(part for walker in self._walkers for part in walker.state)

    @property
    def features(self) -> Tensor:
        return self._walkers[-1].features

    def push(self, x: Tensor) -> None:
        for depth, walker in enumerate(self._walkers):
            walker.push(self._between(x) if depth else x)
            x = walker.features


class Residual(nn.Module):
    """A recurrence whose input is added to what it shows: both must have the same size."""

    def __init__(self, inner: Recurrence) -> None:
        super().__init__()
        self.inner = inner

    def start(self, batch: int) -> State:
        inner = self.inner.start(batch)
        return (torch.zeros_like(self.inner.read(inner)), *inner)

    def step(self, state: State, x: Tensor) -> State:
        return (x, *self.inner.step(state[1:], x))

    def read(self, state: State) -> Tensor:
        return state[0] + self.inner.read(state[1:])


@register(Residual, "around")
def _scan_residual(
    residual: Residual, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    features, inner = run(residual.inner, inputs, layout, state[1:])
    return features + inputs, (layout.last(inputs, state[0]), *inner)


@register_walker(Residual)
class _ResidualWalker:
    def __init__(self, residual: Residual, state: State) -> None:
        self._x, self._inner = state[0], walk(residual.inner, state[1:])

    @property
    def state(self) -> State:
        return (self._x, *self._inner.state)

    @property
    def features(self) -> Tensor:
        return self._x + self._inner.features

    def push(self, x: Tensor) -> None:
        self._inner.push(x)
        self._x = x.clone()  # it may be what the layer below shows, which its next push writes over


class Bidirectional(nn.Module):
    """Two recurrences over the same sequences, one from each end, shown side by side.

    It has no `step`: what it shows at step t depends on what comes after t. It can be scanned and
    tag or classify with; it cannot predict, stream or generate.
    """

    def __init__(self, forwards: Recurrence, backwards: Recurrence) -> None:
        super().__init__()
        self.forwards, self.backwards = forwards, backwards
        self._parts = [len(forwards.start(1)), len(backwards.start(1))]

    def start(self, batch: int) -> State:
        """Where both begin: the one at each sequence's beginning, the other at its end."""
        return (*self.forwards.start(batch), *self.backwards.start(batch))

    def read(self, state: State) -> Tensor:
        """What both show when each has come to the end of its own way."""
        ahead, behind = _split(state, self._parts)
        return torch.cat([self.forwards.read(ahead), self.backwards.read(behind)], -1)


@register(Bidirectional, "both ways")
def _scan_bidirectional(
    both: Bidirectional, inputs: Tensor, layout: Layout, state: State
) -> tuple[Tensor, State]:
    """Each sequence is turned over its own length, so padding cannot come in between."""
    first, second = _split(state, both._parts)
    turn = layout.reversal.to(inputs.device)
    ahead, last = run(both.forwards, inputs, layout, first)
    behind, front = run(both.backwards, inputs.index_select(0, turn), layout, second)
    return torch.cat([ahead, behind.index_select(0, turn)], -1), (*last, *front)


def _split(state: State, parts: Sequence[int]) -> list[State]:
    pieces, begin = [], 0
    for count in parts:
        pieces.append(state[begin : begin + count])
        begin += count
    return pieces
