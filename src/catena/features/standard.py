"""What a tagger reads of words and their columns unless told otherwise.

Of the word: itself, its neighbours two steps on, the pairs with those beside it, its small letters,
its shape, how it begins and how it ends. Of every other column: the values two steps on, and the
pairs and triples among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from catena.features.attributes import TEXT, Attributes
from catena.features.extract import extract, strings
from catena.features.templates import Templates, templates_of_fields
from catena.words import prefixes, shape, suffixes

AFFIX = 4  # characters
SPELLING = (
    "lower",
    "shape",
    "kind",
    *(f"begin{size}" for size in range(1, AFFIX + 1)),
    *(f"end{size}" for size in range(1, AFFIX + 1)),
)
Around = Sequence[Sequence[int]]
NEAR: Around = [(-2,), (-1,), (0,), (1,), (2,)]
PAIRS: Around = [(-1, 0), (0, 1)]
FAR: Around = [(-2, -1), (1, 2), (-2, -1, 0), (-1, 0, 1), (0, 1, 2)]


def standard(columns: Sequence[Sequence[str]], lengths: Sequence[int]) -> Attributes:
    """The attributes of every step.

    Args:
        columns: the words, then what else is known of them, each with `total` strings.
        lengths: how many steps each sequence has; they sum to `total`.

    >>> found = standard([["The", "dog"]], [2])
    >>> found.names.to_pylist()[:3]
    ['w[-2]=_B-2', 'w[-2]=_B-1', 'w[-1]=_B-1']
    """
    words = strings(columns[0], 0).dictionary_encode()
    spelled = [_spelling(word) for word in words.dictionary.to_pylist()]
    distinct = zip(*spelled, strict=True) if spelled else [[]] * len(SPELLING)
    spelling = [pa.array(column, TEXT).take(words.indices) for column in distinct]
    return extract(_templates(len(columns)), [*columns, *spelling], lengths)


def _spelling(word: str) -> tuple[str, ...]:
    """One value for each of SPELLING; a word too short for an affix has the empty one."""
    begins, ends = _padded(prefixes(word, AFFIX)), _padded(suffixes(word, AFFIX))
    return word.lower(), shape(word), shape(word, 1), *begins, *ends


def _padded(parts: list[str]) -> list[str]:
    return parts + [""] * (AFFIX - len(parts))


def _templates(columns: int) -> Templates:
    others = [f"c{i}" for i in range(1, columns)]
    found: list[Any] = _around("w", [*NEAR, *PAIRS])
    for other in others:
        found += _around(other, [*NEAR, *PAIRS, *FAR])
    found += [((name, 0),) for name in SPELLING]
    found += _around("kind", [(-1,), (1,), (-1, 0), (0, 1)])
    # Beyond the ends stand marks, so that first and last steps are told apart.
    return replace(templates_of_fields(found, ["w", *others, *SPELLING], None), edges="mark")


def _around(name: str, places: Around) -> list[tuple[tuple[str, int], ...]]:
    return [tuple((name, row) for row in rows) for rows in places]
