"""The ragged batch: every observation of every sequence, one after the other, beside the lengths.

Nothing is padded inside. Padding exists only at the border, in `from_padded` and `to_padded`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AnySet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence, pad_sequence

from catena.errors import CatenaError

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, eq=False)
class Sequences:
    """A batch of sequences of any lengths, 0 included.

    Args:
        values: `[total, *event]`, the observations of the first sequence, then of the second, ...
        lengths: `[n]`, how many observations each sequence has; they sum to `total`.

    Raises:
        CatenaError: when the lengths are negative or do not sum to the number of values.

    >>> batch = Sequences.from_list([[1, 2, 3], [], [4]])
    >>> batch.lengths.tolist(), batch.values.tolist()
    ([3, 0, 1], [1, 2, 3, 4])
    >>> batch[0].tolist()
    [1, 2, 3]
    """

    values: Tensor
    lengths: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", as_tensor(self.values))
        lengths = torch.as_tensor(self.lengths, dtype=torch.int64, device="cpu")
        object.__setattr__(self, "lengths", lengths)
        if lengths.dim() != 1:
            raise CatenaError(f"lengths must have one dimension, not shape {tuple(lengths.shape)}")
        if self.values.dim() == 0:
            raise CatenaError("values must have a first dimension: one entry an observation")
        if bool((lengths < 0).any()):
            raise CatenaError(f"a length is negative: {int(lengths.min())}")
        if int(lengths.sum()) != len(self.values):
            raise CatenaError(
                f"the lengths sum to {int(lengths.sum())}, but there are {len(self.values)} values"
            )

    # -- what is in it ----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def total(self) -> int:
        """The number of observations in all sequences together."""
        return len(self.values)

    @property
    def event(self) -> torch.Size:
        """The shape of one observation."""
        return self.values.shape[1:]

    @property
    def offsets(self) -> Tensor:
        """`[n + 1]`: sequence i is `values[offsets[i]:offsets[i + 1]]`."""
        return torch.cat([self.lengths.new_zeros(1), self.lengths.cumsum(0)])

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.values.split(self.lengths.tolist()))

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Tensor | np.ndarray) -> Sequences: ...
    def __getitem__(self, index: Any) -> Tensor | Sequences:
        if isinstance(index, (int, np.integer)):
            start, stop = self.offsets[:-1][index], self.offsets[1:][index]
            return self.values[int(start) : int(stop)]
        if isinstance(index, slice):  # PyTorch's own slices cannot run backwards
            index = torch.tensor(range(len(self))[index], dtype=torch.int64)
        chosen = torch.arange(len(self))[index]
        return Sequences(self.values[self.rows(chosen)], self.lengths[chosen])

    def rows(self, chosen: Tensor) -> Tensor:
        """The positions in `values` of the chosen sequences `[m]`, in that order."""
        return ranges(self.offsets[:-1][chosen], self.lengths[chosen])

    def __repr__(self) -> str:
        event = f" of shape {tuple(self.event)}" if self.event else ""
        kind = str(self.values.dtype).removeprefix("torch.")
        return f"Sequences({len(self)} sequences, {self.total} observations{event}, {kind})"

    def with_values(self, values: Tensor) -> Sequences:
        """The same lengths over other values, one for each observation."""
        values = as_tensor(values)
        if values.dim() == 0 or len(values) != self.total:
            return Sequences(values, self.lengths)  # which says what is wrong
        found = object.__new__(Sequences)
        object.__setattr__(found, "values", values)
        object.__setattr__(found, "lengths", self.lengths)
        return found

    def to(self, *args: Any, **kwargs: Any) -> Sequences:
        """The values on another device or in another dtype; as `torch.Tensor.to`."""
        return self.with_values(self.values.to(*args, **kwargs))

    @staticmethod
    def concatenate(parts: Sequence[Sequences]) -> Sequences:
        """All sequences of the parts, in order.

        Raises:
            CatenaError: when there is no part, and so no dtype and no shape of an observation.
        """
        if not parts:
            raise CatenaError("there are no Sequences to concatenate: give at least one")
        return Sequences(
            torch.cat([part.values for part in parts]), torch.cat([part.lengths for part in parts])
        )

    # -- from and to ------------------------------------------------------------------------

    @staticmethod
    def from_list(arrays: Iterable[Any]) -> Sequences:
        """A list of arrays, lists or tensors, each `[length, *event]`.

        Raises:
            CatenaError: for a single sequence, and for observations of different shapes.
        """
        arrays = list(arrays)
        for array in arrays:
            check_sequence(array)
        tensors = [as_tensor(array) for array in arrays]
        lengths = torch.tensor([len(tensor) for tensor in tensors], dtype=torch.int64)
        # An empty list has no dtype or event of its own: it takes those of its neighbours.
        solid = [tensor for tensor in tensors if len(tensor)]
        events = {tuple(tensor.shape[1:]) for tensor in solid}
        if len(events) > 1:
            raise CatenaError(f"the observations have different shapes: {sorted(events)}")
        empty = tensors[0] if tensors else torch.zeros(0, dtype=torch.int64)
        return Sequences(torch.cat(solid) if solid else empty, lengths)

    def to_list(self) -> list[Tensor]:
        """One tensor `[length, *event]` a sequence (views, not copies)."""
        return list(self)

    @staticmethod
    def from_padded(padded: Any, lengths: Any, *, batch_first: bool = True) -> Sequences:
        """`[n, time, *event]` (or `[time, n, *event]`) beside the lengths; padding is dropped."""
        padded = as_tensor(padded)
        padded = padded if batch_first else padded.transpose(0, 1)
        lengths = torch.as_tensor(lengths, dtype=torch.int64, device="cpu")
        if len(lengths) != len(padded):
            raise CatenaError(f"{len(padded)} padded rows, but {len(lengths)} lengths")
        if len(lengths) and int(lengths.max()) > padded.shape[1]:
            raise CatenaError(f"a length of {int(lengths.max())} in rows of {padded.shape[1]}")
        real = torch.arange(padded.shape[1]) < lengths[:, None]
        return Sequences(padded[real.to(padded.device)], lengths)

    def to_padded(self, fill: float = 0.0, *, batch_first: bool = True) -> tuple[Tensor, Tensor]:
        """`(padded [n, longest, *event], lengths [n])`, padding on the right."""
        if not len(self):
            return self.values.new_zeros((0, 0, *self.event)), self.lengths
        return pad_sequence(self.to_list(), batch_first, fill), self.lengths

    @staticmethod
    def from_packed(packed: PackedSequence) -> Sequences:
        """PyTorch's PackedSequence, back in the caller's order."""
        padded, lengths = pad_packed_sequence(packed, batch_first=True)
        return Sequences.from_padded(padded, lengths)

    def to_packed(self) -> PackedSequence:
        """PyTorch's PackedSequence, which cannot hold a sequence of length 0."""
        if not len(self) or not bool(self.lengths.all()):
            raise CatenaError("a PackedSequence cannot hold an empty sequence: drop those first")
        return pack_sequence(self.to_list(), enforce_sorted=False)

    @staticmethod
    def from_nested(nested: Tensor) -> Sequences:
        """A jagged nested tensor `[n, length, *event]` (`layout=torch.jagged`)."""
        jagged: Any = nested  # torch.Tensor does not declare what jagged tensors have
        if jagged.lengths() is not None:  # the rows are not side by side
            return Sequences.from_list(jagged.unbind())
        return Sequences(jagged.values(), jagged.offsets().diff())

    def to_nested(self) -> Tensor:
        """A jagged nested tensor over the same values."""
        offsets = self.offsets.to(self.values.device)
        return torch.nested.nested_tensor_from_jagged(self.values, offsets)

    @staticmethod
    def from_arrow(array: pyarrow.Array | pyarrow.ChunkedArray) -> Sequences:
        """An Arrow array of lists of numbers, or of lists of equally long lists of numbers."""
        import pyarrow

        array = array.combine_chunks() if isinstance(array, pyarrow.ChunkedArray) else array
        lengths, values = _unfold(array, "lists")
        if not _is_list(values.type):
            return Sequences(_flat(values), lengths)
        widths, numbers = _unfold(values, "observations")
        if len(widths.unique()) > 1:
            raise CatenaError(f"the observations have different widths: {widths.unique().tolist()}")
        declared = getattr(values.type, "list_size", 0)
        width = int(widths[0]) if len(widths) else declared
        return Sequences(_flat(numbers).reshape(len(values), width), lengths)

    def to_arrow(self) -> pyarrow.Array:
        """An Arrow list array; observations of one dimension become fixed-size lists."""
        import pyarrow

        flat = pyarrow.array(self.values.detach().cpu().reshape(-1).numpy())
        if len(self.event) > 1:
            raise CatenaError(f"Arrow takes observations of one dimension, not {len(self.event)}")
        if self.event:
            flat = pyarrow.FixedSizeListArray.from_arrays(flat, self.event[0])
        return pyarrow.LargeListArray.from_arrays(self.offsets.numpy(), flat)


def as_tensor(array: Any) -> Tensor:
    """A tensor of what may also be a read-only or reversed array, which PyTorch does not take.

    Python's own floats keep their 64 bits, of which PyTorch's default would drop half.

    Raises:
        CatenaError: when it holds other things than numbers, or rows of different lengths.
    """
    try:
        if isinstance(array, np.ndarray) and array.dtype != object:
            return torch.as_tensor(np.require(array, requirements=["C", "W"]))
        array = array.tolist() if isinstance(array, np.ndarray) else array
        tensor = torch.as_tensor(array)
        if isinstance(array, Tensor) or not tensor.is_floating_point():
            return tensor
        return torch.as_tensor(array, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CatenaError(f"these are no rows of numbers of one length: {error}") from error


def check_sequence(sequence: Any) -> None:
    """Refuse what is in no order, and a single observation where a sequence of them is needed."""
    if isinstance(sequence, (Mapping, AnySet)):
        raise CatenaError(f"a {type(sequence).__name__} is no sequence: its items are in no order")
    array = isinstance(sequence, (np.ndarray, Tensor))
    if (sequence.ndim == 0) if array else not hasattr(sequence, "__len__"):
        raise CatenaError(
            f"a sequence is needed, not the single observation {sequence!r}: "
            "wrap one sequence in a list"
        )


def _is_list(kind: pyarrow.DataType) -> bool:
    import pyarrow.types as types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _unfold(array: pyarrow.Array, what: str) -> tuple[Tensor, pyarrow.Array]:
    """The lengths of an Arrow array's lists, and what is in them."""
    if not _is_list(array.type):
        raise CatenaError(f"an Arrow array of lists is needed, not of {array.type}")
    if array.null_count:
        raise CatenaError(f"{array.null_count} {what} are null: drop them or make them empty")
    lengths = array.value_lengths().to_numpy(zero_copy_only=False)
    return torch.tensor(lengths, dtype=torch.int64), array.flatten()


def _flat(values: pyarrow.Array) -> Tensor:
    """An Arrow array of numbers as a tensor."""
    import pyarrow.types as types

    if not (types.is_integer(values.type) or types.is_floating(values.type)) and not (
        types.is_boolean(values.type)
    ):
        raise CatenaError(f"observations must be numbers, not {values.type}")
    if values.null_count:
        raise CatenaError(f"{values.null_count} observations are null")
    return as_tensor(values.to_numpy(zero_copy_only=False))


def ranges(starts: Tensor, lengths: Tensor) -> Tensor:
    """`[sum(lengths)]`: starts[0], starts[0] + 1, ..., then starts[1], ... without a loop.

    >>> ranges(torch.tensor([5, 0]), torch.tensor([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    # As arrays: a small operation on them takes a fifth of the time of one on tensors.
    begins, sizes = starts.numpy(), lengths.numpy()
    ends = sizes.cumsum()
    shift = np.repeat(begins - (ends - sizes), sizes)
    return torch.from_numpy(shift + np.arange(len(shift)))
