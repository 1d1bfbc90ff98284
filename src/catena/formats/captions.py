"""Pictures, or features of them, beside their captions.

tab-separated     picture<TAB>caption, or several captions of the picture with tabs between them
JSON lines        {"picture": "...", "caption": "..."}, or a list under "captions"
two files         features, .npy or .safetensors, and a line of captions for each row of them

Pictures are named from the folder of the file that names them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from catena.errors import CatenaError
from catena.formats.data import Place
from catena.formats.jsonlines import line_place, parse_json_lines
from catena.formats.options import ErrorPolicy, Options
from catena.formats.source import Source, decode, open_sources
from catena.formats.text import lines_of
from catena.sequences import Sequences

ARRAYS = (".npy", ".safetensors")
JSON = (".jsonl", ".ndjson", ".json")
FORM = "picture<TAB>caption lines, JSON lines, or features (.npy, .safetensors) and a file of lines"
NAMED = "features", "lengths"


@dataclass(frozen=True, eq=False)
class Captioned:
    """What captions are of, beside them.

    Args:
        name: the file or files, for people.
        sources: the files of pictures, or features.
        captions: of each source, one or several.
        where: source number -> where its captions stand.
    """

    name: str
    sources: list[Path] | Sequences = field(repr=False)
    captions: list[list[str]] = field(repr=False)
    where: Place = field(repr=False)


def read_captioned(
    sources: Sequence[str | Path],
    *,
    encoding: str | None = None,
    errors: ErrorPolicy | None = None,
) -> Captioned:
    """Read pictures or features with their captions.

    Args:
        sources: one file that names pictures, or features and their captions.
        encoding, errors: how bytes become characters (utf-8, strict).

    Raises:
        CatenaError: for all that can be wrong with a file, with its name, line and remedy.
    """
    options = Options(encoding=encoding, errors=errors)
    opened = open_sources(sources)
    if len(opened) == 2 and opened[0].suffix in ARRAYS and opened[1].suffix not in ARRAYS:
        return _of_features(opened[0], opened[1], options)
    if len(opened) != 1 or opened[0].suffix in ARRAYS:
        raise CatenaError(f"{', '.join(one.name for one in opened)}: captions come as {FORM}")
    (source,) = opened
    if source.suffix in JSON:
        records, lines = parse_json_lines(source, options)
        where = line_place(source.name, lines)
        rows = [_of_record(record, where(i)) for i, record in enumerate(records)]
    else:
        texts = lines_of(_text(source, options))
        kept = [i for i, text in enumerate(texts) if text.strip()]
        where = line_place(source.name, [i + 1 for i in kept])
        rows = [_of_line(texts[at], where(i)) for i, at in enumerate(kept)]
    if not rows:
        raise CatenaError(f"{source.name}: only empty lines; there is nothing to read")
    folder = Path() if source.name == "standard input" else Path(source.name).parent
    pictures = [folder / name for name, _ in rows]
    return Captioned(source.name, pictures, [captions for _, captions in rows], where)


def read_features(path: str | Path) -> Sequences:
    """Features from a file, `[total, d]` of n sources.

    In NumPy's format (.npy) `[n, d]` or `[n, regions, d]`; in safetensors (.safetensors) such a
    tensor, alone or called `features`, or `features [total, d]` with `lengths [n]`, how many
    regions each source has.

    Raises:
        CatenaError: for all that can be wrong with the file.
    """
    (source,) = open_sources([path])
    return _features(source)


def is_features(path: str | Path) -> bool:
    """Whether the name is that of a file of features."""
    return Path(path).suffix.lower() in ARRAYS


# -- the formats ----------------------------------------------------------------------------------


def _of_line(text: str, where: str) -> tuple[str, list[str]]:
    name, *captions = text.split("\t")
    if not captions or not name.strip():
        raise CatenaError(f"{where}: no picture<TAB>caption, but {text[:60]!r}; {FORM}")
    return name, captions


def _of_record(record: Any, where: str) -> tuple[str, list[str]]:
    fields = record if isinstance(record, dict) else {}
    name, found = fields.get("picture"), fields.get("captions", fields.get("caption"))
    captions = [found] if isinstance(found, str) else found
    if not isinstance(name, str) or not isinstance(captions, list) or not captions:
        raise CatenaError(f'{where}: {{"picture": "...", "caption": "..."}} is needed')
    if not all(isinstance(caption, str) for caption in captions):
        raise CatenaError(f"{where}: a caption is no text")
    return name, captions


def _of_features(one: Source, other: Source, options: Options) -> Captioned:
    features, lines = _features(one), lines_of(_text(other, options))
    if len(features) != len(lines):
        least = min(len(features), len(lines))
        longer, what = (one, "row") if len(features) > len(lines) else (other, "line")
        raise CatenaError(
            f"{one.name} has features of {len(features):,} pictures, {other.name} {len(lines):,} "
            f"lines of captions: {what} {least + 1} of {longer.name} has no counterpart"
        )
    where = line_place(other.name, range(1, len(lines) + 1))
    name = f"{one.name} and {other.name}"
    return Captioned(name, features, [line.split("\t") for line in lines], where)


def _text(source: Source, options: Options) -> str:
    return decode(source, options).replace("\r\n", "\n")


def _features(source: Source) -> Sequences:
    tensors = _npy(source) if source.suffix == ".npy" else _safetensors(source)
    values, lengths = tensors.get(NAMED[0]), tensors.get(NAMED[1])
    if len(tensors) == 1 and values is None:
        (values,) = tensors.values()
    if values is None or (len(tensors) > 1 and set(tensors) != set(NAMED)):
        raise CatenaError(
            f"{source.name}: holds {_listed(tensors)}; one tensor, or features and lengths, is "
            "needed"
        )
    try:
        return _as_sequences(values, lengths)
    except CatenaError as error:
        raise CatenaError(f"{source.name}: {error}") from error


def _as_sequences(values: torch.Tensor, lengths: torch.Tensor | None) -> Sequences:
    if values.is_complex() or values.dtype == torch.bool or values.dim() not in (2, 3):
        raise CatenaError(
            f"features are [n, d] or [n, regions, d] of numbers, not {tuple(values.shape)} of "
            f"{str(values.dtype).removeprefix('torch.')}"
        )
    if lengths is not None:
        return Sequences(values, lengths)
    regions = values[:, None] if values.dim() == 2 else values
    count, each = regions.shape[:2]
    return Sequences(regions.flatten(0, 1), torch.full((count,), each, dtype=torch.int64))


def _npy(source: Source) -> dict[str, torch.Tensor]:
    try:
        array = np.load(io.BytesIO(source.raw), allow_pickle=False)
        return {NAMED[0]: torch.from_numpy(np.ascontiguousarray(array))}
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError, TypeError) as error:
        raise CatenaError(
            f"{source.name}: no array of numbers ({error}); write it with numpy.save"
        ) from error


def _safetensors(source: Source) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(source.raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CatenaError(
            f"{source.name}: not a .safetensors file, or damaged ({error}); write it again"
        ) from error


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
