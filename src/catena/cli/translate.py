"""Translators on the command line: fit, translate, evaluate, align, info."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from catena.cli import show
from catena.cli.about import tell
from catena.cli.asking import asked
from catena.cli.fit import choose
from catena.cli.given import Given, picked
from catena.cli.learning import keep, learn
from catena.cli.options import OF_MODELS
from catena.cli.searching import beam, fields, ranked
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.errors import CatenaError
from catena.formats import TextPairs, read_pairs
from catena.formats.lines import blocks_of_lines
from catena.formats.source import STDIN
from catena.kinds import describe
from catena.ladder import GRU, LSTM, RNN, Recurrent, Rung, Window, options
from catena.scheduled import ScheduledSampling
from catena.search import Beam
from catena.tasks.attention_plot import END
from catena.tasks.encoder_decoder import Looking
from catena.tasks.picture import picture_format
from catena.tasks.translate import Alignment, Evaluation, LongSource, Translator, load
from catena.tasks.translators import TranslatorEnsemble
from catena.tasks.writing import Written

OF_READING = ("source", "target", "encoding", "errors")
OF_LOOKING = ("attention", "heads", "feeding", "coverage", "copy")
# What the options are called where the translator has another word for it.
OWN = {
    "unit": "unit",
    "subwords": "vocabulary",
    "joint": "joint",
    "minimum": "minimum",
    "label_smoothing": "smoothing",
}
DECODERS: dict[str, type[Recurrent]] = {rung.kind: rung for rung in (RNN, GRU, LSTM)}
ENCODERS = (Window.kind, *DECODERS)
FOREIGN = frozenset({"emission"})  # of numbers, and these are symbols
TOGETHER = 256  # pairs that are aligned at once
PANELS = 9  # pairs that a picture has room for


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    translator = Translator(**network(given))
    output = given["output"]
    check_writable(output)
    train = _read(given["data"], given)
    _check_some(train)
    held_out = _read(given["valid"], given) if "valid" in given else None
    learn(translator, (train.pairs(), None if held_out is None else held_out.pairs()), given)
    keep(translator, given)
    if held_out is not None:
        show.say(f"{held_out.name}: perplexity {translator.perplexity(held_out.pairs()):.4f}")
    show.say(f"wrote {output}: {translator.rung}, {_symbols(translator)}")


def translate(model: Path, source: str, given: Given) -> None:
    """Each line's translation on a line of its own, or its n best."""
    how, limits, n_best = _search(given), _limits(given), given.get("n_best")
    translator = _loaded(model, given)
    name = "standard input" if source == STDIN else source
    number = 0
    for block in blocks_of_lines(source, **picked(given, ("encoding", "errors"))):
        written: list[str] = []
        texts, forms = asked(block, translator.target_, given)
        with _naming(lambda i, before=number: f"{name}, line {before + i + 1}"):
            found = translator.candidates(texts, how, constraint=forms, **limits)
        for own in found:
            number += 1
            written += _written(number, own[: n_best or 1], n_best is not None, given["json"])
        show.result("\n".join(written))


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How good translations are beside others."""
    how, limits = _search(given), _limits(given)
    translator = _loaded(model, given)
    pairs = _read(sources, given)
    with _naming(pairs.place):
        found = translator.evaluate(pairs.pairs(), how, tokenize=given.get("tokenize"), **limits)
    if given["json"]:
        show.as_json(asdict(found) | {"model": str(model), "data": pairs.name})
        return
    scores(found, [pairs.name, _kind(translator)], "pairs")


def align(model: Path, sources: list[str], picture: Path | None, given: Given) -> None:
    """What each symbol of the targets was read off its source by."""
    if picture is not None:
        check_writable(picture)
        picture_format(picture)
    translator = load(model)
    data = _read(sources, given)
    pairs = data.pairs()
    if picture is not None and len(pairs) > PANELS:
        raise CatenaError(
            f"{data.name}: {len(pairs):,} pairs, and --picture has room for {PANELS}; give it "
            "those to be drawn (sed -n 7p FILE picks a line)"
        )
    if not given["json"]:
        show.result("place\ttarget\tsource\tweight")
    rest = iter(enumerate(pairs))
    while block := list(islice(rest, TOGETHER)):
        for (i, _), own in zip(block, translator.align([pair for _, pair in block]), strict=True):
            show.result("\n".join(_aligned(data.place(i), own, given["json"])))
    if picture is not None:
        translator.draw(picture, pairs)
        show.say(f"wrote {picture}")


def info(model: Path, as_json: bool) -> None:
    """What a translator's file holds."""
    made = load(model)
    tell(model, "translate", described(made), made, count_parameters(made.model_), as_json)


# -- what was asked for ---------------------------------------------------------------------------


def network(given: Given) -> dict[str, Any]:
    """The arguments of a task with an encoder and a decoder that the options describe.

    Raises:
        CatenaError: for an option that belongs to another model.
    """
    model = given["model"]
    if model not in ENCODERS:
        raise CatenaError(
            f"--model must be one of {', '.join(ENCODERS)} with --task {given['task']}, "
            f"not {model!r}"
        )
    rung, learner = choose(model, picked(given, OF_MODELS), FOREIGN)
    return {
        "rung": rung,
        "decoder": _decoder(rung, given),
        "looking": Looking(**picked(given, OF_LOOKING)),
        "scheduled": ScheduledSampling(given["scheduled"]) if "scheduled" in given else None,
        "learner": learner,
        "seed": given["seed"],
        **{own: given[name] for name, own in OWN.items() if name in given},
    }


def _decoder(rung: Rung, given: Given) -> Recurrent | None:
    """The decoder's rung: `gru`, or with its size `gru:128`; the encoder's options otherwise.

    Raises:
        CatenaError: for anything else, and where an encoder that cannot decode stands alone.
    """
    text, layers = given.get("decoder"), given.get("decoder_layers")
    if text is None and layers is None and isinstance(rung, Recurrent):
        return None
    kind, colon, units = (rung.kind if text is None else text).partition(":")
    if kind not in DECODERS or (colon and not units.isdecimal()):
        known = ", ".join(DECODERS)
        raise CatenaError(
            f"--decoder is one of {known} with --task {given['task']}, or with its size gru:128, "
            f"not {kind + colon + units!r}"
        )
    made: dict[str, Any] = {
        name: getattr(rung, name) for name in options(DECODERS[kind]) if hasattr(rung, name)
    }
    made["bidirectional"] = False
    if units:
        made["units"] = int(units)
    if layers is not None:
        made["layers"] = layers
    return DECODERS[kind](**made)


def _read(sources: list[str], given: Given) -> TextPairs:
    return read_pairs(sources, **picked(given, OF_READING))


def _check_some(pairs: TextPairs) -> None:
    """Raise where one side has nothing to learn from."""
    if not any(map(str.strip, pairs.sources)) or not any(map(str.strip, pairs.targets)):
        raise CatenaError(
            f"{pairs.name}: all sources or all targets are empty: there is nothing to learn from"
        )


def _search(given: Given) -> Beam:
    """The search that the options describe."""
    return replace(beam(given), unknown=given.get("replace_unknown", False))


def _loaded(model: Path, given: Given) -> Translator | TranslatorEnsemble:
    """The translator in a file, or with others what they are together.

    Raises:
        CatenaError: where one of them has other symbols.
    """
    others = given.get("ensemble", [])
    if not others:
        if "mean" in given:
            raise CatenaError("--mean is for several models; name the others with --ensemble")
        return load(model)
    return TranslatorEnsemble([load(path) for path in (model, *others)], **picked(given, ["mean"]))


def _limits(given: Given) -> dict[str, Any]:
    """From what length on lines are named, and whether they are cut off there."""
    if given.get("limit", 1) < 1:
        raise CatenaError(f"--limit must be at least 1, not {given['limit']}")
    return picked(given, ("limit", "truncate"))


@contextmanager
def _naming(place: Callable[[int], str]) -> Iterator[None]:
    """Lines that are too long, or cannot be what is asked, are named by where they stand."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", LongSource)
        show_others = warnings.showwarning

        def tell(message: Any, *more: Any, **named: Any) -> None:
            if isinstance(message, LongSource):
                show.say(f"{place(message.line - 1)} has {str(message).partition(' has ')[2]}")
            else:
                show_others(message, *more, **named)

        warnings.showwarning = tell
        try:
            yield
        except CatenaError as error:
            if error.sequence is None:
                raise
            raise CatenaError(f"{place(error.sequence)}: {error}") from error


# -- what is said ---------------------------------------------------------------------------------


def described(translator: Translator) -> dict[str, Any]:
    """What a translator is made of, by name."""
    decoder = translator.decoder
    return {
        "model": describe(translator.rung),
        "decoder": None if decoder is None else describe(decoder),
        "attention": asdict(translator.looking),
        "scheduled": None if translator.scheduled is None else asdict(translator.scheduled),
        "label_smoothing": translator.smoothing,
        "unit": translator.unit,
        "joint": translator.joint,
        "source_symbols": len(translator.source_.space.items),
        "target_symbols": len(translator.target_.space.items),
    }


def scores(found: Evaluation, heads: list[str], unit: str) -> None:
    """The table of an evaluation and the signatures.

    Args:
        unit: what there are so many of.
    """
    rows = [
        ["BLEU", f"{found.bleu:.2f}"],
        ["chrF", f"{found.chrf:.2f}"],
        ["perplexity", f"{found.perplexity:.4f}"],
        [unit, f"{found.sentences:,}"],
    ]
    show.table(heads, rows)
    show.result("")
    for name, signature in found.signatures.items():
        show.result(f"{name}  {signature}")


def _written(number: int, found: list[Written], several: bool, as_json: bool) -> Iterator[str]:
    """The lines for the translations of one line."""
    texts = fields(found)
    if as_json:
        yield show.json_text({"line": number, "translations": [one._asdict() for one in texts]})
    elif several:
        yield from ranked(number, texts)
    else:
        yield texts[0].text if texts else ""


def _aligned(place: str, own: Alignment, as_json: bool) -> Iterator[str]:
    """The lines for one pair."""
    if as_json:
        named = {"place": place, "source": own.source, "target": own.target}
        yield show.json_text(named | {"weights": own.weights.astype(float).round(6).tolist()})
        return
    for symbol, weights in zip([*own.target, END], own.weights, strict=True):
        most = int(weights.argmax()) if len(weights) else None
        read = "" if most is None else show.visible(own.source[most])
        weight = "" if most is None else f"{weights[most]:.4f}"
        yield f"{place}\t{show.visible(symbol)}\t{read}\t{weight}"


def _kind(translator: Translator | TranslatorEnsemble) -> str:
    return translator.rung.kind if isinstance(translator, Translator) else "ensemble"


def _symbols(translator: Translator) -> str:
    read, written = (len(side.space.items) for side in (translator.source_, translator.target_))
    counts = f"{read:,}" if translator.joint else f"{read:,} and {written:,}"
    return f"{counts} symbols ({translator.unit})"
