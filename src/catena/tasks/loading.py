"""Fitted tasks from their files, whichever task it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from catena.ladder import Rung
from catena.save import load_facts
from catena.tasks import classify, generate

LOADERS: dict[str, Callable[..., Any]] = {
    generate.TASK: generate.load,
    classify.TASK: classify.load,
}


def load(path: str | Path, rung: Rung | None = None) -> Any:
    """A fitted Generator or Classifier from its file.

    Args:
        rung: needed for a Custom rung, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, foreign or newer.
    """
    kind = load_facts(Path(path))["task"].get("kind")
    known = LOADERS.get(kind) if isinstance(kind, str) else None
    return (known or generate.load)(path, rung)
