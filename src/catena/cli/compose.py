"""Composers on the command line: fit, compose, evaluate, info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from catena.cli import show
from catena.cli.fit import checkpoint_of, choose, say_beginning
from catena.cli.options import OF_MODELS
from catena.cli.searching import picked
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.errors import CatenaError
from catena.formats import read_midi, read_music, write_midi
from catena.formats.music import MIDI
from catena.ladder import describe
from catena.music.piece import Piece
from catena.tasks.compose import Composer, load

OWN = ("form", "step", "transpose")


def fit(given: Mapping[str, Any]) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    rung, learner = choose(given["model"], picked(given, OF_MODELS))
    composer = Composer(rung, learner=learner, seed=given["seed"], **picked(given, OWN))
    output = given["output"]
    check_writable(output)
    train = _read(given["data"], composer, given)
    held_out = _read(given["valid"], composer, given) if "valid" in given else None
    checkpoint = checkpoint_of(output)
    say_beginning(checkpoint, given["resume"])
    with show.progress() as board:
        composer.fit(
            train,
            held_out,
            report=lambda learned: board.report(given["model"], learned),
            checkpoint=checkpoint,
            resume=given["resume"],
        )
    composer.save(output)
    checkpoint.unlink(missing_ok=True)
    for note in composer.history_.notes:
        show.say(note)
    pieces = "1 piece" if len(train) == 1 else f"{len(train):,} pieces"
    show.say(f"wrote {output}: {rung}, {composer.form} of 1/{composer.step} notes, {pieces}")


def compose(
    model: Path,
    output: Path,
    primer: Path | None,
    bars: int,
    n: int,
    drawing: Mapping[str, Any],
) -> None:
    """New pieces, each with its picture."""
    if n < 1:
        raise CatenaError(f"-n must be at least 1, not {n}")
    if output.suffix.lower() not in MIDI:
        raise CatenaError(f"{output}: the name of a MIDI file ends in .mid")
    names = [output.with_stem(f"{output.stem}-{i + 1}") for i in range(n)] if n > 1 else [output]
    for name in names:
        check_writable(name)
        check_writable(_picture(name))
    composer = load(model)
    begin = None if primer is None else read_midi(primer)
    for name, piece in zip(names, composer.compose(begin, bars, n=n, **drawing), strict=True):
        write_midi(piece, name)
        composer.draw(_picture(name), piece, begin)
        show.say(f"wrote {name} and {_picture(name)}: {len(piece.notes):,} notes")


def evaluate(model: Path, sources: list[str], given: Mapping[str, Any]) -> None:
    """How well pieces are predicted."""
    composer = load(model)
    found = composer.evaluate(_read(sources, composer, given))
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
    show.table([name, composer.rung.kind], rows)


def info(model: Path, as_json: bool) -> None:
    """What a composer's file holds."""
    composer = load(model)
    generator, history, metre = composer.generator_, composer.history_, composer.metre_
    facts: dict[str, Any] = {
        "file": str(model),
        "bytes": model.stat().st_size,
        "task": "compose",
        "model": describe(composer.rung),
        "form": composer.form,
        "step": f"1/{composer.step}",
        "transpose": composer.transpose,
        "metre": f"{metre.beats}/{metre.unit}",
        "tempo": composer.tempo_,
        "space": show.space_text(generator.space_),
        "parameters": count_parameters(generator.model_),
        "learner": {"kind": generator.learner_.kind, **asdict(generator.learner_)},  # type: ignore[arg-type]
        "epochs": history.epochs,
        "seconds": history.seconds,
        "notes": history.notes,
        "seed": composer.seed,
    }
    show.facts(facts, as_json)


def _picture(name: Path) -> Path:
    """Where the picture of a piece is written."""
    return name.with_suffix(".png")


def _read(sources: list[str], composer: Composer, given: Mapping[str, Any]) -> list[Piece]:
    """The pieces that a composer can take; those that are skipped are named."""
    skip = given.get("skip_bad", False)
    music = read_music(sources, skip_bad=skip)
    pieces, skipped = [], list(music.skipped)
    for piece in music.pieces:
        try:
            composer.encode(piece)
        except CatenaError as error:
            skipped.append(f"{piece.name}: {error}")
        else:
            pieces.append(piece)
    if skipped and not skip:
        raise CatenaError(f"{skipped[0]}; --skip-bad leaves such files out")
    for reason in skipped:
        show.say(f"skipped: {reason}")
    if skipped:
        show.say(f"skipped {len(skipped):,} of {len(skipped) + len(pieces):,} files")
    if not pieces:
        raise CatenaError(f"{music.name}: no file is left")
    return pieces
