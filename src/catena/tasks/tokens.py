"""Tokens as numbers: what a network that labels words reads of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from catena.ladder.characters import alphabet_of, distinct
from catena.learn.checkpoint import digest
from catena.sequences import Sequences
from catena.space import UNKNOWN, Symbols


@dataclass(frozen=True, eq=False)
class Tokens:
    """Sentences as a network reads them.

    Args:
        numbers: `[total, k]`: of the word, of its small letters, of each further column; then of
            its pretrained vector and of its spelling, where there are such.
        spelled: the characters of u distinct words, which the last number names.
    """

    numbers: Sequences
    spelled: Sequences | None = None

    @property
    def lengths(self) -> Tensor:
        """`[n]`, on the CPU."""
        return self.numbers.lengths

    @property
    def fingerprint(self) -> str:
        """A short name for what is in them."""
        spelled = () if self.spelled is None else (self.spelled.lengths, self.spelled.values)
        return digest(self.numbers.lengths, self.numbers.values, *spelled)

    def pick(self, chosen: Tensor) -> Tokens:
        """The chosen sentences `[m]`, and the spelling of their words alone."""
        numbers = self.numbers[chosen]
        if self.spelled is None:
            return Tokens(numbers)
        values = numbers.values.clone()
        words, values[:, -1] = values[:, -1].unique(return_inverse=True)
        return Tokens(numbers.with_values(values), self.spelled[words.cpu()])

    def to(self, device: torch.device) -> Tokens:
        """The same on another device."""
        spelled = None if self.spelled is None else self.spelled.to(device)
        return Tokens(self.numbers.to(device), spelled)


@dataclass(frozen=True)
class TokenVocabulary:
    """What has a number of its own; everything else is unknown.

    Args:
        words: the words.
        small: words in small letters.
        columns: the values of each further column.
        vectors: words with a pretrained vector.
        characters: what words are spelled with, where that is read.
    """

    words: Symbols
    small: Symbols
    columns: tuple[Symbols, ...] = ()
    vectors: Symbols | None = None
    characters: Symbols | None = None

    @staticmethod
    def learn(
        columns: Sequence[Sequence[str]],
        minimum: int,
        vectors: Iterable[str] | None,
        spelled: bool,
    ) -> TokenVocabulary:
        """Whatever occurs in the columns of training, each `[total]`, the word first.

        Args:
            minimum: words that occur less often are unknown.
            vectors: the words that have a pretrained vector, in the order of their table.
            spelled: whether characters are read.

        Raises:
            CatenaError: when no word occurs so often.
        """
        words = columns[0]
        return TokenVocabulary(
            _learned(words, minimum),
            _learned([word.lower() for word in words], minimum),
            tuple(_learned(column, 1) for column in columns[1:]),
            None if vectors is None else Symbols((UNKNOWN, *vectors), end=False),
            alphabet_of(words) if spelled else None,
        )

    def encode(self, columns: Sequence[Sequence[str]], lengths: Tensor) -> Tokens:
        """Tokens of these columns, each `[total]`, in sentences of these lengths."""
        words = columns[0]
        small = [word.lower() for word in words]
        spaces = (self.words, self.small, *self.columns)
        texts = (words, small, *columns[1:])
        parts = [_numbers(space, text) for space, text in zip(spaces, texts, strict=True)]
        if self.vectors is not None:
            parts.append(self._vectors(words, small))
        spelled = None
        if self.characters is not None:
            different, places = distinct(words)
            parts.append(places)
            spelled = self.characters.encode(different)
        return Tokens(Sequences(torch.stack(parts, 1), lengths), spelled)

    def _vectors(self, words: Sequence[str], small: Sequence[str]) -> Tensor:
        """Of the vector of each word or, where it has none, of its small letters."""
        assert self.vectors is not None
        own, other = _numbers(self.vectors, words), _numbers(self.vectors, small)
        return torch.where(own == self.vectors.unknown_number, other, own)

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs to make the vocabulary again, as JSON."""
        return {
            "words": self.words.describe(),
            "small": self.small.describe(),
            "columns": [column.describe() for column in self.columns],
            "vectors": None if self.vectors is None else self.vectors.describe(),
            "characters": None if self.characters is None else self.characters.describe(),
        }

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> TokenVocabulary:
        """The vocabulary that `describe` described."""
        vectors, characters = described["vectors"], described["characters"]
        return TokenVocabulary(
            Symbols.from_description(described["words"]),
            Symbols.from_description(described["small"]),
            tuple(map(Symbols.from_description, described["columns"])),
            None if vectors is None else Symbols.from_description(vectors),
            None if characters is None else Symbols.from_description(characters),
        )


def _learned(texts: Sequence[str], minimum: int) -> Symbols:
    return Symbols.learn([texts], "item", end=False, minimum=minimum)


def _numbers(space: Symbols, texts: Sequence[str]) -> Tensor:
    return space.encode([texts]).values
