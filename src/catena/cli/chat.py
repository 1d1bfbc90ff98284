"""Conversations on the command line: fit, chat, evaluate, info."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from catena.cli import show
from catena.cli.about import tell
from catena.cli.conversation import converse
from catena.cli.given import Given, flag, picked
from catena.cli.learning import keep, learn
from catena.cli.searching import beam
from catena.cli.translate import described, network, scores
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.errors import CatenaError
from catena.formats import Dialogues, read_dialogues
from catena.search import Beam, Sampling
from catena.tasks.chat import HOW, Chat, load
from catena.tasks.writing import beam_of

OF_READING = ("encoding", "errors")
OF_SAMPLING = ("temperature", "top_k", "top_p")
OWN = ("context", "speaker")


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    made = Chat(**network(given), **picked(given, OWN))
    output = given["output"]
    check_writable(output)
    train = _read(given["data"], given)
    held_out = _read(given["valid"], given) if "valid" in given else None
    learn(made, (train.turns, None if held_out is None else held_out.turns), given)
    keep(made, given)
    translator = made.translator_
    symbols = f"{len(translator.target_.space.items):,} symbols ({made.unit})"
    show.say(f"wrote {output}: {made.rung}, context {made.context_}, {symbols}")


def chat(model: Path, given: Given) -> None:
    """A conversation on standard input and output."""
    how = _how(given)
    converse(load(model).session(how, given["seed"]), given.get("transcript"))


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How like others' turns the replies are."""
    how = beam(given)
    made = load(model)
    dialogues = _read(sources, given)
    found = made.evaluate(dialogues.turns, how, given.get("tokenize"))
    if given["json"]:
        return show.as_json(asdict(found) | {"model": str(model), "data": dialogues.name})
    scores(found, [dialogues.name, made.rung.kind], "replies")


def info(model: Path, as_json: bool) -> None:
    """What a file holds."""
    made = load(model)
    own = {"context": made.context, "speaker": made.speaker, "longest": made.longest_}
    inner = made.translator_
    tell(model, "chat", own | described(inner), inner, count_parameters(inner.model_), as_json)


def _how(given: Given) -> Beam | Sampling:
    """How replies are found.

    Raises:
        CatenaError: for options of both ways.
    """
    drawing = picked(given, OF_SAMPLING)
    if "beam" not in given:
        return replace(HOW, **drawing)
    for name in drawing:
        raise CatenaError(
            f"{flag(name)} is for drawing, and --beam searches; leave one of them out"
        )
    return beam_of(given["beam"])


def _read(sources: list[str], given: Given) -> Dialogues:
    """Dialogues, at least one of them of two turns."""
    dialogues = read_dialogues(sources, **picked(given, OF_READING))
    if max(map(len, dialogues.turns)) < 2:
        raise CatenaError(f"{dialogues.name}: no dialogue has two turns: nothing is answered here")
    return dialogues
