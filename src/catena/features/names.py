"""A table of names, to find their numbers by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

import catena._native as _native


class NameTable:
    """Names by number.

    Args:
        names: large Arrow strings `[u]`, none of them missing.

    >>> table = NameTable(pa.array(["a", "b"], pa.large_string()))
    >>> table.find(pa.array(["b", "c"], pa.large_string())).tolist()
    [1, -1]
    >>> numbers, offsets = table.find_in_lists([["a", "c"], [], ["b"]])
    >>> numbers.tolist(), offsets.tolist()
    ([0, 1], [0, 1, 1, 2])
    """

    def __init__(self, names: pa.Array) -> None:
        self._names = names  # the table reads them where they are
        self._table = _native.Names(*_addresses(names))

    @property
    def distinct(self) -> bool:
        """Whether no name comes twice."""
        return self._table.distinct

    def find(self, names: pa.Array) -> np.ndarray:
        """int32 `[m]`: the number of each of these large Arrow strings, -1 where there is none."""
        found = np.empty(len(names), np.int32)
        self._table.find(*_addresses(names), found.ctypes.data)
        return found

    def find_in_lists(self, lists: list[Any]) -> tuple[np.ndarray, np.ndarray] | None:
        """The numbers of those strings in lists that have one, int32 `[m]`, and offsets int64
        `[n + 1]`: list i has `numbers[offsets[i]:offsets[i + 1]]`. None where there is anything but
        lists of strings."""
        count = _native.Names.count_in_lists(lists)
        if count < 0:
            return None
        found = np.empty(count, np.int32)
        offsets = np.empty(len(lists) + 1, np.int64)
        addresses = found.ctypes.data, offsets.ctypes.data
        fine = self._table.find_in_lists(lists, len(found), *addresses)
        return (found[: offsets[-1]], offsets) if fine else None


def _addresses(names: pa.Array) -> tuple[int, int, int]:
    """How many names, where their offsets are, and where the text."""
    _, offsets, text = names.buffers()
    if offsets is None or not len(names):
        return 0, 0, 0
    return len(names), offsets.address + 8 * names.offset, 0 if text is None else text.address
