"""The plots of a comparison, as inline SVG.

What has no finite bits is left out of them. Colours are those of the page: `--row-0`, `--row-1`
and so on for the rows, in their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox

from catena.comparing.canvas import (
    GRID,
    INK,
    MUTED,
    PAPER,
    SIZE,
    axes,
    colour,
    label_ends,
    name_axes,
    style,
    to_svg,
    write_ticks,
)
from catena.comparing.figure import Figure
from catena.comparing.majority import Majority
from catena.comparing.result import Comparison, Row

HEIGHT = 260.0  # points
LETTER = 0.6 * SIZE  # the width of one, about
LONGEST = 20  # letters of a name in a plot
SHORTEST = 1e-3  # seconds: what took less is drawn here, because a log axis has no 0

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Plot:
    """A picture, what it is of, and how to read it."""

    title: str
    caption: str
    svg: str


def plots(found: Comparison, names: Sequence[str]) -> Iterator[Plot]:
    """Every plot that this comparison has something to show in.

    Args:
        names: what each row is called.
    """
    drawable = [place for place, row in enumerate(found.rows) if is_drawn(found, row)]
    if not drawable:
        return
    view = _View(found, [_short(name) for name in names], drawable)
    for name, draw in (
        ("figures", _figures),
        ("curves", _curves),
        ("cost", _cost),
        ("place", _place),
    ):
        with style(name):
            plot = draw(view, name)
        if plot is not None:
            yield plot


def is_drawn(found: Comparison, row: Row) -> bool:
    """Whether a row can be seen in a plot: the majority label is so far off that nothing else of
    it could be."""
    alone = len(found.rows) == 1
    return math.isfinite(found.value(row)) and (alone or row.name != Majority.kind)


def _short(name: str) -> str:
    """A name that leaves the plot its room; the end stays, which tells namesakes apart."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}…{name[-8:]}"


@dataclass(frozen=True)
class _View:
    """The rows that can be drawn, by their places in the comparison."""

    found: Comparison
    names: Sequence[str]
    places: Sequence[int]

    def __iter__(self) -> Iterator[tuple[int, str, Row]]:
        for place in self.places:
            yield place, self.names[place], self.found.rows[place]

    @property
    def figure(self) -> Figure:
        """What decides."""
        return self.found.terms.decides

    @property
    def values(self) -> list[float]:
        """Of that, what each row has."""
        return [self.found.value(row) for _, _, row in self]

    @property
    def margin(self) -> float:
        """Points that the longest name takes."""
        return max(len(name) for _, name, _ in self) * LETTER + 16


def _figures(view: _View, name: str) -> Plot:
    count, figure = len(view.places), view.figure
    drawn = axes(58 + 20.0 * count, view.margin, 44)
    best = view.found.value(view.found.best)
    drawn.axvline(best, color=MUTED, linewidth=0.8, dashes=(2, 2))
    for line, ((place, _, row), value) in enumerate(zip(view, view.values, strict=True)):
        gap = row.against_best
        if gap is not None and math.isfinite(gap.high - gap.low):
            wide, left = gap.high - gap.low, best + gap.low
            drawn.barh(line, wide, 0.45, left, color=colour(place), alpha=0.4)
        drawn.plot(value, line, "|", color=colour(place), markersize=11, markeredgewidth=2)
        spot = {"xycoords": drawn.get_yaxis_transform(), "va": "center", "ha": "right"}
        drawn.annotate(f"{value:.{figure.digits}f}", (1 + 42 / drawn.bbox.width, line), **spot)
    drawn.set_ylim(count - 0.4, -0.6)
    drawn.set_yticks(range(count), [label for _, label, _ in view], color=INK)
    drawn.grid(axis="y", visible=False)
    name_axes(drawn, figure.axis)
    title = f"{_capital(figure.axis)} on the test part"
    caption = (
        f"Further {'right' if figure.higher else 'left'} is better. The dashed line is the best; "
        "a band is where a model's distance from it lies in 95 of 100 resamplings of the test "
        "part, so a band that reaches the line is no clear difference."
    )
    return Plot(title, caption, to_svg(drawn, name, title))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _curves(view: _View, name: str) -> Plot | None:
    lines = [(place, label, *_learned(row)) for place, label, row in view]
    lines = [line for line in lines if line[2] or line[3]]
    if not lines:
        return None
    drawn = axes(HEIGHT, right=view.margin)
    for place, _, train, valid in lines:
        drawn.plot(*_columns(train), color=colour(place), linewidth=0.9, alpha=0.7, dashes=(2, 1.5))
        few = "o" if len(valid) < 12 else ""
        drawn.plot(*_columns(valid), color=colour(place), linewidth=1.6, marker=few, markersize=3)
    _limit(drawn, [line[2:] for line in lines])
    drawn.set_xlim(left=0)
    ends = [(place, label, *(valid or train)[-1]) for place, label, train, valid in lines]
    label_ends(drawn, ends)
    name_axes(drawn, "seconds of learning", view.found.terms.loss)
    caption = (
        "Solid: on the validation part. Dashed: on the training part, as it was learned. A solid "
        "line that rises while its dashed one falls is overfitting; one that still falls at its "
        "end would gain from more time."
    )
    title = "Learning curves"
    return Plot(title, caption, to_svg(drawn, name, title))


def _learned(row: Row) -> tuple[Points, Points]:
    """The (seconds, loss) of the training and of the validation part, where they are known."""

    def points(column: int) -> Points:
        pairs = [(at[0], at[column]) for at in row.curve]
        return [(x, y) for x, y in pairs if y is not None and math.isfinite(y)]

    return points(1), points(2)


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _limit(drawn: Axes, curves: Sequence[tuple[Points, Points]]) -> None:
    """Show all but the first steep falls, which would flatten everything that matters."""
    shown = sorted(loss for train, valid in curves for _, loss in valid or train)
    ends = [(valid or train)[-1][1] for train, valid in curves]
    low = min(loss for train, valid in curves for _, loss in train + valid)
    high = max(shown[int(0.9 * (len(shown) - 1))], *ends)
    margin = 0.08 * (high - low) or 0.1
    drawn.set_ylim(low - margin, high + margin)


def _cost(view: _View, name: str) -> Plot:
    figure = view.figure
    seconds = [max(row.seconds, SHORTEST) for _, _, row in view]
    points = list(zip(seconds, view.values, strict=True))
    drawn = axes(HEIGHT)
    drawn.set_xscale("log")
    frontier = _frontier(points, max if figure.higher else min)
    drawn.plot(*frontier, color=GRID, linewidth=1.6, drawstyle="steps-post")
    for (place, _, _), (x, y) in zip(view, points, strict=True):
        drawn.plot(x, y, "o", color=colour(place), markersize=7, markeredgecolor=PAPER)
    drawn.margins(x=0.12, y=0.1)
    _widen(drawn)
    _label_points(drawn, [label for _, label, _ in view], points)
    write_ticks(drawn.xaxis, lambda value: f"{value:g}")
    name_axes(drawn, "seconds to fit", figure.axis)
    caption = (
        f"{'Higher' if figure.higher else 'Lower'} is better, further left is cheaper. The line "
        "joins the models that no cheaper one beats. The time to choose hyperparameters is not in "
        "it."
    )
    title = f"{_capital(figure.name)} against cost"
    return Plot(title, caption, to_svg(drawn, name, title))


def _frontier(
    points: Points, better: Callable[[float, float], float]
) -> tuple[list[float], list[float]]:
    """For each cost in ascending order, the best that it buys."""
    ordered = sorted(points)
    return [x for x, _ in ordered], list(accumulate((y for _, y in ordered), better))


def _widen(drawn: Axes) -> None:
    """Make room for two numbers at least on a log axis."""
    low, high = drawn.get_xlim()
    if high < 10 * low:
        centre = math.sqrt(low * high)
        low, high = drawn.set_xlim(centre / 4, centre * 4)
    if high < 100 * low:
        drawn.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))


def _label_points(drawn: Axes, labels: Sequence[str], points: Points) -> None:
    """Name points, each on the side where its name covers least."""
    spots = [tuple(drawn.transData.transform(point)) for point in points]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots]
    for label, point, spot in zip(labels, points, spots, strict=True):
        sides = [(7, -3, "left"), (-7, -3, "right"), (0, 8, "center"), (0, -14, "center")]
        boxes = [_box(spot, label, *side) for side in sides]
        cost = [_covered(box, taken, drawn.bbox) for box in boxes]
        dx, dy, side = sides[cost.index(min(cost))]
        taken.append(boxes[cost.index(min(cost))])
        drawn.annotate(label, point, xytext=(dx, dy), textcoords="offset points", ha=side)


def _box(spot: tuple[float, ...], label: str, dx: float, dy: float, side: str) -> Bbox:
    """Where a text will be, in points."""
    width = len(label) * LETTER
    shift = {"left": 0.0, "center": 0.5, "right": 1.0}[side]
    return Bbox.from_bounds(spot[0] + dx - shift * width, spot[1] + dy - 2, width, SIZE + 2)


def _covered(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """The area that a box shares with others or has outside the frame."""
    inside = _area(Bbox.intersection(box, frame))
    outside = box.width * box.height - inside
    return outside + sum(_area(Bbox.intersection(box, other)) for other in taken)


def _area(box: Bbox | None) -> float:
    return 0.0 if box is None else box.width * box.height


def _place(view: _View, name: str) -> Plot | None:
    first = _first_sure(view)
    lines = [
        (place, label, _finite([(at, bits) for at, _, bits in row.positions if at >= first]))
        for place, label, row in view
    ]
    lines = [line for line in lines if line[2]]
    if max((len(points) for *_, points in lines), default=0) < 2:
        return None
    drawn = axes(HEIGHT, right=view.margin)
    drawn.set_xscale("log", base=2)
    for place, _, points in lines:
        drawn.plot(*_columns(points), "o-", color=colour(place), linewidth=1.4, markersize=3)
    label_ends(drawn, [(place, label, *points[-1]) for place, label, points in lines])
    write_ticks(drawn.xaxis, lambda value: f"{value:,.0f}")
    name_axes(drawn, "position in the sequence", view.figure.axis)
    caption = (
        "Each point is the mean over positions from its own up to the next point's. A line that "
        "goes on falling has use for what is long past."
    )
    if first > 1:
        caption += (
            f" Positions before {first} are left out: one sequence holds most of the test "
            "part, and so few predictions say nothing."
        )
    title = "Bits by position in the sequence"
    return Plot(title, caption, to_svg(drawn, name, title))


def _finite(points: Sequence[tuple[float, float]]) -> Points:
    return [(x, y) for x, y in points if math.isfinite(y)]


def _first_sure(view: _View) -> int:
    """The first range of positions with enough predictions in it to be drawn."""
    starts = sorted({first for _, _, row in view for first, _, _ in row.positions})
    size = view.found.sizes[2]
    if not starts or 2 * starts[-1] < size:
        return 1
    # One sequence is most of the test part: the range from 4 to 7 holds four predictions.
    return next(start for start in starts if start >= min(32, size / 8))
