"""Pictures as files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from catena.container import write_atomically
from catena.errors import CatenaError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
FOR, AGAINST, INK = "#0060a0", "#cc4e00", "#555e69"


def picture_format(path: Path) -> str:
    """What kind of picture the path names.

    Raises:
        CatenaError: for a suffix of a format that cannot be written.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise CatenaError(f"{path}: a picture's name ends in one of {', '.join(FORMATS)}")
    return kind


def write_picture(path: Path, size: tuple[float, float], paint: Callable[[Figure], None]) -> None:
    """Paint a figure and write it in the format that the path ends in.

    Args:
        size: in inches, width and height.

    Raises:
        CatenaError: for a suffix of a format that cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    kind = picture_format(path)
    # Text stays text in an SVG, and what the font has no glyph for is the viewer's affair.
    options = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "catena"}
    with matplotlib.rc_context(options), warnings.catch_warnings():  # pyright: ignore
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=size)
        figure.set_layout_engine("constrained")
        paint(figure)
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=150)
    write_atomically(path, content.getvalue())
