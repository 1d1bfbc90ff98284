"""Music as sequences: pieces of notes, as frames, as events, and in other keys."""

from catena.music.piece import Metre, Note, Piece, Tempo

__all__ = ["Metre", "Note", "Piece", "Tempo"]
