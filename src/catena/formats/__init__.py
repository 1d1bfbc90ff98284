"""Reading data: text, JSON lines, event tables and numeric arrays, compressed or not."""

from catena.formats.data import Data
from catena.formats.reading import read

__all__ = ["Data", "read"]
