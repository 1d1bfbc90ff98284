"""Captioners on the command line: fit, caption, evaluate, info."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from catena.cli import show
from catena.cli.about import tell
from catena.cli.fit import choose
from catena.cli.given import Given, picked
from catena.cli.learning import keep, learn
from catena.cli.options import OF_MODELS
from catena.cli.searching import beam, fields, ranked
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.errors import CatenaError
from catena.formats.captions import Captioned, is_features, read_captioned, read_features
from catena.kinds import describe
from catena.ladder import GRU, LSTM, RNN
from catena.sequences import Sequences
from catena.tasks.caption import Captioner, load
from catena.tasks.encoder_decoder import Looking
from catena.tasks.regions import Convolution
from catena.tasks.sights import read_pictures
from catena.tasks.writing import Written

OF_READING = ("encoding", "errors")
OF_LOOKING = ("attention", "heads", "feeding", "coverage")
# What the options are called where the captioner has another word for it.
OWN = {
    "unit": "unit",
    "subwords": "vocabulary",
    "minimum": "minimum",
    "label_smoothing": "smoothing",
}
DECODERS = (RNN.kind, GRU.kind, LSTM.kind)
FOREIGN = frozenset({"emission", "bidirectional", "variational"})  # a decoder has none of them
TOGETHER = 64  # pictures that are in memory at once


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    captioner = _captioner(given)
    output = given["output"]
    check_writable(output)
    train = _read(given["data"], given)
    seen = _seen(train, captioner)
    held_out = _read(given["valid"], given) if "valid" in given else None
    valid = None
    if held_out is not None:
        _check_alike(train, held_out)
        valid = _seen(held_out, captioner), held_out.captions
    learn(captioner, (seen, train.captions, valid), given)
    keep(captioner, given)
    symbols = f"{len(captioner.language_.space.items):,} symbols ({captioner.unit})"
    show.say(f"wrote {output}: {captioner.rung}, {symbols}")


def caption(model: Path, files: list[str], picture: Path | None, given: Given) -> None:
    """A caption of each picture, or of each row of features, on a line of its own."""
    how, n_best = beam(given), given.get("n_best")
    captioner = load(model)
    if picture is not None:
        _draw(captioner, files, picture)
    for file, names, sources in _batches(captioner, files):
        with _naming(file):
            texts = captioner.candidates(sources, how)
        for name, own in zip(names, texts, strict=True):
            written = _written(name, own[: n_best or 1], n_best is not None, given["json"])
            show.result("\n".join(written))


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How good captions are beside those given."""
    how = beam(given)
    captioner = load(model)
    data = _read(sources, given)
    with _naming(data.name):
        seen = _seen(data, captioner)
        found = captioner.evaluate(seen, data.captions, how, tokenize=given.get("tokenize"))
    if given["json"]:
        show.as_json(asdict(found) | {"model": str(model), "data": data.name})
        return
    rows = [[f"BLEU-{order}", f"{score:.2f}"] for order, score in enumerate(found.bleu, 1)]
    rows += [
        ["exact", f"{found.exact:.2%}"],
        ["perplexity", f"{found.perplexity:.4f}"],
        ["sources", f"{found.sources:,}"],
    ]
    show.table([data.name, captioner.rung.kind], rows)
    show.result("")
    for order, signature in enumerate(found.signatures, 1):
        show.result(f"BLEU-{order}  {signature}")


def info(model: Path, as_json: bool) -> None:
    """What a captioner's file holds."""
    captioner = load(model)
    space = captioner.space_
    own = {
        "model": describe(captioner.rung),
        "reads": captioner.convolution.describe() if space is None else {"features": space.dim},
        "attention": asdict(captioner.looking),
        "label_smoothing": captioner.smoothing,
        "unit": captioner.unit,
        "symbols": len(captioner.language_.space.items),
    }
    tell(model, "caption", own, captioner, count_parameters(captioner.model_), as_json)


# -- what was asked for ---------------------------------------------------------------------------


def _captioner(given: Given) -> Captioner:
    """The captioner that the options describe.

    Raises:
        CatenaError: for an option that belongs to another model.
    """
    model = given["model"]
    if model not in DECODERS:
        raise CatenaError(
            f"--model must be one of {', '.join(DECODERS)} with --task caption, not {model!r}"
        )
    rung, learner = choose(model, picked(given, OF_MODELS), FOREIGN)
    looking: dict[str, Any] = {"attention": "additive"} | picked(given, OF_LOOKING)
    size = {"size": given["picture_size"]} if "picture_size" in given else {}
    return Captioner(
        rung,
        convolution=Convolution(**size),
        looking=Looking(**looking),
        learner=learner,  # type: ignore[arg-type]
        seed=given["seed"],
        **{own: given[name] for name, own in OWN.items() if name in given},
    )


# -- what is read ---------------------------------------------------------------------------------


def _read(sources: list[str], given: Given) -> Captioned:
    return read_captioned(sources, **picked(given, OF_READING))


def _seen(data: Captioned, captioner: Captioner) -> Any:
    """The pictures, read and scaled, or the features.

    Raises:
        CatenaError: at a picture that cannot be decoded, with the line that names it.
    """
    if isinstance(data.sources, Sequences):
        return data.sources
    try:
        return read_pictures(data.sources, captioner.convolution.size)
    except CatenaError as error:
        if error.sequence is None:
            raise
        raise CatenaError(f"{data.where(error.sequence)}: {error}") from error


def _batches(captioner: Captioner, files: list[str]) -> Iterator[tuple[str, list[str], Any]]:
    """A file, the names of what is to be captioned, and that, in order and some at a time."""
    for pictures, group in groupby(files, key=lambda file: not is_features(file)):
        if not pictures:
            for file in group:
                features = read_features(file)
                names = [f"{file}, row {i + 1}" for i in range(len(features))]
                yield file, names, features
            continue
        while names := list(islice(group, TOGETHER)):
            yield from _pictures(captioner, names)


def _pictures(captioner: Captioner, names: list[str]) -> Iterator[tuple[str, list[str], Any]]:
    """Some pictures; those before one that cannot be decoded come before the error."""
    size = captioner.convolution.size
    try:
        pictures = read_pictures(names, size)
    except CatenaError as error:
        if error.sequence:
            yield names[0], names[: error.sequence], read_pictures(names[: error.sequence], size)
        raise
    yield names[0], names, pictures


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """What is wrong with data inside is said of this file."""
    try:
        yield
    except CatenaError as error:
        named = str(error).startswith(name)
        raise error if named else CatenaError(f"{name}: {error}") from error


def _check_alike(train: Captioned, held_out: Captioned) -> None:
    """Refuse held-out data of another kind than what is learned from."""
    one, other = (
        f"features of {data.sources.event[0]} numbers"
        if isinstance(data.sources, Sequences)
        else "pictures"
        for data in (train, held_out)
    )
    if one != other:
        raise CatenaError(f"{held_out.name} has {other}, but {train.name} has {one}")


def _draw(captioner: Captioner, files: list[str], picture: Path) -> None:
    """What one picture's caption was read off."""
    check_writable(picture)
    if len(files) != 1 or is_features(files[0]):
        raise CatenaError("--picture draws the attention over one picture: name one file")
    captioner.draw(picture, files[0])
    show.say(f"wrote {picture}")


# -- what is said ---------------------------------------------------------------------------------


def _written(name: str, found: list[Written], several: bool, as_json: bool) -> Iterator[str]:
    """The lines for the captions of one source."""
    texts = fields(found)
    if as_json:
        yield show.json_text({"source": name, "captions": [one._asdict() for one in texts]})
    elif several:
        yield from ranked(name, texts)
    else:
        yield f"{name}\t{texts[0].text if texts else ''}"
