"""Reading data: text, JSON lines, event tables, numeric arrays, files of tokens and of series,
compressed or not."""

from catena.formats.conll import TokenFile, read_tokens
from catena.formats.data import Data
from catena.formats.labelled import Labelled, read_labelled, read_to_label
from catena.formats.reading import read
from catena.formats.ts import Series, read_series

__all__ = [
    "Data",
    "Labelled",
    "Series",
    "TokenFile",
    "read",
    "read_labelled",
    "read_series",
    "read_to_label",
    "read_tokens",
]
