"""Composers on the command line: fit, compose, evaluate, info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from catena.cli import show
from catena.cli.about import tell
from catena.cli.fit import choose
from catena.cli.given import Given, picked
from catena.cli.learning import keep, learn
from catena.cli.options import OF_MODELS
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.container import write_atomically
from catena.errors import CatenaError
from catena.formats import Music, read_music, write_midi
from catena.formats.abc import read_tunes
from catena.formats.music import ABC, MIDI, files_in, is_abc
from catena.kinds import describe
from catena.music.abc import Tune
from catena.music.abc import piece as played
from catena.music.piece import Piece
from catena.tasks.compose import STEP, Composer, load
from catena.tasks.music_forms import Form, form_named

OWN = ("step", "transpose")
READING = ("skip_bad", "encoding", "errors")


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    rung, learner = choose(given["model"], picked(given, OF_MODELS))
    name = _form_name(given["data"], given)
    own = picked(given, OWN)
    composer = Composer(rung, form=name, learner=learner, seed=given["seed"], **own)
    output = given["output"]
    check_writable(output)
    form = form_of(given["data"], given)
    train = _read(given["data"], form, given)
    held_out = _read(given["valid"], form, given) if "valid" in given else None
    learn(composer, (train, held_out), given)
    keep(composer, given)
    pieces = "1 piece" if len(train) == 1 else f"{len(train):,} pieces"
    show.say(f"wrote {output}: {rung}, {_seen_as(composer)}, {pieces}")


def compose(
    model: Path,
    output: Path,
    primer: Path | None,
    bars: int | None,
    n: int,
    drawing: Mapping[str, Any],
) -> None:
    """New music, each piece with its picture: MIDI files, or one of ABC."""
    if n < 1:
        raise CatenaError(f"-n must be at least 1, not {n}")
    composer = load(model)
    _check_name(output, composer)
    names = [output.with_stem(f"{output.stem}-{i + 1}") for i in range(n)] if n > 1 else [output]
    pictures = [name.with_suffix(".png") for name in names]
    as_abc = is_abc(output)
    for name in ([output] if as_abc else names) + pictures:
        check_writable(name)
    begin = None if primer is None else _primer(primer, composer)
    works = composer.compose(begin, bars, n=n, **drawing)
    if as_abc:
        write_atomically(output, "\n".join(tune.text for tune in works).encode())
        show.say(f"wrote {output}: {'1 tune' if n == 1 else f'{n:,} tunes'}")
    for name, work, picture in zip(names, works, pictures, strict=True):
        composer.draw(picture, work, begin)
        if not as_abc:
            write_midi(played(work) if isinstance(work, Tune) else work, name)
        show.say(f"wrote {picture}" if as_abc else f"wrote {name} and {picture}")


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How well pieces are predicted."""
    composer = load(model)
    form = form_named(composer.form, composer.step)
    found = composer.evaluate(_read(sources, form, given))
    name = ", ".join(sources)
    if given["json"]:
        show.as_json(asdict(found) | {"model": str(model), "data": name})
        return
    rows = [
        [f"nats per {found.unit}", f"{found.nats:.4f}"],
        ["log-likelihood (nats)", f"{found.log_likelihood:,.2f}"],
        [f"{found.unit}s", f"{found.steps:,}"],
        ["pieces", f"{found.pieces:,}"],
    ]
    if composer.form == "abc":
        rows.append(["unknown symbols", f"{found.unknown:,}"])
    show.table([name, composer.rung.kind], rows)


def info(model: Path, as_json: bool) -> None:
    """What a composer's file holds."""
    composer = load(model)
    generator, metre = composer.generator_, composer.metre_
    own = {
        "model": describe(composer.rung),
        "form": composer.form,
        "step": None if composer.form == "abc" else f"1/{composer.step}",
        "transpose": composer.transpose,
        "metre": f"{metre.beats}/{metre.unit}",
        "tempo": composer.tempo_,
        "space": show.space_text(generator.space_),
    }
    tell(model, "compose", own, generator, count_parameters(generator.model_), as_json)


# -- what is read and written ---------------------------------------------------------------------


def form_of(sources: list[str], given: Given) -> Form:
    """What the options, or else the files, say that a piece is.

    Raises:
        CatenaError: for a form or a step that there is not.
    """
    return form_named(_form_name(sources, given), given.get("step", STEP))


def read_encoded(sources: list[str], form: Form, given: Given) -> list[Any]:
    """The pieces of files as a model takes them."""
    return [form.encode(work) for work in _read(sources, form, given)]


def _form_name(sources: list[str], given: Given) -> str:
    """What was asked for; else tunes of ABC as they are written, and events of anything more."""
    usual = "abc" if all(map(is_abc, files_in(sources, (*MIDI, *ABC)))) else "events"
    name = given.get("form", usual)
    if name == "abc" and "step" in given:
        raise CatenaError("--step is for events and frames: a tune of ABC has lengths of its own")
    return name


def _seen_as(composer: Composer) -> str:
    if composer.form == "abc":
        return "tunes of ABC"
    return f"{composer.form} of 1/{composer.step} notes"


def _read(sources: list[str], form: Form, given: Given) -> list[Any]:
    """The pieces or tunes that have a place in a form; those that are skipped are named."""
    skip, how = given.get("skip_bad", False), picked(given, READING)
    if form.work is Tune:
        tunes = read_tunes(files_in(sources, ABC), **how)
        works, skipped = tunes.tunes, tunes.skipped
    else:
        works, skipped = _fitting(read_music(sources, **how), form)
        if skipped and not skip:
            raise CatenaError(f"{skipped[0]}; --skip-bad leaves such pieces out")
    for reason in skipped:
        show.say(f"skipped: {reason}")
    if skipped:
        show.say(f"skipped {len(skipped):,} of {len(skipped) + len(works):,}")
    if not works:
        raise CatenaError(f"{', '.join(sources)}: no piece is left")
    return works


def _fitting(music: Music, form: Form) -> tuple[list[Piece], list[str]]:
    """The pieces that have a place in the form, and what is wrong with the others."""
    pieces, skipped = [], list(music.skipped)
    for piece in music.pieces:
        try:
            if not len(form.encode(piece)):
                raise CatenaError("there is no note in it but drums, which are left out")
            pieces.append(piece)
        except CatenaError as error:
            skipped.append(f"{piece.name}: {error}")
    return pieces, skipped


def _primer(path: Path, composer: Composer) -> Piece | Tune:
    """The one piece, or the one tune, in a file.

    Raises:
        CatenaError: where there are several.
    """
    if composer.form == "abc":
        found: list[Any] = read_tunes(path).tunes
    else:
        found = read_music([path]).pieces
    if len(found) != 1:
        raise CatenaError(f"{path}: {len(found):,} tunes; a primer is one")
    return found[0]


def _check_name(output: Path, composer: Composer) -> None:
    """Refuse the name of a file of another kind than can be written."""
    suffixes = (*MIDI, *ABC) if composer.form == "abc" else MIDI
    if output.suffix.lower() not in suffixes:
        raise CatenaError(f"{output}: the name of what is composed ends in {' or '.join(suffixes)}")
