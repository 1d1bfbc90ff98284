"""Lines of given lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from catena.automaton import Automaton, explore
from catena.constraints.constraint import members
from catena.errors import CatenaError
from catena.space import Item, Symbols

BREAKS: Sequence[Item] = "\n，。！？；"
_BREAK = None
_State = tuple[int, int]


def one(item: Item) -> int:
    """What every symbol counts unless told otherwise."""
    return 1


@dataclass(frozen=True)
class Lines:
    """Lines of so many symbols, or of so much of whatever is counted.

    Args:
        length: of every line, or of each in turn; None for lines of any length.
        number: how many lines; any number from 1 up unless given, or as many as there are lengths.
        count: what a symbol counts, e.g. its syllables; 1 unless given.
        breaks: the symbols that end a line.

    Raises:
        CatenaError: for lengths or a number below 1.

    >>> space = Symbols.learn(["ab,"], unknown="error")
    >>> form = Lines((2, 1), breaks=",").automaton(space)
    >>> [form.accepts(space.encode([text]).values.tolist()) for text in ("ab,b", "ab,b,", "a,b")]
    [True, True, False]
    """

    length: int | Sequence[int | None] | None
    number: int | None = None
    count: Callable[[Item], int] = one
    breaks: Sequence[Item] = BREAKS

    def __post_init__(self) -> None:
        lengths = self._lengths()
        wrong = [n for n in (*lengths, self.number) if n is not None and n < 1]
        if wrong or not lengths:
            raise CatenaError(f"lines need lengths and a number of at least 1, not {wrong}")
        if isinstance(self.length, Sequence) and self.number not in (None, len(lengths)):
            raise CatenaError(f"{len(lengths)} lengths are given for {self.number} lines")

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts such lines; its states are (line, how much of it is there)."""
        breaks = members(space, self.breaks)
        kinds = [
            _BREAK if number in breaks else self._counted(item)
            for number, item in enumerate(space.items)
        ]
        return explore(space, kinds, (0, 0), self._step, self._final)

    def _counted(self, item: Item) -> int:
        counted = self.count(item)
        if not isinstance(counted, int) or counted < 0:
            raise CatenaError(
                f"a symbol must count a whole number from 0 up; {item!r} counts {counted!r}"
            )
        return counted

    def _step(self, state: _State, counted: int | None) -> _State | None:
        line, there = state
        if line == self._last + 1:
            return None
        if counted is _BREAK:
            return self._broken(line, there)
        wanted = self._wanted(line)
        if wanted is None:
            return line, min(1, there + counted)
        return (line, there + counted) if there + counted <= wanted else None

    def _broken(self, line: int, there: int) -> _State | None:
        if not there:
            return (line, 0) if line else None
        return (self._after(line), 0) if self._full(line, there) else None

    def _final(self, state: _State) -> bool:
        line, there = state
        if self._last < 0:  # any number of lines
            return self._full(line, there) or (line > 0 and not there)
        return line == self._last + 1 or (line == self._last and self._full(line, there))

    def _full(self, line: int, there: int) -> bool:
        return there == (self._wanted(line) or 1)

    def _lengths(self) -> Sequence[int | None]:
        return self.length if isinstance(self.length, Sequence) else [self.length]

    def _wanted(self, line: int) -> int | None:
        return self.length[line] if isinstance(self.length, Sequence) else self.length

    @property
    def _last(self) -> int:
        """The number of the last line, from 0; below it where there may be any number."""
        if isinstance(self.length, Sequence):
            return len(self.length) - 1
        return -2 if self.number is None else self.number - 1

    def _after(self, line: int) -> int:
        """The next line; of any number, only the first differs from the others."""
        return 1 if self._last < 0 else line + 1
