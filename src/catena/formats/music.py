"""Pieces of music from files and from folders of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from catena.errors import CatenaError
from catena.formats.abc import Tunes, read_tunes
from catena.formats.midi import read_midi
from catena.formats.options import ErrorPolicy
from catena.formats.source import EXPANDERS
from catena.music.abc import piece as played
from catena.music.piece import Piece

SILENT = "there is no note in it"
MIDI, ABC = (".mid", ".midi"), (".abc",)


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


def read_music(
    sources: Sequence[str | Path],
    *,
    skip_bad: bool = False,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
) -> Music:
    """Read MIDI files and tunes of ABC (.abc), and all such files that lie in a folder or in
    folders within it.

    Args:
        skip_bad: leave out files and tunes that cannot be read or hold no note; what was wrong is
            in `skipped`.
        encoding, errors: of files of ABC, as in `read_tunes`.

    Raises:
        CatenaError: at the first of these, unless they are skipped, and where none is left.
    """
    pieces, skipped = [], []
    for file in files_in(sources, (*MIDI, *ABC)):
        try:
            if is_abc(file):
                tunes = read_tunes(file, skip_bad=skip_bad, encoding=encoding, errors=errors)
                found = _heard(tunes)
            else:
                found = Music("", [read_midi(file)], [])
        except CatenaError as error:
            if not skip_bad:
                raise
            skipped.append(str(error))
            continue
        skipped += found.skipped
        for piece in found.pieces:
            if piece.notes:
                pieces.append(piece)
            elif skip_bad:
                skipped.append(f"{piece.name}: {SILENT}")
            else:
                raise CatenaError(f"{piece.name}: {SILENT}")
    name = ", ".join(map(str, sources))
    if not pieces:
        raise CatenaError(f"{name}: no piece is left; the first: {skipped[0]}")
    return Music(name, pieces, skipped)


def files_in(sources: Sequence[str | Path], suffixes: Sequence[str]) -> list[str | Path]:
    """The files named, and in place of a folder, by name, those in it with one of these suffixes,
    compressed or not.

    Raises:
        CatenaError: for nothing, and for a folder that has none.
    """
    if not sources:
        raise CatenaError("no music: name files or a folder of them")
    files: list[str | Path] = []
    for source in sources:
        if not Path(source).is_dir():
            files.append(source)
            continue
        inside = [path for path in Path(source).rglob("*") if path.is_file()]
        found = sorted(path for path in inside if _suffix(path) in suffixes)
        if not found:
            raise CatenaError(f"{source}: a folder without {' or '.join(suffixes)} files")
        files += found
    return files


def is_abc(file: str | Path) -> bool:
    """Whether the name is that of a file of ABC, compressed or not."""
    return _suffix(Path(file)) in ABC


def _suffix(path: Path) -> str:
    bare = path.with_suffix("") if path.suffix.lower() in EXPANDERS else path
    return bare.suffix.lower()


def _heard(found: Tunes) -> Music:
    """The tunes of a file as they are played, each named by where it stands."""
    pieces = [replace(played(tune), name=tune.place(1)) for tune in found.tunes]
    return Music(found.name, pieces, found.skipped)
