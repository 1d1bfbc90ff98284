"""What one observation is. The space decides how it enters a model and what a model predicts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.sequences import Sequences, check_sequence

UNKNOWN = "⟨unk⟩"
END = "⟨end⟩"
Unit = Literal["char", "word", "byte", "item"]
UnknownPolicy = Literal["replace", "error"]
Item = str | int


@dataclass(frozen=True)
class Symbols:
    """One of a finite set, the vocabulary.

    Args:
        items: the vocabulary; an item's place in it is its number.
        unit: what the items are pieces of: `char`, `word` (split at white space), `byte` of text,
            or `item`, the caller's own strings and integers.
        unknown: a symbol outside the vocabulary becomes ⟨unk⟩ ("replace") or is refused ("error").
        end: whether the end of a sequence is a symbol that is predicted, as number `len(items)`.
            False for a stream that was merely cut off.

    >>> space = Symbols.learn(["abba", "ab"])
    >>> space.items, space.outcomes
    (('⟨unk⟩', 'a', 'b'), 4)
    >>> space.encode(["bax"]).to_list()
    [tensor([2, 1, 0])]
    """

    kind: ClassVar[str] = "symbols"
    items: tuple[Item, ...]
    unit: Unit = "item"
    unknown: UnknownPolicy = "replace"
    end: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        _check_choice("unit", self.unit, get_args(Unit))
        _check_choice("unknown", self.unknown, get_args(UnknownPolicy))
        if not self.items:
            raise CatenaError("the vocabulary is empty: there is nothing to learn from")
        if len(set(self.items)) != len(self.items):
            twice = next(item for item, count in Counter(self.items).items() if count > 1)
            raise CatenaError(f"the vocabulary holds {twice!r} twice")
        if self.unknown == "replace" and self.unit != "byte" and UNKNOWN not in self._number:
            raise CatenaError(f"unknown='replace' needs {UNKNOWN} in the vocabulary")

    @staticmethod
    def learn(
        data: Iterable[Any],
        unit: Unit = "char",
        unknown: UnknownPolicy = "replace",
        end: bool = True,
        minimum: int = 1,
    ) -> Symbols:
        """The vocabulary of the data: what occurs at least `minimum` times, the frequent first.

        Raises:
            CatenaError: when no symbol does, or the data holds something else than symbols.
        """
        _check_choice("unit", unit, get_args(Unit))
        if minimum < 1:
            raise CatenaError(f"the minimum count must be at least 1, not {minimum}")
        if unit == "byte":
            return Symbols(tuple(range(256)), "byte", unknown, end)
        counts: Counter[Item] = Counter()
        for sequence in data:
            counts.update(_pieces(sequence, unit))
        counts.pop(UNKNOWN, None)
        kept = [item for item, count in counts.items() if count >= minimum]
        if not kept:
            raise _nothing_kept(counts, minimum)
        kept.sort(key=lambda item: (-counts[item], str(item)))
        first: tuple[Item, ...] = (UNKNOWN,) if unknown == "replace" else ()
        return Symbols((*first, *kept), unit, unknown, end)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one observation: a number."""
        return ()

    @property
    def outcomes(self) -> int:
        """How many symbols a model can predict: the vocabulary, and the end where it counts."""
        return len(self.items) + self.end

    @property
    def end_number(self) -> int | None:
        """The number of the end of a sequence; None where it is not predicted."""
        return len(self.items) if self.end else None

    @property
    def unknown_number(self) -> int | None:
        """The number of ⟨unk⟩, if the vocabulary has it."""
        return self._number.get(UNKNOWN)

    def encode(self, data: Iterable[Any]) -> Sequences:
        """Texts (or lists of items) as numbers.

        Raises:
            CatenaError: at a symbol outside the vocabulary when `unknown` is "error".
        """
        data = list(data)
        if self.unit == "char" and all(isinstance(text, str) for text in data):
            numbers = self._of_text("".join(data))  # at once: words are short and many
            if self.unknown == "replace" or not (numbers < 0).any():
                known = torch.from_numpy(self._settle_unknown(numbers, "", 0))
                return Sequences(known, torch.tensor([*map(len, data)], dtype=torch.int64))
        rows = [self._encode_one(sequence, place) for place, sequence in enumerate(data)]
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        values = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        return Sequences(torch.from_numpy(values), lengths)

    def number(self, observation: Any) -> int | None:
        """The number of one symbol of the vocabulary, found faster than by `encode`; None for
        anything else.

        >>> space = Symbols.learn(["abba", "ab"])
        >>> space.number("b"), space.number("x"), space.number("ab")
        (2, None, None)
        """
        kind = type(observation)
        if self.unit == "byte" and kind is bytes and len(observation) == 1:
            return observation[0]
        one = kind is int or (kind is str and (self.unit != "char" or len(observation) == 1))
        return self._number.get(observation) if one else None

    def decode(self, numbers: Tensor | Sequence[int]) -> str | list[Item] | bytes:
        """Numbers `[length]` as text, bytes or a list of items; the end is left out."""
        return self._join([self.items[i] for i in map(int, numbers) if i != self.end_number])

    def continued(self, prompt: Any, numbers: Tensor | Sequence[int]) -> str | list[Item] | bytes:
        """A prompt as it was given, its unknown symbols too, and the numbers that follow it."""
        following = [self.items[i] for i in map(int, numbers) if i != self.end_number]
        given = _raw(prompt, 0) if self.unit == "byte" else _pieces(prompt, self.unit)
        return self._join([*given, *following])

    def show(self, numbers: Tensor | Sequence[int]) -> str:
        """Numbers as text to look at, whatever the unit."""
        decoded = self.decode(numbers)
        if isinstance(decoded, bytes):
            return decoded.decode("utf-8", "replace")
        return decoded if isinstance(decoded, str) else " ".join(map(str, decoded))

    def name(self, number: int) -> str:
        """One symbol as text to look at."""
        if number == self.end_number:
            return END
        return self.show([number]) if self.unit != "byte" else f"{self.items[number]:02x}"

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs to make the space again, as JSON."""
        items = [] if self.unit == "byte" else list(self.items)
        return {"items": items, "unit": self.unit, "unknown": self.unknown, "end": self.end}

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> Symbols:
        """The space that `describe` described."""
        items = tuple(range(256)) if described["unit"] == "byte" else tuple(described["items"])
        return Symbols(items, described["unit"], described["unknown"], bool(described["end"]))

    def _join(self, items: Sequence[Item]) -> str | list[Item] | bytes:
        if self.unit == "item":
            return list(items)
        if self.unit == "byte":
            return bytes(int(item) for item in items)
        return ("" if self.unit == "char" else " ").join(map(str, items))

    @cached_property
    def _number(self) -> dict[Item, int]:
        return {item: number for number, item in enumerate(self.items)}

    @cached_property
    def _by_code_point(self) -> np.ndarray:
        """The number of every character by its code point; -1 outside the vocabulary."""
        table = np.full(0x110000, -1, np.int64)
        for item, number in self._number.items():
            if isinstance(item, str) and len(item) == 1:
                table[ord(item)] = number
        return table

    def _of_text(self, text: str) -> np.ndarray:
        """The number of each character; -1 outside the vocabulary."""
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        return self._by_code_point[points]

    def _encode_one(self, sequence: Any, place: int) -> np.ndarray:
        if self.unit == "byte":
            return np.frombuffer(_raw(sequence, place), np.uint8).astype(np.int64)
        if self.unit == "char" and isinstance(sequence, str):
            numbers = self._of_text(sequence)
        else:
            pieces = _pieces(sequence, self.unit)
            known = self._number
            numbers = np.fromiter((known.get(piece, -1) for piece in pieces), np.int64)
        return self._settle_unknown(numbers, sequence, place)

    def _settle_unknown(self, numbers: np.ndarray, sequence: Any, place: int) -> np.ndarray:
        missing = np.flatnonzero(numbers < 0)
        if not len(missing):
            return numbers
        if self.unknown == "error":
            piece = list(_pieces(sequence, self.unit))[missing[0]]
            raise CatenaError(
                f"sequence {place + 1}, position {missing[0] + 1}: the symbol {piece!r} was not "
                f"seen in training; unknown='replace' reads it as {UNKNOWN}",
                sequence=place,
                step=int(missing[0]),
            )
        return np.where(numbers < 0, self._number[UNKNOWN], numbers)


def _nothing_kept(counts: Counter[Item], minimum: int) -> CatenaError:
    if not counts:
        return CatenaError(
            "the vocabulary is empty: there is nothing to learn from; give data with a symbol in it"
        )
    return CatenaError(
        f"the vocabulary is empty: no symbol occurs {minimum} times; lower the minimum to "
        f"{max(counts.values())} or less, or give more data"
    )


def _raw(sequence: Any, place: int) -> bytes:
    """A text or numbers from 0 to 255 as bytes."""
    try:
        if isinstance(sequence, str):
            return sequence.encode("utf-8", "surrogateescape")
        if isinstance(sequence, (Tensor, np.ndarray)):
            sequence = sequence.tolist()
        return bytes(list(sequence))
    except (TypeError, ValueError) as error:
        raise CatenaError(
            f"sequence {place + 1}: unit='byte' takes texts, bytes or numbers up to 255: {error}"
        ) from error


def _pieces(sequence: Any, unit: Unit) -> Sequence[Item]:
    """One sequence cut into its items."""
    if isinstance(sequence, (bytes, bytearray)):
        raise CatenaError("bytes need unit='byte'; for other units decode them to text first")
    if isinstance(sequence, str):
        if unit == "item":
            raise CatenaError("unit='item' takes lists of items; for a text choose char or word")
        return sequence.split() if unit == "word" else sequence
    check_sequence(sequence)
    if isinstance(sequence, (Tensor, np.ndarray)):
        items = sequence.tolist()
    else:  # NumPy's own strings and integers are not JSON's
        items = [item.item() if isinstance(item, np.generic) else item for item in sequence]
    for item in items:
        if not isinstance(item, (str, int)) or isinstance(item, bool):
            raise CatenaError(
                f"a symbol must be a string or an integer, not {item!r}; "
                "measurements need Vectors, Bits or Counts"
            )
    return items


def constant(sequences: Sequences) -> list[int]:
    """The numbers, from 0, that are the same in all observations `[total, dim]`."""
    values = sequences.values
    return (values == values[0]).all(0).nonzero().flatten().tolist() if len(values) else []


def check_varied(space: Space, sequences: Sequences) -> None:
    """Raise where observations are numbers, of many steps, and all the same.

    Raises:
        CatenaError: with the numbers.
    """
    if isinstance(space, Symbols) or sequences.total < 2:
        return
    if len(constant(sequences)) == space.dim:
        said = ", ".join(f"{float(value):g}" for value in sequences.values[0].flatten()[:5])
        raise CatenaError(
            f"every observation is the same, {said}: there is nothing to learn; check how the data "
            "was read"
        )


@dataclass(frozen=True)
class Vectors:
    """Real numbers, `dim` at a time.

    Args:
        dim: how many numbers one observation has.
        shift, scale: `[dim]` each; models work on (x - shift) / scale, and their densities are
            corrected for it. `learn` takes mean and standard deviation of the data.
    """

    kind: ClassVar[str] = "vectors"
    dim: int
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        object.__setattr__(self, "shift", tuple(self.shift) or (0.0,) * self.dim)
        object.__setattr__(self, "scale", tuple(self.scale) or (1.0,) * self.dim)
        if not len(self.shift) == len(self.scale) == self.dim or min(self.scale) <= 0:
            raise CatenaError(f"shift and scale need {self.dim} numbers each, scales above 0")
        _check_finite("shift", self.shift)
        _check_finite("scale", self.scale)

    @staticmethod
    def learn(sequences: Sequences) -> Vectors:
        """The space of these vectors `[total, dim]`, centred and scaled by their own spread.

        Raises:
            CatenaError: at a number that is not finite, or a spread that float64 cannot hold.
        """
        values = _numbers(sequences, as_vectors(sequences).values.shape[1]).values
        dim = values.shape[1]
        if not len(values):
            return Vectors(dim)
        spread = values.std(0, correction=0)
        if not bool(spread.isfinite().all()):
            column = int((~spread.isfinite()).nonzero()[0])
            raise CatenaError(
                f"column {column + 1}: the numbers lie so far apart that their spread overflows; "
                "divide the column by a constant"
            )
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        return Vectors(dim, tuple(values.mean(0).tolist()), tuple(spread.tolist()))

    def encode(self, data: Any) -> Sequences:
        """Arrays `[length, dim]` (or `[length]` where dim is 1) as float64 sequences."""
        return _numbers(data, self.dim)

    event = property(lambda self: (self.dim,), doc="The shape of one observation.")
    end_number = property(lambda self: None, doc="None: the length is given, not predicted.")

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs to make the space again, as JSON."""
        return {"dim": self.dim, "shift": list(self.shift), "scale": list(self.scale)}

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> Vectors:
        """The space that `describe` described."""
        return Vectors(described["dim"], tuple(described["shift"]), tuple(described["scale"]))


@dataclass(frozen=True)
class Bits:
    """`dim` switches, each on or off: the notes of a chord, the lights of a panel."""

    kind: ClassVar[str] = "bits"
    dim: int

    def __post_init__(self) -> None:
        _check_dim(self.dim)

    def encode(self, data: Any) -> Sequences:
        """Arrays `[length, dim]` of 0 and 1 as float64 sequences."""
        numbers = _numbers(data, self.dim)
        _check_values(numbers, (numbers.values == 0) | (numbers.values == 1), "0 or 1")
        return numbers

    event = property(lambda self: (self.dim,), doc="The shape of one observation.")
    end_number = property(lambda self: None, doc="None: the length is given, not predicted.")

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs to make the space again, as JSON."""
        return {"dim": self.dim}

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> Bits:
        """The space that `describe` described."""
        return Bits(described["dim"])


@dataclass(frozen=True)
class Counts:
    """`dim` numbers of occurrences: 0, 1, 2, ...

    Args:
        dim: how many counts one observation has.
        mean: `[dim]`, the size that models take for normal; `learn` takes it from the data.
    """

    kind: ClassVar[str] = "counts"
    dim: int
    mean: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        object.__setattr__(self, "mean", tuple(self.mean) or (1.0,) * self.dim)
        if len(self.mean) != self.dim or min(self.mean) <= 0:
            raise CatenaError(f"mean needs {self.dim} numbers above 0")
        _check_finite("mean", self.mean)

    @staticmethod
    def learn(sequences: Sequences) -> Counts:
        """The space of these counts `[total, dim]`."""
        values = as_vectors(sequences).values
        mean = values.mean(0).clamp_min(1e-3) if len(values) else torch.ones(values.shape[1])
        return Counts(values.shape[1], tuple(mean.tolist()))

    def encode(self, data: Any) -> Sequences:
        """Arrays `[length, dim]` of whole numbers from 0 up, as float64 sequences."""
        numbers = _numbers(data, self.dim)
        whole = (numbers.values >= 0) & (numbers.values == numbers.values.round())
        _check_values(numbers, whole, "a whole number from 0 up")
        return numbers

    event = property(lambda self: (self.dim,), doc="The shape of one observation.")
    end_number = property(lambda self: None, doc="None: the length is given, not predicted.")

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs to make the space again, as JSON."""
        return {"dim": self.dim, "mean": list(self.mean)}

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> Counts:
        """The space that `describe` described."""
        return Counts(described["dim"], tuple(described["mean"]))


Space = Symbols | Vectors | Bits | Counts
SPACES: dict[str, type[Space]] = {space.kind: space for space in (Symbols, Vectors, Bits, Counts)}


def as_vectors(sequences: Sequences) -> Sequences:
    """Float64 observations of one dimension: a bare number becomes a vector of one.

    Raises:
        CatenaError: for complex numbers.
    """
    values = sequences.values
    if values.is_complex():
        raise CatenaError("Complex data not supported: give real and imaginary part as two columns")
    values = values.to(torch.float64)
    return sequences.with_values(values[:, None] if values.dim() == 1 else values)


def as_sequences(data: Any) -> Sequences:
    """Sequences as they are, an (X, lengths) pair as hmmlearn has it, or a list of arrays.

    Raises:
        CatenaError: for one array X `[length, dim]` alone, which could as well be many sequences.
    """
    if isinstance(data, Sequences):
        return data
    if is_pair(data):
        return Sequences(data[0], data[1])
    if isinstance(data, (np.ndarray, Tensor)) and data.ndim == 2:
        raise CatenaError(
            f"one array X of shape {tuple(data.shape)} may be one sequence or many: give [X] for "
            "one, or (X, lengths) where X holds sequences one after the other"
        )
    return Sequences.from_list(data)


def is_pair(data: Any) -> bool:
    """Whether data is (X, lengths) with X an array, and not a tuple of sequences."""
    return isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], (np.ndarray, Tensor))


def _numbers(data: Any, dim: int) -> Sequences:
    sequences = as_vectors(as_sequences(data))
    if sequences.event != (dim,) and sequences.total:
        raise CatenaError(
            f"an observation has shape {tuple(sequences.event)}, but the space has dim={dim}"
        )
    if sequences.event != (dim,):
        sequences = sequences.with_values(sequences.values.new_zeros(0, dim))
    _check_values(sequences, torch.isfinite(sequences.values), "a finite number")
    return sequences


def _check_values(sequences: Sequences, good: Tensor, wanted: str) -> None:
    """Name the sequence, step and value of the first observation that is not as wanted."""
    if bool(good.all()):
        return
    row, column = (int(i) for i in torch.nonzero(~good)[0])
    owner = int(torch.searchsorted(sequences.offsets, row, right=True)) - 1
    step = row - int(sequences.offsets[owner])
    raise CatenaError(
        f"sequence {owner + 1}, step {step + 1}, column {column + 1}: "
        f"{sequences.values[row, column].item()} is not {wanted}; mend it or leave the step out",
        sequence=owner,
    )


def _check_dim(dim: int) -> None:
    if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
        raise CatenaError(f"dim must be a whole number of at least 1, not {dim!r}")


def _check_finite(name: str, numbers: Sequence[float]) -> None:
    if not all(map(math.isfinite, numbers)):
        raise CatenaError(f"{name} must be finite, not {tuple(numbers)}")


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise CatenaError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
