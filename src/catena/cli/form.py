"""The form that `catena generate` is to keep to, from its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catena.constraints import (
    BREAKS,
    Acrostic,
    All,
    Constraint,
    Containing,
    Lines,
    Rhyme,
    Without,
)
from catena.errors import CatenaError
from catena.space import Item, Space, Symbols


@dataclass(frozen=True)
class Form:
    """The options as they were given.

    Args:
        acrostic: the beginnings of lines: characters, or words where the model's symbols are words.
        lines: how many.
        line_length: of all, or of each in turn, separated by commas.
        rhyme: a file whose lines are symbols that rhyme.
        scheme: of rhyme, a letter a line.
        contain, forbid: what must and must not occur.
        breaks: the symbols that end a line besides the line break.
    """

    acrostic: str | None = None
    lines: int | None = None
    line_length: str | None = None
    rhyme: Path | None = None
    scheme: str | None = None
    contain: list[str] | None = None
    forbid: list[str] | None = None
    breaks: str | None = None

    def constraint(self, space: Space) -> Constraint | None:
        """What they ask for; None for nothing.

        Raises:
            CatenaError: where they do not go together, and for a file that cannot be read.
        """
        if self.scheme is not None and self.rhyme is None:
            raise CatenaError("--scheme needs --rhyme FILE, which says what rhymes")
        if not isinstance(space, Symbols):
            return self._of_numbers()
        breaks = BREAKS if self.breaks is None else ["\n", *_symbols(space, self.breaks)]
        parts: list[Constraint] = []
        if self.acrostic is not None:
            parts.append(Acrostic(_symbols(space, self.acrostic), breaks))
        if self.lines is not None or self.line_length is not None:
            parts.append(self._lines(breaks))
        if self.rhyme is not None:
            parts.append(Rhyme(_groups(space, self.rhyme), self.scheme or "A", breaks))
        if self.contain:
            parts.append(Containing([_phrase(space, text) for text in self.contain]))
        if self.forbid:
            parts.append(Without([_phrase(space, text) for text in self.forbid]))
        return All(parts) if parts else None

    def _of_numbers(self) -> None:
        if self != Form():
            raise CatenaError("a form needs a model of symbols; this one's space is numeric")

    def _lines(self, breaks: Sequence[Item]) -> Lines:
        if self.line_length is None:
            return Lines(None, self.lines, breaks=breaks)
        try:
            lengths = [int(length) for length in self.line_length.split(",")]
        except ValueError as error:
            raise CatenaError(
                f"--line-length must be a number, or numbers like 5,7,5, not {self.line_length!r}"
            ) from error
        return Lines(lengths[0] if len(lengths) == 1 else lengths, self.lines, breaks=breaks)


def _symbols(space: Symbols, text: str) -> Sequence[Item]:
    """The characters of a text; its words where the model's symbols are words or items."""
    if space.unit in ("char", "byte"):
        return text
    return [item_meant(space, word) for word in text.split()]


def _phrase(space: Symbols, text: str) -> str | Sequence[Item]:
    return _symbols(space, text) if space.unit == "item" else text


def item_meant(space: Symbols, word: str) -> Item:
    """The item of the vocabulary that a word on the command line means: 7 may be a number."""
    numbers = {str(item): item for item in space.items if isinstance(item, int)}
    return word if word in space.items else numbers.get(word, word)


def _groups(space: Symbols, path: Path) -> list[Sequence[Item]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CatenaError(f"{path}: cannot be read: {error}") from error
    if space.unit in ("char", "byte"):
        return ["".join(line.split()) for line in lines]
    return [_symbols(space, line) for line in lines]
