"""The labels of whole sequences as numbers: one each, or a set of them each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError

Label = str | int
ClassWeight = Mapping[Any, float] | str | None
SETS = (set, frozenset, list, tuple)


@dataclass(frozen=True)
class Labels:
    """The labels that there are.

    Args:
        names: `L` of them, sorted; a label's place is its number.
        many: whether a sequence may have several labels, or none.
    """

    names: tuple[Label, ...]
    many: bool = False

    @staticmethod
    def learn(y: Any) -> Labels:
        """The labels in y: a label each, or a set (list, tuple) of them each.

        Raises:
            CatenaError: for what is not a label, and where there are not two to tell apart.
        """
        rows = items(y)
        many = any(isinstance(row, SETS) for row in rows)
        found = {label for row in as_sets(rows) for label in row} if many else set(check(rows))
        if len({isinstance(label, str) for label in found}) > 1:
            raise CatenaError("some labels are strings and some are numbers; make all strings")
        names = tuple(sorted(found, key=lambda label: (isinstance(label, str), label)))
        if len(names) < 2 and not (many and names):
            only = f"there is only the label {names[0]!r}" if names else "there is no label"
            raise CatenaError(f"{only}: a classifier needs two or more to tell apart")
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
        """Labels `[n]` as an array from numbers `[n]`; sets of labels from bools `[n, L]`."""
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
            raise CatenaError("class_weight needs one label a sequence; here there are sets")
        counts = torch.bincount(targets, minlength=len(self.names)).double()
        if isinstance(class_weight, str):
            if class_weight != "balanced":
                raise CatenaError(
                    f"class_weight must be 'balanced' or a dict, not {class_weight!r}"
                )
            return (len(targets) / len(self.names) / counts.clamp_min(1))[targets]
        return self._given(class_weight)[targets]

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


def items(y: Any) -> list[Any]:
    """The entries of y, NumPy's own numbers and strings as Python's.

    Raises:
        CatenaError: where y is not a row of labels.
    """
    if isinstance(y, (str, bytes)) or not hasattr(y, "__len__") or getattr(y, "ndim", 1) != 1:
        raise CatenaError("y must have one label, or one set of labels, for each sequence")
    rows = y.tolist() if isinstance(y, (np.ndarray, Tensor)) else y
    return [row.item() if isinstance(row, np.generic) else row for row in rows]


def check(rows: Iterable[Any], owner: int | None = None) -> list[Label]:
    """The entries, if they are labels: of one sequence each, or all of sequence `owner`."""
    labels = [row.item() if isinstance(row, np.generic) else row for row in rows]
    for i, label in enumerate(labels):
        if not isinstance(label, (str, int)):
            place = i if owner is None else owner
            raise CatenaError(
                f"the label of sequence {place + 1} is {label!r}; a label is a string or a "
                "whole number",
                sequence=place,
            )
    return labels


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
