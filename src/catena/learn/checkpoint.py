"""Unfinished work on disk: enough to go on as if it had never been stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from catena import container
from catena.errors import CatenaError
from catena.sequences import Sequences

FORMAT = 1


class Checkpoint:
    """A file that is replaced as work goes on. Whoever asked for it removes it, once what was
    learned has been saved elsewhere: a full disk at the very end must not cost the work.

    Args:
        path: where; None keeps nothing, and then every call does nothing.
        job: what is being done, as JSON; a checkpoint of another job is refused.
        every: seconds between two savings, so that saving costs little.
    """

    def __init__(self, path: Path | None, job: Mapping[str, Any], every: float = 20.0) -> None:
        self.path, self.job, self._every = path, dict(job), every
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return self.path is not None and time.monotonic() - self._saved >= self._every

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Keep these tensors and JSON facts, in place of what was kept before."""
        if self.path is not None:
            whole = {"format": FORMAT, "checkpoint": self.job, "facts": dict(facts)}
            container.write(self.path, tensors, whole)
            self._saved = time.monotonic()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was kept, or None where nothing was.

        Raises:
            CatenaError: when the file is damaged or belongs to another job.
        """
        if self.path is None or not self.path.exists():
            return None
        tensors, whole = container.read(self.path)
        if whole.get("format") != FORMAT or whole.get("checkpoint") != self.job:
            raise CatenaError(
                f"{self.path}: belongs to a run with another model, other options or other data; "
                "resume with those, or delete it to start anew"
            )
        return tensors, whole["facts"]


def grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors named GROUP.NAME, as dicts of NAME by GROUP."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = tensor
    return groups


def fingerprint(sequences: Sequences | None) -> str | None:
    """A short name for the data, to tell whether a checkpoint belongs to it."""
    return None if sequences is None else digest(sequences.lengths, sequences.values)


def digest(*tensors: Tensor) -> str:
    """A short name for what is in these tensors."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.contiguous().cpu().numpy().tobytes())
    return found.hexdigest()[:16]
