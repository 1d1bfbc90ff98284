"""Word vectors that others have learned, from their text files.

    GloVe              the 0.418 0.24968 ...        a word and its numbers, line after line
    word2vec           71291 200                    the same below how many words and numbers
    fastText (.vec)    2000000 300                  likewise

A file of gigabytes is read in blocks, and only the words that are wanted are parsed and kept. Words
may hold blanks (some of GloVe's do): the numbers are counted from the end of the line.
"""

from __future__ import annotations

import gzip
import lzma
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch
from torch import Tensor

from catena.errors import CatenaError

csv: Any = pyarrow.csv
BLOCK = 1 << 22
LONGEST = 1 << 20  # bytes a line: a file without line breaks is no text
BOM = b"\xef\xbb\xbf"
HEADER = re.compile(rb"(\d{1,99})[ \t]+(\d{1,99})")
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(?i:nan|inf|infinity)")
REMEDY = "give word vectors as text: GloVe's, word2vec's or fastText's .vec"


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and a vector for each.

    Args:
        words: `n` different ones. Bytes that are not UTF-8 are in them as `surrogateescape` has it.
        values: float32 `[n, dim]`, all finite.
    """

    words: tuple[str, ...]
    values: Tensor = field(repr=False)

    def __len__(self) -> int:
        return len(self.words)

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return self.values.shape[1]


def lookup(vectors: WordVectors, words: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The vector of each word, or of the word in small letters where only that has one.

    Returns:
        float32 `[m, dim]`, zero where there is none, and bool `[m]`, where there is one.

    >>> vectors = WordVectors(("the", "May"), torch.tensor([[1.0], [2.0]]))
    >>> values, found = lookup(vectors, ["The", "may", "May"])
    >>> values[:, 0].tolist(), found.tolist()
    ([1.0, 0.0, 2.0], [True, False, True])
    """
    place = {word: i for i, word in enumerate(vectors.words)}
    places = [place.get(word, place.get(word.lower(), -1)) for word in words]
    rows = torch.tensor(places, dtype=torch.int64)
    found = rows >= 0
    values = vectors.values.new_zeros(len(rows), vectors.dim)
    values[found] = vectors.values[rows[found]]
    return values, found


def read_vectors(path: str | Path, words: Collection[str] | None = None) -> WordVectors:
    """Read a text file of word vectors, compressed (.gz, .xz) or not.

    Args:
        words: keep the vectors of these and of their small letters, which is what `lookup` needs;
            lines of other words are passed over unread. None keeps all.

    Of a word that occurs several times the first vector counts.

    Raises:
        CatenaError: with the file and the line, at a number of values other than the first line's,
            a value that is no finite float32, and a line without end; when the file cannot be read,
            is empty, or has fewer words than it announces.
    """
    name = str(path)
    try:
        with _opened(Path(path)) as file:
            return _read(name, file, None if words is None else _wanted(words))
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise CatenaError(
            f"{name}: damaged or cut short ({error}); fetch or compress it again"
        ) from error
    except FileNotFoundError as error:
        raise CatenaError(f"{name}: there is no such file; check the name and folder") from error
    except OSError as error:
        raise CatenaError(f"{name}: cannot be read: {error.strerror or error}") from error


def _opened(path: Path) -> BufferedIOBase:
    if path.suffix.lower() == ".gz":
        return gzip.open(path)
    return lzma.open(path) if path.suffix.lower() == ".xz" else path.open("rb")


def _wanted(words: Collection[str]) -> set[bytes]:
    """The words and their small letters, as bytes of the file."""
    forms = {*words, *(word.lower() for word in words)}
    # Half of a surrogate pair, which text may hold, is in no file.
    halves = re.compile("[\ud800-\udc7f\udd00-\udfff]")
    return {form.encode("utf-8", "surrogateescape") for form in forms if not halves.search(form)}


def _read(name: str, file: BufferedIOBase, wanted: set[bytes] | None) -> WordVectors:
    blocks = _blocks(name, file)
    number, lines = next(blocks, (0, []))
    if not lines:
        raise CatenaError(f"{name}: empty; {REMEDY}")
    announced, dim = _shape(name, lines[0])
    kept = _Kept(name, dim, wanted)
    headed = announced is not None
    for line in lines[headed : headed + 1]:  # wanted or not: it shows whether this is text at all
        kept.cut(number + headed, line)
    kept.add(number + headed, lines[headed:])
    for number, lines in blocks:
        kept.add(number, lines)
    if announced is not None and kept.lines < announced:
        raise CatenaError(
            f"{name}: cut short: it announces {announced} words and has {kept.lines}; fetch it "
            "again, or mend its first line"
        )
    return kept.vectors()


def _blocks(name: str, file: BufferedIOBase) -> Iterator[tuple[int, list[bytes]]]:
    """A few lines after the others, beside the number of the first, from 1."""
    number, rest = 1, b""
    while block := file.read(BLOCK):
        if number == 1 and not rest:
            block = block.removeprefix(BOM)
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > LONGEST:
            where = number + len(lines)
            raise CatenaError(f"{name}, line {where}: more than {LONGEST} bytes; {REMEDY}")
        if lines:
            yield number, lines
        number += len(lines)
    if rest:
        yield number, [rest]


def _shape(name: str, line: bytes) -> tuple[int | None, int]:
    """How many words the first line announces, if it does, and how many values each has."""
    line = _stripped(line)
    if found := HEADER.fullmatch(line):
        announced, dim = map(int, found.groups())
    else:
        announced, pieces = None, line.split(b" ")[1:]
        dim = next((i for i, p in enumerate(pieces[::-1]) if not NUMBER.fullmatch(p)), len(pieces))
    if not 0 < dim <= LONGEST:
        raise CatenaError(f"{name}, line 1: neither a word and its values nor two counts; {REMEDY}")
    return announced, dim


class _Kept:
    """What is kept of a file so far.

    Args:
        dim: how many values a line has.
        wanted: the words to keep; None: all.
    """

    def __init__(self, name: str, dim: int, wanted: set[bytes] | None) -> None:
        self.name, self.dim, self.wanted = name, dim, wanted
        self.lines = 0
        # A line is looked at closely where it begins as a word that is wanted.
        self._heads = None if wanted is None else {word.split(b" ", 1)[0] for word in wanted}
        self._words: dict[bytes, None] = {}
        self._values = bytearray()  # grows in place

    def add(self, first: int, lines: list[bytes]) -> None:
        """Take the next lines, of which the first has this number."""
        heads, numbered = self._heads, enumerate(lines, first)
        if heads is not None:
            numbered = (one for one in numbered if one[1].split(b" ", 1)[0] in heads)
        chosen = [(number, stripped) for number, line in numbered if (stripped := _stripped(line))]
        self.lines += len(lines)
        if chosen:
            self._keep(*self._parsed(chosen))

    def vectors(self) -> WordVectors:
        """All that was kept."""
        words = tuple(word.decode("utf-8", "surrogateescape") for word in self._words)
        values = np.frombuffer(self._values, np.float32).reshape(len(words), self.dim)
        return WordVectors(words, torch.from_numpy(values))

    def _keep(self, words: list[bytes], values: np.ndarray) -> None:
        new = []
        for i, word in enumerate(words):
            if word not in self._words and (self.wanted is None or word in self.wanted):
                self._words[word] = None
                new.append(i)
        self._values += values[new].tobytes()

    def _parsed(self, lines: list[tuple[int, bytes]]) -> tuple[list[bytes], np.ndarray]:
        """Words and values `[k, dim]` of numbered lines."""
        heads, _, rests = zip(*(line.partition(b" ") for _, line in lines), strict=True)
        words, values = list(heads), _numbers(rests, self.dim)
        if values is None:  # blanks in a word, or something wrong
            cut = [self.cut(number, line) for number, line in lines]
            words, values = [word for word, _ in cut], np.stack([row for _, row in cut])
        if not np.isfinite(values).all():
            row, at = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
            number, line = lines[row]
            piece = _shown(line.rsplit(b" ", self.dim)[1 + at])
            raise self._error(number, f"value {at + 1}, {piece}, is no finite float32")
        return words, values

    def cut(self, number: int, line: bytes) -> tuple[bytes, np.ndarray]:
        """One line, of which the word may hold blanks."""
        word, *pieces = _stripped(line).rsplit(b" ", self.dim)
        behind = word.split(b" ")[1:]
        known = self.wanted is not None and word in self.wanted
        if len(pieces) < self.dim or (behind and NUMBER.fullmatch(behind[-1]) and not known):
            raise self._error(
                number, f"{len(pieces) + len(behind)} values, but {self.dim} are expected"
            )
        for at, piece in enumerate(pieces, 1):
            if not NUMBER.fullmatch(piece):
                raise self._error(number, f"value {at}, {_shown(piece)}, is no number")
        with np.errstate(over="ignore"):  # what becomes infinite is refused like what was so
            return word, np.array([*map(float, pieces)]).astype(np.float32)

    def _error(self, number: int, what: str) -> CatenaError:
        return CatenaError(f"{self.name}, line {number}: {what}; mend or remove the line")


def _numbers(lines: Sequence[bytes], dim: int) -> np.ndarray | None:
    """Float32 `[n, dim]` of lines of numbers; None where Arrow cannot read them as such."""
    text = b"\n".join(lines)
    names = [str(column) for column in range(dim)]
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names),
            csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float32()), null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != len(lines):  # a carriage return within a line
        return None
    return np.stack([column.to_numpy() for column in table.columns], 1)


def _stripped(line: bytes) -> bytes:
    """Without the blanks that word2vec and fastText leave at the end of a line."""
    return line.rstrip(b" \r")


def _shown(piece: bytes) -> str:
    return repr(piece[:40].decode("utf-8", "replace"))
