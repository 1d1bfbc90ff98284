"""Opening what the user named: a bundled set, a file or standard input, compressed or not."""

from __future__ import annotations

import difflib
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catena.data import SETS
from catena.errors import CatenaError
from catena.formats.options import Options

STDIN = "-"
BOM = "\ufeff"
EXPANDERS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    ".xz": (b"\xfd7zXZ\x00", lzma.decompress),
    ".gz": (b"\x1f\x8b", gzip.decompress),
}


@dataclass(frozen=True)
class Source:
    """The bytes of one file.

    Args:
        name: the file as the user named it, for messages.
        suffix: its suffix once .xz or .gz is taken off, in small letters; "" on standard input.
        raw: its content, expanded.
        stream: whether it is one long text unless the caller says otherwise.
    """

    name: str
    suffix: str
    raw: bytes
    stream: bool = False


def open_sources(arguments: Sequence[str | Path]) -> list[Source]:
    """The sources in order.

    Raises:
        CatenaError: when one is missing, a folder, empty, damaged or may not be read.
    """
    if not arguments:
        raise CatenaError(f"no data: name a file, - for standard input, or {_bundled_names()}")
    if [str(argument) for argument in arguments].count(STDIN) > 1:
        raise CatenaError("standard input (-) can be read only once: name it once")
    return [_open(argument) for argument in arguments]


def decode(source: Source, options: Options) -> str:
    """The source as text, without a byte order mark.

    Raises:
        CatenaError: at a byte that the encoding does not have, with its line and position.
    """
    encoding = options.encoding or "utf-8"
    try:
        return source.raw.decode(encoding, options.errors or "strict").removeprefix(BOM)
    except UnicodeDecodeError as error:
        line = source.raw[: error.start].decode(encoding, "replace").count("\n") + 1
        found = source.raw[error.start : error.start + 1]
        raise invalid(source.name, line, error.start + 1, found, encoding) from error
    except LookupError as error:
        raise no_encoding(encoding) from error
    except UnicodeError as error:
        raise CatenaError(f"{source.name}: not valid {encoding} ({error})") from error


def invalid(name: str, line: int, byte: int, found: bytes, encoding: str) -> CatenaError:
    """What is said of a byte that the encoding does not have.

    Args:
        line, byte: where it stands in the file, both from 1.
        found: the byte, or nothing where the file ends within a character.
    """
    shown = f"0x{found[0]:02x}" if found else "the end"
    return CatenaError(
        f"{name}, line {line}, byte {byte} of the file: {shown} is not valid {encoding}; name the "
        "right encoding with --encoding (such as latin-1 or gb18030), or read on with --errors "
        "replace"
    )


def no_encoding(encoding: str) -> CatenaError:
    """What is said of an encoding that Python does not know."""
    return CatenaError(
        f"--encoding {encoding}: there is no such encoding; try utf-8, utf-16, latin-1 or gb18030"
    )


def _open(argument: str | Path) -> Source:
    name = str(argument)
    if isinstance(argument, str) and name in SETS:
        entry = SETS[name]
        return _expanded(name, entry.file, entry.open().read_bytes(), entry.stream)
    if name == STDIN:
        return _expanded("standard input", "", sys.stdin.buffer.read())
    return _expanded(name, Path(name).name, _read_file(Path(name)))


def _read_file(path: Path) -> bytes:
    with opening(path):
        return path.read_bytes()


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """What goes wrong inside is said of this file."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CatenaError(f"{path}: there is no such file{_suggestion(path)}") from error
    except IsADirectoryError as error:
        raise CatenaError(
            f"{path}: a folder, not a file; name the files in it, such as {path / '*.txt'}"
        ) from error
    except PermissionError as error:
        raise CatenaError(
            f"{path}: permission denied; make it readable, for instance with chmod u+r"
        ) from error
    except (OSError, ValueError) as error:
        raise CatenaError(f"{str(path)!r}: cannot be read: {error}") from error


def _expanded(name: str, file: str, raw: bytes, stream: bool = False) -> Source:
    """Undo the compression, known by the suffix, or by the first bytes where there is no name."""
    suffixes = [suffix.lower() for suffix in Path(file).suffixes]
    for suffix, (magic, expand) in EXPANDERS.items():
        if suffixes[-1:] == [suffix] or (not file and raw.startswith(magic)):
            raw = _expand(name, suffix, expand, raw)
            suffixes = suffixes[:-1]
            break
    if not raw.removeprefix(BOM.encode()):
        raise CatenaError(f"{name}: empty; there is nothing to read")
    return Source(name, suffixes[-1] if suffixes else "", raw, stream)


def _expand(name: str, suffix: str, expand: Callable[[bytes], bytes], raw: bytes) -> bytes:
    if not raw:
        return raw
    try:
        return expand(raw)
    except (lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise damaged(name, suffix, error) from error


def damaged(name: str, suffix: str, error: Exception) -> CatenaError:
    """What is said of a compressed file that cannot be expanded."""
    return CatenaError(
        f"{name}: damaged or cut short, or not a {suffix} file ({error}); fetch or compress it "
        "again"
    )


def _suggestion(path: Path) -> str:
    """What the user may have meant: a bundled set, or a file beside the missing one."""
    bare = path.name == str(path)
    names = [] if not path.parent.is_dir() else [entry.name for entry in path.parent.iterdir()]
    close = difflib.get_close_matches(path.name, names, 1)
    if bare and (sets := difflib.get_close_matches(path.name.lower(), SETS, 1)):
        return f"; did you mean the bundled set {sets[0]}?"
    if close:
        return f"; did you mean {path.parent / close[0]}?"
    if bare and not path.suffix:
        return f"; name a file, - for standard input, or {_bundled_names()}"
    return "; check the name and the folder"


def _bundled_names() -> str:
    return f"a bundled set ({', '.join(SETS)})"
