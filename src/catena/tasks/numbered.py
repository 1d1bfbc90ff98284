"""Sessions of items as the numbers that a recommender works on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.sequences import Sequences
from catena.space import Item, Symbols


def one_session(session: Any) -> list[Item]:
    """One session as a list of strings and integers.

    Raises:
        CatenaError: for a single item, and for what is no item, a missing one included.
    """
    if isinstance(session, (str, bytes)) or not isinstance(session, Iterable):
        raise CatenaError(f"a session is a list of items, not {session!r}: wrap one item in a list")
    given: Any = session
    items = given.tolist() if hasattr(given, "tolist") else list(given)
    items = [item.item() if isinstance(item, np.generic) else item for item in items]
    for step, item in enumerate(items):
        if not isinstance(item, (str, int)) or isinstance(item, bool):
            raise CatenaError(
                f"item {step + 1} of a session is {item!r}; an item is a string or a whole number: "
                "mend it or leave it out",
                step=step,
            )
    return items


def rows_of(sessions: Any) -> list[list[Item]]:
    """Sessions as lists.

    Raises:
        CatenaError: as `one_session` does, with the number of the session.
    """
    if isinstance(sessions, (str, bytes)) or not isinstance(sessions, Iterable):
        raise CatenaError(f"sessions are a list of lists of items, not {sessions!r}")
    rows = []
    for place, session in enumerate(sessions):
        try:
            rows.append(one_session(session))
        except CatenaError as error:
            raise CatenaError(f"session {place + 1}: {error}", place, error.step) from error
    return rows


def numbers(space: Symbols, rows: list[list[Item]]) -> Sequences:
    """The items' numbers, -1 for those that training did not show."""
    number = {item: place for place, item in enumerate(space.items)}
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    flat = np.fromiter((number.get(item, -1) for row in rows for item in row), np.int64)
    return Sequences(torch.from_numpy(flat), lengths)


def known_items(numbered: Sequences) -> Sequences:
    """The sessions without what training did not show."""
    kept = numbered.values >= 0
    owner = torch.repeat_interleave(numbered.lengths)
    return Sequences(numbered.values[kept], torch.bincount(owner[kept], minlength=len(numbered)))


def of_two(sessions: Sequences) -> Sequences:
    """Those in which something comes next."""
    return sessions[(sessions.lengths > 1).nonzero().squeeze(1)]


def predictions(numbered: Sequences, last_only: bool = False) -> tuple[Tensor, Tensor]:
    """For each item but the first of each session: where the known items that came before it end,
    as a place among all known items (-1 where none did), and its number.

    Args:
        numbered: sessions, -1 for what training did not show.
        last_only: of each session the last item alone.

    >>> steps, targets = predictions(Sequences.from_list([[4, -1, 2], [-1, 3, 5], [7]]))
    >>> steps.tolist(), targets.tolist()
    ([0, 0, -1, 2], [-1, 2, 3, 5])
    """
    known = (numbered.values >= 0).long()
    before = known.cumsum(0) - known
    owner = torch.repeat_interleave(numbered.lengths)
    first = numbered.offsets[:-1][numbered.lengths > 0]
    base = torch.zeros(len(numbered), dtype=torch.int64)
    base[numbered.lengths > 0] = before[first]
    later = torch.ones(numbered.total, dtype=torch.bool)
    later[first] = False
    if last_only:
        later &= torch.arange(numbered.total) == numbered.offsets[1:][owner] - 1
    steps = torch.where(before > base[owner], before - 1, -1)
    return steps[later], numbered.values[later]
