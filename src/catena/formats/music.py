"""Pieces of music from files and from folders of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catena.errors import CatenaError
from catena.formats.midi import read_midi
from catena.formats.source import EXPANDERS
from catena.music.piece import Piece

MIDI = (".mid", ".midi")


@dataclass(frozen=True, eq=False)
class Music:
    """The pieces of some files.

    Args:
        name: the files and folders, for people.
        pieces: in the order of the files.
        skipped: what was wrong with those that were left out, one message each.
    """

    name: str
    pieces: list[Piece] = field(repr=False)
    skipped: list[str] = field(repr=False)


def read_music(sources: Sequence[str | Path], *, skip_bad: bool = False) -> Music:
    """Read MIDI files, and all of them that lie in a folder or in folders within it.

    Args:
        skip_bad: leave out files that cannot be read or hold no note; what was wrong is in
            `skipped`.

    Raises:
        CatenaError: at the first such file, unless they are skipped, and where none is left.
    """
    if not sources:
        raise CatenaError("no music: name MIDI files or a folder of them")
    pieces, skipped = [], []
    for file in files_in(sources, MIDI):
        try:
            pieces.append(_with_notes(read_midi(file)))
        except CatenaError as error:
            if not skip_bad:
                raise
            skipped.append(str(error))
    name = ", ".join(map(str, sources))
    if not pieces:
        raise CatenaError(f"{name}: no file is left; the first: {skipped[0]}")
    return Music(name, pieces, skipped)


def files_in(sources: Sequence[str | Path], suffixes: Sequence[str]) -> Iterator[str | Path]:
    """The files named, and in place of a folder, by name, those in it with one of these suffixes,
    compressed or not.

    Raises:
        CatenaError: for a folder that has none.
    """
    for source in sources:
        if not Path(source).is_dir():
            yield source
            continue
        inside = [path for path in Path(source).rglob("*") if path.is_file()]
        found = sorted(path for path in inside if _suffix(path) in suffixes)
        if not found:
            raise CatenaError(f"{source}: a folder without {' or '.join(suffixes)} files")
        yield from found


def _suffix(path: Path) -> str:
    bare = path.with_suffix("") if path.suffix.lower() in EXPANDERS else path
    return bare.suffix.lower()


def _with_notes(piece: Piece) -> Piece:
    if not piece.notes:
        raise CatenaError(f"{piece.name}: there is no note in it")
    return piece
