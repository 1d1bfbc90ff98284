"""Whether a file can be written, found out before an hour of work rather than after it."""

from __future__ import annotations

import os
from pathlib import Path

from catena.errors import CatenaError


def check_writable(path: Path) -> None:
    """Refuse a path that no file can be written to.

    Raises:
        CatenaError: when it is a folder, or its folder is missing or closed to writing.
    """
    if path.is_dir():
        raise CatenaError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise CatenaError(
            f"{path.parent}: there is no such folder to write {path.name} to; make it first"
        )
    if not os.access(path.parent, os.W_OK):
        raise CatenaError(f"{path.parent}: nothing may be written here; choose another folder")
