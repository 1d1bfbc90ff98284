"""Pieces as events: a note begins, a note ends, time passes, the strength changes.

The events are those of Oore et al., This time with feeling (2018), on a grid of note values
(`catena.music.grid`) instead of seconds:

    on:p          the note of pitch p begins, 0 to 127
    off:p         it ends
    shift:n       n steps pass, up to a whole note
    velocity:v    what begins from now on is struck with velocity 4 v, 1 to 32

At a step, ends come first, then beginnings from the lowest up. The strength is said when it
changes, and is 20 until it is said. A pitch sounds once at a time, whatever the channel: a note
ends where its pitch is struck again, and of those struck at one step the longest counts.

Any list of events is a piece: an end of what does not sound is passed over, and so is a note that
ends in the step it began in; what still sounds at the end is ended there, a step after it began at
the soonest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from catena.errors import CatenaError
from catena.music.grid import VELOCITY, Stroke, check_step, from_grid, to_grid
from catena.music.piece import HIGHEST, LOWEST, Metre, Piece, Tempo

LEVELS, WIDTH = 32, 4  # of velocity, and how many velocities are one level
LOUDEST = 127


def vocabulary(step: int = 16) -> list[str]:
    """All events that there are on a grid of 1/`step` notes."""
    check_step(step)
    pitches = range(LOWEST, HIGHEST + 1)
    return [
        *(f"on:{pitch}" for pitch in pitches),
        *(f"off:{pitch}" for pitch in pitches),
        *(f"shift:{steps}" for steps in range(1, step + 1)),
        *(f"velocity:{level}" for level in range(1, LEVELS + 1)),
    ]


def duration(event: str) -> int:
    """How many steps pass."""
    name, number = _parts(event)
    return number if name == "shift" else 0


def to_events(piece: Piece, step: int = 16) -> list[str]:
    """The events of a piece.

    Args:
        step: what time is counted in, 1/`step` notes.

    >>> from catena.music.piece import Note
    >>> to_events(Piece((Note(0, 60, 480), Note(0, 64, 480, velocity=100))), step=16)
    ['on:60', 'velocity:25', 'on:64', 'shift:4', 'off:60', 'off:64']
    """
    strokes = _one_a_pitch(to_grid(piece, step))
    changes = [(stroke.start, True, stroke.pitch, stroke.velocity) for stroke in strokes]
    changes += [(stroke.end, False, stroke.pitch, 0) for stroke in strokes]
    events: list[str] = []
    now, level = 0, _level(VELOCITY)
    for time, group in groupby(sorted(changes), key=lambda change: change[0]):
        events += _shifts(time - now, step)
        now = time
        for _, begins, pitch, velocity in group:
            if begins and _level(velocity) != level:
                level = _level(velocity)
                events.append(f"velocity:{level}")
            events.append(f"{'on' if begins else 'off'}:{pitch}")
    return events


def from_events(
    events: Iterable[str],
    step: int = 16,
    tempos: tuple[Tempo, ...] = (),
    metres: tuple[Metre, ...] = (),
) -> Piece:
    """The piece of any events.

    Args:
        tempos, metres: as in `catena.music.grid.from_grid`.

    Raises:
        CatenaError: at what is no event.
    """
    strokes: list[Stroke] = []
    sounding: dict[int, tuple[int, int]] = {}  # by pitch: since when, and how loud
    now, velocity = 0, VELOCITY
    for event in events:
        name, number = _parts(event)
        if name == "shift":
            now += number
        elif name == "velocity":
            velocity = min(LOUDEST, number * WIDTH)
        else:
            start, loud = sounding.pop(number, (now, velocity))
            if start < now:
                strokes.append(Stroke(start, number, now, loud))
            if name == "on":
                sounding[number] = now, velocity
    for pitch, (start, loud) in sounding.items():
        strokes.append(Stroke(start, pitch, max(now, start + 1), loud))
    return from_grid(strokes, step, tempos, metres)


def _one_a_pitch(strokes: Sequence[Stroke]) -> list[Stroke]:
    """Strokes of which no two of a pitch overlap."""
    kept: dict[tuple[int, int], Stroke] = {}
    last: dict[int, Stroke] = {}
    for stroke in strokes:  # of equal start and pitch the longest comes last
        before = last.get(stroke.pitch)
        if before is not None and before.start < stroke.start < before.end:
            kept[before.start, before.pitch] = before._replace(end=stroke.start)
        kept[stroke.start, stroke.pitch] = last[stroke.pitch] = stroke
    return list(kept.values())


def _shifts(steps: int, longest: int) -> list[str]:
    whole, rest = divmod(steps, longest)
    return [f"shift:{longest}"] * whole + ([f"shift:{rest}"] if rest else [])


def _level(velocity: int) -> int:
    return -(-velocity // WIDTH)


def _parts(event: str) -> tuple[str, int]:
    name, _, number = event.partition(":")
    if name not in ("on", "off", "shift", "velocity") or not number.isdecimal():
        raise CatenaError(f"{event!r} is no event of music, such as on:60, off:60 or shift:4")
    return name, int(number)
