"""A matplotlib figure that becomes inline SVG in the colours of the page around it."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Stand-ins: SVG takes the page's colours, so that one drawing serves light and dark paper.
INK, MUTED, GRID, PAPER = "#fb0000", "#fb0001", "#fb0002", "#fb0003"
_PAGE = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"}

WIDTH = 360.0  # points, about a phone's width: there the text is at its natural size
SIZE = 9.0  # of text, in points
_TOP, _BOTTOM = 24.0, 34.0  # points around the axes
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": SIZE,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
}


def colour(row: int) -> str:
    """The stand-in for the colour of a row."""
    return f"#fa{row:04x}"


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw in the page's style, whatever the user's own settings are, which come back afterwards.

    Args:
        name: of the plot; makes the names inside its SVG the same on every run.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        # The reader's machine has the letters of a name, even where this one has no font for them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | {"svg.hashsalt": name})
        yield


def axes(height: float, left: float = 38.0, right: float = 10.0) -> Axes:
    """Axes on a figure of their own; sizes in points."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    figure.patch.set_visible(False)
    FigureCanvasSVG(figure)
    wide, high = (WIDTH - left - right) / WIDTH, (height - _TOP - _BOTTOM) / height
    made = figure.add_axes((left / WIDTH, _BOTTOM / height, wide, high))
    made.patch.set_visible(False)
    return made


def name_axes(drawn: Axes, across: str, up: str = "") -> None:
    """Write what the axes are, the upright one above its end, where it reads without turning."""
    drawn.set_xlabel(across, loc="right")
    if up:
        offset = {"xytext": (-4, 12), "textcoords": "offset points"}
        drawn.annotate(up, (0, 1), xycoords="axes fraction", color=MUTED, ha="left", **offset)


def write_ticks(axis: Any, write: Callable[[float], str]) -> None:
    """Say how the numbers along an axis are written, none of them between the marked ones."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def label_ends(drawn: Axes, ends: Sequence[tuple[int, str, float, float]]) -> None:
    """Name lines at their right ends, apart from each other.

    Args:
        ends: (row, label, x, y) of each line's end, in the axes' own numbers.
    """
    (bottom, top), height = drawn.get_ylim(), drawn.bbox.height
    line = (top - bottom) * (SIZE + 2) / height
    ordered = sorted(ends, key=lambda end: end[3])
    places = spread([min(max(end[3], bottom), top) for end in ordered], line, bottom, top)
    across = drawn.get_yaxis_transform()
    for (row, label, x, y), place in zip(ordered, places, strict=True):
        arrow = {"arrowstyle": "-", "color": colour(row), "linewidth": 0.5, "shrinkB": 0}
        drawn.annotate(
            label,
            (x, y),
            xytext=(1.05, place),
            textcoords=across,
            va="center",
            annotation_clip=False,
            arrowprops=arrow | {"shrinkA": 1, "relpos": (0, 0.5)},
        )


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places nearest to those wanted, in ascending order, that are `gap` apart.

    They stay between `low` and `high` unless there are too many for that.

    >>> spread([0.0, 0.0, 5.0], 1.0, 0.0, 10.0)
    [0.0, 1.0, 5.0]
    >>> spread([9.0, 10.0, 10.0], 1.0, 0.0, 10.0)
    [8.0, 9.0, 10.0]
    """
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + gap if places else low))
    ceiling = max(high, low + gap * (len(places) - 1))
    for index in reversed(range(len(places))):
        places[index] = min(places[index], ceiling)
        ceiling = places[index] - gap
    return places


def to_svg(drawn: Axes, name: str, title: str) -> str:
    """The figure of these axes as an `<svg>` element to put inside a page.

    Args:
        name: of the plot, in front of every id, so that several share a page.
        title: what it shows, for readers who do not see it.
    """
    figure = drawn.figure
    assert isinstance(figure, Figure)
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with io.StringIO() as file:
        figure.savefig(file, format="svg", metadata=nothing)
        body = file.getvalue()
    high = figure.get_figheight() * 72
    head = f'<svg viewBox="0 0 {WIDTH:g} {high:g}" role="img" aria-label="{escape(title)}">'
    body = head + body[body.index(">", body.index("<svg")) + 1 :].strip()
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", body)
    return re.sub("#f[ab][0-9a-f]{4}", _in_page, body)


def _in_page(found: re.Match[str]) -> str:
    known = _PAGE.get(found[0])
    return f"var({known})" if known else f"var(--row-{int(found[0][3:], 16)})"
