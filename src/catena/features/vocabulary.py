"""Which attributes a model knows, and steps as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.features.attributes import TEXT, Attributes
from catena.features.names import NameTable
from catena.kernels import features as kernel

pc: Any = pyarrow.compute


@dataclass(frozen=True, eq=False)
class Encoded:
    """The attributes of every step as numbers, in rows of a sparse matrix `[total, attributes]`.

    Those of a step are kept in rising order, so that sums over them are the same however they came.

    Args:
        offsets: int64 `[total + 1]`: step t has `ids[offsets[t]:offsets[t + 1]]`.
        ids: int32 `[m]`, from 0 to attributes - 1.
        values: float64 `[m]`, or None where all are 1.
        attributes: how many there are.

    Raises:
        CatenaError: when the arrays do not fit together.
    """

    offsets: Tensor
    ids: Tensor
    values: Tensor | None
    attributes: int

    def __post_init__(self) -> None:
        offsets, ids, values = self.offsets, self.ids, self.values
        kinds = offsets.dtype, ids.dtype, torch.float64 if values is None else values.dtype
        if kinds != (torch.int64, torch.int32, torch.float64):
            raise CatenaError("encoded steps have int64 offsets, int32 ids and float64 values")
        ends = len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == len(ids)
        if not ends or bool((offsets.diff() < 0).any()):
            raise CatenaError("encoded steps: offsets must grow from 0 to the number of ids")
        if values is not None and len(values) != len(ids):
            raise CatenaError(f"encoded steps: {len(values)} values for {len(ids)} ids")
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < self.attributes:
            raise CatenaError(f"encoded steps: ids must lie from 0 to {self.attributes - 1}")
        rows = kernel.ordered(self.rows)
        object.__setattr__(self, "ids", rows.ids)
        object.__setattr__(self, "values", rows.values)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def rows(self) -> kernel.Rows:
        """The arrays as the kernels take them."""
        return kernel.Rows(self.offsets, self.ids, self.values)

    def steps(self, begin: int, end: int) -> Encoded:
        """Steps begin to end - 1."""
        first, last = int(self.offsets[begin]), int(self.offsets[end])
        values = None if self.values is None else self.values[first:last]
        offsets = self.offsets[begin : end + 1] - first
        return Encoded(offsets, self.ids[first:last], values, self.attributes)


@dataclass(frozen=True, eq=False)
class AttributeVocabulary:
    """The attributes that a model knows; others are passed over.

    Args:
        names: Arrow strings `[attributes]`, distinct.

    >>> train = Attributes.from_steps([["a", "b"], ["a", "c"]])
    >>> vocabulary = AttributeVocabulary.learn(train, minimum=2)
    >>> vocabulary.names.to_pylist()
    ['a']
    >>> vocabulary.encode(train).ids.tolist()
    [0, 0]
    """

    names: pa.Array
    _table: NameTable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", pc.cast(self.names, TEXT))
        object.__setattr__(self, "_table", NameTable(self.names))
        if self.names.null_count or not self._table.distinct:
            raise CatenaError(
                "a vocabulary's attributes must be distinct, and none of them missing"
            )

    @staticmethod
    def learn(attributes: Attributes, minimum: int = 1) -> AttributeVocabulary:
        """The attributes that occur at least `minimum` times, the most frequent first.

        In that order the weights that are read most lie side by side.
        """
        counts = np.bincount(attributes.codes, minlength=len(attributes.names))
        order = np.argsort(-counts, kind="stable")
        order = order[: int((counts >= max(minimum, 1)).sum())]
        return AttributeVocabulary(attributes.names.take(pa.array(order)))

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, attributes: Attributes) -> Encoded:
        """Steps as numbers; attributes that the vocabulary has not are left out."""
        ids = self.places(attributes.names)[attributes.codes]
        return self._known(attributes.offsets, ids, attributes.values)

    def encode_lists(self, steps: list[Any]) -> Encoded | None:
        """The same of steps that are lists of strings; None where they are something else."""
        found = self._table.find_in_lists(steps)
        if found is None:
            return None
        ids, offsets = found
        return Encoded(torch.from_numpy(offsets), torch.from_numpy(ids), None, len(self))

    def places(self, names: pa.Array) -> np.ndarray:
        """int32 `[u]`: each name's place in the vocabulary, -1 where it has none."""
        return self._table.find(pc.cast(names, TEXT))

    def _known(self, offsets: np.ndarray, ids: np.ndarray, values: np.ndarray | None) -> Encoded:
        """Without the ids of -1."""
        if len(ids) and ids.min() < 0:
            known = ids >= 0
            before = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])
            offsets, ids = before[offsets], ids[known]
            values = None if values is None else values[known]
        return Encoded(
            torch.from_numpy(offsets),
            torch.from_numpy(ids),
            None if values is None else torch.from_numpy(values),
            len(self),
        )
