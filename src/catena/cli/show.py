"""What the user sees: progress on standard error, results on standard output."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from catena.comparing.result import Comparison, finite
from catena.comparing.table import columns
from catena.errors import CatenaError
from catena.learn import Progress as Learned
from catena.space import Space, Symbols
from catena.tasks.generate import NATS_A_BIT

GAP = "  "
LONGEST = 60  # characters of a sequence that is shown among others
# As wide as a table likes to be, where no terminal and no COLUMNS say how wide it may.
UNLIMITED = 1 << 20


class Board:
    """One progress bar a model."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def report(self, name: str, learned: Learned) -> None:
        """Move the bar of this name."""
        if name not in self._tasks:
            self._bars.start()  # not before there is something to see
            self._tasks[name] = self._bars.add_task(name, total=None, left="", facts="")
        # Where nobody knows how long it takes, the bar shows that something goes on.
        total = None if learned.left is None and not learned.done else 1.0
        told: dict[str, Any] = {"left": _duration(learned.left), "facts": _facts(learned)}
        self._bars.update(self._tasks[name], total=total, completed=learned.done, **told)

    def stop(self) -> None:
        """Leave the bars as they are."""
        if self._tasks:
            self._bars.stop()


@contextmanager
def progress() -> Iterator[Board]:
    """Bars on standard error while inside."""
    shown = (
        TextColumn("{task.description:<18}"),
        BarColumn(8),
        TextColumn("left {task.fields[left]}"),
        TextColumn("{task.fields[facts]}"),
    )
    board = Board(Progress(*shown, console=Console(stderr=True), refresh_per_second=4))
    try:
        yield board
    finally:
        board.stop()


def say(text: str) -> None:
    """A line for the person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def result(text: str) -> None:
    """A line of the result, on standard output.

    Raises:
        CatenaError: when it cannot be written; BrokenPipeError when nobody reads any longer.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CatenaError(f"the result cannot be written: {error.strerror}") from error


def raw(content: bytes) -> None:
    """The result as bytes, on standard output; raises as `result`."""
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CatenaError(f"the result cannot be written: {error.strerror}") from error


def as_json(value: Any, indent: int | None = 2) -> None:
    """The result as JSON, in which infinite and undefined numbers are null."""
    result(json_text(value, indent))


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON in which infinite and undefined numbers are null."""
    return json.dumps(finite(value), indent=indent, allow_nan=False)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; the first column is text, the others are numbers.

    Where the terminal is too narrow for all columns, those that are left over follow below.
    """
    cells = list(zip(heads, *rows, strict=True))
    widths = [max(map(cell_len, column)) for column in cells]
    blocks = _blocks(widths, _width())
    for number, block in enumerate(blocks):
        if number:
            result("")
        for row in (heads, *rows):
            shown = [_pad(row[i], widths[i], left=not i) for i in (0, *block)]
            result(GAP.join(shown).rstrip())


def facts(named: dict[str, Any], in_json: bool) -> None:
    """What is known of a model: a line each, or as JSON."""
    if in_json:
        as_json(named)
        return
    width = max(map(len, named))
    for name, value in named.items():
        result(f"{name:<{width}}  {_plain(value)}")


def comparison(found: Comparison) -> None:
    """The table of a comparison and what it means."""
    train, valid, test = found.sizes
    _text(
        f"{found.data}: {train:,} {found.terms.examples} to learn from, {valid:,} to choose, "
        f"{test:,} to test; split {found.rule}"
    )
    result("")
    shown = columns(found)
    table([c.head for c in shown], [[c.cell(row) for c in shown] for row in found.rows])
    result("")
    for row in found.rows:
        _text(f"{row.label}: {row.rung}")
    for note, labels in _notes(found).items():
        _text(f"{', '.join(labels)}: {note}")
    result("")
    for sentence in found.verdict:
        _text(sentence)


def visible(symbol: Any) -> str:
    """A symbol or label that does not disturb the line it is printed on."""
    text = str(symbol)
    return text if text.isprintable() and text.strip() else repr(text)


def shortened(sequence: Any) -> str:
    """A sequence in a few words, for a line of a list."""
    listed = isinstance(sequence, list)
    text = visible(" ".join(map(str, sequence)) if listed else sequence)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def space_text(space: Space) -> str:
    """A space in a line."""
    if not isinstance(space, Symbols):
        return f"{type(space).__name__} of {space.dim}"
    end = "the end is predicted" if space.end else "a stream, no end"
    return f"{len(space.items):,} symbols ({space.unit}), unknown: {space.unknown}, {end}"


def _blocks(widths: Sequence[int], limit: int) -> list[list[int]]:
    """The columns from the second on, in groups that fit beside the first; one at least."""
    blocks: list[list[int]] = []
    room = 0
    for column, width in enumerate(widths[1:], 1):
        if not blocks or room < len(GAP) + width:
            blocks.append([])
            room = limit - widths[0]
        blocks[-1].append(column)
        room -= len(GAP) + width
    return blocks


def _pad(text: str, width: int, left: bool) -> str:
    """Text among blanks; a Chinese character takes the room of two."""
    blanks = " " * (width - cell_len(text))
    return text + blanks if left else blanks + text


def _text(line: str) -> None:
    """A line of prose, broken between words where the terminal ends."""
    wrapped = textwrap.fill(
        line, _width(), subsequent_indent=GAP, break_long_words=False, break_on_hyphens=False
    )
    result(wrapped)


def _width() -> int:
    return shutil.get_terminal_size((UNLIMITED, 0)).columns


def _notes(found: Comparison) -> dict[str, list[str]]:
    """Every note once, with the labels of the models it is about."""
    notes: dict[str, list[str]] = {}
    for row in found.rows:
        for note in row.notes:
            notes.setdefault(note, []).append(row.label)
    return notes


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "–"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _duration(seconds: float | None) -> str:
    """Hours, minutes and seconds."""
    if seconds is None:
        return "-:--:--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _facts(learned: Learned) -> str:
    """Where a learner is, short enough for a line of 80 characters."""
    parts = [learned.text]
    if learned.valid is not None:
        parts.append(f"valid {learned.valid / NATS_A_BIT:.3f} bits")
    elif learned.train is not None:
        parts.append(f"train {learned.train / NATS_A_BIT:.3f} bits")
    if learned.speed:
        parts.append(f"{learned.speed:,.0f}/s")
    return GAP.join(parts)
