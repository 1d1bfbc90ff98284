"""`catena compare`: which rung does this data need?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from catena.cli import show
from catena.cli.classify import check_known
from catena.cli.compose import form_of, read_encoded
from catena.cli.given import Given
from catena.cli.labelled import LabelledReading, notes_on
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


@dataclass(frozen=True)
class Material:
    """Data that was read and split; its space, where it has one."""

    name: str
    parts: Split
    space: Space | None = None


def compare(given: Given) -> None:
    """Fit the ladder on the same data and say what each rung is worth.

    Args:
        given: all that stands on the command line, by name.
    """
    task: str = given["task"]
    models, report = given.get("models"), given.get("report")
    if report is not None:
        check_writable(report)
    material = READERS[task](given)
    with show.progress() as board:
        found = run(
            None,
            None if models is None else [name.strip() for name in models.split(",")],
            task=task,
            minutes=given["minutes"],
            space=material.space,
            parts=material.parts,
            name=material.name,
            seed=given["seed"],
            report=board.report,
        )
    if report is not None:
        from catena.comparing.report import write_report

        write_report(found, report)
        show.say(f"wrote {report}")
    if given["json"]:
        show.as_json(found.to_dict())
    else:
        show.comparison(found)


def _to_generate(given: Given) -> Material:
    data = Reading.of(given).read(given["data"])
    parts = split(data.sequences, given["seed"], unit=data.unit)
    space = learn_space(replace(data, sequences=parts.train), *_symbols(given))
    encode(space, data)  # an error names file and line here, which the parts know no longer
    return Material(data.name, parts, space)


def _to_classify(given: Given) -> Material:
    reading = LabelledReading.of(given)
    data = reading.read(given["data"])
    for note in notes_on(data.data):
        show.say(note)
    space = learn_space(data.data, *_symbols(given))
    valid, test = (
        reading.read_like(space, sources) if sources else None for sources in _held_out(given)
    )
    if valid is not None:
        check_known(valid, data)
    for part in (data, valid, test):
        if part is not None:
            encode(space, part.data)  # as above
    parts = _split(data.data.name, _pair(data), valid and _pair(valid), test and _pair(test), given)
    train = replace(data.data, sequences=parts.train[0])
    return Material(data.data.name, parts, learn_space(train, *_symbols(given)))


def _to_tag(given: Given) -> Material:
    reading = TokenReading.of(given)
    files = [reading.read(source) for source in given["data"]]
    columns = files[0].columns
    corpus = read_labelled(files, columns)

    def held_out(sources: list[str] | None) -> tuple[Any, Any] | None:
        if not sources:
            return None
        found = [reading.read_as(source, columns) for source in sources]
        return _sentences(read_labelled(found, columns))

    valid, test = map(held_out, _held_out(given))
    parts = _split(corpus.name, _sentences(corpus), valid, test, given)
    return Material(corpus.name, parts)


def _to_recommend(given: Given) -> Material:
    data, held_out = read_sessions(given["data"], given), _held_out(given)
    if not any(held_out):
        return Material(data.name, split_by_end(data.sequences, data.ends, starts=data.starts))
    if not all(held_out):
        raise CatenaError("sessions are held out by their times: give --valid and --test, or none")
    known = data.sequences[0][0]
    valid, test = (read_like(known, part, given).sequences for part in held_out)
    return Material(data.name, Split(data.sequences, valid, test, rule="the parts as given"))


def _to_compose(given: Given) -> Material:
    sources, held_out = given["data"], _held_out(given)
    form = form_of(sources, given)
    rows = read_encoded(sources, form, given)
    if all(held_out):
        valid, test = (read_encoded(part, form, given) for part in held_out)
        parts = Split(rows, valid, test, rule="the parts as given")
    elif any(held_out):
        raise CatenaError("give --valid and --test, or none: pieces are then drawn for both")
    else:
        parts = split(rows, given["seed"])
    return Material(", ".join(sources), parts, form.space(parts.train))


READERS = {
    "generate": _to_generate,
    "classify": _to_classify,
    "tag": _to_tag,
    "recommend": _to_recommend,
    "compose": _to_compose,
}


def _split(name: str, data: tuple[Any, Any], valid: Any, test: Any, given: Given) -> Split:
    try:
        return split_labelled(data[0], data[1], given["seed"], valid, test)
    except CatenaError as error:
        raise CatenaError(f"{name}: {error}") from error


def _pair(labelled: Labelled) -> tuple[Any, Any]:
    return labelled.data.sequences, labelled.labels


def _sentences(corpus: Corpus) -> tuple[Any, Any]:
    return corpus.sentences, corpus.labels


def _symbols(given: Given) -> tuple[Any, Any]:
    return given.get("unknown"), given.get("minimum")


def _held_out(given: Given) -> tuple[Any, Any]:
    """The files of --valid and --test."""
    return given.get("valid"), given.get("test")
