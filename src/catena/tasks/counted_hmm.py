"""A hidden Markov model whose states are labels, as a labeller of words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.learn.labelled import LabelCounts, LabelledHMM, count_labels
from catena.learn.learner import History
from catena.linear_chain import LinearChain
from catena.sequences import Sequences
from catena.tasks.labeller import Labeller
from catena.tasks.reader import Reader, Sentence


class CountedHMM:
    """A labelled hidden Markov model that reads the first column of tokens.

    Args:
        reader: what tokens are.
        counts: what the model follows from.
    """

    def __init__(self, reader: Reader, counts: LabelCounts) -> None:
        self.reader, self._model = reader, LabelledHMM(counts)

    @property
    def counts(self) -> LabelCounts:
        return self._model.counts

    @property
    def labels(self) -> tuple[str, ...]:
        return self._model.labels

    @property
    def chain(self) -> LinearChain:
        return LinearChain(self._model.transitions, self._model.start, self._model.end)

    @property
    def parameters(self) -> int:
        return len(self._model.counts.words) + len(self._model.counts.moves)

    def scores(self, sentences: Sequence[Sentence]) -> Sequences:
        lengths = torch.tensor([len(sentence) for sentence in sentences], dtype=torch.int64)
        return Sequences(self._model.scores(self.reader.read(sentences)[0]), lengths)

    def describe(self) -> dict[str, Any]:
        return {"counts": self._model.counts.describe()}

    def tensors(self) -> dict[str, Tensor]:
        return {}

    @staticmethod
    def restore(reader: Reader, described: Mapping[str, Any]) -> CountedHMM:
        """The model that `describe` told of.

        Raises:
            CatenaError, KeyError, TypeError, ValueError: when that is damaged.
        """
        counts = LabelCounts.from_description(described["counts"])
        pairs = [*counts.words.items(), *counts.moves.items()]
        if any(type(times) is not int or times < 1 for _, times in pairs):
            raise CatenaError("its counts are not whole numbers above 0")
        if not all(isinstance(name, str) for pair in counts.words for name in pair):
            raise CatenaError("its words and labels are not all strings")
        if not reader.columns:
            raise CatenaError("a hidden Markov model reads words")
        return CountedHMM(reader, counts)


def learn_hmm(
    reader: Reader,
    sentences: Sequence[Sentence],
    labels: Sequence[Sequence[str]],
    before: Labeller | None = None,
    history: History | None = None,
) -> tuple[CountedHMM, History]:
    """The model that the counts of labelled sentences make; a pass over them, nothing is drawn.

    Args:
        before: a `CountedHMM` whose counts are added to, and how it was found.

    Raises:
        CatenaError: when tokens are attributes, or read by a function.
    """
    if not reader.columns:
        raise CatenaError(
            "a hidden Markov model reads words: give tokens as strings, or as tuples that begin "
            "with the word"
        )
    begun = time.monotonic()
    words = iter(reader.read(sentences)[0])
    rows = [[next(words) for _ in sentence] for sentence in sentences]
    counts = count_labels(rows, labels)
    if isinstance(before, CountedHMM):
        counts = before.counts + counts
    model, earlier = CountedHMM(reader, counts), history or History()
    seconds = earlier.seconds + time.monotonic() - begun
    row = {"step": len(earlier.rows) + 1, "seconds": seconds}
    return model, History([*earlier.rows, row], [], earlier.epochs + 1.0, seconds)
