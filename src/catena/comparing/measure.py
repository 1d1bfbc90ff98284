"""What a model costs: how long something took, how much memory it needed, how many parameters."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from torch import nn

_STATM = Path("/proc/self/statm")
_EVERY = 0.02  # seconds between two looks at the memory


class Meter:
    """A context: afterwards, `seconds` and `peak_memory` (bytes above the beginning; None where
    the system does not tell).

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
    """How many numbers the model holds that were learned; a shared table counts once."""
    learned = {
        tensor.data_ptr(): tensor.numel()
        for tensor in model.state_dict().values()
        if tensor.is_floating_point() and tensor.numel()
    }
    return sum(learned.values())


def _resident() -> int | None:
    """Bytes of this process in memory."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
