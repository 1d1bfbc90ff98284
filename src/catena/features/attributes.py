"""What is known of each step, as names with values: what a feature-based tagger reads.

A step's attributes are what CRFsuite takes: strings, each with the value 1, or a mapping:

    ["w=dog", "DT|NN"]                     those names
    {"w": "dog"}                           the name "w:dog"
    {"length": 3.0, "capital": True}       those names with the values 3.0 and 1.0
    {"suffix": ["g", "og"]}                the names "suffix:g" and "suffix:og"
    {"before": {"w": "the", "n": 2.0}}     "before:w:the", and "before:n" with the value 2.0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AnySet
from dataclasses import dataclass
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from catena.errors import CatenaError

pc: Any = pyarrow.compute
SEPARATOR = ":"
TEXT = pa.large_string()
NUMBERS = frozenset({int, float, bool})
Step = Sequence[str] | AnySet[str] | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Attributes:
    """The attributes of every step, one step after the other; a name is kept once.

    Args:
        names: Arrow strings `[u]`, distinct.
        codes: int32 `[m]`, which name.
        offsets: int64 `[total + 1]`: step t has `codes[offsets[t]:offsets[t + 1]]`.
        values: float64 `[m]`, or None where all are 1.

    >>> attributes = Attributes.from_steps([["a", "b"], {"w": "x", "n": 2}])
    >>> attributes.names.to_pylist(), attributes.codes.tolist(), attributes.values.tolist()
    (['a', 'b', 'w:x', 'n'], [0, 1, 2, 3], [1.0, 1.0, 1.0, 2.0])
    """

    names: pa.Array
    codes: np.ndarray
    offsets: np.ndarray
    values: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @staticmethod
    def from_steps(steps: Iterable[Step]) -> Attributes:
        """The attributes of steps as people write them.

        Raises:
            CatenaError: when a step is neither strings nor a mapping, or a value is not one of
                those above, or not finite.
        """
        given: list[Any] = list(steps)
        kinds = set(map(type, given))
        if kinds == {dict}:
            return _of_mappings(given)
        if kinds <= {list, tuple}:
            names = list(chain.from_iterable(given))
            return _gathered(_text(names, given), None, list(map(len, given)))
        return _of_pairs([list(_pairs(step, i)) for i, step in enumerate(given)])

    @staticmethod
    def from_function(
        function: Callable[[Sequence[Any], int], Step], sequences: Iterable[Sequence[Any]]
    ) -> Attributes:
        """The attributes that `function(tokens, i)` names for step i of each sequence."""
        return Attributes.from_steps(
            function(tokens, i) for tokens in sequences for i in range(len(tokens))
        )


def _of_mappings(steps: list[dict[str, Any]]) -> Attributes:
    """Whole columns of keys and values, unless there are values to be unfolded."""
    values = list(chain.from_iterable(map(dict.values, steps)))
    kinds = set(map(type, values))
    if not kinds <= NUMBERS | {str}:
        return _of_pairs([list(_pairs(step, i)) for i, step in enumerate(steps)])
    keys = _text(list(chain.from_iterable(steps)), steps)
    counts = list(map(len, steps))
    if kinds <= NUMBERS:
        return _gathered(keys, _numbers(values, keys), counts)
    texts = _text([v if type(v) is str else None for v in values], steps)
    names = pc.coalesce(pc.binary_join_element_wise(keys, texts, pa.scalar(SEPARATOR, TEXT)), keys)
    if kinds == {str}:
        return _gathered(names, None, counts)
    return _gathered(names, _numbers([1.0 if type(v) is str else v for v in values], names), counts)


def _of_pairs(steps: list[list[tuple[str, float]]]) -> Attributes:
    pairs = list(chain.from_iterable(steps))
    names = _text([name for name, _ in pairs], steps)
    return _gathered(names, _numbers([value for _, value in pairs], names), list(map(len, steps)))


def _pairs(step: Any, i: int) -> Iterator[tuple[str, float]]:
    """The names and values of one step."""
    if isinstance(step, Mapping):
        yield from _unfold(step, "", i)
    elif isinstance(step, Sequence | AnySet) and not isinstance(step, str | bytes):
        yield from ((name, 1.0) for name in _ordered(step))
    else:
        raise CatenaError(
            f"step {i}: {step!r} is not the attributes of a step; give a list of strings or a dict"
        )


def _unfold(mapping: Mapping[str, Any], prefix: str, i: int) -> Iterator[tuple[str, float]]:
    for key, value in mapping.items():
        name = prefix + key
        if isinstance(value, str):
            yield name + SEPARATOR + value, 1.0
        elif isinstance(value, Real | np.bool_):
            yield name, float(value)
        elif isinstance(value, Mapping):
            yield from _unfold(value, name + SEPARATOR, i)
        elif isinstance(value, list | tuple | AnySet):
            yield from (
                (f"{name}{SEPARATOR}{_only_text(x, name, i)}", 1.0) for x in _ordered(value)
            )
        else:
            raise _odd_value(value, name, i)


def _ordered(names: Any) -> Iterable[Any]:
    """A set in an order that is the same on every run."""
    return sorted(names) if isinstance(names, AnySet) else names


def _only_text(value: Any, name: str, i: int) -> str:
    if not isinstance(value, str):
        raise _odd_value(value, name, i)
    return value


def _odd_value(value: Any, name: str, i: int) -> CatenaError:
    return CatenaError(
        f"step {i}: attribute {name} has the value {value!r}; a value is a string, a number, a "
        "dict, or a list of strings"
    )


def _text(names: list[Any], steps: Sequence[Any]) -> pa.Array:
    """Names as Arrow strings; None stays missing."""
    try:
        return pa.array(names, TEXT)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError, TypeError) as error:
        raise _odd_name(steps) from error


def _odd_name(steps: Sequence[Any]) -> CatenaError:
    """What is wrong with which step, once something is."""
    for i, step in enumerate(steps):
        for name in step:
            name = name[0] if isinstance(name, tuple) else name
            if not isinstance(name, str):
                return CatenaError(f"step {i}: the attribute {name!r} is not a string")
            if not name.isascii() and name != name.encode(errors="replace").decode():
                return CatenaError(f"step {i}: the attribute {name!r} is not valid Unicode")
    return CatenaError("an attribute's value is not valid Unicode")


def _numbers(values: list[Any], names: pa.Array) -> np.ndarray | None:
    """`[m]`, or None where all are 1."""
    try:
        numbers = np.array(values, np.float64)
    except OverflowError as error:
        raise CatenaError("an attribute's value is too large for a number of 64 bits") from error
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise CatenaError(
            f"attribute {names[int(wrong[0])]} has the value {numbers[wrong[0]]}; values must be "
            "finite: mend it or leave it out"
        )
    return None if bool((numbers == 1).all()) else numbers


def _gathered(names: pa.Array, values: np.ndarray | None, counts: Sequence[int]) -> Attributes:
    if names.null_count:
        raise CatenaError("an attribute is None; give a string, or leave it out")
    encoded = names.dictionary_encode()
    codes = encoded.indices.to_numpy()
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Attributes(encoded.dictionary, codes, offsets, values)
