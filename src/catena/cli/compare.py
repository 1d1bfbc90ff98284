"""`catena compare`: which rung does this data need?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from catena.cli import show
from catena.cli.reading import Reading, learn_space, located
from catena.comparing.compare import compare as run
from catena.errors import CatenaError
from catena.formats import Data
from catena.split import split


def compare(
    sources: list[str],
    models: str | None,
    minutes: float,
    report: Path | None,
    as_json: bool,
    reading: Reading,
    unknown: str | None,
    minimum: int | None,
    seed: int,
) -> None:
    """Fit the ladder on the same data and say what each rung is worth."""
    if report is not None and not report.parent.is_dir():
        raise CatenaError(f"{report.parent}: there is no such folder to write {report.name} to")
    data = reading.read(sources)
    parts = split(data.sequences, seed)
    space = learn_space(_replaced(data, parts.train), unknown, minimum)
    names = [name.strip() for name in models.split(",")] if models else None
    with located(data), show.progress() as board:
        found = run(
            data.sequences,
            names,
            minutes=minutes,
            space=space,
            parts=parts,
            name=data.name,
            seed=seed,
            report=board.report,
        )
    if report is not None:
        from catena.comparing.report import write_report

        write_report(found, report)
        show.say(f"wrote {report}")
    if as_json:
        show.as_json(found.to_dict())
    else:
        show.comparison(found)


def _replaced(data: Data, sequences: object) -> Data:
    """The same data with only some of its sequences."""
    return replace(data, sequences=sequences)  # type: ignore[arg-type]
