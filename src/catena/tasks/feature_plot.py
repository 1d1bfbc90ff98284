"""The attributes that weigh most for and against each label, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catena.tasks.picture import AGAINST, FOR, INK, write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Weighed = Sequence[tuple[float, str]]
COLUMNS = 3  # panels beside each other
LONGEST = 30  # characters of a name


def draw(path: Path, heaviest: Sequence[tuple[str, Weighed]]) -> None:
    """A panel for each label, a bar for each attribute: to the right where it speaks for the label,
    to the left where it speaks against it.

    Args:
        heaviest: labels, each with weights in nats and the attributes' names, the heaviest first.

    Raises:
        CatenaError: for a suffix of a format that cannot be written.
    """
    columns = min(COLUMNS, len(heaviest))
    rows = -(-len(heaviest) // columns)
    bars = max(1, *(len(weighed) for _, weighed in heaviest))
    limit = max((abs(weight) for _, weighed in heaviest for weight, _ in weighed), default=1.0)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True).flatten()
        for axes, (label, weighed) in zip(panels, heaviest, strict=False):
            _panel(axes, label, weighed)
            axes.tick_params(labelbottom=True)
            axes.set_ylim(bars - 0.4, -0.6)
            axes.set_xlim(-1.05 * limit, 1.05 * limit)
        for axes in panels[len(heaviest) :]:
            axes.set_visible(False)
        figure.supxlabel("weight in nats", color=INK)

    write_picture(path, (4.2 * columns, 0.6 + rows * (0.5 + 0.22 * bars)), paint)


def _panel(axes: Any, label: str, weighed: Weighed) -> None:
    weights = [weight for weight, _ in weighed]
    colours = [FOR if weight >= 0 else AGAINST for weight in weights]
    axes.barh(range(len(weights)), weights, color=colours)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(weights)), [_short(name) for _, name in weighed])
    axes.set_title(label, loc="left")
    axes.spines[["top", "right", "left"]].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
