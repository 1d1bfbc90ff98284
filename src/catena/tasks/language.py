"""How the texts of one side of a translation are cut into symbols, and put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from catena.ladder.rung import one_of
from catena.sequences import Sequences
from catena.space import Symbols

if TYPE_CHECKING:
    from catena.subwords import Subwords

CUTS = ("bpe", "unigram", "word", "char")


@dataclass(frozen=True, eq=False)
class Language:
    """The symbols of texts.

    Args:
        space: characters, words, or pieces of words.
        subwords: what cuts text into pieces of words; None for characters and words.
    """

    space: Symbols
    subwords: Subwords | None = None

    @staticmethod
    def learn(texts: Sequence[str], unit: str, size: int, minimum: int) -> Language:
        """The language of these texts.

        Args:
            unit: "bpe" or "unigram" subwords, "word" or "char".
            size: how many subwords.
            minimum: words and characters that occur less often are unknown.
        """
        one_of("unit", unit, CUTS)
        if unit == "char" or unit == "word":
            return Language(Symbols.learn(texts, unit, minimum=minimum))
        from catena.subwords import Subwords

        subwords = Subwords.learn(texts, unit, size)
        return Language(Symbols(subwords.items), subwords)

    def encode(self, texts: Sequence[str]) -> Sequences:
        """Numbers over the symbols of each text."""
        return self.space.encode(texts if self.subwords is None else self.subwords.cut(texts))

    def phrase(self, text: str) -> str | list[str]:
        """A text as constraints take one: itself, or the pieces that it is cut into."""
        return text if self.subwords is None else self.subwords.cut([text])[0]

    def decode(self, numbers: Tensor) -> str:
        """The text of numbers `[length]`."""
        if self.subwords is None:
            return self.space.show(numbers)
        return self.subwords.join(self.symbols(numbers))

    def written(self, text: str) -> list[str]:
        """What stands in a text for each of its symbols, also where that is unknown."""
        if self.subwords is not None:
            return self.subwords.written(text)
        return text.split() if self.space.unit == "word" else list(text)

    def join(self, symbols: Sequence[str]) -> str:
        """The text of symbols, which need not be of the vocabulary."""
        if self.subwords is not None:
            return self.subwords.join(symbols)
        return (" " if self.space.unit == "word" else "").join(symbols)

    def symbols(self, numbers: Tensor) -> list[str]:
        """Each of them as text."""
        return [str(self.space.items[number]) for number in numbers.tolist()]

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs, as JSON."""
        stored = None if self.subwords is None else self.subwords.stored
        return {"space": self.space.describe(), "subwords": stored}

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> Language:
        """The language that `describe` described."""
        space, stored = Symbols.from_description(described["space"]), described["subwords"]
        if stored is None:
            return Language(space)
        from catena.subwords import Subwords

        return Language(space, Subwords(stored))

    def none(self, count: int) -> Sequences:
        """So many texts without a symbol."""
        values = torch.zeros(0, dtype=torch.int64)
        return Sequences(values, torch.zeros(count, dtype=torch.int64))
