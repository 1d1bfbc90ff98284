"""The forms that a Composer knows: what a piece is made of, for a model and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from catena.automaton import Automaton, explore
from catena.music.events import duration, from_events, to_events, vocabulary
from catena.music.frames import HIGHEST as TOP
from catena.music.frames import KEYS, from_frames, to_frames
from catena.music.frames import LOWEST as BOTTOM
from catena.music.grid import check_step
from catena.music.piece import HIGHEST, LOWEST, Metre, Piece, Tempo
from catena.space import Bits, Item, Space, Symbols
from catena.tasks.generate import Generator

# A piece of events has at most so many a step on average, beside those that it must have.
CROWD = 16


class Form(Protocol):
    """A way to see pieces as sequences.

    Attributes:
        unit: what a sequence is made of.
        compass: the pitches that it can say.
    """

    unit: ClassVar[str]
    compass: ClassVar[tuple[int, int]]

    @property
    def space(self) -> Space:
        """What one of its units is."""
        ...

    def encode(self, piece: Piece) -> Any:
        """A piece as `Generator` takes it.

        Raises:
            CatenaError: for a note that it cannot say.
        """
        ...

    def decode(self, sequence: Any, tempos: tuple[Tempo, ...], metres: tuple[Metre, ...]) -> Piece:
        """A piece from what `Generator` draws."""
        ...

    def sample(self, generator: Generator, n: int, primer: Any, steps: int, how: Any) -> list[Any]:
        """n sequences that begin with the primer, or None, and go on for so many steps.

        Args:
            how: options of `Generator.sample`.
        """
        ...


@dataclass(frozen=True)
class Frames:
    """Which of the 88 keys are down, a frame a step (`catena.music.frames`)."""

    unit: ClassVar[str] = "frame"
    compass: ClassVar[tuple[int, int]] = (BOTTOM, TOP)
    step: int

    @property
    def space(self) -> Bits:
        check_step(self.step)
        return Bits(KEYS)

    def encode(self, piece: Piece) -> Any:
        return to_frames(piece, self.step)

    def decode(self, sequence: Any, tempos: tuple[Tempo, ...], metres: tuple[Metre, ...]) -> Piece:
        return from_frames(sequence, self.step, tempos, metres)

    def sample(
        self, generator: Generator, n: int, primer: Any, steps: int, how: Mapping[str, Any]
    ) -> list[Any]:
        return generator.sample(n, primer, max_length=steps, **how)


@dataclass(frozen=True)
class Events:
    """Notes that begin and end, time that passes (`catena.music.events`)."""

    unit: ClassVar[str] = "event"
    compass: ClassVar[tuple[int, int]] = (LOWEST, HIGHEST)
    step: int

    @property
    def space(self) -> Symbols:
        return Symbols(tuple(vocabulary(self.step)), "item", "error")

    def encode(self, piece: Piece) -> list[str]:
        return to_events(piece, self.step)

    def decode(self, sequence: Any, tempos: tuple[Tempo, ...], metres: tuple[Metre, ...]) -> Piece:
        return from_events(sequence, self.step, tempos, metres)

    def sample(
        self, generator: Generator, n: int, primer: Any, steps: int, how: Mapping[str, Any]
    ) -> list[Any]:
        passed = sum(map(duration, primer or []))
        lasting = Lasting(passed + steps, duration)
        return generator.sample(
            n, primer, max_length=steps * (CROWD + 1), constraint=lasting, **how
        )


FORMS: dict[str, type[Frames] | type[Events]] = {"events": Events, "frames": Frames}


@dataclass(frozen=True)
class Lasting:
    """Sequences that are over once so much time has passed, and not before.

    Args:
        total: how much.
        duration: how much passes at a symbol.
    """

    total: int
    duration: Callable[[Any], int]

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts them; its states are how much has passed."""
        kinds = [self._lasts(item) for item in space.items]
        return explore(space, kinds, 0, self._step, lambda passed: passed == self.total)

    def _lasts(self, item: Item) -> int:
        return self.duration(item)

    def _step(self, passed: int, lasts: int) -> int | None:
        over = passed == self.total or passed + lasts > self.total
        return None if over else passed + lasts
