"""Finite automata over the symbols of a space: which sequences are of a form.

An automaton reads a sequence symbol by symbol. A symbol takes it from state to state or is refused,
and in some states the sequence may end. From every state the fewest symbols that still complete the
sequence are known, so that a search never takes a step that it could not finish from.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from catena.errors import CatenaError
from catena.space import Symbols

# Moves that a table may have; more would take gigabytes.
MOST = 30_000_000
REFUSED = -1

_State = TypeVar("_State", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic finite automaton; it starts in state 0.

    Args:
        kind: `[items]`; symbols that no state tells apart are of one kind.
        table: `[states, kinds]`, the state after a symbol of this kind; -1 where it is refused.
        final: `[states]` bool, whether the sequence may end here.
        met: `[states]`, how many symbols of what must occur are there.
        unknown: the kind of ⟨unk⟩, which a prompt may hold and no search takes.
    """

    kind: np.ndarray
    table: np.ndarray
    final: np.ndarray
    met: np.ndarray
    unknown: int | None

    @cached_property
    def distance(self) -> np.ndarray:
        """`[states]` float64, the fewest symbols from here to an end; inf where there is none."""
        table = self.table.copy()
        if self.unknown is not None:
            table[:, self.unknown] = REFUSED
        before, column = np.nonzero(table != REFUSED)
        ends, goal = np.flatnonzero(self.final), len(table)
        backwards = (
            np.concatenate([table[before, column], np.full(len(ends), goal)]),
            np.concatenate([before, ends]),
        )
        graph = csr_matrix((np.ones(len(backwards[0])), backwards), shape=(goal + 1, goal + 1))
        return dijkstra(graph, indices=goal, unweighted=True)[:goal] - 1

    def accepts(self, numbers: Sequence[int]) -> bool:
        """Whether a whole sequence is of this form."""
        state = 0
        for number in numbers:
            state = int(self.table[state, self.kind[number]])
            if state == REFUSED:
                return False
        return bool(self.final[state])

    def trimmed(self) -> Automaton:
        """The same without states that no end can be reached from.

        Raises:
            CatenaError: when it accepts nothing at all.
        """
        kept = np.isfinite(self.distance)
        if not kept[0]:
            raise CatenaError("no sequence of this model's symbols can obey the constraint")
        new = np.append(np.where(kept, kept.cumsum() - 1, REFUSED), REFUSED)
        table = new[self.table[kept]]
        return Automaton(self.kind, table, self.final[kept], self.met[kept], self.unknown)


def explore(
    space: Symbols,
    kinds: Sequence[Any],
    start: _State,
    step: Callable[[_State, Any], _State | None],
    final: Callable[[_State], bool],
    met: Callable[[_State], int] = lambda state: 0,
) -> Automaton:
    """The automaton of a step function, its states being those that it comes to.

    Args:
        kinds: `[items]`, what `step` is told of each symbol.
        step: the state after a symbol, None where it is refused.

    >>> space = Symbols(("a", "b"), unknown="error")
    >>> even = explore(space, "ab", 0, lambda odd, s: odd ^ (s == "a"), lambda odd: not odd)
    >>> even.accepts([0, 1, 0]), even.accepts([0, 1])
    (True, False)
    """
    unknown = space.unknown_number
    told = [(kind, number == unknown) for number, kind in enumerate(kinds)]
    number_of = {key: number for number, key in enumerate(dict.fromkeys(told))}
    states, places, table = [start], {start: 0}, []
    for state in states:
        row = []
        for kind, _ in number_of:
            after = step(state, kind)
            if after is not None and after not in places:
                places[after] = len(states)
                states.append(after)
            row.append(REFUSED if after is None else places[after])
        table.append(row)
        _check_size(len(states) * len(row))
    return Automaton(
        np.array([number_of[key] for key in told]),
        np.array(table),
        np.array([final(state) for state in states]),
        np.array([met(state) for state in states]),
        None if unknown is None else number_of[told[unknown]],
    ).trimmed()


def both(a: Automaton, b: Automaton) -> Automaton:
    """The automaton of the sequences that both accept.

    Raises:
        CatenaError: when there are none.
    """
    kinds, kind = np.unique(np.stack([a.kind, b.kind], 1), axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    codes, moves = _reach(a, b, kinds)
    order = codes.argsort()
    place = order[np.searchsorted(codes[order], moves).clip(max=len(codes) - 1)]
    left, right = divmod(codes, len(b.table))
    unknown = None
    if a.unknown is not None:
        unknown = int(kind[np.flatnonzero(a.kind == a.unknown)[0]])
    table = np.where(moves == REFUSED, REFUSED, place)
    final, met = a.final[left] & b.final[right], a.met[left] + b.met[right]
    return Automaton(kind, table, final, met, unknown).trimmed()


def _reach(a: Automaton, b: Automaton, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of states that the two can come to together, each pair as one number: `[states]`,
    and where each kind of symbol takes them, `[states, kinds]`."""
    size = len(b.table)
    newest = known = np.zeros(1, np.int64)
    codes, moves = [], []
    while len(newest):
        left, right = divmod(newest, size)
        x, y = a.table[left][:, kinds[:, 0]], b.table[right][:, kinds[:, 1]]
        after = np.where((x == REFUSED) | (y == REFUSED), REFUSED, x * size + y)
        codes.append(newest)
        moves.append(after)
        newest = np.setdiff1d(after[after != REFUSED], known)
        known = np.union1d(known, newest)
        _check_size(len(known) * len(kinds))
    return np.concatenate(codes), np.concatenate(moves)


def _check_size(moves: int) -> None:
    if moves > MOST:
        raise CatenaError(
            f"the constraint needs a table of over {MOST:,} moves: ask for fewer things at a time, "
            "or merge classes of rhyme"
        )


def longer(space: Symbols, least: int) -> Automaton:
    """All sequences of so many symbols or more."""
    kinds = [None] * len(space.items)
    return explore(
        space, kinds, 0, lambda count, _: min(count + 1, least), lambda count: count == least
    )
