"""The Markov chain: the next symbol depends on the last k alone (Markov 1913, Shannon 1948).

    s_t = the last k symbols                                         a shift register
    p_j(w given c) = a_j(c w) + b_j(c) p_{j-1}(w given c without its oldest symbol)
    p_{-1}(w)      = 1 / outcomes

for the contexts c of length j = 0..k. Everything is counted, nothing is searched. With n the count
of an n-gram, N that of its context, T the number of different symbols that followed the context:

    none                 a = n / N               b = 0
    add                  a = n / (N + αV)        b = αV / (N + αV), from order k straight to 1 / V
    witten_bell          a = n / (N + T)         b = T / (N + T)
    modified_kneser_ney  a = (m - D(m)) / M      b = Σ D(m) / M

In the last, m is n for the longest n-grams and, for shorter ones, the number of different symbols
seen before them; M is its sum over the context. The discounts D(1), D(2), D(3 and more) of each
order come from its counts of counts (Kneser and Ney 1995; Chen and Goodman 1998, equation 26).

One begin marker stands before each sequence: n-grams that reach back to it go no further, and
having nothing before them they keep n where the others have m. It is never predicted.

Numbers are those of KenLM's lmplz (Heafield et al. 2013), whose vocabulary has ⟨unk⟩ and the end of
a sequence too. One thing is left behind: for its counts of counts lmplz takes the last n-gram of
each order, in its own order of words, at n instead of m, which can be felt on tiny data alone.

A context that was never seen is answered by its longest part that was. With "add" it is uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import nn

from catena.errors import CatenaError
from catena.ladder.rung import one_of, whole
from catena.ladder.shift import Shift
from catena.model import SequenceModel
from catena.ngram import NGramTable
from catena.space import Space, Symbols

Smoothing = Literal["modified_kneser_ney", "witten_bell", "add", "none"]


@dataclass(frozen=True)
class Markov:
    """A Markov chain over symbols.

    Args:
        order: how many symbols the next one depends on, 0 upwards.
        smoothing: how probability is set aside for what was not seen; see the module's equations.
        alpha: what "add" adds to every count.

    >>> Markov(order=2)
    Markov(order=2, smoothing='modified_kneser_ney', alpha=1.0)
    """

    kind: ClassVar[str] = "markov"
    order: int = 5
    smoothing: Smoothing = "modified_kneser_ney"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        whole("order", self.order, 0)
        one_of("smoothing", self.smoothing, get_args(Smoothing))
        if not 0.0 < self.alpha < math.inf:
            raise CatenaError(f"alpha must be a number above 0, not {self.alpha}")

    def build(self, space: Space) -> SequenceModel:
        """A chain that predicts every outcome alike until `Count` has counted.

        Raises:
            CatenaError: when the space is not one of symbols.
        """
        if not isinstance(space, Symbols):
            raise CatenaError(
                f"a Markov chain counts symbols and cannot model {type(space).__name__}: "
                "use another rung (hmm, window, rnn, gru, lstm), or make symbols of the data first"
            )
        begin = torch.tensor(space.outcomes)
        table = NGramTable(self.order, space.outcomes, self.smoothing, self.alpha)
        return SequenceModel(space, nn.Identity(), Shift(self.order, begin), table)
