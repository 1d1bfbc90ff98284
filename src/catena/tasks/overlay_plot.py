"""Which parts of a picture the symbols of its caption were read off, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catena.tasks.attention_plot import END
from catena.tasks.picture import INK, write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS, SIDE = 6, 1.4  # so many panels a row, of so many inches
DARK = 0.8  # how much of the light is taken from a region that was not attended to


def draw(path: Path, picture: np.ndarray, symbols: Sequence[str], weights: np.ndarray) -> None:
    """The picture once for each symbol and for the end, the brighter the more was attended to.

    Args:
        picture: `[height, width, 3]` bytes.
        weights: `[symbols + 1, rows, columns]`.

    Raises:
        CatenaError: for a suffix of a format that cannot be written.
    """
    named = [*symbols, END]
    rows, columns = math.ceil(len(named) / ACROSS), min(ACROSS, len(named))

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, squeeze=False).flatten()
        for panel in panels:
            panel.set_axis_off()
        for panel, name, own in zip(panels, named, weights, strict=False):
            panel.imshow(lit(picture, own), interpolation="nearest")
            panel.set_title(name, fontsize=8, color=INK)

    write_picture(path, (SIDE * columns, (SIDE + 0.3) * rows), paint)


def lit(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The picture `[height, width, 3]`, dark where weights `[rows, columns]` are small beside the
    largest of them."""
    height, width = picture.shape[:2]
    rows = np.arange(height) * weights.shape[0] // height
    columns = np.arange(width) * weights.shape[1] // width
    light = weights[rows[:, None], columns] / max(float(weights.max()), 1e-9)
    return np.round(picture * (1 - DARK + DARK * light)[:, :, None]).astype(np.uint8)
