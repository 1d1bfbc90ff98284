"""Labels of steps, checked: one a token, or what is known of it; and the weights of sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from collections.abc import Set as AnySet
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError

# One label, some of which one is right, or None where any may be; as users give them, and as text.
Label = str | int
Given = Label | AnySet[Label] | None
Known = str | AnySet[str] | None


def name_of(label: Any) -> str | None:
    """A label as text, NumPy's own strings and whole numbers like Python's; None where it is
    neither."""
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, str | int):
        return None
    return str(label)


def names_of(rows: Iterable[Iterable[Label]]) -> list[list[str]]:
    """Labels that a tagger predicted, as text."""
    return [[str(label) for label in row] for row in rows]


def are_numbers(labels: Iterable[Iterable[Any]]) -> bool | None:
    """Whether labels, sets of them among these, are whole numbers and not strings; None where there
    are none.

    Raises:
        CatenaError: when some are and some are not.
    """
    every = chain.from_iterable(labels)
    named = chain.from_iterable(one if isinstance(one, AnySet) else (one,) for one in every)
    kinds = {isinstance(label, str) for label in named if name_of(label) is not None}
    if len(kinds) > 1:
        raise CatenaError("some labels are strings and some are numbers; make all strings")
    return kinds == {False} if kinds else None


def checked_labels(sentences: Sequence[Sized], y: Iterable[Sequence[Label]]) -> list[list[str]]:
    """Labels as lists of strings, once each sentence is known to have as many as tokens.

    Raises:
        CatenaError: when it has not, and at a label that is no string or whole number.
    """
    rows = rows_of(sentences, y)
    for i, row in enumerate(rows):
        for step, label in enumerate(row):
            name = name_of(label)
            if name is None:
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: the label {label!r} is no string or "
                    "whole number",
                    i,
                    step,
                )
            row[step] = name
    return rows


def known_labels(sentences: Sequence[Sized], y: Iterable[Sequence[Given]]) -> list[list[Known]]:
    """The same, where tokens may have sets of labels or None.

    Raises:
        CatenaError: as `checked_labels`, and at a set that allows no label.
    """
    rows = rows_of(sentences, y)
    for i, row in enumerate(rows):
        for step, known in enumerate(row):
            try:
                row[step] = _known(known)
            except CatenaError as error:
                raise CatenaError(f"sentence {i + 1}, token {step + 1}: {error}", i, step) from None
    return rows


def _known(known: Any) -> Known:
    if known is None:
        return None
    if not isinstance(known, AnySet):
        name = name_of(known)
        if name is None:
            raise CatenaError(
                f"the label {known!r} is no string, whole number, set of these, or None"
            )
        return name
    names = [name_of(label) for label in known]
    if None in names:
        raise CatenaError(f"the label {known!r} is no set of strings or whole numbers")
    if not names:
        raise CatenaError("an empty set allows no label; None allows any")
    return frozenset(name for name in names if name is not None)


def all_known(row: Sequence[Known]) -> bool:
    """Whether every token of a sentence has a label."""
    return all(isinstance(known, str) for known in row)


def sets_of(labels: Sequence[Sequence[Known]]) -> list[list[AnySet[str]]]:
    """The labels that each token may have; where any may be, all that are named anywhere."""
    sets = [[{known} if isinstance(known, str) else known for known in row] for row in labels]
    every = frozenset().union(*(one for row in sets for one in row if one is not None))
    return [[every if one is None else one for one in row] for row in sets]


def certain(labels: Iterable[Sequence[Known]]) -> list[list[str]]:
    """The labels of sentences whose labels are all known."""
    return [[label for label in row if isinstance(label, str)] for row in labels]


def weights_of_sentences(given: Any, count: int) -> Tensor:
    """float64 `[count]`, 1 unless given.

    Raises:
        CatenaError: for another number of them, and for weights that cannot be.
    """
    if given is None:
        return torch.ones(count, dtype=torch.float64)
    weights = torch.as_tensor(np.asarray(given, np.float64))
    if weights.shape != (count,):
        raise CatenaError(
            f"sample_weight has the shape {list(weights.shape)}, where there are {count} sentences"
        )
    if not bool((weights.isfinite() & (weights >= 0)).all()) or not bool(weights.any()):
        raise CatenaError("sample_weight must be finite, at least 0, and not 0 everywhere")
    return weights


def rows_of(sentences: Sequence[Sized], y: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Labels as lists of their own, as many as sentences and each as long.

    Raises:
        CatenaError: where they are not.
    """
    if not hasattr(y, "__iter__"):
        raise CatenaError(f"a list of labels is needed for every sentence, not {y!r}")
    given = list(y)
    for i, row in enumerate(given):
        if isinstance(row, str) or not hasattr(row, "__iter__"):
            raise CatenaError(f"sentence {i + 1}: {row!r} is no list of labels", i)
    rows = [list(row) for row in given]
    if len(rows) != len(sentences):
        raise CatenaError(f"{len(sentences)} sentences, but labels for {len(rows)}")
    for i, (sentence, row) in enumerate(zip(sentences, rows, strict=True)):
        if len(sentence) != len(row):
            raise CatenaError(
                f"sentence {i + 1} has {len(sentence)} tokens, but {len(row)} labels", i
            )
    return rows
