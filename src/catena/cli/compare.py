"""`catena compare`: which rung does this data need?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from catena.cli import show
from catena.cli.classify import check_known
from catena.cli.classify import reading as labelled_reading
from catena.cli.compose import form_of, read_encoded
from catena.cli.labelled import notes_on
from catena.cli.reading import Reading, encode, learn_space
from catena.cli.recommend import read as read_sessions
from catena.cli.recommend import read_like
from catena.cli.tokens import Corpus, TokenReading, read_labelled
from catena.cli.writing import check_writable
from catena.comparing.compare import compare as run
from catena.errors import CatenaError
from catena.formats import Labelled
from catena.space import Space
from catena.split import Split, split, split_by_end, split_labelled

OF_SEQUENCES = tuple(field.name for field in fields(Reading))
OF_TOKENS = tuple(field.name for field in fields(TokenReading))


@dataclass(frozen=True)
class Job:
    """What `catena compare` was asked for.

    Args:
        valid, test: files that hold these parts, for tasks that label; cut from DATA otherwise.
        given: the options that say how data is read, by name.
    """

    sources: list[str]
    task: str
    models: str | None
    minutes: float
    report: Path | None
    as_json: bool
    valid: list[str]
    test: list[str]
    given: Mapping[str, Any]
    seed: int


@dataclass(frozen=True)
class Material:
    """Data that was read and split; its space, where it has one."""

    name: str
    parts: Split
    space: Space | None = None


def compare(job: Job) -> None:
    """Fit the ladder on the same data and say what each rung is worth."""
    if job.report is not None:
        check_writable(job.report)
    material = READERS[job.task](job)
    with show.progress() as board:
        found = run(
            None,
            None if job.models is None else [name.strip() for name in job.models.split(",")],
            task=job.task,
            minutes=job.minutes,
            space=material.space,
            parts=material.parts,
            name=material.name,
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


def _to_generate(job: Job) -> Material:
    data = Reading(**_chosen(job, OF_SEQUENCES)).read(job.sources)
    parts = split(data.sequences, job.seed, unit=data.unit)
    space = learn_space(replace(data, sequences=parts.train), *_symbols(job))
    encode(space, data)  # an error names file and line here, which the parts know no longer
    return Material(data.name, parts, space)


def _to_classify(job: Job) -> Material:
    reading = labelled_reading(job.given)
    data = reading.read(job.sources)
    for note in notes_on(data.data):
        show.say(note)
    space = learn_space(data.data, *_symbols(job))
    valid, test = (
        reading.read_like(space, sources) if sources else None for sources in (job.valid, job.test)
    )
    if valid is not None:
        check_known(valid, data)
    for part in (data, valid, test):
        if part is not None:
            encode(space, part.data)  # as above
    parts = _split(data.data.name, _pair(data), valid and _pair(valid), test and _pair(test), job)
    train = replace(data.data, sequences=parts.train[0])
    return Material(data.data.name, parts, learn_space(train, *_symbols(job)))


def _to_tag(job: Job) -> Material:
    reading = TokenReading(**_chosen(job, OF_TOKENS))
    files = [reading.read(source) for source in job.sources]
    columns = files[0].columns
    corpus = read_labelled(files, columns)

    def given(sources: list[str]) -> tuple[Any, Any] | None:
        if not sources:
            return None
        found = [reading.read_as(source, columns) for source in sources]
        return _sentences(read_labelled(found, columns))

    parts = _split(corpus.name, _sentences(corpus), given(job.valid), given(job.test), job)
    return Material(corpus.name, parts)


def _to_recommend(job: Job) -> Material:
    data = read_sessions(job.sources, job.given)
    if not job.valid and not job.test:
        return Material(data.name, split_by_end(data.sequences, data.ends, starts=data.starts))
    if not (job.valid and job.test):
        raise CatenaError("sessions are held out by their times: give --valid and --test, or none")
    known = data.sequences[0][0]
    valid, test = (read_like(known, part, job.given).sequences for part in (job.valid, job.test))
    return Material(data.name, Split(data.sequences, valid, test, rule="the parts as given"))


def _to_compose(job: Job) -> Material:
    form = form_of(job.sources, job.given)
    rows = read_encoded(job.sources, form, job.given)
    if job.valid and job.test:
        valid, test = (read_encoded(part, form, job.given) for part in (job.valid, job.test))
        parts = Split(rows, valid, test, rule="the parts as given")
    elif job.valid or job.test:
        raise CatenaError("give --valid and --test, or none: pieces are then drawn for both")
    else:
        parts = split(rows, job.seed)
    return Material(", ".join(job.sources), parts, form.space(parts.train))


READERS = {
    "generate": _to_generate,
    "classify": _to_classify,
    "tag": _to_tag,
    "recommend": _to_recommend,
    "compose": _to_compose,
}


def _split(name: str, data: tuple[Any, Any], valid: Any, test: Any, job: Job) -> Split:
    try:
        return split_labelled(data[0], data[1], job.seed, valid, test)
    except CatenaError as error:
        raise CatenaError(f"{name}: {error}") from error


def _pair(labelled: Labelled) -> tuple[Any, Any]:
    return labelled.data.sequences, labelled.labels


def _sentences(corpus: Corpus) -> tuple[Any, Any]:
    return corpus.sentences, corpus.labels


def _symbols(job: Job) -> tuple[Any, Any]:
    return job.given.get("unknown"), job.given.get("minimum")


def _chosen(job: Job, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: job.given[name] for name in names if name in job.given}
