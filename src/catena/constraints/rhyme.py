"""Lines whose last symbols rhyme, by classes that the user gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catena.automaton import Automaton, explore
from catena.constraints.constraint import members
from catena.constraints.lines import BREAKS
from catena.errors import CatenaError
from catena.space import Item, Symbols

_BREAK = None
FREE = "-"
# The classes that a symbol is in, or that are left for a letter of the scheme.
_Classes = frozenset[int]
# Line of the scheme; classes left for each letter that has come; those of the line so far, None
# where it has not begun.
_State = tuple[int, tuple[tuple[str, _Classes], ...], _Classes | None]


@dataclass(frozen=True)
class Rhyme:
    """Lines with the same letter of the scheme end in symbols that share a class.

    Args:
        classes: groups of symbols that rhyme, e.g. `["東同中", "江窗"]`; one may be in several.
        scheme: a letter a line, "-" for one that need not rhyme; it is begun again, with the same
            classes, where there are more lines. "ABAB", "AABB", "-A" (every second line), and "A"
            (all lines).
        breaks: the symbols that end a line.

    Raises:
        CatenaError: for an empty scheme.

    >>> space = Symbols.learn(["abcd,"], unknown="error")
    >>> form = Rhyme(["ab", "cd"], "A", breaks=",").automaton(space)
    >>> [form.accepts(space.encode([text]).values.tolist()) for text in ("cda,b", "a,d")]
    [True, False]
    """

    classes: Sequence[Sequence[Item]]
    scheme: str = "A"
    breaks: Sequence[Item] = BREAKS

    def __post_init__(self) -> None:
        if not self.scheme:
            raise CatenaError("a scheme of rhyme needs a letter for each line, like ABAB")

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts such lines."""
        breaks = members(space, self.breaks)
        groups = [members(space, group) for group in self.classes]
        kinds = [
            _BREAK
            if number in breaks
            else frozenset(place for place, group in enumerate(groups) if number in group)
            for number in range(len(space.items))
        ]
        if not any(kinds):
            raise CatenaError("the model has seen none of the symbols that are said to rhyme")
        start: _State = (0, (), None)
        return explore(space, kinds, start, self._step, lambda state: state[2] != frozenset())

    def _step(self, state: _State, kind: _Classes | None) -> _State | None:
        line, chosen, here = state
        letter = self.scheme[line]
        if kind is not _BREAK:
            left = dict(chosen).get(letter, kind)
            # Where nothing need rhyme, all symbols are alike.
            return line, chosen, frozenset([-1]) if letter == FREE else left & kind
        if here is None:
            return state
        if not here:
            return None
        if letter != FREE:
            chosen = tuple(sorted({**dict(chosen), letter: here}.items()))
        return (line + 1) % len(self.scheme), chosen, None
