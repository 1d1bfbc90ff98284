"""The contract of a constraint, and several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

from catena.automaton import Automaton, both
from catena.errors import CatenaError
from catena.space import Item, Symbols


class Constraint(Protocol):
    """A form that sequences of symbols may have."""

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts the sequences of this form.

        Raises:
            CatenaError: when no sequence over this space has it.
        """
        ...


@dataclass(frozen=True)
class All:
    """All of these constraints together.

    Args:
        parts: at least one.
    """

    parts: Sequence[Constraint]

    def __post_init__(self) -> None:
        if not self.parts:
            raise CatenaError("give at least one constraint")

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts the sequences that have each of the forms."""
        automata = [part.automaton(space) for part in self.parts]
        return reduce(both, sorted(automata, key=lambda automaton: automaton.table.size))


def numbers(space: Symbols, run: str | Sequence[Item]) -> tuple[int, ...]:
    """The symbols of a text or of a list of items, as the space numbers them; a text is one item
    where the space is made of items.

    Raises:
        CatenaError: for none, and at one that the model has not seen.
    """
    items = [run] if isinstance(run, str) and space.unit == "item" else run
    (encoded,) = space.encode([items])
    if not len(encoded):
        raise CatenaError(f"{run!r} has no symbol: there is nothing to ask for")
    if space.unknown_number in encoded.tolist():
        raise CatenaError(f"{run!r} holds a symbol that the model has not seen")
    return tuple(encoded.tolist())


def members(space: Symbols, items: Sequence[Item]) -> set[int]:
    """Those of some symbols that the space has; of bytes, characters of one byte."""
    found = (
        space.number(item.encode() if space.unit == "byte" and isinstance(item, str) else item)
        for item in items
    )
    return {number for number in found if number is not None}
