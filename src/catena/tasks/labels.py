"""The labels of whole sequences as numbers: one each, or a set of them each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AnySet
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError

Label = str | int
ClassWeight = Mapping[Any, float] | str | None
LEAST, MOST = -(2**63), 2**63 - 1
SETS = (set, frozenset, list, tuple)


@dataclass(frozen=True)
class Labels:
    """The labels that there are.

    Args:
        names: `L` of them, sorted; a label's place is its number.
        many: whether a sequence may have several labels, or none.
        indicator: whether sets of labels are the rows of a matrix of 0 and 1, a column a label.
    """

    names: tuple[Label, ...]
    many: bool = False
    indicator: bool = False

    @staticmethod
    def learn(y: Any) -> Labels:
        """The labels in y: a label each, or a set (list, tuple) of them each, or of a matrix of 0
        and 1 the numbers of its columns.

        Raises:
            CatenaError: for what is not a label, and where there are not two to tell apart.
        """
        rows, matrix = items(y), indicator(y)
        if matrix is not None:
            return Labels(tuple(range(matrix.shape[1])), many=True, indicator=True)
        many = any(isinstance(row, SETS) for row in rows)
        found = {label for row in as_sets(rows) for label in row} if many else set(check(rows))
        if len({isinstance(label, str) for label in found}) > 1:
            raise CatenaError("some labels are strings and some are numbers; make all strings")
        names = tuple(sorted(found, key=lambda label: (isinstance(label, str), label)))
        if len(names) < 2 and not (many and names):
            only = f"there is only the label {names[0]!r}" if names else "there is no label"
            raise CatenaError(f"{only}: one class is not enough, there must be two to tell apart")
        return Labels(names, many)

    def encode(self, y: Any) -> Tensor:
        """Numbers `[n]` int64; of sets of labels, `[n, L]` float32 of 0 and 1.

        Raises:
            CatenaError: for a label that there is not.
        """
        rows, number = items(y), self._number
        if not self.many:
            return torch.tensor([number[label] for label in self._known(rows)], dtype=torch.int64)
        members = torch.zeros(len(rows), len(self.names))
        for i, row in enumerate(as_sets(rows)):
            members[i, [number[label] for label in self._known(row, i)]] = 1.0
        return members

    def decode(self, chosen: Tensor) -> Any:
        """Labels `[n]` as an array from numbers `[n]`; sets of labels from bools `[n, L]`, or an
        array of 0 and 1 `[n, L]` where labels were given as such."""
        if self.indicator:
            return chosen.long().numpy()
        if not self.many:
            return np.array(self.names)[chosen.numpy()]
        return [{self.names[j] for j in row.nonzero().flatten().tolist()} for row in chosen]

    def weights(self, targets: Tensor, class_weight: ClassWeight) -> Tensor:
        """What each sequence counts by its label, `[n]` float64, before it is scaled.

        Raises:
            CatenaError: for a weight that is not one, or of a label that there is not.
        """
        if class_weight is None:
            return torch.ones(len(targets), dtype=torch.float64)
        if self.many:
            return self._weights_of_sets(targets, class_weight)
        counts = torch.bincount(targets, minlength=len(self.names)).double()
        if isinstance(class_weight, str):
            _check_balanced(class_weight)
            return (len(targets) / len(self.names) / counts.clamp_min(1))[targets]
        return self._given(class_weight)[targets]

    def _weights_of_sets(self, targets: Tensor, class_weight: Mapping[Any, float] | str) -> Tensor:
        """The product over labels, as scikit-learn weighs them: of a dict the weights of those that
        a sequence has; balanced, each label is as often there as not."""
        there = targets > 0
        if isinstance(class_weight, str):
            _check_balanced(class_weight)
            share = there.double().mean(0)
            return torch.where(there, 0.5 / share, 0.5 / (1 - share)).prod(1)
        return torch.where(there, self._given(class_weight), 1.0).prod(1)

    def _given(self, class_weight: Mapping[Any, float]) -> Tensor:
        weights = torch.ones(len(self.names), dtype=torch.float64)
        for label, weight in class_weight.items():
            if label not in self._number:
                raise CatenaError(f"class_weight names {label!r}, which no sequence is labelled")
            if not 0 <= weight < float("inf"):
                raise CatenaError(f"class_weight of {label!r} must be at least 0, not {weight}")
            weights[self._number[label]] = weight
        return weights

    @property
    def _number(self) -> dict[Label, int]:
        return {label: number for number, label in enumerate(self.names)}

    def _known(self, rows: Iterable[Any], owner: int | None = None) -> list[Label]:
        labels = check(rows, owner)
        for i, label in enumerate(labels):
            if label not in self._number:
                raise CatenaError(
                    f"the label {label!r} was not seen in training, but {_listed(self.names)}",
                    sequence=i if owner is None else owner,
                )
        return labels


def lone(name: Label) -> str:
    """The note on a class that a single example stands for."""
    return f"the class {name!r} has one example only"


def _check_balanced(class_weight: str) -> None:
    if class_weight != "balanced":
        raise CatenaError(f"class_weight must be 'balanced' or a dict, not {class_weight!r}")


def indicator(y: Any) -> np.ndarray | None:
    """`[n, L]` bool, where y is an array (a data frame, a sparse matrix) of 0 and 1 of that shape.

    Raises:
        CatenaError: for one of other numbers, or of a single column.
    """
    given = y.toarray() if hasattr(y, "toarray") else y
    given = np.asarray(given) if hasattr(given, "__array__") else given
    if not isinstance(given, np.ndarray) or given.ndim != 2:
        return None
    if given.shape[1] < 2 or not np.isin(given, (0, 1)).all():
        raise CatenaError(
            f"y has the shape {list(given.shape)}; an array of two dimensions has a column for "
            "each label, two or more, and 1 where a sequence has it, otherwise 0"
        )
    return given.astype(bool)


def items(y: Any) -> list[Any]:
    """The entries of y, NumPy's own numbers and strings as Python's; of a matrix of 0 and 1 the set
    of each row's labels.

    Raises:
        CatenaError: where y is not a row of labels.
    """
    if y is None:
        raise CatenaError("a classifier requires y to be passed, but the target y is None")
    matrix = indicator(y)
    if matrix is not None:
        return [set(np.flatnonzero(row).tolist()) for row in matrix]
    # Arrays are those of NumPy and PyTorch, and columns of pandas, Polars and Arrow.
    given = np.asarray(y) if hasattr(y, "__array__") else y
    rows = given.tolist() if isinstance(given, np.ndarray) and given.ndim == 1 else given
    if isinstance(rows, (str, bytes, np.ndarray, Mapping, AnySet)) or not hasattr(rows, "__len__"):
        raise CatenaError("y must have one label, or one set of labels, for each sequence")
    return [row.item() if isinstance(row, np.generic) else row for row in rows]


def check(rows: Iterable[Any], owner: int | None = None) -> list[Label]:
    """The entries, if they are labels: of one sequence each, or all of sequence `owner`."""
    labels = [row.item() if isinstance(row, np.generic) else row for row in rows]
    for i, label in enumerate(labels):
        wrong = _wrong(label)
        if wrong is not None:
            place = i if owner is None else owner
            raise CatenaError(
                f"the label of sequence {place + 1} is {label!r}; {wrong}", sequence=place
            )
    return labels


def _wrong(label: Any) -> str | None:
    """Why something cannot be a label; None where it can. Predictions are NumPy arrays, whose
    strings lose the NULs that they end in."""
    if not isinstance(label, (str, int)):
        return "a label is a string or a whole number"
    if isinstance(label, str):
        return "a label must not end in a NUL" if label.endswith("\0") else None
    return None if LEAST <= label <= MOST else "a number must fit in 64 bits"


def as_sets(rows: Iterable[Any]) -> list[list[Label]]:
    """The entries, if they are sets of labels."""
    found = []
    for i, row in enumerate(rows):
        if not isinstance(row, SETS):
            raise CatenaError(
                f"sequence {i + 1} has {row!r} for labels, others have sets of labels: give each "
                "sequence a set",
                sequence=i,
            )
        found.append(check(row, i))
    return found


def _listed(names: tuple[Label, ...]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown + (", ..." if len(names) > 10 else "")
