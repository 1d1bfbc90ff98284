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
from pathlib import Path
from typing import BinaryIO, Protocol

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
        name, file = _open(source, opened)
        yield from _lines(_texts(name, file, options))


def _open(source: str | Path, opened: ExitStack) -> tuple[str, Readable]:
    if str(source) == STDIN:
        file: BinaryIO = sys.stdin.buffer
        head = file.peek(BLOCK) if isinstance(file, io.BufferedReader) else b""
        kinds = [kind for kind, (magic, _) in EXPANDERS.items() if head.startswith(magic)]
        return "standard input", OPENERS[kinds[0]](file) if kinds else file  # type: ignore[return-value]
    path = Path(source)
    with opening(path):
        raw = opened.enter_context(path.open("rb"))
    kind = path.suffix.lower()
    return str(path), OPENERS[kind](raw) if kind in OPENERS else raw


def _texts(name: str, file: Readable, options: Options) -> Iterator[str]:
    """What is read, decoded piece by piece."""
    encoding = options.encoding or "utf-8"
    try:
        decoder = codecs.getincrementaldecoder(encoding)(options.errors or "strict")
    except LookupError as error:
        raise no_encoding(encoding) from error
    line, position, first = 1, 0, True
    while True:
        raw = _read(name, file)
        before = decoder.getstate()
        try:
            text = decoder.decode(raw, not raw)
        except UnicodeDecodeError as error:
            held = len(before[0])
            decoder.setstate(before)
            text = decoder.decode(raw[: max(0, error.start - held)])
            yield text
            place = line + text.count("\n"), position + error.start - held + 1
            raise invalid(
                name, *place, error.object[error.start : error.start + 1], encoding
            ) from error
        yield text.removeprefix(BOM) if first else text
        if not raw:
            return
        first = first and not text
        line, position = line + text.count("\n"), position + len(raw)


def _read(name: str, file: Readable) -> bytes:
    try:
        return file.read1(BLOCK)
    except (lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise damaged(name, error) from error


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
