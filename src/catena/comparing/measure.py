"""What a model costs: how long something took, how much memory it needed, how many parameters."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
from pathlib import Path

from torch import nn

from catena.ngram import NGramOrder

_STATM = Path("/proc/self/statm")
_EVERY = 0.02  # seconds between two looks at the memory


class Meter:
    """A context: afterwards, `seconds` and `peak_memory` (bytes above the beginning; None where
    the system does not tell).

    Free memory is handed back to the system first. What cannot be handed back, because something
    beside it is still held, is used again without being seen, so the peak is a lower bound.

    >>> with Meter() as meter:
    ...     total = sum(range(10))
    >>> meter.seconds >= 0
    True
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_memory: int | None = None
        self._done = threading.Event()

    def __enter__(self) -> Meter:
        _release()
        self._begin, self._base, self._peak = time.perf_counter(), _resident(), 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begin
        self._done.set()
        self._thread.join()
        if self._base is not None:
            self.peak_memory = max(0, self._peak - self._base)

    def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, _resident() or 0)
            if self._done.wait(_EVERY):
                return


def count_parameters(model: nn.Module) -> int:
    """How many numbers the model holds that were learned; a shared table counts once.

    Of an n-gram table those are the weights and the backoffs, without its entries for what is
    absent.
    """
    learned = sum(part.numel() for part in model.parameters() if part.requires_grad)
    orders = [part for part in model.modules() if isinstance(part, NGramOrder)]
    return learned + sum(len(part.weight) - 1 + len(part.backoff) - 1 for part in orders)


def _release() -> None:
    """Hand free memory back to the system, where the C library can: glibc keeps it otherwise."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return


def _resident() -> int | None:
    """Bytes of this process in memory."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
