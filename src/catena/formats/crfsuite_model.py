"""CRFsuite's model files: what a linear-chain model knows and weighs.

All numbers are little-endian; offsets count from the start of the file, those inside a table of
names from the start of that table.

    header      "lCRF", size of the file, "FOMC", version 100, features (unused), labels,
                attributes, and the offsets of the parts below
    "FEAT"      size, count, then for each feature its kind (0 state, 1 transition), its source (an
                attribute or a label), its label and its weight
    "CQDB"      a table of names, once for the labels and once for the attributes
    "LFRF"      size, count, offsets of lists: the transitions from each label
    "AFRF"      size, count, offsets of lists: the features of each attribute
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.attributes import TEXT
from catena.features.state import StateFeatures
from catena.features.vocabulary import AttributeVocabulary
from catena.formats.source import open_sources

HEADER = struct.Struct("<4sI4s9I")
CHUNK = struct.Struct("<4sII")
TABLE = struct.Struct("<4s5I")
RECORD = struct.Struct("<II")
FEATURE = np.dtype([("kind", "<u4"), ("source", "<u4"), ("label", "<u4"), ("weight", "<f8")])
MAGIC = b"lCRF"
VERSION = 100
BYTE_ORDER = 0x62445371
STATE, TRANSITION = 0, 1


@dataclass(frozen=True, eq=False)
class CRFsuiteModel:
    """A model as CRFsuite has trained it.

    Args:
        labels: their names.
        vocabulary: the attributes.
        features: which attributes have weights for which labels.
        weights: float64 `[features]`.
        transitions: float64 `[labels, labels]`: from one label to the next; 0 where there is none.
    """

    labels: tuple[str, ...]
    vocabulary: AttributeVocabulary
    features: StateFeatures
    weights: Tensor
    transitions: Tensor


class _DamagedError(Exception):
    """What is wrong with the file."""


def read_crfsuite_model(path: str | Path, encoding: str = "utf-8") -> CRFsuiteModel:
    """The model of a .crfsuite file.

    Args:
        encoding: of the names in the file.

    Raises:
        CatenaError: when the file is damaged or cut short, or is no model of CRFsuite's.
    """
    source = open_sources([path])[0]
    try:
        return _model(source.raw, encoding)
    except (_DamagedError, CatenaError) as error:
        raise CatenaError(
            f"{source.name}: {error}; fetch the file again, or train the model anew"
        ) from error
    except UnicodeDecodeError as error:
        raise CatenaError(
            f"{source.name}: a name is not valid {encoding}; give the encoding that the model was "
            "trained with"
        ) from error
    except LookupError as error:
        raise CatenaError(f"there is no encoding {encoding}; try utf-8 or latin-1") from error


def is_crfsuite_model(path: str | Path) -> bool:
    """Whether a file begins as a model of CRFsuite's."""
    try:
        with Path(path).open("rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def _model(raw: bytes, encoding: str) -> CRFsuiteModel:
    magic, size, kind, version, _, labels, attributes, *offsets = _unpack(HEADER, raw, 0, "header")
    if magic != MAGIC or kind != b"FOMC":
        raise _DamagedError("not a model of CRFsuite's (it starts with lCRF ... FOMC)")
    if version != VERSION:
        raise _DamagedError(f"version {version} of the format, where only {VERSION} is known")
    if size != len(raw):
        raise _DamagedError(f"damaged or cut short: {len(raw)} bytes, where it says {size}")
    at_features, at_labels, at_attributes, at_label_lists, at_attribute_lists = offsets
    label_names = list(_names(raw, at_labels, labels, encoding, "label"))
    names = list(_names(raw, at_attributes, attributes, encoding, "attribute"))
    if len(set(label_names)) != labels or not labels:
        raise _DamagedError("damaged: the labels are not distinct, or there are none")
    found = _features(raw, at_features, labels, attributes)
    # The lists of the beginning and of the end of a sequence follow those of the labels, empty.
    _check_lists(raw, at_label_lists, b"LFRF", found, TRANSITION, labels + 2)
    _check_lists(raw, at_attribute_lists, b"AFRF", found, STATE, attributes)
    features, weights = _states(found[found["kind"] == STATE], attributes, labels)
    vocabulary = AttributeVocabulary(pa.array(names, TEXT))
    return CRFsuiteModel(
        tuple(label_names), vocabulary, features, weights, _transitions(found, labels)
    )


def _unpack(form: struct.Struct, raw: bytes, at: int, what: str) -> tuple:
    try:
        return form.unpack_from(raw, at)
    except struct.error as error:
        raise _DamagedError(f"damaged or cut short: no {what} at byte {at}") from error


def _numbers(raw: bytes, at: int, count: int, what: str) -> np.ndarray:
    """`count` whole numbers from a place on."""
    if at + 4 * count > len(raw):
        raise _DamagedError(f"damaged or cut short: no {count} {what} at byte {at}")
    return np.frombuffer(raw, "<u4", count, at).astype(np.int64)


def _names(raw: bytes, start: int, count: int, encoding: str, what: str) -> Iterator[str]:
    """The strings of a table, in the order of their numbers."""
    magic, size, _, order, _, back = _unpack(TABLE, raw, start, f"table of {what}s")
    if magic != b"CQDB" or order != BYTE_ORDER or start + size > len(raw):
        raise _DamagedError(f"damaged: no table of {what}s at byte {start}")
    places = _numbers(raw, start + back, count, f"places of {what}s") if count else []
    for i, place in enumerate(places):
        at = start + int(place)
        number, length = _unpack(RECORD, raw, at, f"{what} {i}")
        end = at + RECORD.size + length
        if not place or number != i or not length or end > start + size or raw[end - 1]:
            raise _DamagedError(f"damaged: {what} {i} is missing or broken")
        yield raw[at + RECORD.size : end - 1].decode(encoding)


def _features(raw: bytes, at: int, labels: int, attributes: int) -> np.ndarray:
    magic, _, count = _unpack(CHUNK, raw, at, "features")
    if magic != b"FEAT" or at + CHUNK.size + count * FEATURE.itemsize > len(raw):
        raise _DamagedError(f"damaged or cut short: no {count} features at byte {at}")
    found = np.frombuffer(raw, FEATURE, count, at + CHUNK.size)
    sources = np.where(found["kind"] == STATE, attributes, labels)
    inside = (found["kind"] <= TRANSITION) & (found["source"] < sources) & (found["label"] < labels)
    if not inside.all() or not np.isfinite(found["weight"]).all():
        wrong = np.flatnonzero(~inside | ~np.isfinite(found["weight"]))[0]
        raise _DamagedError(f"damaged: feature {wrong} is broken")
    return found


def _check_lists(
    raw: bytes, at: int, magic: bytes, found: np.ndarray, kind: int, count: int
) -> None:
    """The lists name each feature of a kind once, in the list of its source."""
    what = f"lists {magic.decode()}"
    there, _, lists = _unpack(CHUNK, raw, at, what)
    if there != magic or lists != count:
        raise _DamagedError(f"damaged: no {count} {what} at byte {at}")
    places = _numbers(raw, at + CHUNK.size, count, what)
    used = places[places > 0]
    words = np.frombuffer(raw, "<u4", len(raw) // 4)
    if len(used) and (bool((used % 4).any()) or int(used.max()) // 4 >= len(words)):
        raise _DamagedError(f"damaged: the {what} lie outside the file")
    sizes = np.zeros(count, np.int64)
    sizes[places > 0] = words[used // 4]
    of_kind = found["kind"] == kind
    if sizes.sum() != of_kind.sum() or bool((places // 4 + sizes >= len(words)).any()):
        raise _DamagedError(f"damaged: the {what} do not name every feature once")
    ends = sizes.cumsum()
    within = np.arange(int(sizes.sum())) - np.repeat(ends - sizes, sizes)
    named = words[np.repeat(places // 4, sizes) + 1 + within].astype(np.int64)
    sources = np.repeat(np.arange(count), sizes)
    if len(named) and int(named.max()) >= len(found):
        raise _DamagedError(f"damaged: the {what} name a feature that there is not")
    once = np.bincount(named, minlength=len(found)) == of_kind
    if not once.all() or not (found["source"][named] == sources).all():
        raise _DamagedError(f"damaged: the {what} do not name every feature once")


def _states(states: np.ndarray, attributes: int, labels: int) -> tuple[StateFeatures, Tensor]:
    """The state features, attribute by attribute and label by label, and their weights."""
    keys = states["source"].astype(np.int64) * labels + states["label"]
    order = np.argsort(keys, kind="stable")
    if len(np.unique(keys)) != len(keys):
        raise _DamagedError("damaged: an attribute has two weights for one label")
    counts = np.bincount(states["source"], minlength=attributes)
    pairs = np.concatenate([np.zeros(1, np.int64), counts.cumsum()])
    features = StateFeatures(
        torch.from_numpy(pairs), torch.from_numpy(keys[order] % labels), labels
    )
    return features, torch.from_numpy(states["weight"][order].astype(np.float64))


def _transitions(found: np.ndarray, labels: int) -> Tensor:
    moves = found[found["kind"] == TRANSITION]
    table = np.zeros((labels, labels))
    table[moves["source"], moves["label"]] = moves["weight"]
    return torch.from_numpy(table)
