"""Reading data: text, JSON lines, event tables, numeric arrays, files of tokens and of series,
pairs of texts, dialogues, tunes, compressed or not; sessions of events from files and frames;
MIDI."""

from catena.formats.abc import Tunes, read_tunes
from catena.formats.conll import TokenFile, read_tokens
from catena.formats.data import Data
from catena.formats.dialogues import Dialogues, read_dialogues
from catena.formats.labelled import Labelled, read_labelled, read_to_label
from catena.formats.midi import read_midi, write_midi
from catena.formats.music import Music, read_music
from catena.formats.pairs import TextPairs, read_pairs
from catena.formats.reading import read
from catena.formats.sessions import Sessions, read_sessions
from catena.formats.ts import Series, read_series

__all__ = [
    "Data",
    "Dialogues",
    "Labelled",
    "Music",
    "Series",
    "Sessions",
    "TextPairs",
    "TokenFile",
    "Tunes",
    "read",
    "read_dialogues",
    "read_labelled",
    "read_midi",
    "read_music",
    "read_pairs",
    "read_series",
    "read_sessions",
    "read_to_label",
    "read_tokens",
    "read_tunes",
    "write_midi",
]
