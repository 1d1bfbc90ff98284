"""A piece of music: notes in time, and the tempo and metre they are played in.

Time is counted in ticks, whole numbers, `resolution` of them to a quarter note, as MIDI counts it:
nothing is rounded between reading a file and writing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from catena.errors import CatenaError

LOWEST, HIGHEST = 0, 127
RESOLUTION = 480
BEATS_A_MINUTE = 120.0


@dataclass(frozen=True, order=True)
class Note:
    """One note.

    Args:
        start: when it begins, in ticks from the start of the piece.
        pitch: its MIDI number, 0 to 127; 60 is middle C.
        length: how long it sounds, in ticks, at least 1.
        velocity: how hard it is struck, 1 to 127.
        channel: the MIDI channel, 0 to 15; 9 is for drums.

    Raises:
        CatenaError: for a number outside these ranges.
    """

    start: int
    pitch: int
    length: int
    velocity: int = 80
    channel: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("start", 0, None),
            ("pitch", LOWEST, HIGHEST),
            ("length", 1, None),
            ("velocity", 1, 127),
            ("channel", 0, 15),
        ):
            number = getattr(self, name)
            if number < low or (high is not None and number > high):
                bounds = f"from {low} to {high}" if high is not None else f"at least {low}"
                raise CatenaError(f"the {name} of a note must be {bounds}, not {number}")

    @property
    def end(self) -> int:
        """When it ends, in ticks from the start of the piece."""
        return self.start + self.length


@dataclass(frozen=True)
class Tempo:
    """From this tick on, so many quarter notes a minute."""

    start: int
    beats: float


@dataclass(frozen=True)
class Metre:
    """From this tick on, bars of `beats` notes of a `unit`-th each: 6/8 is Metre(0, 6, 8)."""

    start: int
    beats: int
    unit: int


@dataclass(frozen=True)
class Piece:
    """Notes in time.

    Args:
        notes: in the order of their start, then of their pitch.
        resolution: ticks to a quarter note.
        tempos: in order of time; none is 120 quarter notes a minute.
        metres: in order of time; none is 4/4.
        name: where it comes from, for people.
    """

    notes: tuple[Note, ...]
    resolution: int = RESOLUTION
    tempos: tuple[Tempo, ...] = ()
    metres: tuple[Metre, ...] = ()
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(sorted(self.notes)))

    @property
    def end(self) -> int:
        """When the last note ends, in ticks; 0 without notes."""
        return max((note.end for note in self.notes), default=0)
