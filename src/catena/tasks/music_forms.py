"""The forms that a Composer knows: what a piece is made of, for a model and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from catena.automaton import Automaton, explore
from catena.errors import CatenaError
from catena.ladder.rung import one_of
from catena.music.abc import Tune, piece, read, symbols, transposed, tune_of
from catena.music.events import duration, from_events, to_events, vocabulary
from catena.music.frames import HIGHEST as TOP
from catena.music.frames import KEYS, from_frames, to_frames
from catena.music.frames import LOWEST as BOTTOM
from catena.music.grid import check_step
from catena.music.piece import Metre, Piece, Tempo
from catena.music.transpose import check_within, in_all_keys
from catena.space import Bits, Space, Symbols
from catena.tasks.generate import Generator

# A piece of events has at most so many a step on average, beside those that it must have.
CROWD = 16
LONGEST = 2000  # symbols of a tune
ROUNDS = 20  # so often what is no tune is drawn again

Work = Piece | Tune
How = Mapping[str, Any]  # options of `Generator.sample`


class Form(Protocol):
    """A way to see music as sequences.

    Attributes:
        unit: what a sequence is made of.
        work: what it is a form of.
    """

    unit: ClassVar[str]
    work: ClassVar[type[Work]]

    def space(self, rows: list[Any]) -> Space:
        """What one unit is, learned from rows where it is not fixed."""
        ...

    def fits(self, space: Space) -> bool:
        """Whether it is such a space."""
        ...

    def encode(self, work: Any) -> Any:
        """A work as `Generator` takes it.

        Raises:
            CatenaError: for what it cannot say.
        """
        ...

    def in_keys(self, work: Any, within: int) -> list[Any]:
        """The work in its own key and in every other up to so many semitones away in which the form
        can say it."""
        ...


class PieceForm(Form, Protocol):
    """A form of pieces."""

    def decode(self, sequence: Any, tempos: tuple[Tempo, ...], metres: tuple[Metre, ...]) -> Piece:
        """A piece from what `Generator` draws."""
        ...

    def sample(self, generator: Generator, n: int, primer: Any, steps: int, how: How) -> list[Any]:
        """n sequences that begin with the primer, or None, and go on for so many steps."""
        ...


@dataclass(frozen=True)
class Frames:
    """Which of the 88 keys are down, a frame a step (`catena.music.frames`)."""

    unit: ClassVar[str] = "frame"
    work: ClassVar[type[Work]] = Piece
    step: int

    def __post_init__(self) -> None:
        check_step(self.step)

    def space(self, rows: list[Any]) -> Bits:
        return Bits(KEYS)

    def fits(self, space: Space) -> bool:
        return space == Bits(KEYS)

    def encode(self, work: Piece) -> Any:
        return to_frames(work, self.step)

    def in_keys(self, work: Piece, within: int) -> list[Piece]:
        return in_all_keys([work], within, BOTTOM, TOP)

    def decode(self, sequence: Any, tempos: tuple[Tempo, ...], metres: tuple[Metre, ...]) -> Piece:
        return from_frames(sequence, self.step, tempos, metres)

    def sample(self, generator: Generator, n: int, primer: Any, steps: int, how: How) -> list[Any]:
        return generator.sample(n, primer, max_length=steps, **how)


@dataclass(frozen=True)
class Events:
    """Notes that begin and end, time that passes (`catena.music.events`)."""

    unit: ClassVar[str] = "event"
    work: ClassVar[type[Work]] = Piece
    step: int

    def __post_init__(self) -> None:
        check_step(self.step)

    def space(self, rows: list[Any]) -> Symbols:
        return Symbols(tuple(vocabulary(self.step)), "item", "error")

    def fits(self, space: Space) -> bool:
        return space == self.space([])

    def encode(self, work: Piece) -> list[str]:
        return to_events(work, self.step)

    def in_keys(self, work: Piece, within: int) -> list[Piece]:
        return in_all_keys([work], within)

    def decode(self, sequence: Any, tempos: tuple[Tempo, ...], metres: tuple[Metre, ...]) -> Piece:
        return from_events(sequence, self.step, tempos, metres)

    def sample(self, generator: Generator, n: int, primer: Any, steps: int, how: How) -> list[Any]:
        passed = sum(map(duration, primer or []))
        lasting = Lasting(passed + steps, duration)
        limit = steps * (CROWD + 1)
        return generator.sample(n, primer, max_length=limit, constraint=lasting, **how)


TIMED: dict[str, type[Events | Frames]] = {"events": Events, "frames": Frames}


@dataclass(frozen=True)
class Abc:
    """Tunes as they are written, in symbols of ABC (`catena.music.abc.symbols`)."""

    unit: ClassVar[str] = "symbol"
    work: ClassVar[type[Work]] = Tune

    def space(self, rows: list[Any]) -> Symbols:
        return Symbols.learn(rows, "item")

    def fits(self, space: Space) -> bool:
        return isinstance(space, Symbols) and space.unit == "item" and space.end

    def encode(self, work: Tune) -> list[str]:
        read(work)
        return symbols(work)

    def in_keys(self, work: Tune, within: int) -> list[Tune]:
        check_within(within)
        read(work)
        found = [work]
        for by in range(-within, within + 1):
            try:
                found += [transposed(work, by)] if by else []
            except CatenaError:  # a key in which a note has no name
                continue
        return found

    def sample(self, generator: Generator, n: int, primer: Any, how: How) -> list[Tune]:
        """n tunes that begin with the primer, or None, and end where the model ends them. What is
        no tune, or has no note, is drawn again.

        Raises:
            CatenaError: where that is nearly all.
        """
        rows: list[list[str]] = []
        for again in range(ROUNDS):
            # Seeds given are below 2^32.
            options = {**how, "seed": how["seed"] + (again << 32)}
            drawn = generator.sample(n - len(rows), primer, max_length=LONGEST, **options)
            rows += [row for row in drawn if is_tune(tune_of(row))]
            if len(rows) == n:
                return [tune_of(row, i + 1) for i, row in enumerate(rows)]
        raise CatenaError(
            f"only {len(rows)} of {n} tunes are valid ABC after {ROUNDS} rounds: lower the "
            "temperature, or learn for longer"
        )


def unit_in(space: Space) -> str:
    """What a sequence over the space of a form is made of."""
    if isinstance(space, Bits):
        return Frames.unit
    every = set(space.items) if isinstance(space, Symbols) else set()
    return Events.unit if every.issuperset(vocabulary(1)) else Abc.unit


def is_tune(tune: Tune) -> bool:
    """Whether it is valid ABC with a note in it."""
    try:
        return bool(piece(tune).notes)
    except CatenaError:
        return False


def form_named(name: str, step: int) -> Form:
    """The form of this name.

    Args:
        step: what its time is counted in; a tune of ABC is written in lengths of its own.

    Raises:
        CatenaError: for a form or a step that there is not.
    """
    one_of("form", name, (*TIMED, "abc"))
    return TIMED[name](step) if name in TIMED else Abc()


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
        kinds = [self.duration(item) for item in space.items]
        return explore(space, kinds, 0, self._step, lambda passed: passed == self.total)

    def _step(self, passed: int, lasts: int) -> int | None:
        over = passed == self.total or passed + lasts > self.total
        return None if over else passed + lasts
