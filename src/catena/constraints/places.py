"""Symbols at given places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catena.automaton import Automaton, explore
from catena.constraints.constraint import numbers
from catena.errors import CatenaError
from catena.space import Item, Symbols


@dataclass(frozen=True)
class Forced:
    """What stands at given places of the sequence, counted from 0.

    Args:
        places: for each place the symbols that may stand there: a text or a list of items.

    Raises:
        CatenaError: for no places, or one below 0.

    >>> space = Symbols.learn(["abc"], unknown="error")
    >>> form = Forced({1: "bc"}).automaton(space)
    >>> [form.accepts(space.encode([text]).values.tolist()) for text in ("ab", "bca", "ba", "b")]
    [True, True, False, False]
    """

    places: Mapping[int, str | Sequence[Item]]

    def __post_init__(self) -> None:
        if not self.places or min(self.places) < 0:
            raise CatenaError("give at least one place, counted from 0, and what stands there")

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts such sequences; its states are places."""
        wanted = {place: set(numbers(space, items)) for place, items in self.places.items()}
        over = max(wanted) + 1
        kinds = [
            frozenset(place for place, items in wanted.items() if number in items)
            for number in range(len(space.items))
        ]

        def step(place: int, right: frozenset[int]) -> int | None:
            if place in wanted and place not in right:
                return None
            return min(place + 1, over)

        return explore(space, kinds, 0, step, lambda place: place == over)
