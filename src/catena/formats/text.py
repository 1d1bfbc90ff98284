"""Plain text: a line is a sequence, or a file is one sequence in which the line break counts."""

from __future__ import annotations

from catena.formats.data import Data
from catena.formats.options import Options
from catena.formats.source import Source, decode
from catena.space import Item

PLAIN = "plain text"


def read_text(source: Source, options: Options) -> Data:
    """Lines or, as a stream, the whole file; in characters, words or bytes.

    Only a line feed (or carriage return and line feed) ends a line, so that other separators of
    Unicode stay what they are, symbols. Bytes are taken as they are, whatever they mean.
    """
    options.refuse(source.name, PLAIN, "group_by", "order_by", "item")
    if options.measures or options.unit == "item":
        options.refuse(source.name, PLAIN, "space", "unit")
    unit = options.unit or "char"
    stream = source.stream if options.stream is None else options.stream
    if unit == "byte":
        options.refuse(source.name, "read as raw bytes", "encoding", "errors")
        sequences = [source.raw] if stream else byte_lines(source.raw)
    else:
        text = decode(source, options).replace("\r\n", "\n")
        sequences = _whole(text, unit) if stream else lines_of(text)
    return Data(
        source.name,
        sequences,
        unit,
        "symbols",
        stream,
        lambda i: source.name if stream else f"{source.name}, line {i + 1}",
    )


def lines_of(text: str) -> list[str]:
    """The lines of a text without their ends; the last one may lack its end.

    >>> lines_of("one\\n\\nthree")
    ['one', '', 'three']
    """
    return text.removesuffix("\n").split("\n")


def byte_lines(raw: bytes) -> list[bytes]:
    """The lines of a file of bytes without their ends."""
    return raw.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")


def _whole(text: str, unit: str) -> list[str] | list[list[Item]]:
    """One sequence. Among words the line break is a word, which splitting a text would lose."""
    if unit == "char":
        return [text]
    words: list[Item] = []
    for line in text.split("\n"):
        words += line.split()
        words.append("\n")
    return [words[:-1]]
