"""Pieces as frames: which of the 88 keys of a piano sound, step by step.

A frame is a step of the grid (`catena.music.grid`), and a key is down in it if a note of its
pitch sounds there. The frames of a piece go from its beginning to the end of its last note.
Velocity is not in them; and a note that is held looks like one that is struck again at once, so
notes of a pitch that touch are read back as one.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from catena.errors import CatenaError
from catena.music.grid import Stroke, from_grid, to_grid
from catena.music.piece import Metre, Piece, Tempo

LOWEST, HIGHEST = 21, 108  # the keys of a piano, by MIDI number
KEYS = HIGHEST - LOWEST + 1


def to_frames(piece: Piece, step: int = 16) -> np.ndarray:
    """The frames of a piece, `[length, 88]` uint8 of 0 and 1, from A0 to C8.

    Args:
        step: a frame is a 1/`step` note.

    Raises:
        CatenaError: at a note that a piano has no key for.

    >>> from catena.music.piece import Note
    >>> to_frames(Piece((Note(0, 60, 480), Note(240, 64, 240))), step=8)[:, [60 - 21, 64 - 21]]
    array([[1, 0],
           [1, 1]], dtype=uint8)
    """
    strokes = to_grid(piece, step)
    frames = np.zeros((max((stroke.end for stroke in strokes), default=0), KEYS), np.uint8)
    for stroke in strokes:
        if not LOWEST <= stroke.pitch <= HIGHEST:
            raise CatenaError(
                f"the pitch {stroke.pitch} is outside {LOWEST} to {HIGHEST}, the keys of a piano, "
                "which frames are made of: transpose the piece, or take events"
            )
        frames[stroke.start : stroke.end, stroke.pitch - LOWEST] = 1
    return frames


def from_frames(
    frames: np.ndarray,
    step: int = 16,
    tempos: tuple[Tempo, ...] = (),
    metres: tuple[Metre, ...] = (),
) -> Piece:
    """The piece of these frames `[length, 88]`: a note for every run of frames with a key down.

    Args:
        tempos, metres: as in `catena.music.grid.from_grid`.
    """
    strokes = []
    for key in np.flatnonzero(frames.any(0)).tolist():
        place = 0
        for down, run in groupby(frames[:, key].astype(bool).tolist()):
            end = place + len(list(run))
            if down:
                strokes.append(Stroke(place, key + LOWEST, end))
            place = end
    return from_grid(strokes, step, tempos, metres)
