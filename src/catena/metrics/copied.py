"""How much of what was generated is copied: the longest span that stands in the training data.

    l(i) = the longest span ending at place i of a generated sequence that training sequences have

The generated sequences make one suffix automaton (Blumer et al. 1985): a state for each set of
spans that end at the same places, `longest` the length of the longest of them, `link` the state of
the longest suffix that also ends elsewhere. The training sequences walk through it, however long
they are together, and leave in each state the longest span of theirs that ended there. Time grows
with the symbols of both, memory with the generated ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

QUANTILES = (0, 25, 50, 75, 90, 100)


@dataclass(frozen=True)
class CopiedSpan:
    """The longest span of one generated sequence that a training sequence has.

    Args:
        length: in symbols; 0 where they have no symbol in common.
        start: where it begins in the generated sequence, from 0.
        source: which training sequence has it, from 0, the first that does.
        source_start: where it begins there.
        whole: whether it is all of a generated sequence that is not empty.
    """

    length: int
    start: int
    source: int
    source_start: int
    whole: bool


@dataclass(frozen=True)
class Copied:
    """The longest copied span of every generated sequence."""

    spans: list[CopiedSpan]

    @property
    def whole(self) -> int:
        """How many sequences are copied from their first symbol to their last."""
        return sum(span.whole for span in self.spans)

    def lengths(self) -> dict[int, float]:
        """How long the spans are: the percentiles by their percentage, 50 being the median."""
        if not self.spans:
            return {}
        found = np.percentile([span.length for span in self.spans], QUANTILES)
        return {share: float(length) for share, length in zip(QUANTILES, found, strict=True)}

    def describe(self) -> dict[str, Any]:
        """As JSON."""
        lengths = {str(share): length for share, length in self.lengths().items()}
        return {"sequences": len(self.spans), "whole": self.whole, "percentiles": lengths}


def copied(
    generated: Sequence[Sequence[Hashable]], training: Iterable[Sequence[Hashable]]
) -> Copied:
    """The longest copied span of every generated sequence.

    Args:
        generated, training: texts, or lists of symbols.

    >>> found = copied(["to see or not"], ["to be or not to be", "see"])
    >>> found.spans
    [CopiedSpan(length=8, start=5, source=0, source_start=4, whole=False)]
    """
    automaton = _Automaton()
    places = [automaton.add(sequence) for sequence in generated]
    for number, sequence in enumerate(training):
        automaton.walk(number, sequence)
    automaton.settle()
    return Copied([automaton.longest_in(states) for states in places])


class _Automaton:
    """A suffix automaton of several sequences.

    `steps[s]` leads by symbol to other states; `best[s]` is the longest training span that ended in
    s, as (length, training sequence, the place after its end).
    """

    def __init__(self) -> None:
        self.steps: list[dict[Hashable, int]] = [{}]
        self.link = [-1]
        self.longest = [0]
        self.best = [(0, 0, 0)]

    # -- the generated sequences ------------------------------------------------------------

    def add(self, sequence: Sequence[Hashable]) -> list[int]:
        """Take in one more sequence; the state of each of its prefixes."""
        last, states = 0, []
        for symbol in sequence:
            last = self._extend(last, symbol)
            states.append(last)
        # Cloning leaves a prefix in its state: it is the longest there.
        return states

    def _extend(self, last: int, symbol: Hashable) -> int:
        known = self.steps[last].get(symbol)
        if known is not None:  # an earlier sequence has this prefix, or a span that ends with it
            return self._with_length(last, symbol, known)
        new = self._state(self.longest[last] + 1, {})
        while last >= 0 and symbol not in self.steps[last]:
            self.steps[last][symbol] = new
            last = self.link[last]
        following = 0 if last < 0 else self.steps[last][symbol]
        self.link[new] = 0 if last < 0 else self._with_length(last, symbol, following)
        return new

    def _with_length(self, state: int, symbol: Hashable, following: int) -> int:
        """The state of the longest span of `state` with one symbol more: `following`, which that
        leads to, or where it holds longer ones too, a new state without them."""
        length = self.longest[state] + 1
        if self.longest[following] == length:
            return following
        clone = self._state(length, dict(self.steps[following]))
        self.link[clone], self.link[following] = self.link[following], clone
        while state >= 0 and self.steps[state].get(symbol) == following:
            self.steps[state][symbol] = clone
            state = self.link[state]
        return clone

    def _state(self, longest: int, steps: dict[Hashable, int]) -> int:
        self.steps.append(steps)
        self.link.append(0)
        self.longest.append(longest)
        self.best.append((0, 0, 0))
        return len(self.longest) - 1

    # -- the training sequences -------------------------------------------------------------

    def walk(self, number: int, sequence: Sequence[Hashable]) -> None:
        """Find the spans of a training sequence."""
        steps, link, longest, best = self.steps, self.link, self.longest, self.best
        state = length = 0
        for place, symbol in enumerate(sequence, 1):
            while symbol not in steps[state] and state:
                state = link[state]
                length = longest[state]
            state = steps[state].get(symbol, 0)
            length = length + 1 if state else 0
            if length > best[state][0]:
                best[state] = (length, number, place)

    def settle(self) -> None:
        """What ends in a state ends, cut short, in those that its links lead to; a state in which
        nothing ended has what the longest of those has."""
        rising = sorted(range(1, len(self.link)), key=self.longest.__getitem__)
        for state in reversed(rising):
            above, (length, source, end) = self.link[state], self.best[state]
            if length and self.longest[above] > self.best[above][0]:
                self.best[above] = (self.longest[above], source, end)
        for state in rising:
            if not self.best[state][0]:
                self.best[state] = self.best[self.link[state]]

    # -- what was found ---------------------------------------------------------------------

    def longest_in(self, states: Sequence[int]) -> CopiedSpan:
        """The longest span of the generated sequence whose prefixes have these states."""
        found = CopiedSpan(0, 0, 0, 0, False)
        for place, state in enumerate(states, 1):
            length, source, end = self.best[state]
            if length > found.length:
                whole = length == len(states)
                found = CopiedSpan(length, place - length, source, end - length, whole)
        return found
