"""The average of several models on the command line."""

from __future__ import annotations

from pathlib import Path

from catena.cli import show
from catena.cli.writing import check_writable
from catena.tasks.average import average as averaged
from catena.tasks.estimator import Estimator


def average(models: list[Path], output: Path) -> None:
    """Write one model whose parameters are the average of those of several."""
    check_writable(output)
    made: Estimator = averaged(models)
    made.save(output)
    show.say(f"wrote {output}: the average of {len(models)} models")
