"""The table of a comparison, the same in the terminal and in the report."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from catena.comparing.bootstrap import Interval
from catena.comparing.figure import Figure
from catena.comparing.result import Comparison, Row


@dataclass(frozen=True)
class Column:
    """A heading, and what stands under it for each row."""

    head: str
    cell: Callable[[Row], str]


def columns(found: Comparison) -> list[Column]:
    """The columns that this comparison has something to say in; the first holds the names."""
    first, *others = shown(found)
    return [
        Column("model", lambda row: row.label),
        _figure(first),
        Column("vs best [95%]", lambda row: interval(row.against_best, first.digits)),
        Column("vs above [95%]", lambda row: interval(row.against_below, first.digits)),
        *map(_figure, others),
        Column("explained", lambda row: share(row.explained)),
        Column("parameters", lambda row: f"{row.parameters:,}"),
        Column("fit", lambda row: f"{_brief(row.seconds)} s"),
        Column("epochs", lambda row: _brief(row.epochs)),
        Column("memory", lambda row: memory(row.peak_memory)),
        Column(found.terms.speed, lambda row: f"{row.speed:,.0f}"),
    ]


def shown(found: Comparison) -> list[Figure]:
    """The figure that decides, and those others that some row has."""
    first, *others = found.terms.figures
    had = {key for row in found.rows for key, value in row.figures.items() if value is not None}
    return [first, *(figure for figure in others if figure.key in had)]


def _figure(figure: Figure) -> Column:
    """A figure's own column, with its interval where that is shown."""

    def cell(row: Row) -> str:
        value = number(row.figures.get(figure.key), figure.digits)
        around = row.intervals.get(figure.key)
        if around is None or not math.isfinite(around.high - around.low):
            return value
        return f"{value} [{around.low:.{figure.digits}f}, {around.high:.{figure.digits}f}]"

    return Column(f"{figure.head} [95%]" if figure.bounded else figure.head, cell)


def number(value: float | None, digits: int) -> str:
    """A number for people.

    >>> number(1234.5678, 2), number(2e9, 2), number(float("inf"), 3), number(None, 3)
    ('1,234.57', '2.00e+09', '∞', '–')
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return f"{value:,.{digits}f}" if abs(value) < 1e6 else f"{value:.2e}"


def interval(found: Interval | None, digits: int = 3) -> str:
    """A difference and where it lies.

    >>> interval(Interval(0.5, 0.25, 0.75)), interval(None)
    ('+0.500 [+0.250, +0.750]', '–')
    """
    if found is None:
        return "–"
    if not all(map(math.isfinite, (found.value, found.low, found.high))):
        return number(found.value, digits)
    return f"{found.value:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


def share(part: float | None) -> str:
    """A part of one, in hundredths.

    >>> share(0.456), share(-0.001), share(None)
    ('46%', '0%', '–')
    """
    return "–" if part is None or not math.isfinite(part) else f"{round(100 * part):,}%"


def memory(count: int | None) -> str:
    """A number of bytes for people.

    >>> memory(3 << 20), memory(None)
    ('3 MiB', '–')
    """
    return "–" if count is None else f"{count / 2**20:,.0f} MiB"


def _brief(value: float) -> str:
    """A number of which small values matter too."""
    return f"{value:,.1f}" if value >= 1 else f"{value:.2g}"
