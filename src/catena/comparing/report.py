"""The report of a comparison: one HTML file that holds everything it shows.

It has no scripts and loads nothing. The same comparison gives the same bytes.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from catena import __version__
from catena.comparing.bootstrap import BLOCKS, DRAWS
from catena.comparing.figure import Figure
from catena.comparing.majority import Majority
from catena.comparing.palette import colours
from catena.comparing.result import Comparison, Row, numbered
from catena.comparing.table import Column, columns, number, shown
from catena.container import write_atomically

# What HTML cannot hold or a browser would not show: controls but tab and line feed, and halves of
# surrogate pairs, which data read with `--errors surrogateescape` may have.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Tasks whose predictions follow on each other in a sequence.
FOLLOWING = ("generate", "compose")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_report(found: Comparison, path: str | os.PathLike[str]) -> None:
    """Write the report, at once or not at all.

    Raises:
        CatenaError: when the folder is missing, the disk is full or writing is not allowed.
    """
    write_atomically(Path(path), page(found).encode("utf-8"))


def page(found: Comparison) -> str:
    """The report as a page of HTML."""
    names = numbered([row.label for row in found.rows])
    parts = [
        _header(found),
        _verdict(found),
        _section("The models", _table(found, names)),
        _section("The plots", _plots(found, names)),
        _section("Samples", _samples(found.rows, names)),
        _section("What was chosen", _chosen(found, names)),
        _section("How it was measured", _terms(_method(found))),
        f"<footer>Written by catena {_text(__version__)}.</footer>",
    ]
    return _PAGE.format(
        policy=_POLICY,
        title=_text(f"catena compare: {found.data}"),
        style=_style(found),
        body="\n".join(part for part in parts if part),
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def _style(found: Comparison) -> str:
    """The style sheet, with a variable for the colour of each row."""
    sheet = files("catena.comparing").joinpath("report.css").read_text(encoding="utf-8")
    palette = colours(found.rows)
    best = f"--best: var(--row-{found.rows.index(found.best)});"
    light = _variables(colour.light for colour in palette)
    dark = _variables(colour.dark for colour in palette)
    return (
        f"{sheet}:root {{ {light} {best} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )


def _variables(values: Iterable[str]) -> str:
    return " ".join(f"--row-{place}: {value};" for place, value in enumerate(values))


def _header(found: Comparison) -> str:
    train, valid, test = found.sizes
    return (
        f'<header>\n<p class="kicker">catena compare</p>\n'
        f"<h1>Which rung does {_text(found.data)} need?</h1>\n"
        f"<p>{train:,} {_text(found.terms.examples)} to learn from, {valid:,} to choose, "
        f"{test:,} to test.</p>\n</header>"
    )


def _verdict(found: Comparison) -> str:
    sentences = "\n".join(f"<p>{_text(sentence)}</p>" for sentence in found.verdict)
    return f'<section class="verdict">\n{sentences}\n</section>' if sentences else ""


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{body}\n</section>" if body else ""


def _table(found: Comparison, names: Sequence[str]) -> str:
    others = columns(found)[1:]
    head = "".join(f'<th scope="col">{_text(column.head)}</th>' for column in others)
    rows = []
    for place, (row, name) in enumerate(zip(found.rows, names, strict=True)):
        start = '<tr class="best">' if row is found.best else "<tr>"
        cells = "".join(_cell(column, row) for column in others)
        rows.append(f"{start}{_name(place, name)}{cells}</tr>")
    return _scrolled(f'<th scope="col">model</th>{head}', "\n".join(rows))


def _scrolled(head: str, rows: str, kind: str = "") -> str:
    return (
        f'<div class="wide"><table{kind}>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _name(place: int, name: str) -> str:
    dot = f'<span class="dot" style="background: var(--row-{place})"></span>'
    return f'<th scope="row">{dot}{_text(name)}</th>'


def _cell(column: Column, row: Row) -> str:
    """An interval stands under its value."""
    value, bracket, interval = column.cell(row).partition(" [")
    below = f'<span class="sub">[{_text(interval)}</span>' if bracket else ""
    return f"<td>{_text(value)}{below}</td>"


def _plots(found: Comparison, names: Sequence[str]) -> str:
    # Only here: matplotlib takes as long to load as everything else in the report.
    from catena.comparing.plots import plots

    drawn = "\n".join(
        f"<figure>\n<h3>{_text(plot.title)}</h3>\n{plot.svg}\n"
        f"<figcaption>{_text(plot.caption)}</figcaption>\n</figure>"
        for plot in plots(found, [_shown(name) for name in names])
    )
    return f'<div class="plots">\n{drawn}\n</div>{_left_out(found, names)}'


def _left_out(found: Comparison, names: Sequence[str]) -> str:
    """Which models the plots do not show, and why."""
    values = dict(zip(names, map(found.value, found.rows), strict=True))
    impossible = [name for name, value in values.items() if value == math.inf]
    unknown = [name for name, value in values.items() if math.isnan(value)]
    figure, notes = found.terms.decides.name, []
    far = [name for name, row in zip(names, found.rows, strict=True) if row.name == Majority.kind]
    if far and len(names) > 1:
        notes.append(f"Not drawn: {far[0]}, which is too far from the others.")
    if impossible:
        why = (
            f"something in the test part has probability 0 there, which is infinitely many {figure}"
        )
        notes.append(f"Not drawn: {', '.join(impossible)}; {why}.")
    if unknown:
        notes.append(f"Not drawn: {', '.join(unknown)}; the {figure} are undefined.")
    return "".join(f'\n<p class="note">{_text(note)}</p>' for note in notes)


def _samples(rows: Sequence[Row], names: Sequence[str]) -> str:
    drawn = "\n".join(
        f'<figure>\n<h3><span class="dot" style="background: var(--row-{place})"></span>'
        f'{_text(name)}</h3>\n<pre dir="auto">\n{_text(row.sample)}</pre>\n</figure>'
        for place, (row, name) in enumerate(zip(rows, names, strict=True))
        if row.sample is not None
    )
    return f'<div class="samples">\n{drawn}\n</div>' if drawn else ""


def _chosen(found: Comparison, names: Sequence[str]) -> str:
    figure = found.terms.decides
    tried = f"tried, after its {figure.name} on the validation part"
    heads = ("model", "chosen", tried, "notes")
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "\n".join(
        f"<tr>{_name(place, name)}<td><code>{_text(row.rung)}</code></td>"
        f"<td>{_tried(row, figure)}</td><td>{_text('; '.join(row.notes))}</td></tr>"
        for place, (row, name) in enumerate(zip(found.rows, names, strict=True))
    )
    return _scrolled(head, body, ' class="text"')


def _tried(row: Row, figure: Figure) -> str:
    if not row.tried:
        return "nothing else"
    lines = []
    for rung, value in row.tried:
        line = f"{_text(number(value, figure.digits))} <code>{_text(rung)}</code>"
        lines.append(f"<b>{line}</b>" if rung == row.rung else line)
    return f'{"<br>".join(lines)}<span class="sub">in {row.search_seconds:,.1f} s</span>'


def _method(found: Comparison) -> list[tuple[str, str]]:
    """What the numbers mean and how they came about: (term, meaning)."""
    train, valid, test = found.sizes
    terms, figure = found.terms, found.terms.decides
    machine = ", ".join(f"{name} {value}" for name, value in found.machine.items())
    return [
        (
            "split",
            f"{found.rule}. {train:,} {terms.examples} in the training part, {valid:,} in the "
            f"validation part, {test:,} in the test part. Hyperparameters and early stopping "
            "were judged on the validation part, and nothing was chosen on the test part.",
        ),
        *((one.name, one.meaning) for one in shown(found)),
        (
            "vs best, vs above",
            f"How much more{figure.amount or ' ' + figure.name} than the best model, and than the "
            f"row above: {'above' if figure.higher else 'below'} 0 is better. "
            f"In brackets is the 95% interval of a paired bootstrap: {DRAWS:,} resamplings of the "
            f"sequences of the test part{_stretches(found)}, the same for every model, so that "
            "what is hard for all of them cancels. An interval without 0 in it is a clear "
            "difference.",
        ),
        ("explained", _explained_mean(found)),
        (
            "fit, epochs, memory",
            "Seconds to learn the chosen model, how often that saw the training part, and the "
            "most memory that it took from the system on top of what was held before, which is a "
            "lower bound: freed memory may be used again.",
        ),
        (terms.speed, _speed_mean(found)),
        (
            "budget",
            f"{found.minutes:g} minutes for learning, all models together; counting and scoring "
            f"come on top; seed {found.seed}.",
        ),
        ("machine", f"{machine}." if machine else "not recorded."),
    ]


def _stretches(found: Comparison) -> str:
    """What is drawn where sequences are few, of tasks whose predictions follow on each other."""
    if found.terms.task not in FOLLOWING:
        return ""
    return f" (where there are fewer than {BLOCKS}, of stretches of them)"


def _speed_mean(found: Comparison) -> str:
    if found.terms.task in FOLLOWING:
        return "Predictions scored a second on the test part."
    done = "ranked" if found.terms.task == "recommend" else "labelled"
    return f"{found.terms.speed.removesuffix('/s').capitalize()} of the test part {done} a second."


def _explained_mean(found: Comparison) -> str:
    figure = found.terms.decides
    base = next((row.label for row in found.rows if row.name == found.baseline), None)
    if base is None:
        return "Not given: the model that it would be counted from is not among these."
    return (
        f"How much of the {'rise' if figure.higher else 'drop'} in {figure.name} from {base} to "
        f"the best model a model makes: 0% is no better than {base}, below 0% is worse, 100% is "
        "the best."
    )


def _terms(terms: Iterable[tuple[str, str]]) -> str:
    lines = "\n".join(f"<dt>{_text(term)}</dt><dd>{_text(mean)}</dd>" for term, mean in terms)
    return f"<dl>\n{lines}\n</dl>"


def _text(text: str) -> str:
    """Any text as HTML shows it."""
    return escape(_shown(text))


def _shown(text: str) -> str:
    """Any text with what cannot be shown made visible."""
    return _UNSHOWN.sub(_stand_in, text)


def _stand_in(found: re.Match[str]) -> str:
    """Control characters have pictures in Unicode; the rest is the replacement character."""
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "\ufffd"
