"""Lines whose beginnings are given (藏头诗)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catena.automaton import Automaton, explore
from catena.constraints.constraint import members, numbers
from catena.constraints.lines import BREAKS
from catena.errors import CatenaError
from catena.space import Item, Symbols

_BREAK = -1
_OTHER = -2
_State = tuple[int, int]


@dataclass(frozen=True)
class Acrostic:
    """As many lines as there are beginnings, each beginning with its own.

    Args:
        beginnings: one or several symbols for each line; of a text, its characters.
        breaks: the symbols that end a line.

    Raises:
        CatenaError: for no beginnings.

    >>> space = Symbols.learn(["abc\\n"], unknown="error")
    >>> form = Acrostic("ba").automaton(space)
    >>> [form.accepts(space.encode([text]).values.tolist()) for text in ("bc\\na", "bc\\nb", "bc")]
    [True, False, False]
    """

    beginnings: Sequence[str | Sequence[Item]]
    breaks: Sequence[Item] = BREAKS

    def __post_init__(self) -> None:
        if not self.beginnings:
            raise CatenaError("an acrostic needs the beginning of at least one line")

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts such lines; its states are (line, how much of its beginning is there)."""
        wanted = [numbers(space, beginning) for beginning in self.beginnings]
        breaks, named = members(space, self.breaks), set().union(*wanted)
        if breaks & named:
            raise CatenaError(f"{self.beginnings!r} holds a symbol that ends lines")
        kinds = [
            _BREAK if number in breaks else number if number in named else _OTHER
            for number in range(len(space.items))
        ]

        def step(state: _State, kind: int) -> _State | None:
            line, there = state
            if line == len(wanted):
                return None
            if kind == _BREAK and not there:
                return state if line else None
            if kind == _BREAK:
                return (line + 1, 0) if there == len(wanted[line]) else None
            if there == len(wanted[line]):
                return state
            return (line, there + 1) if kind == wanted[line][there] else None

        last = (len(wanted) - 1, len(wanted[-1]))
        return explore(space, kinds, (0, 0), step, lambda state: state in (last, (len(wanted), 0)))
