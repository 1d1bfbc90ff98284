"""Tunes from files of ABC: each from its X: to the blank line after it, with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
        skip_bad: leave out tunes with errors, and files that cannot be read; what was wrong is in
            `skipped`.
        encoding, errors: how bytes become characters (utf-8, strict).

    Raises:
        CatenaError: when a file cannot be read or holds no tune, and at the first error in a tune,
            with file, line and column, unless such tunes are skipped.
    """
    options = Options(encoding=encoding, errors=errors)
    named = [sources] if isinstance(sources, (str, Path)) else sources
    found: list[Tune] = []
    skipped: list[str] = []
    for file in named or open_sources(named):
        for tune in _each(lambda file=file: _tunes(file, options), skip_bad, skipped):
            found += _each(lambda tune=tune: _checked(tune), skip_bad, skipped)
    name = ", ".join(map(str, named))
    if not found:
        raise CatenaError(f"{skipped[0]}; no other tune is left" if skipped else _nothing(name))
    return Tunes(name, found, skipped)


def _each(made: Callable[[], list[Tune]], skip_bad: bool, skipped: list[str]) -> list[Tune]:
    """What is made, or nothing and a line more in `skipped`."""
    try:
        return made()
    except CatenaError as error:
        if not skip_bad:
            raise
        skipped.append(str(error))
        return []


def _checked(tune: Tune) -> list[Tune]:
    read(tune)
    return [tune]


def _tunes(file: str | Path, options: Options) -> list[Tune]:
    """The tunes of one file, unchecked."""
    (source,) = open_sources([file])
    return list(_cut(source, options))


def _cut(source: Source, options: Options) -> Iterator[Tune]:
    """Each tune from its first line to the blank line after it; lines end in any way."""
    text = decode(source, options).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
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


def _nothing(name: str) -> str:
    return f"{name}: no tune; a tune of ABC begins with a line X: and a number"
