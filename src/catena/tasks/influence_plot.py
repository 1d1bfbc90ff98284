"""What each step of a sequence says for a label, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catena.tasks.picture import AGAINST, FOR, INK, write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 80  # so many steps can have their names under the axis


def draw(path: Path, influence: np.ndarray, steps: Sequence[str], title: str) -> None:
    """A bar a step, up where it speaks for the label and down where it speaks against it.

    Args:
        influence: `[length]` in nats; infinite ones reach a little beyond the others.
        steps: the name of each.

    Raises:
        CatenaError: for a suffix of a format that cannot be written.
    """

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        heights = _finite(influence)
        colours = np.where(heights >= 0, FOR, AGAINST)
        axes.bar(np.arange(len(heights)), heights, color=list(colours))
        axes.axhline(0.0, color=INK, linewidth=0.8)
        if len(steps) <= NAMED:
            axes.set_xticks(range(len(steps)), steps)
        axes.set_ylabel("nats")
        axes.set_title(title, loc="left")
        axes.spines[["top", "right", "bottom"]].set_visible(False)

    write_picture(path, (max(4.0, 1 + 0.22 * min(len(steps), NAMED)), 2.4), paint)


def _finite(influence: np.ndarray) -> np.ndarray:
    finite = np.abs(influence[np.isfinite(influence)])
    limit = 1.2 * float(finite.max(initial=1.0))
    return np.clip(influence, -limit, limit)
