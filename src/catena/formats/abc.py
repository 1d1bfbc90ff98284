"""Tunes from files of ABC: each from its X: to the blank line after it, with its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from catena.errors import CatenaError
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import Source, decode, open_sources
from catena.music.abc import Tune, read

FIRST = "X:"


@dataclass(frozen=True)
class Tunes:
    """The tunes of some files.

    Args:
        name: the files, for people.
        tunes: in the order of the files.
        skipped: what was wrong with those that were left out, one message each.
    """

    name: str
    tunes: list[Tune]
    skipped: list[str]

    def __len__(self) -> int:
        return len(self.tunes)


def read_tunes(
    sources: str | Path | Sequence[str | Path],
    *,
    skip_bad: bool = False,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
) -> Tunes:
    """Read the tunes of one or more files of ABC, and check each as `catena.music.abc.read` does.

    What stands before the first X: and between tunes (a file's header, free text) is left out.

    Args:
        skip_bad: leave out tunes with errors; what was wrong is in `skipped`.
        encoding, errors: how bytes become characters (utf-8, strict).

    Raises:
        CatenaError: when a file cannot be read or holds no tune, and at the first error in a tune,
            with file, line and column, unless such tunes are skipped.
    """
    options = Options(encoding=encoding, errors=errors)
    opened = open_sources([sources] if isinstance(sources, (str, Path)) else sources)
    found, skipped = [], []
    for source in opened:
        for tune in _tunes(source, options):
            try:
                read(tune)
                found.append(tune)
            except CatenaError as error:
                if not skip_bad:
                    raise
                skipped.append(str(error))
    if not found:
        raise CatenaError(f"{skipped[0]}; no other tune is left" if skipped else _nothing(opened))
    return Tunes(", ".join(source.name for source in opened), found, skipped)


def _tunes(source: Source, options: Options) -> Iterator[Tune]:
    """The tunes of one file, unchecked."""
    lines = decode(source, options).replace("\r\n", "\n").split("\n")
    begun: list[str] = []
    first = 0
    for number, line in enumerate([*lines, ""], 1):
        if begun and not line.strip():
            yield Tune("\n".join([*begun, ""]), source.name, first)
            begun = []
        elif begun:
            begun.append(line)
        elif line.startswith(FIRST):
            begun, first = [line], number


def _nothing(opened: Sequence[Source]) -> str:
    names = ", ".join(source.name for source in opened)
    return f"{names}: no tune; a tune of ABC begins with a line X: and a number"
