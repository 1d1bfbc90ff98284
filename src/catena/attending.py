"""A recurrence that looks back at a memory.

    h_t = read(s_t),  s_t = f(s_{t-1}, x_t); with input feeding f(s_{t-1}, [x_t; ĥ_{t-1}])
    c_t = attention(h_t, memory)
    ĥ_t = tanh(W [c_t; h_t])                         what it shows

Where nothing of ĥ_{t-1} enters s_t, the inner recurrence runs through all of time first, with the
kernel it has, and attention is applied to all steps at once. With input feeding (Luong et al. 2015)
or coverage, step t needs the attention of step t - 1, and the loop over time walks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from catena.attention import Attended, Attention, Memory
from catena.errors import CatenaError
from catena.kernels.packed import linear
from catena.kernels.registry import register
from catena.layout import Layout
from catena.recurrence import Recurrence, State
from catena.scanning import run
from catena.walking import register as register_walker
from catena.walking import walk


class Attending(nn.Module):
    """What is learned of looking back: the recurrence inside, the attention, and W.

    Args:
        inner: of the decoder; with input feeding, over `width` features more than x_t has.
        width: how many features the inner recurrence shows; it shows as many itself.
        feeding: whether what was shown enters the next step.
    """

    def __init__(
        self, inner: Recurrence, attention: Attention, width: int, feeding: bool = False
    ) -> None:
        super().__init__()
        self.inner, self.attention, self.feeding = inner, attention, feeding
        self.width = width
        self.mix = nn.Linear(attention.width + width, width)

    @property
    def coverage(self) -> bool:
        """Whether what was attended to before changes the scores."""
        return self.attention.seen is not None

    def over(
        self, memory: Memory, begin: State, tracking: bool = False, pointing: bool = False
    ) -> Over:
        """The recurrence over n memories, whose inner state begins at `begin [n, ...]`.

        Args:
            tracking: keep in the state how much each step of memory was attended to.
            pointing: show beside ĥ_t where it looked, as `Looked` takes it apart.
        """
        return Over(self, memory, begin, tracking or self.coverage, pointing)


class Looked(NamedTuple):
    """What a recurrence that points shows, taken apart.

    Args:
        shown: `[m, width]`, ĥ.
        owner: `[m]` int64, which memory it looked at.
        weights: `[m, longest]`, how much at each of its steps; 0 beyond its end.
    """

    shown: Tensor
    owner: Tensor
    weights: Tensor

    @staticmethod
    def of(features: Tensor, width: int) -> Looked:
        """The parts of features `[m, width + 1 + longest]`."""
        return Looked(features[:, :width], features[:, width].long(), features[:, width + 1 :])

    @property
    def features(self) -> Tensor:
        """All of it side by side; a memory's number is exact in float32 up to 2^24."""
        weights = self.weights
        number = self.owner.to(weights)[:, None]
        return torch.cat([self.shown.to(weights.dtype), number, weights], -1)


@dataclass(frozen=True)
class _Parts:
    """The state, by what its parts are.

    Args:
        owner: `[batch]` int64 on the CPU: which memory each sequence looks back at.
        shown: `[batch, width]`.
        covered: `[batch, longest]`, the weights of all steps so far added up; 1 beyond a memory's
            end. None where it is not kept.
        weights: `[batch, longest]`, of the last step. None where they are not shown.
        inner: of the recurrence inside.
    """

    owner: Tensor
    shown: Tensor
    covered: Tensor | None
    weights: Tensor | None
    inner: State

    @property
    def state(self) -> State:
        kept = [part for part in (self.covered, self.weights) if part is not None]
        return (self.owner, self.shown, *kept, *self.inner)

    @property
    def features(self) -> Tensor:
        if self.weights is None:
            return self.shown
        return Looked(self.shown, self.owner, self.weights).features


class Over(nn.Module):
    """Attending over given memories. The state names its memory by number, so that a beam of a
    hundred hypotheses holds each memory once; it means nothing without these memories."""

    def __init__(
        self,
        attending: Attending,
        memory: Memory,
        begin: State,
        tracking: bool = False,
        pointing: bool = False,
    ) -> None:
        super().__init__()
        self.attending, self.memory = attending, memory
        self.tracking, self.pointing = tracking, pointing
        self._begin = begin

    def start(self, batch: int) -> State:
        """The state before each memory's first step.

        Raises:
            CatenaError: when the batch is not one sequence for each memory.
        """
        if batch != len(self.memory.lengths):
            raise CatenaError(
                f"{batch} sequences over {len(self.memory.lengths)} sources: give each its own"
            )
        owner = torch.arange(batch)
        covered = None
        if self.tracking:
            beyond = torch.arange(self.memory.longest) >= self.memory.lengths[:, None]
            covered = beyond.to(self.memory.values)
        return self._seen(owner, covered, self._begin).state

    def step(self, state: State, x: Tensor) -> State:
        parts, inner = self._parts(state), cast(Recurrence, self.attending.inner)
        stepped = inner.step(parts.inner, self._fed(parts, x))
        return self._seen(parts.owner, parts.covered, stepped).state

    def read(self, state: State) -> Tensor:
        return self._parts(state).features

    def uncovered(self, state: State) -> Tensor:
        """`[batch]`: Σ_s log min(n_s, 1), of n_s the attention that a step of memory got so far; 0
        where each got its share (Wu et al. 2016)."""
        covered = self._parts(state).covered
        assert covered is not None
        return covered.double().clamp(max=1.0).log().sum(-1)

    def look(
        self,
        features: Tensor,
        owner: Tensor,
        covered: Tensor | None = None,
        packed: bool = False,
    ) -> tuple[Tensor, Attended]:
        """What is shown `[m, width]` for features `[m, width]`, and what was attended to.

        Args:
            packed: whether many calls share a packed W, which then gets no gradient.
        """
        attended = self.attending.attention(features, owner, self.memory, covered)
        both, mix = torch.cat([attended.context, features], -1), self.attending.mix
        return torch.tanh(linear(mix, both) if packed else mix(both)), attended

    def _seen(self, owner: Tensor, covered: Tensor | None, inner: State) -> _Parts:
        features = cast(Recurrence, self.attending.inner).read(inner)
        return self._looked(owner, covered, inner, self.look(features, owner, covered))

    def _looked(
        self,
        owner: Tensor,
        covered: Tensor | None,
        inner: State,
        looked: tuple[Tensor, Attended],
    ) -> _Parts:
        shown, attended = looked
        covered = None if covered is None else covered + attended.weights
        return _Parts(owner, shown, covered, attended.weights if self.pointing else None, inner)

    def _fed(self, parts: _Parts, x: Tensor) -> Tensor:
        """What enters the recurrence inside."""
        return torch.cat([x, parts.shown.to(x.dtype)], -1) if self.attending.feeding else x

    def _parts(self, state: State) -> _Parts:
        owner, shown, *rest = state
        covered = rest.pop(0) if self.tracking else None
        weights = rest.pop(0) if self.pointing else None
        return _Parts(owner, shown, covered, weights, tuple(rest))


def _refuses(over: Over) -> str | None:
    if over.attending.feeding:
        return "input feeding needs each step before the next"
    return "coverage needs each step before the next" if over.tracking else None


@register(Over, "all steps at once", _refuses)
def _scan_over(over: Over, inputs: Tensor, layout: Layout, state: State) -> tuple[Tensor, State]:
    inner, first = cast(Recurrence, over.attending.inner), over._parts(state)
    features, last = run(inner, inputs, layout, first.inner)
    owner = first.owner[layout.rows]
    shown, attended = over.look(features, owner)
    ends = layout.last(shown, first.shown)
    if first.weights is None:
        return shown, _Parts(first.owner, ends, None, None, last).state
    weights = layout.last(attended.weights, first.weights)
    parts = _Parts(first.owner, ends, None, weights, last)
    return Looked(shown, owner, attended.weights).features, parts.state


@register_walker(Over)
class _OverWalker:
    """The recurrence inside walks in its own way, and W is packed."""

    def __init__(self, over: Over, state: State) -> None:
        self._over, self._parts = over, over._parts(state)
        self._inner = walk(cast(Recurrence, over.attending.inner), self._parts.inner)

    @property
    def state(self) -> State:
        return replace(self._parts, inner=self._inner.state).state

    @property
    def features(self) -> Tensor:
        return self._parts.features

    @torch.no_grad()
    def push(self, x: Tensor) -> None:
        over, parts = self._over, self._parts
        self._inner.push(over._fed(parts, x))
        looked = over.look(self._inner.features, parts.owner, parts.covered, packed=True)
        self._parts = over._looked(parts.owner, parts.covered, (), looked)
