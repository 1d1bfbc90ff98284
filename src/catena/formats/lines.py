"""Lines of text as they come in, however many: what a filter reads."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from catena.errors import CatenaError
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import BOM, EXPANDERS, STDIN, damaged, invalid, no_encoding, opening

BLOCK = 1 << 16  # bytes that are read at once: some hundred lines
OPENERS: dict[str, Callable[[BinaryIO], Readable]] = {
    ".xz": lzma.LZMAFile,
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
}


class Readable(Protocol):
    """A file that gives what there is."""

    def read1(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...


def blocks_of_lines(
    source: str | Path, *, encoding: str | None = None, errors: ErrorPolicy | None = None
) -> Iterator[list[str]]:
    """The lines of a file or of standard input, some at a time, so that no more than a block of
    them is ever held; those that are there are given before more are waited for.

    Only a line feed (or carriage return and line feed) ends a line. An empty file has none.

    Args:
        encoding, errors: how bytes become characters (utf-8, strict).

    Raises:
        CatenaError: when the file cannot be read, and at a byte that the encoding does not have,
            once the lines before it were given.
    """
    options = Options(encoding=encoding, errors=errors)
    with ExitStack() as opened:
        yield from _lines(_texts(_open(source, opened), options))


@dataclass(frozen=True)
class _File:
    """An open file.

    Args:
        kind: how it is compressed; "" where it is not.
    """

    name: str
    kind: str
    content: Readable

    def read(self) -> bytes:
        """What there is, up to a block of it; nothing at the end."""
        try:
            return self.content.read1(BLOCK)
        except (lzma.LZMAError, zlib.error, EOFError, OSError) as error:
            if self.kind:
                raise damaged(self.name, self.kind, error) from error
            raise CatenaError(f"{self.name}: cannot be read: {error}") from error


def _open(source: str | Path, opened: ExitStack) -> _File:
    if str(source) == STDIN:
        raw: Any = sys.stdin.buffer
        head = raw.peek(BLOCK) if isinstance(raw, io.BufferedReader) else b""
        kind = next((kind for kind, (magic, _) in EXPANDERS.items() if head.startswith(magic)), "")
        name = "standard input"
    else:
        name, path = str(source), Path(source)
        with opening(path):
            raw = opened.enter_context(path.open("rb"))
        kind = path.suffix.lower() if path.suffix.lower() in OPENERS else ""
    return _File(name, kind, OPENERS[kind](raw) if kind else raw)


def _texts(file: _File, options: Options) -> Iterator[str]:
    """What is read, decoded piece by piece."""
    encoding = options.encoding or "utf-8"
    decoder = _decoder(encoding, options.errors or "strict")
    line, position, first = 1, 0, True
    while True:
        raw, (held, flags) = file.read(), decoder.getstate()
        try:
            text = decoder.decode(raw, not raw)
        except UnicodeDecodeError as error:
            start = error.start - len(held)
            decoder.setstate((held, flags))
            text = decoder.decode(raw[: max(0, start)])
            yield text
            place, found = (
                (line + text.count("\n"), position + start + 1),
                error.object[error.start :],
            )
            raise invalid(file.name, *place, found, encoding) from error
        except UnicodeError as error:
            raise CatenaError(f"{file.name}: not valid {encoding} ({error})") from error
        yield text.removeprefix(BOM) if first else text
        if not raw:
            return
        first = first and not text
        line, position = line + text.count("\n"), position + len(raw)


def _decoder(encoding: str, errors: str) -> codecs.IncrementalDecoder:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)  # which refuses what is no encoding of text
        return codecs.getincrementaldecoder(encoding)(errors)
    except LookupError as error:
        raise no_encoding(encoding) from error


def _lines(texts: Iterator[str]) -> Iterator[list[str]]:
    """The lines that each text ends, and at the end what is left."""
    begun: list[str] = []
    for text in texts:
        head, feed, rest = text.partition("\n")
        begun.append(head)
        if feed:
            *ended, left = rest.split("\n")
            yield [line.removesuffix("\r") for line in ("".join(begun), *ended)]
            begun = [left]
    if any(begun):
        yield ["".join(begun)]
