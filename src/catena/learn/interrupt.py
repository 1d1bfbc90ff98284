"""The first Ctrl-C asks for a clean stop; the second one is Python's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Interrupted(KeyboardInterrupt):
    """The user stopped a learner; what it had is in `checkpoint` (None: nothing was kept)."""

    def __init__(self, checkpoint: Path | None) -> None:
        super().__init__("stopped")
        self.checkpoint = checkpoint


class Asked:
    """Whether a stop was asked for."""

    def __init__(self) -> None:
        self.stop = False


@contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """While inside, the first Ctrl-C sets `stop` and the next one raises KeyboardInterrupt."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may set signal handlers
        return

    def note(number: int, frame: Any) -> None:
        asked.stop = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
