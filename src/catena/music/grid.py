"""Pieces on a grid of equal steps, which is how models of frames and of events see time.

A step is a 1/`step` note: 16 for sixteenths, 12 for the triplets of a quarter, 48 for both. What
begins or ends between two steps is moved to the nearer one, halfway to the later; a note lasts a
step at least. Drums (channel 9) are left out: their pitches are no pitches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from catena.errors import CatenaError
from catena.music.piece import RESOLUTION, Metre, Note, Piece, Tempo

DRUMS = 9
FINEST = 960  # steps to a whole note
VELOCITY = 80
METRE = Metre(0, 4, 4)


class Stroke(NamedTuple):
    """A note on the grid: from step `start` to before step `end`."""

    start: int
    pitch: int
    end: int
    velocity: int = VELOCITY


def check_step(step: int) -> None:
    """Raise for a step that there is not."""
    if not isinstance(step, int) or isinstance(step, bool) or not 1 <= step <= FINEST:
        raise CatenaError(
            f"step must be a whole number from 1 to {FINEST}, 16 for sixteenth notes, not {step!r}"
        )


def to_grid(piece: Piece, step: int) -> list[Stroke]:
    """The notes of a piece in steps, in order.

    >>> to_grid(Piece((Note(0, 60, 480), Note(470, 64, 20))), 16)
    [Stroke(start=0, pitch=60, end=4, velocity=80), Stroke(start=4, pitch=64, end=5, velocity=80)]
    """
    check_step(step)
    strokes = []
    for note in piece.notes:
        if note.channel != DRUMS:
            start, end = (_nearest(tick * step, 4 * piece.resolution) for tick in _ends(note))
            strokes.append(Stroke(start, note.pitch, max(end, start + 1), note.velocity))
    return sorted(strokes)


def from_grid(
    strokes: Iterable[Stroke],
    step: int,
    tempos: tuple[Tempo, ...] = (),
    metres: tuple[Metre, ...] = (),
) -> Piece:
    """The piece of these notes.

    Args:
        tempos, metres: with their starts in ticks of `resolution_of(step)`.
    """
    resolution = resolution_of(step)
    size = 4 * resolution // step
    notes = [
        Note(start * size, pitch, (end - start) * size, velocity)
        for start, pitch, end, velocity in strokes
    ]
    return Piece(tuple(notes), resolution, tempos, metres)


def resolution_of(step: int) -> int:
    """The ticks to a quarter note of what comes from a grid: 480, where a step is then a whole
    number of ticks."""
    check_step(step)
    return step if 4 * RESOLUTION % step else RESOLUTION


def bar(metre: Metre, step: int) -> int:
    """How many steps a bar of this metre has.

    Raises:
        CatenaError: where it has not a whole number of them.
    """
    steps, over = divmod(metre.beats * step, metre.unit)
    if over or not steps:
        raise CatenaError(
            f"a bar of {metre.beats}/{metre.unit} is no whole number of 1/{step} notes: choose a "
            f"step that {metre.unit} divides, such as {step * metre.unit}"
        )
    return steps


def _ends(note: Note) -> tuple[int, int]:
    return note.start, note.end


def _nearest(part: int, whole: int) -> int:
    """part / whole, rounded half up."""
    return (2 * part + whole) // (2 * whole)
