"""What is done with a fitted model: evaluate, generate, next, surprise, info."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catena.cli import show
from catena.cli.reading import Reading, load_with_data, located
from catena.comparing.compare import count_parameters
from catena.errors import CatenaError
from catena.formats import Data
from catena.ladder import describe
from catena.space import Item, Symbols
from catena.tasks.generate import Generator, load


def evaluate(model: Path, sources: list[str], reading: Reading, as_json: bool) -> None:
    """How well a model predicts some data."""
    generator, data = load_with_data(model, sources, reading)
    with located(data):
        found = generator.evaluate(data.sequences)
    if as_json:
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
    show.table(None, [data.name, generator.rung.kind], rows)


@dataclass(frozen=True)
class Drawing:
    """The options of `catena generate`."""

    n: int = 1
    length: int = 400
    min_length: int = 0
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0


def generate(model: Path, prompt: str | None, how: Drawing, beam: int | None) -> None:
    """More of the same."""
    generator = load(model)
    begin = parse_prompt(generator, prompt)
    if beam is None:
        drawn = generator.sample(
            how.n,
            begin,
            temperature=how.temperature,
            top_k=how.top_k,
            top_p=how.top_p,
            min_length=how.min_length,
            max_length=how.length,
            seed=how.seed,
        )
    else:
        found = generator.beam(begin, beam, min_length=how.min_length, max_length=how.length)
        drawn = [sequence for sequence, _ in found[: how.n]]
    _print_sequences(generator, drawn)


def next_symbols(model: Path, prefix: str | None, k: int, as_json: bool) -> None:
    """The likeliest next symbols."""
    generator = load(model)
    if k < 1:
        raise CatenaError(f"-k must be at least 1, not {k}")
    found = generator.next(parse_prompt(generator, prefix), k)
    if as_json:
        show.as_json([{"symbol": symbol, "probability": p} for symbol, p in found])
        return
    rows = [[_visible(symbol), f"{p:.4f}", f"{-np.log2(p):.2f}"] for symbol, p in found]
    show.table(None, ["next", "probability", "bits"], rows)


def surprise(
    model: Path, sources: list[str], reading: Reading, top: int | None, as_json: bool
) -> None:
    """Bits of every step: what in this data is unusual?"""
    generator, data = load_with_data(model, sources, reading)
    steps = _steps(generator, data)
    if top is not None:
        steps = iter(sorted(steps, key=lambda step: -step["bits"])[:top])
    if not as_json:
        show.result("bits\tplace\tstep\tsymbol")
    for step in steps:
        if as_json:
            show.result(json.dumps(step, ensure_ascii=False))
        else:
            symbol = _visible(step["symbol"])
            show.result(f"{step['bits']:.3f}\t{step['place']}\t{step['step']}\t{symbol}")


def info(model: Path, as_json: bool) -> None:
    """What a model file holds."""
    generator = load(model)
    history = generator.history_
    facts: dict[str, Any] = {
        "file": str(model),
        "bytes": model.stat().st_size,
        "task": "generate",
        "model": describe(generator.rung),
        "space": show.space_text(generator.space_),
        "parameters": count_parameters(generator.model_),
        "learner": {"kind": generator.learner_.kind, **asdict(generator.learner_)},  # type: ignore[arg-type]
        "epochs": history.epochs,
        "seconds": history.seconds,
        "notes": history.notes,
        "seed": generator.seed,
    }
    if as_json:
        show.as_json(facts)
        return
    rows = [[name, _plain(value)] for name, value in facts.items()]
    for name, value in rows:
        show.result(f"{name:<11} {value}")


def parse_prompt(generator: Generator, prompt: str | None) -> Any:
    """A prompt from the command line, as the model's space takes it.

    Items are separated by blanks; observations of a numeric model are a JSON list.

    Raises:
        CatenaError: when the prompt cannot be encoded.
    """
    if not prompt:
        return None
    space = generator.space_
    if not isinstance(space, Symbols):
        return _parse_numbers(prompt)
    parsed: Any = prompt
    if space.unit == "item":
        known = set(space.items)
        parsed = [_item(piece, known) for piece in prompt.split()]
    encoded = space.encode([parsed])
    unknown = space.unknown_number
    if unknown is not None and len(encoded.values) and bool((encoded.values == unknown).all()):
        raise CatenaError(
            f"the prompt {prompt!r} cannot be encoded: none of its symbols was seen in training"
        )
    return parsed


def _item(piece: str, known: set[Item]) -> Item:
    """The item of the vocabulary that a word on the command line means: 7 may be a number."""
    if piece not in known and piece.lstrip("-").isdigit() and int(piece) in known:
        return int(piece)
    return piece


def _parse_numbers(prompt: str) -> np.ndarray:
    try:
        numbers = np.asarray(json.loads(prompt), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise CatenaError(
            f"the prompt must be a JSON list of observations, like [[1.5, 2.0]]: {error}"
        ) from error
    return numbers


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


def _steps(generator: Generator, data: Data) -> Iterator[dict[str, Any]]:
    space = generator.space_
    with located(data):
        encoded = space.encode(data.sequences)
    log_prob = generator.model_.log_prob(encoded)
    for index, (values, nats) in enumerate(zip(encoded, log_prob, strict=True)):
        bits = (-nats.double() / show.NATS_A_BIT).tolist()
        for step, surprise_bits in enumerate(bits):
            yield {
                "bits": surprise_bits,
                "place": data.place(index),
                "step": step + 1,
                "symbol": _symbol(generator, values, step),
            }


def _symbol(generator: Generator, values: Any, step: int) -> Any:
    space = generator.space_
    if not isinstance(space, Symbols):
        return values[step].tolist()
    return space.name(int(values[step]) if step < len(values) else len(space.items))


def _visible(symbol: Any) -> str:
    """A symbol that does not disturb the line it is printed on."""
    text = str(symbol)
    return text if text.isprintable() and text.strip() else repr(text)[1:-1] if text.strip() else repr(text)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "–"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
