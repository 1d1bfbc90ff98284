"""Tunes in ABC, the text notation of folk music (the ABC standard 2.1, 2011): taken apart,
understood, played, transposed, and as the symbols that a model learns."""

from catena.music.abc.bars import Bar, Sound
from catena.music.abc.playing import piece
from catena.music.abc.score import Score, read
from catena.music.abc.symbols import symbols, tune_of
from catena.music.abc.tokens import Token, tokens
from catena.music.abc.transposing import transposed
from catena.music.abc.tune import Tune

__all__ = [
    "Bar",
    "Score",
    "Sound",
    "Token",
    "Tune",
    "piece",
    "read",
    "symbols",
    "tokens",
    "transposed",
    "tune_of",
]
