"""What each step of a sequence says for a label, as a picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from catena.container import write_atomically
from catena.errors import CatenaError

FORMATS = ("png", "svg", "pdf")
FOR, AGAINST, INK = "#0060a0", "#cc4e00", "#555e69"
NAMED = 80  # so many steps can have their names under the axis


def draw(path: Path, influence: np.ndarray, steps: Sequence[str], title: str) -> None:
    """A bar a step, up where it speaks for the label and down where it speaks against it.

    Args:
        influence: `[length]` in nats; infinite ones reach a little beyond the others.
        steps: the name of each.

    Raises:
        CatenaError: for a suffix of a format that cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise CatenaError(f"{path}: a picture's name ends in one of {', '.join(FORMATS)}")
    # Text stays text in an SVG, and what the font has no glyph for is the viewer's affair.
    options = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "catena"}
    with matplotlib.rc_context(options), warnings.catch_warnings():  # pyright: ignore
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(max(4.0, 1 + 0.22 * min(len(steps), NAMED)), 2.4))
        figure.set_layout_engine("constrained")
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
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=150)
    write_atomically(path, content.getvalue())


def _finite(influence: np.ndarray) -> np.ndarray:
    finite = np.abs(influence[np.isfinite(influence)])
    limit = 1.2 * float(finite.max(initial=1.0))
    return np.clip(influence, -limit, limit)
