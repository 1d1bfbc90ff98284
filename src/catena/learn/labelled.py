"""The hidden Markov model whose states are labels, learned by counting: a tagger of words.

    p(x_1..x_T, z_1..z_T) = Π A(z_{t-1}, z_t) Π p(x_t given z_t) A(z_T, end),    z_0 = begin

By Bayes' rule p(x given z) = p(z given x) p(x) / p(z), where p(x) is the same for every path, so a
step is scored by log p(z given x) - log p(z). A word is known by a chain of contexts, each more
particular than the one before: nothing, its shape, how it begins, its last 1, 2, ... characters,
the word in small letters, the word as it is. Along them, as between the moves and the labels alone,

    p_k(z) = (n(c_k, z) + D(c_k) p_{k-1}(z)) / (n(c_k) + D(c_k))

with n the counts, and D how many different labels the context has. A context that training never
saw is passed over, so an unknown word is judged by its spelling. Spelling is counted on rare words
only, because unknown words are like those.

The counts are sums: those of two shards, added, are those of both.

Source: Brants 2000 (TnT: suffixes of rare words, capitals apart); Witten and Bell 1991 (weights).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.linear_chain import LinearChain
from catena.sequences import Sequences
from catena.words import prefixes, shape, suffixes

RARE = 10  # a word is rare that occurs no more often
BEGINNING, ENDING = 2, 10  # characters that are looked at

Move = tuple[str | None, str | None]


@dataclass(frozen=True)
class LabelCounts:
    """All that is learned from.

    Args:
        words: (word, label) -> how often the word had that label.
        moves: (label, next label) -> how often; None stands for the begin and for the end.
    """

    words: Counter[tuple[str, str]] = field(default_factory=Counter)
    moves: Counter[Move] = field(default_factory=Counter)

    def __add__(self, other: LabelCounts) -> LabelCounts:
        """The counts of both shards together."""
        return LabelCounts(self.words + other.words, self.moves + other.moves)

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs to make the counts again, as JSON."""
        return {
            "words": [[*pair, times] for pair, times in sorted(self.words.items())],
            "moves": [[*move, times] for move, times in self.moves.items()],
        }

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> LabelCounts:
        """The counts that `describe` described."""
        return LabelCounts(
            Counter({(word, label): times for word, label, times in described["words"]}),
            Counter({(before, after): times for before, after, times in described["moves"]}),
        )


def count_labels(
    sentences: Sequence[Sequence[str]], labels: Sequence[Sequence[str]]
) -> LabelCounts:
    """Count one shard of words and their labels.

    Raises:
        CatenaError: when a sentence has more or fewer labels than words.
    """
    if len(sentences) != len(labels):
        raise CatenaError(f"{len(sentences)} sentences, but labels for {len(labels)}")
    counts = LabelCounts()
    for i, (words, tags) in enumerate(zip(sentences, labels, strict=True)):
        if len(words) != len(tags):
            raise CatenaError(f"sentence {i + 1}: {len(words)} words, but {len(tags)} labels", i)
        if words:
            counts.moves.update(pairwise([None, *tags, None]))
    counts.words.update(
        zip(chain.from_iterable(sentences), chain.from_iterable(labels), strict=True)
    )
    return counts


class LabelledHMM:
    """The model that follows from counts.

    Attributes:
        labels: L of them, sorted.
        start, transitions, end: log A in nats, float64: `[L]`, `[L, L]` (row: from, column: to)
            and `[L]`.

    Raises:
        CatenaError: when there is nothing to learn from.
    """

    def __init__(self, counts: LabelCounts) -> None:
        if not counts.words:
            raise CatenaError("there is nothing to learn from; give a sentence with a word in it")
        self.counts = counts
        self.labels = tuple(sorted({label for _, label in counts.words}))
        self._label_number = {label: i for i, label in enumerate(self.labels)}
        moves = self._moves().log()
        self.start, self.end = moves[-1, :-1], moves[:-1, -1]
        self.transitions = moves[:-1, :-1].contiguous()
        self._contexts = _Contexts(counts.words, self._label_number)
        self._log_prior = np.log(self._contexts.label_counts / self._contexts.label_counts.sum())

    def scores(self, words: Sequence[str]) -> Tensor:
        """log p(word given label), up to a constant of each word, in nats: `[m, L]` float64."""
        distinct = {word: i for i, word in enumerate(dict.fromkeys(words))}
        table = np.log(self._contexts.posteriors(distinct)) - self._log_prior
        return torch.from_numpy(table[[distinct[word] for word in words]])

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The most probable labels of every sentence (Viterbi)."""
        lengths = torch.tensor([len(words) for words in sentences], dtype=torch.int64)
        scored = Sequences(self.scores(list(chain.from_iterable(sentences))), lengths)
        paths, _ = LinearChain(self.transitions, self.start, self.end).viterbi(scored)
        return [[self.labels[number] for number in path.tolist()] for path in paths]

    def _moves(self) -> Tensor:
        """A, `[L + 1, L + 1]` float64: the last row is the begin, the last column the end."""
        counted = torch.zeros(len(self.labels) + 1, len(self.labels) + 1, dtype=torch.float64)
        for (before, after), times in self.counts.moves.items():
            counted[self._at(before), self._at(after)] = times
        kinds = (counted > 0).sum(1, keepdim=True)
        alone = counted.sum(0) / counted.sum()
        return (counted + kinds * alone) / (counted.sum(1, keepdim=True) + kinds)

    def _at(self, label: str | None) -> int:
        return len(self.labels) if label is None else self._label_number[label]


class _Contexts:
    """How often each context had each label: a row a context, of the labels that it had.

    Args:
        words: (word, label) -> how often.
        number: label -> its number, 0 to L - 1.
    """

    def __init__(self, words: Counter[tuple[str, str]], number: Mapping[str, int]) -> None:
        labels, times = len(number), np.array(list(words.values()))
        of_label = np.array([number[label] for _, label in words])
        self.label_counts = np.bincount(of_label, times, labels)
        keys, sources = self._grams(words, of_label, labels)
        grams, inverse = np.unique(keys, return_inverse=True)
        self._count = np.bincount(inverse, times[sources])
        self._label = grams % labels
        self._starts = np.searchsorted(grams, np.arange(len(self._row) + 1) * labels)

    def _grams(
        self, words: Counter[tuple[str, str]], of_label: np.ndarray, labels: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """A number for each context and label of each entry of `words`, and the entry's number."""
        total: Counter[str] = Counter()
        for (word, _), times in words.items():
            total[word] += times
        rows: defaultdict[str, int] = defaultdict(count().__next__)
        of_word = {
            word: [rows[context] for context in _contexts(word, times <= RARE)]
            for word, times in total.items()
        }
        self._row = dict(rows)
        found = [of_word[word] for word, _ in words]
        sources = np.repeat(np.arange(len(found)), list(map(len, found)))
        return np.array(list(chain.from_iterable(found))) * labels + of_label[sources], sources

    def posteriors(self, words: Iterable[str]) -> np.ndarray:
        """p(label given word) of each word, `[m, L]`."""
        known = self._row
        found = [
            [known[context] for context in _contexts(word, spelled=True) if context in known]
            for word in words
        ]
        shares = np.full((len(found), len(self.label_counts)), 1 / len(self.label_counts))
        for depth in range(max(map(len, found), default=0)):
            which = np.array([i for i, rows in enumerate(found) if len(rows) > depth])
            self._refine(shares, which, np.array([found[i][depth] for i in which]))
        return shares

    def _refine(self, shares: np.ndarray, which: np.ndarray, rows: np.ndarray) -> None:
        """Take one more context each into account: words `which` have the contexts `rows`."""
        kinds = self._starts[rows + 1] - self._starts[rows]
        word, ends = np.repeat(np.arange(len(which)), kinds), kinds.cumsum()
        seen = np.arange(ends[-1]) + (self._starts[rows] - ends + kinds)[word]
        counts = self._count[seen]
        own = shares[which] * kinds[:, None]
        own[word, self._label[seen]] += counts
        shares[which] = own / (np.bincount(word, counts) + kinds)[:, None]


def _contexts(word: str, spelled: bool) -> Iterator[str]:
    """The contexts of a word, the most general first; those of its spelling where wanted.

    The first character tells the kinds of context apart.
    """
    small = word.lower()
    if spelled:
        pattern = shape(word, 1)
        capital = "^" if pattern.startswith("X") else "-"
        yield "*"
        yield f"#{pattern}"
        yield from (f"<{part}" for part in prefixes(small, BEGINNING)[-1:])
        yield from (f"{capital}{part}" for part in suffixes(small, ENDING))
    yield f"~{small}"
    yield f"={word}"
