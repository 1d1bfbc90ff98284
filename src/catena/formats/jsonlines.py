"""JSON lines: one sequence a line.

A line is a text, a list of items (strings and whole numbers), a list of measurements (numbers, or
lists of numbers, one a step), or an object with one of these in the field that --item names, else
in `text`, `sequence` or `paragraphs`. The strings under `paragraphs` are one text, joined by line
breaks. Empty lines are passed over. A file with a fraction in it holds measurements throughout.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from catena.errors import CatenaError
from catena.formats.data import Data
from catena.formats.numeric import check_numbers, numeric_data, numeric_space, place_of_step
from catena.formats.options import Options
from catena.formats.source import Source, decode
from catena.formats.text import lines_of

FIELDS = ("text", "sequence", "paragraphs")
TEXT = "a text"
ITEMS = "a list of items"
WHOLE = "a list of whole numbers"
MEASURES = "a list of measurements"
EMPTY = "an empty list"
MARK = "␞"
Place = Callable[[int], str]


def read_json_lines(source: Source, options: Options) -> Data:
    """The sequences of a file of JSON lines.

    Raises:
        CatenaError: at a line that is not JSON, not a sequence, or not of the kind of the others.
    """
    records, lines = parse_json_lines(source, options)
    return sequences_of_records(source, records, line_place(source.name, lines), options)


def sequences_of_records(
    source: Source, records: Sequence[Any], where: Place, options: Options
) -> Data:
    """The sequences in the values of lines; raises as `read_json_lines` does."""
    options.refuse(source.name, "JSON lines, where a line is a sequence", "stream")
    values: list[Any] = [_sequence(r, options.item, where, i) for i, r in enumerate(records)]
    kinds = [_kind(value, where, i) for i, value in enumerate(values)]
    kind = _common_kind(kinds, options, where)
    if kind == MEASURES:
        options.refuse(source.name, "measurements", "unit")
        return _measurements(source.name, values, options, where)
    unit = options.unit or ("char" if kind == TEXT else "item")
    if (kind == TEXT) == (unit == "item"):
        raise CatenaError(
            f"{where(0)}: --unit {unit} does not fit {kind}; leave --unit out, or give texts for "
            "char, word and byte and lists for item"
        )
    if unit == "byte":
        values = [text.encode("utf-8", "surrogatepass") for text in values]
    return Data(source.name, values, unit, "symbols", False, where)


def parse_json_lines(source: Source, options: Options) -> tuple[list[Any], Sequence[int]]:
    """The value of every line that has one, and the lines' numbers, from 1."""
    texts = lines_of(decode(source, options))
    numbers: Sequence[int] = range(1, len(texts) + 1)
    if not all(map(str.strip, texts)):
        numbers = [number for number, text in zip(numbers, texts, strict=True) if text.strip()]
        texts = [texts[number - 1] for number in numbers]
    if not texts:
        raise CatenaError(f"{source.name}: only empty lines; there is nothing to read")
    return _parse(source.name, texts, numbers), numbers


def line_place(name: str, lines: Sequence[int]) -> Place:
    """Record number -> the file and line it stands in."""
    return lambda i: f"{name}, line {lines[i]}"


def _parse(name: str, texts: Sequence[str], numbers: Sequence[int]) -> list[Any]:
    """All lines in one call, three times as fast as one by one, which is left to faulty files.

    Marks between the lines tell one value a line from values that break off, go on or double up.
    """
    try:
        values = json.loads("[" + f',"{MARK}",'.join(texts) + "]")
        if len(values) == 2 * len(texts) - 1 and values[1::2].count(MARK) == len(texts) - 1:
            return values[::2]
    except (ValueError, RecursionError):
        pass
    return [_parse_line(name, text, number) for text, number in zip(texts, numbers, strict=True)]


def _parse_line(name: str, text: str, number: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CatenaError(
            f"{name}, line {number}, column {error.colno}: not JSON: {error.msg}; every line must "
            "be one whole JSON value, or name the file .txt to read it as text"
        ) from error
    except (ValueError, RecursionError) as error:
        raise CatenaError(f"{name}, line {number}: JSON that cannot be read: {error}") from error


def _sequence(value: Any, item: str | None, where: Place, i: int) -> str | list[Any]:
    """What a line holds: itself, or the field of an object."""
    if isinstance(value, dict):
        fields = FIELDS if item is None else (item,)
        field = next((field for field in fields if field in value), None)
        if field is None:
            there = ", ".join(value) or "none"
            raise CatenaError(
                f"{where(i)}: no field {' or '.join(fields)}; name one with --item "
                f"(there are: {there})"
            )
        value = value[field]
        if field == "paragraphs" and isinstance(value, list):
            return _joined(value, where, i)
    elif item is not None:
        raise CatenaError(f"{where(i)}: not an object with a field {item}; leave out --item")
    if not isinstance(value, (str, list)):
        raise CatenaError(
            f"{where(i)}: {_show(value)} is not a sequence; give a text or a list, or read events "
            "with --group-by and --item"
        )
    return value


def _joined(paragraphs: list[Any], where: Place, i: int) -> str:
    if not all(isinstance(paragraph, str) for paragraph in paragraphs):
        raise CatenaError(f"{where(i)}: paragraphs must all be strings")
    return "\n".join(paragraphs)


def _kind(value: str | list[Any], where: Place, i: int) -> str:
    if isinstance(value, str):
        return TEXT
    types = set(map(type, value))
    if not types:
        return EMPTY
    if types == {int}:
        return WHOLE
    if types <= {str, int}:
        return ITEMS
    if types <= {int, float, bool} or types == {list}:
        return MEASURES
    wrong = next((k for k, x in enumerate(value) if x is None or isinstance(x, (dict, list))), None)
    if wrong is None:
        wrong = next(k for k, x in enumerate(value) if isinstance(x, (float, bool)))
    raise CatenaError(
        f"{where(i)}, item {wrong + 1}: {_show(value[wrong])} among other items; an item is a "
        "string or a whole number; mend it or leave it out"
    )


def _common_kind(kinds: list[str], options: Options, where: Place) -> str:
    """The one kind that all lines are of; whole numbers can be items and measurements."""
    if options.measures or (MEASURES in kinds and options.space != "symbols"):
        common, fits = MEASURES, {MEASURES, WHOLE, EMPTY}
    elif TEXT in kinds:
        common, fits = TEXT, {TEXT}
    else:
        common, fits = ITEMS, {ITEMS, WHOLE, EMPTY}
    odd = next((i for i, kind in enumerate(kinds) if kind not in fits), None)
    if odd is not None:
        like = next((i for i, kind in enumerate(kinds) if kind == common), None)
        asked = f"--space {options.space} was asked for"
        why = asked if like is None else f"{where(like)} {common}"
        raise CatenaError(
            f"{where(odd)} holds {kinds[odd]}, but {why}; every line must be of one kind"
        )
    return common


def _measurements(name: str, values: list[Any], options: Options, where: Place) -> Data:
    arrays = [_rows(value, where, i) for i, value in enumerate(values)]
    dim = next((array.shape[1] for array in arrays if len(array)), 1)
    odd = next((i for i, a in enumerate(arrays) if len(a) and a.shape[1] != dim), None)
    if odd is not None:
        raise CatenaError(
            f"{where(odd)}: steps of {arrays[odd].shape[1]} numbers, where the lines before it "
            f"have {dim}; every step must have as many"
        )
    lengths = np.array([len(array) for array in arrays], np.int64)
    rows = [array for array in arrays if len(array)]
    solid = np.concatenate(rows) if rows else np.zeros((0, dim))
    check_numbers(solid, numeric_space(options), place_of_step(lengths, where))
    return numeric_data(name, solid, lengths, options, False, where)


def _rows(value: list[Any], where: Place, i: int) -> np.ndarray:
    """One line as `[length, dim]`."""
    nested = bool(value) and isinstance(value[0], list)
    if nested:
        _check_widths(value, where, i)
    flat: Iterable[Any] = chain.from_iterable(value) if nested else value
    numbers = list(flat)
    if not set(map(type, numbers)) <= {int, float, bool}:
        wrong = next(x for x in numbers if not isinstance(x, (int, float)))
        raise CatenaError(f"{where(i)}: {_show(wrong)} is not a number; mend it or leave it out")
    try:
        return np.array(numbers, np.float64).reshape(len(value), len(value[0]) if nested else 1)
    except OverflowError as error:
        raise CatenaError(f"{where(i)}: a number is too large; mend it or leave it out") from error


def _check_widths(value: list[list[Any]], where: Place, i: int) -> None:
    widths = [len(row) for row in value]
    odd = next((step for step, width in enumerate(widths) if width != widths[0] or not width), None)
    if odd is not None:
        raise CatenaError(
            f"{where(i)}, step {odd + 1}: {widths[odd]} numbers, where the first step has "
            f"{widths[0]}; every step must have as many, at least 1"
        )


def _show(value: Any) -> str:
    """A JSON value as it is written, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
