"""Pieces in other keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from catena.errors import CatenaError
from catena.music.grid import DRUMS
from catena.music.piece import HIGHEST, LOWEST, Piece


def transpose(piece: Piece, semitones: int) -> Piece:
    """The piece so many semitones higher, or lower below 0. Drums stay as they are.

    Raises:
        CatenaError: where a note would leave MIDI's range.

    >>> from catena.music.piece import Note
    >>> [note.pitch for note in transpose(Piece((Note(0, 60, 480), Note(480, 64, 480))), -2).notes]
    [58, 62]
    """
    low, high = compass(piece)
    if low + semitones < LOWEST or high + semitones > HIGHEST:
        raise CatenaError(
            f"the pitches {low} to {high}, moved by {semitones} semitones, are outside {LOWEST} to "
            f"{HIGHEST}"
        )
    notes = (
        note if note.channel == DRUMS else replace(note, pitch=note.pitch + semitones)
        for note in piece.notes
    )
    return replace(piece, notes=tuple(notes))


def in_all_keys(
    pieces: Iterable[Piece], within: int, low: int = LOWEST, high: int = HIGHEST
) -> list[Piece]:
    """Every piece in every key up to `within` semitones away that keeps it from `low` to `high`,
    its own first.

    Raises:
        CatenaError: where `within` is no whole number from 0 up.
    """
    check_within(within)
    found = []
    for piece in pieces:
        lowest, highest = compass(piece)
        away = range(max(-within, low - lowest), min(within, high - highest) + 1)
        found += [piece, *(transpose(piece, by) for by in away if by)]
    return found


def check_within(semitones: int) -> None:
    """Raise for what keys cannot be away."""
    if not isinstance(semitones, int) or isinstance(semitones, bool) or semitones < 0:
        raise CatenaError(f"keys lie a whole number of semitones away, not {semitones!r}")


def compass(piece: Piece) -> tuple[int, int]:
    """The lowest and the highest pitch; of a piece without any, the whole range."""
    pitches = [note.pitch for note in piece.notes if note.channel != DRUMS]
    return min(pitches, default=LOWEST), max(pitches, default=HIGHEST)
