"""The bundled sets: small, real, openly licensed; `SOURCES.md` beside this file says whence."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable


@dataclass(frozen=True)
class Bundled:
    """A set that comes with catena.

    Args:
        file: its file beside this one, which is read as any other file of that suffix.
        about: one line on what it is.
        stream: whether it is one long text rather than a text a line.
    """

    file: str
    about: str
    stream: bool = False

    def open(self) -> Traversable:
        """The file, wherever the package is installed."""
        return files(__name__) / self.file


SETS = {
    "shakespeare": Bundled(
        "shakespeare.txt.xz", "Tiny Shakespeare: 1,115,394 characters of his plays", stream=True
    ),
    "tang": Bundled("tang.jsonl.xz", "Three Hundred Tang Poems (唐詩三百首), a poem a sequence"),
    "faithful": Bundled(
        "faithful.csv.xz", "Old Faithful: duration and waiting time of 272 eruptions, in minutes"
    ),
}


def bundled() -> dict[str, str]:
    """The names of the bundled sets, each with a line on what it is.

    >>> list(bundled())
    ['shakespeare', 'tang', 'faithful']
    """
    return {name: entry.about for name, entry in SETS.items()}
