"""A vector for a word from its characters c_1..c_T, for words that training never saw.

    RNN, GRU, LSTM   both directions, each from its own end: [h_T forwards, h_1 backwards]
    CNN              y_t = Σ_k W_k e(c_{t+k}),  k = -(width - 1)/2 .. (width - 1)/2
                     max over t of y_t, feature by feature, + b

Left of c_1 the convolution reads ⟨begin⟩, right of c_T ⟨end⟩. Nothing is padded, so a word has the
same vector in any company; that of the empty word is zero. Both are learned with what reads them.

Sources: Lample et al. (Neural architectures for named entity recognition, 2016) for the LSTM, Ma
and Hovy (End-to-end sequence labeling, 2016) for the convolution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from catena.errors import CatenaError
from catena.kinds import describe, of_kind
from catena.ladder.gru import GRU
from catena.ladder.lstm import LSTM
from catena.ladder.neural import Recurrent
from catena.ladder.rnn import RNN
from catena.ladder.rung import fraction, whole
from catena.sequences import Sequences
from catena.space import Symbols
from catena.summary import Max, summary_for

EMBEDDING = 25


@dataclass(frozen=True)
class CNN:
    """A convolution over the characters of a word, and the maximum of each feature.

    Args:
        units: how many features.
        width: how many characters a window has; odd, so that one is in the middle.
        embedding: the size of a character's vector.
        dropout: the share of features dropped while training.
    """

    kind: ClassVar[str] = "cnn"

    units: int = 30
    width: int = 3
    embedding: int = EMBEDDING
    dropout: float = 0.0

    def __post_init__(self) -> None:
        whole("units", self.units, 1)
        whole("width", self.width, 1)
        whole("embedding", self.embedding, 1)
        fraction("dropout", self.dropout)
        if self.width % 2 == 0:
            raise CatenaError(f"width must be odd, so that a window has a middle, not {self.width}")


SPELLERS: dict[str, type[Recurrent] | type[CNN]] = {
    kind.kind: kind for kind in (RNN, GRU, LSTM, CNN)
}


class Characters(nn.Module):
    """Words, each a sequence of characters, to vectors `[words, width]` float32.

    Args:
        speller: what reads a word: `LSTM(50)`, a GRU or RNN (from both ends; characters become
            vectors of 25 numbers unless its `embedding` says otherwise), or `CNN(30)`.
        alphabet: the characters; see `alphabet_of`.

    Raises:
        CatenaError: for any other rung.

    >>> characters = Characters(CNN(units=8), alphabet_of(["walk", "walked", "talk"]))
    >>> characters(characters.alphabet.encode(["talked", ""])).shape
    torch.Size([2, 8])
    """

    def __init__(self, speller: Recurrent | CNN, alphabet: Symbols) -> None:
        super().__init__()
        self.speller, self.alphabet = speller, alphabet
        if isinstance(speller, CNN):
            self.width = speller.units
            self.steps: nn.Module = Convolution(speller, alphabet)
            self.summary: nn.Module = nn.Sequential(Max(), nn.Dropout(speller.dropout))
        elif isinstance(speller, Recurrent):
            encoder = replace(
                speller, bidirectional=True, embedding=speller.embedding or EMBEDDING
            ).encoder(alphabet)
            self.width = encoder.width
            self.steps, self.summary = encoder, summary_for("last", encoder.width, both_ways=True)
        else:
            raise CatenaError(f"words are spelled by an RNN, GRU, LSTM or CNN, not by {speller!r}")

    def forward(self, words: Sequences) -> Tensor:
        """The vectors `[words, width]` of words as `alphabet.encode` gives them."""
        return self.summary(self.steps(words))

    def of_tokens(self, tokens: Iterable[str]) -> Tensor:
        """A vector for each token `[tokens, width]`, each different word computed once."""
        words, places = distinct(tokens)
        device = next(self.parameters()).device
        return self(self.alphabet.encode(words).to(device)).index_select(0, places.to(device))

    def describe(self) -> dict[str, Any]:
        """What `from_description` needs to make the module again, without its weights, as JSON."""
        return {"speller": describe(self.speller), "alphabet": self.alphabet.describe()}

    @staticmethod
    def from_description(described: Mapping[str, Any]) -> Characters:
        """The module that `describe` described, its parameters not yet learned."""
        speller = of_kind(SPELLERS, described["speller"], "speller")
        return Characters(speller, Symbols.from_description(described["alphabet"]))


class Convolution(nn.Module):
    """Words as characters to the features `[total, units]` around each of their characters.

    Characters are few: what each adds to the features from each place of a window is computed
    once, and a window's features are the sum of `width` rows of that table. They are the same to
    the last bit whatever the other words of the batch are.
    """

    def __init__(self, options: CNN, alphabet: Symbols) -> None:
        super().__init__()
        self.begin, self.end = alphabet.outcomes, alphabet.outcomes + 1
        self.table = nn.Parameter(torch.randn(alphabet.outcomes + 2, options.embedding))
        self.weight = nn.Parameter(torch.empty(options.width, options.units, options.embedding))
        self.bias = nn.Parameter(torch.zeros(options.units))
        # As Xavier has it, for a map of the whole window to the features.
        bound = (6 / (options.width * options.embedding + options.units)) ** 0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, words: Sequences) -> Sequences:
        width, units, _ = self.weight.shape
        added = (self.table @ self.weight.transpose(1, 2)).reshape(-1, units)
        rows = torch.arange(width, device=added.device) * len(self.table)
        features = embedding_bag(self._windows(words) + rows, added, mode="sum")
        return words.with_values(features + self.bias)

    def _windows(self, words: Sequences) -> Tensor:
        """`[total, width]`: the characters around each one."""
        side = len(self.weight) // 2
        number = torch.arange(len(words))
        # Each word stands between `side` boundaries on either side.
        start = words.offsets[:-1] + 2 * side * number
        left = torch.arange(words.total) + 2 * side * number.repeat_interleave(words.lengths)
        framed = words.values.new_full((words.total + 2 * side * len(words),), self.end)
        framed[(start[:, None] + torch.arange(side)).to(framed.device)] = self.begin
        framed[(left + side).to(framed.device)] = words.values
        return framed[(left[:, None] + torch.arange(len(self.weight))).to(framed.device)]


def alphabet_of(words: Iterable[str]) -> Symbols:
    """The characters that stand in at least two different words, and ⟨unk⟩ for all others.

    What stands in one word alone says no more than the word does, and teaches what to make of a
    character that is not known. Of words that share none, all characters are taken.

    Raises:
        CatenaError: when no word has a character.

    >>> alphabet_of(["ab", "ab", "ac", "cab"]).items
    ('⟨unk⟩', 'a', 'b', 'c')
    """
    found = ["".join(set(word)) for word in dict.fromkeys(words)]
    shared = max(Counter(chain.from_iterable(found)).values(), default=0) > 1
    return Symbols.learn(found, "char", end=False, minimum=1 + shared)


def distinct(tokens: Iterable[str]) -> tuple[list[str], Tensor]:
    """The different ones in the order of their first coming, and `[tokens]`, which each is.

    >>> distinct(["to", "be", "or", "not", "to", "be"])
    (['to', 'be', 'or', 'not'], tensor([0, 1, 2, 3, 0, 1]))
    """
    tokens = list(tokens)
    place = {word: i for i, word in enumerate(dict.fromkeys(tokens))}
    return list(place), torch.tensor([*map(place.__getitem__, tokens)], dtype=torch.int64)
