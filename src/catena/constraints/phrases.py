"""Runs of symbols that must occur, and those that must not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catena.automaton import Automaton, explore
from catena.constraints.constraint import numbers
from catena.errors import CatenaError
from catena.space import Item, Symbols

_OTHER = -1
_Run = tuple[int, ...]


@dataclass(frozen=True)
class Containing:
    """Every one of these runs of symbols occurs; they may overlap.

    Args:
        phrases: texts, or lists of items.

    Raises:
        CatenaError: for no phrases.

    >>> space = Symbols.learn(["abc"], unknown="error")
    >>> form = Containing(["ab", "ba"]).automaton(space)
    >>> [form.accepts(space.encode([text]).values.tolist()) for text in ("caba", "abc")]
    [True, False]
    """

    phrases: Sequence[str | Sequence[Item]]

    def __post_init__(self) -> None:
        _check(self.phrases)

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts such sequences; its states are (what the sequence ends in, phrases met)."""
        runs = list(dict.fromkeys(numbers(space, phrase) for phrase in self.phrases))
        beginnings = _beginnings(runs)

        def step(state: tuple[_Run, frozenset[int]], symbol: int) -> tuple[_Run, frozenset[int]]:
            whole = (*state[0], symbol)
            met = state[1].union(i for i, run in enumerate(runs) if whole[-len(run) :] == run)
            return _ending(whole, beginnings), met

        return explore(
            space,
            _kinds(space, runs),
            ((), frozenset()),
            step,
            lambda state: len(state[1]) == len(runs),
            lambda state: sum(_there(run, i in state[1], state[0]) for i, run in enumerate(runs)),
        )


@dataclass(frozen=True)
class Without:
    """None of these runs of symbols occurs.

    Args:
        phrases: texts, or lists of items; of one symbol, or of several.

    Raises:
        CatenaError: for no phrases.

    >>> space = Symbols.learn(["abc"], unknown="error")
    >>> form = Without(["aa", "c"]).automaton(space)
    >>> [form.accepts(space.encode([text]).values.tolist()) for text in ("abab", "baa", "ac")]
    [True, False, False]
    """

    phrases: Sequence[str | Sequence[Item]]

    def __post_init__(self) -> None:
        _check(self.phrases)

    def automaton(self, space: Symbols) -> Automaton:
        """What accepts such sequences; its states are what the sequence ends in."""
        runs = {numbers(space, phrase) for phrase in self.phrases}
        beginnings = _beginnings(runs)

        def step(state: _Run, symbol: int) -> _Run | None:
            whole = (*state, symbol)
            if any(whole[i:] in runs for i in range(len(whole))):
                return None
            return _ending(whole, beginnings)

        return explore(space, _kinds(space, runs), (), step, lambda state: True)


def _check(phrases: Sequence[str | Sequence[Item]]) -> None:
    if isinstance(phrases, str) or not phrases:
        raise CatenaError(f"give a list of at least one phrase, not {phrases!r}")


def _kinds(space: Symbols, runs: Iterable[_Run]) -> list[int]:
    """Symbols of no run are alike."""
    named = set().union(*runs)
    return [number if number in named else _OTHER for number in range(len(space.items))]


def _beginnings(runs: Iterable[_Run]) -> set[_Run]:
    return {run[:end] for run in runs for end in range(len(run) + 1)}


def _there(run: _Run, met: bool, ending: _Run) -> int:
    """How many symbols of a phrase are there: all, or those that the sequence ends in."""
    if met:
        return len(run)
    return max(size for size in range(len(run)) if run[:size] == ending[len(ending) - size :])


def _ending(whole: _Run, beginnings: set[_Run]) -> _Run:
    """The longest end of a run that a phrase begins with (Aho and Corasick 1975)."""
    return next(whole[i:] for i in range(len(whole) + 1) if whole[i:] in beginnings)
