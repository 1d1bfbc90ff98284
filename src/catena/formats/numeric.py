"""Numbers: what counts as one, what each space admits, and arrays in NumPy's own format."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch

from catena.errors import CatenaError
from catena.formats.data import Data, Place, SpaceKind
from catena.formats.options import Options
from catena.formats.source import Source
from catena.sequences import Sequences

# One pattern for Python's `re` and Arrow's RE2: what a table may write for a number.
NUMBER = r"^\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|(?i:nan|inf|infinity))\s*$"
MAGIC = b"\x93NUMPY"
ARRAY = "an array of numbers"
WANTED = {
    "vectors": "a finite number",
    "bits": "0 or 1",
    "counts": "a whole number from 0 up",
}


def numeric_data(
    name: str,
    values: np.ndarray,
    lengths: np.ndarray,
    options: Options,
    stream: bool,
    where: Callable[[int], str],
    columns: tuple[str, ...] = (),
) -> Data:
    """Values `[total, dim]`, already checked, as data in the space asked for (else vectors)."""
    return Data(
        name,
        Sequences(torch.from_numpy(np.ascontiguousarray(values)), torch.from_numpy(lengths)),
        None,
        numeric_space(options),
        stream,
        where,
        columns,
    )


def numeric_space(options: Options) -> SpaceKind:
    """The space of measurements: what the caller says, else vectors."""
    return options.space if options.measures else "vectors"  # pyright: ignore[reportReturnType]


def check_numbers(
    values: np.ndarray, space: SpaceKind, place: Callable[[int, int], str]
) -> np.ndarray:
    """The values `[rows, dim]` as they are, once each is one that the space admits.

    Args:
        place: row, column -> where that value stands, for the message.

    Raises:
        CatenaError: at the first value that is not finite, not 0 or 1, or not a count.
    """
    good = np.isfinite(values)
    if space == "bits":
        good = (values == 0) | (values == 1)
    if space == "counts":
        good &= (values >= 0) & (values == np.round(values))
    if not good.all():
        row, column = (int(i) for i in np.argwhere(~good)[0])
        raise CatenaError(
            f"{place(row, column)}: {values[row, column]:g} is not {WANTED[space]}; "
            "mend it or leave the row out"
        )
    return values


def place_of_step(lengths: np.ndarray, where: Place) -> Callable[[int, int], str]:
    """Row, column of all observations -> where that number stands in which sequence."""
    ends = lengths.cumsum()

    def place(row: int, column: int) -> str:
        i = int(np.searchsorted(ends, row, side="right"))
        return f"{where(i)}, step {row - ends[i] + lengths[i] + 1}, number {column + 1}"

    return place


def read_npy(source: Source, options: Options) -> Data:
    """An array `[T]` or `[T, d]` is one sequence, `[n, T, d]` is n of them.

    Whole numbers, one an observation (`[T]`, `[T, 1]`, `[n, T, 1]`), are symbols; all others are
    measurements. `space` says otherwise.

    Raises:
        CatenaError: when the file is damaged, pickled, or holds something other than numbers.
    """
    options.refuse(source.name, ARRAY, "group_by", "order_by", "item", "encoding", "errors")
    if options.unit != "item":
        options.refuse(source.name, ARRAY, "unit")
    array = _load(source)
    if array.ndim not in (1, 2, 3) or not array.size:
        raise CatenaError(
            f"{source.name}: an array of shape {array.shape}; catena reads [T], [T, d] and "
            "[n, T, d], none of them 0"
        )
    stream = array.ndim < 3
    if not stream:
        options.refuse(source.name, "an array of several sequences", "stream")
    batch = array.reshape((1, len(array), -1) if stream else array.shape)
    whole = array.dtype.kind in "iu" and batch.shape[2] == 1
    where = _place_in_array(source.name, stream)
    if options.space == "symbols" or (whole and not options.measures):
        if not whole:
            raise CatenaError(
                f"{source.name}: symbols are whole numbers, one a step; {array.dtype}"
                f" {array.shape} are measurements: leave out --space symbols"
            )
        items = batch[..., 0].tolist()
        return Data(source.name, items, "item", "symbols", stream, where)
    options.refuse(source.name, "an array of measurements", "unit")
    return _measurements(source.name, batch, options, stream, where)


def _measurements(
    name: str, batch: np.ndarray, options: Options, stream: bool, where: Callable[[int], str]
) -> Data:
    """`[n, T, d]` as n sequences of T vectors."""
    count, steps, dim = batch.shape
    values = batch.reshape(-1, dim).astype(np.float64)
    check_numbers(
        values,
        numeric_space(options),
        lambda row, column: f"{where(row // steps)}, step {row % steps + 1}, column {column + 1}",
    )
    lengths = np.full(count, steps, np.int64)
    return numeric_data(name, values, lengths, options, stream, where)


def _place_in_array(name: str, stream: bool) -> Callable[[int], str]:
    return lambda i: name if stream else f"{name}, sequence {i + 1}"


def _load(source: Source) -> np.ndarray:
    if not source.raw.startswith(MAGIC):
        raise CatenaError(f"{source.name}: not a .npy file; write it with numpy.save")
    try:
        array = np.load(io.BytesIO(source.raw), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError, TypeError) as error:
        if "allow_pickle" in str(error):
            raise CatenaError(
                f"{source.name}: holds pickled Python objects, which could run code and are not "
                "read; save an array of numbers, or write lists as JSON lines (.jsonl)"
            ) from error
        raise CatenaError(
            f"{source.name}: damaged or cut short ({error}); write it again with numpy.save"
        ) from error
    if array.dtype.kind not in "iufb":
        raise CatenaError(
            f"{source.name}: an array of {array.dtype}, not of numbers; convert it with astype"
        )
    return array
