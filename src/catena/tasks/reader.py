"""What a tagger reads of the tokens of a sentence: words with their columns, or attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AnySet
from dataclasses import dataclass, field
from itertools import chain
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from catena.errors import CatenaError
from catena.features.attributes import Attributes, Step
from catena.features.extract import extract
from catena.features.standard import standard
from catena.features.templates import Templates, parse_templates
from catena.sequences import Sequences
from catena.space import as_sequences, is_pair

Sentence = Sequence[Any]
# As users give them: tokens, or the measurements of each sequence.
Data = Iterable[Sentence] | Iterable[np.ndarray] | Iterable[Tensor] | Sequences
Function = Callable[[Sentence, int], Step]
Features = str | Path | Function | None
LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Reader:
    """How the steps of sentences get their attributes.

    Args:
        columns: how many a token has, 1 where it is a word; 0 where tokens are attributes already,
            or are whatever `function` reads.
        text: of a template file; None: the standard attributes of words.
        name: of that file, for messages.
        function: sentence, i -> the attributes of step i.

    Raises:
        CatenaError: at a line that is no template.
    """

    kind: ClassVar[str] = "tokens"

    columns: int
    text: str | None = None
    name: str = "features"
    function: Function | None = None
    templates: Templates | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.text is not None:
            object.__setattr__(self, "templates", parse_templates(self.text, self.name))

    @staticmethod
    def learn(features: Features, sentences: Sequence[Sentence]) -> Reader:
        """The reader that features and data ask for.

        Raises:
            CatenaError: when there is no token, or tokens are attributes and need no templates.
        """
        first = next(chain.from_iterable(sentences), None)
        if first is None:
            raise CatenaError("there is nothing to learn from; give a sentence with a token in it")
        if callable(features):
            return Reader(0, function=features)
        columns = _count(first)
        if columns is None:
            raise CatenaError(f"the token {_shown(first)} is {_kind(None)}")
        if features is not None and not columns:
            raise CatenaError(
                f"the token {_shown(first)} is {_kind(0)}, which templates cannot read; leave "
                "features out, or give tokens as strings or tuples of columns"
            )
        if isinstance(features, Path):
            return Reader(columns, _content(features), str(features))
        return Reader(columns, features)

    @property
    def pairs(self) -> bool:
        """Whether pairs of labels that follow each other have weights."""
        return self.templates is None or self.templates.pairs

    def attributes(self, sentences: Sequence[Sentence]) -> Attributes:
        """The attributes of all steps, one sentence after the other.

        Raises:
            CatenaError: at a token that is not like those of training.
        """
        if self.function is not None:
            return Attributes.from_function(self.function, sentences)
        if not self.columns:
            _check_kind(sentences, 0)
            return Attributes.from_steps(chain.from_iterable(sentences))
        columns, lengths = self.read(sentences), [len(sentence) for sentence in sentences]
        if self.templates is None:
            return standard(columns, lengths)
        return extract(self.templates, columns, lengths)

    def read(self, sentences: Sequence[Sentence]) -> list[list[str]]:
        """The columns of all tokens, each with `total` strings.

        Raises:
            CatenaError: at a token with more or fewer columns than those of training.
        """
        _check_kind(sentences, self.columns)
        tokens = list(chain.from_iterable(sentences))
        if self.columns == 1:
            return [[token if isinstance(token, str) else token[0] for token in tokens]]
        return [list(column) for column in zip(*tokens, strict=True)] or [[]] * self.columns

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs, as JSON; of a function, that there is one."""
        described = {"columns": self.columns, "text": self.text, "name": self.name}
        return described | {"function": self.function is not None}

    @staticmethod
    def from_description(described: Mapping[str, Any], features: Features) -> Reader:
        """The reader that `describe` described.

        Args:
            features: the function, where one reads the steps: no file holds code.

        Raises:
            CatenaError: where that is missing.
        """
        function = None
        if described["function"]:
            if not callable(features):
                raise CatenaError(
                    "its features are a function, which no file holds: load(path, features=...) it"
                )
            function = features
        return Reader(int(described["columns"]), described["text"], described["name"], function)


def is_measured(sentences: Iterable[Sentence]) -> bool:
    """Whether the steps of sequences are measurements: numbers, or rows of them."""
    first = next(chain.from_iterable(sentences), None)
    if isinstance(first, list | tuple) and first:
        first = first[0]
    if isinstance(first, np.ndarray):
        return first.dtype.kind in "biuf"
    return isinstance(first, Real | np.bool_ | Tensor)


def checked(sentences: Data) -> list[Sentence]:
    """Sentences as a list, once each is known to be a row of tokens, or of measurements.

    Raises:
        CatenaError: at one that is not, such as a text that was not cut into tokens.
    """
    if isinstance(sentences, Sequences | np.ndarray | Tensor) or is_pair(sentences):
        sentences = [*as_sequences(sentences)]
    if isinstance(sentences, str):
        raise CatenaError("give a list of sentences, each a list of tokens, not one text")
    rows: list[Any] = list(sentences)
    for i, row in enumerate(rows):
        if isinstance(row, str | bytes | Mapping) or not hasattr(row, "__len__"):
            raise CatenaError(
                f"sentence {i + 1}: {_shown(row)} is no list of tokens; cut it into tokens first", i
            )
    return rows


def _content(features: Path) -> str:
    try:
        return features.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CatenaError(f"{features}: cannot be read: {error}") from error


def _check_kind(sentences: Sequence[Sentence], columns: int) -> None:
    """Raise at the first token of another kind than `columns` says."""
    for i, sentence in enumerate(sentences):
        for step, token in enumerate(sentence):
            if (found := _count(token)) != columns:
                raise CatenaError(
                    f"sentence {i + 1}, token {step + 1}: {_shown(token)} is {_kind(found)}, where "
                    f"{_kind(columns)} is expected",
                    i,
                    step,
                )


def _count(token: Any) -> int | None:
    """How many columns a token has; 0: it is attributes; None: it is no token."""
    if isinstance(token, str):
        return 1
    if isinstance(token, tuple) and token and all(isinstance(part, str) for part in token):
        return len(token)
    return 0 if isinstance(token, Mapping | AnySet | list) else None


def _kind(columns: int | None) -> str:
    if columns is None:
        return "neither a string, a tuple of strings, nor a list or dict of attributes"
    if columns == 0:
        return "a list or dict of attributes"
    return "a word" if columns == 1 else f"a tuple of {columns} columns"


def _shown(thing: Any) -> str:
    text = repr(thing)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ..."
