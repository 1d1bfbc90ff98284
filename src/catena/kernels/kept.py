"""What is made of an owner's tensors once, and anew when one of them was written to or replaced.

Writing through `parameter.data` goes unnoticed: PyTorch does not count it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from torch import Tensor

# Which tensors they are, where their numbers lie, and how often those were written to.
Stamp = list[tuple[int, int, int]]
Made = TypeVar("Made")


def stamp(tensors: Iterable[Tensor | None]) -> Stamp:
    """Tells these tensors, as they are now, from others and from what they were before."""
    return [(id(part), part.data_ptr(), part._version) for part in tensors if part is not None]


class Entry(NamedTuple, Generic[Made]):
    """What was made, and of what; those tensors are kept alive, so no other can pass for one."""

    tensors: tuple[Tensor | None, ...]
    stamp: Stamp
    made: Made


class Kept(Generic[Made]):
    """What was made for each owner that is still there."""

    def __init__(self) -> None:
        self._entries: WeakKeyDictionary[object, Entry[Made]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._entries)

    def of(
        self, owner: object, tensors: Iterable[Tensor | None], make: Callable[[], Made]
    ) -> Entry[Made]:
        """The owner's entry, made of the tensors as they are now."""
        tensors = tuple(tensors)
        known, now = self._entries.get(owner), stamp(tensors)
        if known is None or known.stamp != now:
            known = Entry(tensors, now, make())
            self._entries[owner] = known
        return known
