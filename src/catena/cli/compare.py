"""`catena compare`: which rung does this data need?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from catena.cli import show
from catena.cli.reading import Reading, encode, learn_space
from catena.cli.writing import check_writable
from catena.comparing.compare import compare as run
from catena.split import split


@dataclass(frozen=True)
class Job:
    """What `catena compare` was asked for."""

    sources: list[str]
    models: str | None
    minutes: float
    report: Path | None
    as_json: bool
    reading: Reading
    unknown: str | None
    minimum: int | None
    seed: int


def compare(job: Job) -> None:
    """Fit the ladder on the same data and say what each rung is worth."""
    if job.report is not None:
        check_writable(job.report)
    data = job.reading.read(job.sources)
    parts = split(data.sequences, job.seed, unit=data.unit)
    space = learn_space(replace(data, sequences=parts.train), job.unknown, job.minimum)
    encode(space, data)  # an error names file and line here, which the parts know no longer
    with show.progress() as board:
        found = run(
            data.sequences,
            None if job.models is None else [name.strip() for name in job.models.split(",")],
            minutes=job.minutes,
            space=space,
            parts=parts,
            name=data.name,
            seed=job.seed,
            report=board.report,
        )
    if job.report is not None:
        from catena.comparing.report import write_report

        write_report(found, job.report)
        show.say(f"wrote {job.report}")
    if job.as_json:
        show.as_json(found.to_dict())
    else:
        show.comparison(found)
