"""Generators on the command line: fit, evaluate, generate, next, surprise, info."""

from __future__ import annotations

import heapq
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.cli import show
from catena.cli.about import tell
from catena.cli.fit import choose
from catena.cli.form import Form, item_meant
from catena.cli.given import Given, picked
from catena.cli.learning import keep, learn
from catena.cli.options import FORM, OF_DRAWING, OF_MODELS
from catena.cli.reading import Reading, encode, learn_space, load_with_data
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.errors import CatenaError
from catena.formats import Data
from catena.kinds import describe
from catena.ladder import Rung
from catena.metrics import copied
from catena.sequences import Sequences
from catena.space import Space, Symbols
from catena.tasks.generate import NATS_A_BIT, Generator, load

# Of a prompt that cannot be encoded.
LONGEST_SHOWN = 60
NUMBERS = "it must be a JSON list of observations, like [[1.5, 2.0], [1.0, 3.5]]"


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    rung, learner = choose(given["model"], picked(given, OF_MODELS))
    check_writable(given["output"])
    reading = Reading.of(given)
    data = reading.read(given["data"])
    space = learn_space(data, given.get("unknown"), given.get("minimum"))
    _check_fits(rung, space, data.name)
    train = encode(space, data)
    held_out = encode(space, reading.read_like(space, given["valid"])) if "valid" in given else None
    generator = Generator(rung, space=space, learner=learner, seed=given["seed"])
    learn(generator, (train, held_out), given)
    keep(generator, given)
    show.say(f"wrote {given['output']}: {rung} over {show.space_text(space)}")


def _check_fits(rung: Rung, space: Space, name: str) -> None:
    """Whether there is such a model of such data, tried without any memory."""
    try:
        with torch.device("meta"):
            rung.build(space)
    except CatenaError as error:
        raise CatenaError(f"{name}: {error}") from error


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How well a model predicts some data."""
    generator, data, encoded = load_with_data(model, sources, Reading.of(given))
    found = generator.summarise(encoded, generator.model_.log_prob(encoded))
    if given["json"]:
        show.as_json(asdict(found) | {"model": str(model), "data": data.name})
        return
    rows = [
        ["bits per symbol", f"{found.bits_per_symbol:.4f}"],
        ["perplexity", f"{found.perplexity:.4f}"],
        ["log-likelihood (nats)", f"{found.log_likelihood:,.2f}"],
        ["symbols", f"{found.symbols:,}"],
        ["sequences", f"{found.sequences:,}"],
        ["unknown symbols", f"{found.unknown:,}"],
    ]
    if found.bits_per_character is not None:
        rows.insert(2, ["bits per character", f"{found.bits_per_character:.4f}"])
    show.table([data.name, generator.rung.kind], rows)


def generate(model: Path, given: Given) -> None:
    """More of the same, and how much of it stands in the training data."""
    beam, training = given.get("beam"), given.get("copied")
    if beam is not None and beam < 1:
        raise CatenaError(f"--beam must be at least 1, not {beam}")
    generator = load(model)
    begin = parse_prompt(generator.space_, given.get("prompt"))
    how: dict[str, Any] = {
        "min_length": given["min_length"],
        "max_length": given["length"],
        "constraint": Form(**picked(given, FORM)).constraint(generator.space_),
    }
    known = None if training is None else Reading().read_like(_symbols(generator), [training])
    if beam is None:
        drawn = generator.sample(given["n"], begin, **how, **picked(given, OF_DRAWING))
    else:
        found = generator.beam(begin, beam, **how)
        if not found:
            raise CatenaError("the model gives what obeys probability 0: draw without --beam")
        drawn = [sequence for sequence, _ in found[: given["n"]]]
    _print_sequences(generator, drawn)
    if known is not None:
        _say_copied(generator.space_, drawn, known)


def next_symbols(model: Path, prefix: str | None, k: int, as_json: bool) -> None:
    """The likeliest next symbols."""
    if k < 1:
        raise CatenaError(f"-k must be at least 1, not {k}")
    generator = load(model)
    found = generator.next(parse_prompt(generator.space_, prefix), k)
    if as_json:
        show.as_json([{"symbol": symbol, "probability": p} for symbol, p in found])
        return
    rows = [[show.visible(symbol), f"{p:.4f}", f"{-math.log2(p):.2f}"] for symbol, p in found]
    show.table(["next", "probability", "bits"], rows)


def surprise(
    model: Path, sources: list[str], reading: Reading, top: int | None, as_json: bool
) -> None:
    """Bits of every step: what in this data is unusual?"""
    if top is not None and top < 1:
        raise CatenaError(f"--top must be at least 1, not {top}")
    generator, data, encoded = load_with_data(model, sources, reading)
    steps = _steps(generator, data, encoded)
    if top is not None:
        steps = heapq.nlargest(top, steps, key=lambda step: step["bits"])
    if not as_json:
        show.result("bits\tplace\tstep\tsymbol")
    for step in steps:
        if as_json:
            show.as_json(step, indent=None)
        else:
            bits, symbol = f"{step['bits']:.3f}", show.visible(step["symbol"])
            show.result(f"{bits}\t{step['place']}\t{step['step']}\t{symbol}")


def info(model: Path, as_json: bool) -> None:
    """What a model file holds."""
    generator = load(model)
    own = {"model": describe(generator.rung), "space": show.space_text(generator.space_)}
    tell(model, "generate", own, generator, count_parameters(generator.model_), as_json)


def parse_prompt(space: Space, prompt: str | None) -> Any:
    """A prompt from the command line, as a space takes it.

    Items are separated by blanks, or they are a JSON list; observations of a numeric model are a
    JSON list of lists.

    Raises:
        CatenaError: when the prompt cannot be encoded.
    """
    if not prompt:
        return None
    shown = repr(prompt if len(prompt) <= LONGEST_SHOWN else f"{prompt[:LONGEST_SHOWN]} ...")
    try:
        parsed = _parsed(space, prompt)
        encoded = space.encode([parsed]).values
    except CatenaError as error:
        raise CatenaError(f"the prompt {shown} cannot be encoded: {error}") from error
    unknown = space.unknown_number if isinstance(space, Symbols) else None
    if unknown is not None and len(encoded) and bool((encoded == unknown).all()):
        raise CatenaError(
            f"the prompt {shown} cannot be encoded: none of its symbols was seen in training"
        )
    return parsed


def _parsed(space: Space, prompt: str) -> Any:
    if not isinstance(space, Symbols):
        return _numbers(prompt)
    if space.unit != "item":
        return prompt
    if prompt.lstrip().startswith("["):
        return _json(prompt)
    return [item_meant(space, word) for word in prompt.split()]


def _numbers(prompt: str) -> np.ndarray:
    try:
        observations = np.asarray(_json(prompt), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise CatenaError(f"{NUMBERS} ({error})") from error
    if not observations.ndim:
        raise CatenaError(NUMBERS)
    return observations


def _json(prompt: str) -> Any:
    try:
        return json.loads(prompt)
    except (ValueError, RecursionError) as error:
        raise CatenaError(f"it is not JSON: {error}") from error


def _print_sequences(generator: Generator, drawn: list[Any]) -> None:
    space = generator.space_
    for number, sequence in enumerate(drawn):
        if not isinstance(space, Symbols):
            show.result(json.dumps(np.asarray(sequence).tolist()))
        elif isinstance(sequence, bytes):
            sys.stdout.buffer.write(sequence + b"\n")
            sys.stdout.buffer.flush()
        elif isinstance(sequence, str):
            if number and not space.end:  # a stream holds line breaks of its own
                show.result("-" * 40)
            show.result(sequence)
        else:
            show.result(" ".join(map(str, sequence)))


def _symbols(generator: Generator) -> Space:
    """The space of a model of symbols: real numbers are hardly ever drawn twice."""
    if not isinstance(generator.space_, Symbols):
        raise CatenaError("--copied is for models of symbols; leave it out")
    return generator.space_


def _say_copied(space: Space, drawn: list[Any], known: Data) -> None:
    """The longest span of each sequence that the training data has, and how long they are."""
    sides = [space.encode(drawn), encode(space, known)]
    generated, training = ([row.tolist() for row in side] for side in sides)
    found = copied(generated, training)
    for number, (row, span) in enumerate(zip(generated, found.spans, strict=True), 1):
        place = f", {known.place(span.source)}" if span.length else ""
        show.say(f"sequence {number}: {span.length} of {len(row)} symbols are copied{place}")
    if found.spans:
        shares = ", ".join(f"{share}%: {length:g}" for share, length in found.lengths().items())
        show.say(f"longest copied spans, percentiles: {shares}; copied whole: {found.whole}")


def _steps(generator: Generator, data: Data, encoded: Sequences) -> Iterator[dict[str, Any]]:
    log_prob = generator.model_.log_prob(encoded)
    for index, (values, nats) in enumerate(zip(encoded, log_prob, strict=True)):
        place = data.place(index)
        for step, bits in enumerate((-nats.double() / NATS_A_BIT).tolist()):
            symbol = _symbol(generator.space_, values, step)
            yield {"bits": bits, "place": place, "step": step + 1, "symbol": symbol}


def _symbol(space: Space, values: Tensor, step: int) -> Any:
    if not isinstance(space, Symbols):
        return values[step].tolist()
    return space.name(int(values[step]) if step < len(values) else len(space.items))
