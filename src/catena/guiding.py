"""Automata that walk beside the states of a batch, and say what may come next.

A step is taken only if the sequence can still be completed within the steps that are left, so a
search never gets stuck: unless a sequence is complete, something may come.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from catena.automaton import REFUSED, Automaton, both, longer
from catena.errors import CatenaError
from catena.recurrence import State
from catena.sequences import Sequences
from catena.space import Symbols

# More symbols than any search takes.
NEVER_ENDS = 2**31 - 1

Constraints = Automaton | Sequence[Automaton]


class Guide:
    """One automaton for each prompt, or one for all.

    The state of a row is a tuple of tensors, like a model's: which automaton walks beside it, and
    where in the table of all automata it stands.

    Args:
        constraints: one for all prompts, or one for each.
        prompts: what the sequences begin with.
        limits: `[n]`, how many symbols may follow each prompt.
        least: no sequence ends before so many.

    Raises:
        CatenaError: when a prompt is not of its form, or cannot become so within its limit.
    """

    def __init__(
        self,
        space: Symbols,
        constraints: Constraints,
        prompts: Sequences,
        limits: Tensor,
        least: int = 0,
    ) -> None:
        given = [constraints] if isinstance(constraints, Automaton) else list(constraints)
        which = torch.arange(len(prompts)) if len(given) > 1 else torch.zeros(len(prompts)).long()
        if len(given) > 1 and len(given) != len(prompts):
            raise CatenaError(f"{len(prompts)} prompts, but {len(given)} constraints")
        automata, which = _lengthened(space, given, which, prompts, least)
        self._lay_out(automata, space)
        places = [
            _after(automata[int(own)], prompt, row, int(limit))
            for row, (own, prompt, limit) in enumerate(zip(which, prompts, limits, strict=True))
        ]
        pointers = self._base[which] + torch.tensor(places, dtype=torch.int64) * self._width[which]
        self.start: State = (which, pointers)
        self.levels = 1 + max((int(automaton.met.max()) for automaton in automata), default=0)

    def _lay_out(self, automata: list[Automaton], space: Symbols) -> None:
        """The tables of all automata in a row: a pointer is where a state's moves begin."""
        self._width = torch.tensor([automaton.table.shape[1] for automaton in automata])
        sizes = torch.tensor([automaton.table.size for automaton in automata])
        self._base = sizes.cumsum(0) - sizes
        self._kind = torch.stack([torch.from_numpy(automaton.kind) for automaton in automata])
        moves = [_moves(a, int(base)) for a, base in zip(automata, self._base, strict=True)]
        self._next, self._left, self._final, self._met = (
            torch.from_numpy(np.concatenate(parts)) for parts in zip(*moves, strict=True)
        )
        self._ends = space.end

    def allowed(self, state: State, left: Tensor | int) -> Tensor:
        """`[rows, outcomes]` bool: what may come next; nothing where the sequence is complete and
        the space has no end to say so.

        Args:
            left: `[rows]`, or the same for all: how many symbols may still come.
        """
        which, pointer = state
        left = torch.as_tensor(left).expand(len(pointer))
        fits = self._left[pointer[:, None] + self._kind[which]] < left[:, None]
        return torch.cat([fits, self._final[pointer, None]], 1) if self._ends else fits

    def step(self, state: State, symbols: Tensor) -> State:
        """The state after symbols `[rows]` that were allowed, none of them the end."""
        which, pointer = state
        return which, self._next[pointer + self._kind[which, symbols]]

    def met(self, state: State) -> Tensor:
        """`[rows, outcomes]`: how many symbols of what must occur are there after each symbol."""
        which, pointer = state
        after = self._met[self._next[pointer[:, None] + self._kind[which]].clamp_min(0)]
        return torch.cat([after, self._met[pointer, None]], 1) if self._ends else after


def _moves(automaton: Automaton, base: int) -> tuple[np.ndarray, ...]:
    """A table as pointers: of each move, where it leads and how many symbols are needed from there;
    of each state, wherever a pointer may stand, whether it may end and how much it has met."""
    table, width = automaton.table, automaton.table.shape[1]
    needed = np.append(automaton.distance, np.inf)[table]
    if automaton.unknown is not None:
        needed[:, automaton.unknown] = np.inf
    return (
        np.where(table == REFUSED, REFUSED, base + table * width).reshape(-1),
        np.minimum(needed, NEVER_ENDS).astype(np.int64).reshape(-1),
        np.repeat(automaton.final, width),
        np.repeat(automaton.met, width),
    )


def _lengthened(
    space: Symbols, given: list[Automaton], which: Tensor, prompts: Sequences, least: int
) -> tuple[list[Automaton], Tensor]:
    """Automata that allow no end before so many symbols after the prompt."""
    if not least:
        return given, which
    wanted = list(zip(which.tolist(), prompts.lengths.tolist(), strict=True))
    apart = list(dict.fromkeys(wanted))
    automata = [both(given[own], longer(space, length + least)) for own, length in apart]
    return automata, torch.tensor([apart.index(key) for key in wanted], dtype=torch.int64)


def _after(automaton: Automaton, prompt: Tensor, row: int, limit: int) -> int:
    """The state after a prompt."""
    state = 0
    for step, number in enumerate(prompt.tolist()):
        state = int(automaton.table[state, automaton.kind[number]])
        if state == REFUSED:
            raise CatenaError(
                f"prompt {row + 1}, symbol {step + 1}: nothing that begins so can obey the "
                "constraint; it holds of the whole sequence, the prompt included",
                sequence=row,
                step=step,
            )
    needed = int(automaton.distance[state])
    if needed > limit:
        raise CatenaError(
            f"the constraint needs {needed} symbols more, but the greatest length allows {limit}",
            sequence=row,
        )
    return state
