"""Labels of steps, checked: one a token, or what is known of it; and the weights of sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from collections.abc import Set as AnySet
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError

# One label, some of which one is right, or None where any may be.
Known = str | AnySet[str] | None


def checked_labels(sentences: Sequence[Sized], y: Iterable[Sequence[str]]) -> list[list[str]]:
    """Labels as lists, once each sentence is known to have as many as tokens.

    Raises:
        CatenaError: when it has not, and at a label that is no string.
    """
    rows = _rows(sentences, y)
    for i, row in enumerate(rows):
        for step, label in enumerate(row):
            if not isinstance(label, str):
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: the label {label!r} is no string", i, step
                )
    return rows


def known_labels(sentences: Sequence[Sized], y: Iterable[Sequence[Known]]) -> list[list[Known]]:
    """The same, where tokens may have sets of labels or None.

    Raises:
        CatenaError: as `checked_labels`, and at a set that allows no label.
    """
    rows = _rows(sentences, y)
    for i, row in enumerate(rows):
        for step, known in enumerate(row):
            if known is None or isinstance(known, str):
                continue
            if not isinstance(known, AnySet) or not all(isinstance(x, str) for x in known):
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: the label {known!r} is no string, set of "
                    "strings, or None",
                    i,
                    step,
                )
            if not known:
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: an empty set allows no label; None "
                    "allows any",
                    i,
                    step,
                )
            row[step] = frozenset(known)
    return rows


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


def _rows(sentences: Sequence[Sized], y: Iterable[Sequence[Any]]) -> list[list[Any]]:
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
