"""What the user sees: progress on standard error, results on standard output."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from catena.comparing.result import Comparison, Row
from catena.learn import Progress as Learned
from catena.space import Space, Symbols

NATS_A_BIT = math.log(2.0)


class Board:
    """One progress bar a model."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, Any] = {}

    def report(self, name: str, learned: Learned) -> None:
        """Move the bar of this name."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=1.0, facts="")
        self._progress.update(self._bars[name], completed=learned.done, facts=_facts(learned))


@contextmanager
def progress() -> Iterator[Board]:
    """Bars on standard error while inside."""
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(24),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as bars:
        yield Board(bars)


def say(text: str) -> None:
    """A line for the person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def result(text: str) -> None:
    """A line of the result, on standard output."""
    print(text, flush=True)


def as_json(value: Any) -> None:
    """The result as JSON, in which infinite and undefined numbers are null."""
    result(json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False))


def table(title: str | None, columns: list[str], rows: list[list[str]]) -> None:
    """A table on standard output; the first column is text, the others are numbers."""
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        drawn.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    console = Console(highlight=False, markup=False)
    # Where nobody watches, a table is as wide as it needs to be.
    console.print(drawn, width=None if console.is_terminal else 200, soft_wrap=False)


def comparison(found: Comparison) -> None:
    """The table of a comparison and what it means."""
    symbolic = found.unit != "step"
    columns = ["model", "bits/" + found.unit, "vs best [95%]", "vs above [95%]"]
    columns += ["perplexity"] * symbolic
    columns += ["explained", "parameters", "fit", "epochs", "memory", "scored/s"]
    rows = [_row(row, symbolic) for row in found.rows]
    train, valid, test = found.sizes
    result(f"{found.data}: {train:,} observations to learn from, {valid:,} to choose, {test:,} to test")
    result(f"split {found.rule}\n")
    table(None, columns, rows)
    result("")
    for row in found.rows:
        result(f"{row.label}: {row.rung}" + "".join(f"; {note}" for note in row.notes))
    result("")
    for sentence in found.verdict:
        result(sentence)


def bytes_text(count: int | None) -> str:
    """A number of bytes for people.

    >>> bytes_text(3 << 20), bytes_text(None)
    ('3 MiB', '–')
    """
    return "–" if count is None else f"{count / 2**20:,.0f} MiB"


def space_text(space: Space) -> str:
    """A space in a line."""
    if not isinstance(space, Symbols):
        return f"{type(space).__name__} of {space.dim}"
    end = "the end is predicted" if space.end else "a stream, no end"
    return f"{len(space.items):,} symbols ({space.unit}), unknown: {space.unknown}, {end}"


def _row(row: Row, symbolic: bool) -> list[str]:
    cells = [row.label, f"{row.bits:.3f}", _interval(row.against_best), _interval(row.against_below)]
    cells += [_number(row.perplexity)] * symbolic
    cells += [
        "–" if row.explained is None else f"{row.explained:.0%}",
        f"{row.parameters:,}",
        f"{row.seconds:.1f} s",
        f"{row.epochs:.1f}",
        bytes_text(row.peak_memory),
        f"{row.speed:,.0f}",
    ]
    return cells


def _interval(interval: Any) -> str:
    if interval is None:
        return "–"
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _number(value: float) -> str:
    return f"{value:,.2f}" if value < 1e6 else f"{value:.2e}"


def _facts(learned: Learned) -> str:
    parts = [learned.text]
    if learned.train is not None:
        parts.append(f"train {learned.train / NATS_A_BIT:.3f}")
    if learned.valid is not None:
        parts.append(f"valid {learned.valid / NATS_A_BIT:.3f} bits")
    if learned.speed:
        parts.append(f"{learned.speed:,.0f}/s")
    return "  ".join(parts)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return value
