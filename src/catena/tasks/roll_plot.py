"""A piece as a piano roll: a bar for each note, time across and pitch up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catena.music.grid import DRUMS, METRE
from catena.music.piece import Note, Piece
from catena.tasks.picture import FOR, INK, write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OCTAVE = 12
QUARTER, LINE = 0.22, 0.09  # inches: of a quarter note across, of a semitone up
NARROWEST, WIDEST = 4.0, 40.0  # inches
LINES = 200  # so many bar lines are drawn at most


def draw(path: Path, piece: Piece, primer: int = 0) -> None:
    """Paint the notes, drums left out; those of the primer in grey.

    Args:
        primer: when what is new begins, in ticks.

    Raises:
        CatenaError: for a suffix of a format that cannot be written.
    """
    notes = [note for note in piece.notes if note.channel != DRUMS]
    low = min((note.pitch for note in notes), default=60) // OCTAVE * OCTAVE
    high = -(-(max((note.pitch for note in notes), default=71) + 1) // OCTAVE) * OCTAVE
    quarters = max(1.0, piece.end / piece.resolution)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _notes(axes, notes, piece.resolution, primer)
        axes.set_xlim(0, quarters)
        axes.set_ylim(low - 0.5, high - 0.5)
        octaves = range(low, high, OCTAVE)
        axes.set_yticks(octaves, [f"C{pitch // OCTAVE - 1}" for pitch in octaves])
        _lines(axes, piece, quarters)
        axes.tick_params(length=0, colors=INK)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(INK)

    width = min(WIDEST, max(NARROWEST, 0.6 + QUARTER * quarters))
    write_picture(path, (width, 0.6 + LINE * (high - low)), paint)


def _notes(axes: Any, notes: list[Note], resolution: int, primer: int) -> None:
    from matplotlib.collections import PolyCollection

    start = np.array([note.start for note in notes], float) / resolution
    end = np.array([note.end for note in notes], float) / resolution
    pitch = np.array([note.pitch for note in notes], float)
    across = np.stack([start, end, end, start], 1)
    up = np.stack([pitch - 0.4, pitch - 0.4, pitch + 0.4, pitch + 0.4], 1)
    corners = np.stack([across, up], 2)
    colours = [INK if note.start < primer else FOR for note in notes]
    # The light edge keeps notes apart that touch.
    edge = {"edgecolors": "white", "linewidths": 0.5}
    axes.add_collection(PolyCollection(list(corners), facecolors=colours, **edge))


def _lines(axes: Any, piece: Piece, quarters: float) -> None:
    """A line at each bar, by the first metre, and numbers from 1 on under some of them."""
    metre = piece.metres[0] if piece.metres else METRE
    bar = 4 * metre.beats / metre.unit
    lines = np.arange(0, quarters, bar)
    every = 1 + len(lines) // LINES
    for line in lines[::every]:
        axes.axvline(line, color=INK, linewidth=0.3, alpha=0.5, zorder=0)
    named = range(0, len(lines), 4 * every)
    axes.set_xticks([lines[i] for i in named], [str(i + 1) for i in named])
    axes.set_xlabel("bar", color=INK, loc="right")
