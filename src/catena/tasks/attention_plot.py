"""What each symbol of a target was read off its source by, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catena.errors import CatenaError
from catena.tasks.picture import INK, write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

END = "⟨end⟩"
CELL, MARGIN = 0.24, 1.4  # inches: of a symbol, and of the names beside them
NAMED = 80  # so many symbols can have their names beside the axis

Looked = tuple[Sequence[str], Sequence[str], np.ndarray]


def draw(path: Path, looked: Sequence[Looked]) -> None:
    """A panel for each pair, the darker the more was attended to: the source from left to right,
    the target from top to bottom, its end last.

    Args:
        looked: symbols of source and target, and weights `[target + 1, source]`.

    Raises:
        CatenaError: where there is no pair, and for a suffix of a format that cannot be written.
    """
    if not looked:
        raise CatenaError("there is no pair to draw")
    heights = [MARGIN + CELL * min(NAMED, len(target) + 1) for _, target, _ in looked]
    width = MARGIN + CELL * min(NAMED, max((len(source) for source, _, _ in looked), default=0))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(len(looked), 1, squeeze=False, height_ratios=heights)
        for axes, one in zip(panels.flatten(), looked, strict=True):
            _panel(axes, *one)

    write_picture(path, (max(3.0, width), sum(heights)), paint)


def _panel(axes: Any, source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> None:
    rows = [*target, END]
    shape = (-0.5, max(1, len(source)) - 0.5, len(rows) - 0.5, -0.5)
    shown = weights if weights.size else np.zeros((len(rows), 1))
    axes.imshow(shown, cmap="Greys", vmin=0.0, vmax=1.0, aspect="auto", extent=shape)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(source)), source if len(source) <= NAMED else [""] * len(source))
    axes.set_yticks(range(len(rows)), rows if len(rows) <= NAMED else [""] * len(rows))
    axes.tick_params(axis="x", labelrotation=90, length=0, colors=INK)
    axes.tick_params(axis="y", length=0, colors=INK)
    axes.spines[:].set_color(INK)
