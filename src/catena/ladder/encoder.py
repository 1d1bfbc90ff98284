"""Sequences in, features of every step out: what labels and classifies with a recurrence.

e_t = embed(x_t)
s_t = f(s_{t-1}, e_t; θ)                   or two of them, one from each end
h_t = finish(read(s_t))
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from catena.recurrence import Scannable
from catena.scanning import scan
from catena.sequences import Sequences
from catena.space import Space


class Encoder(nn.Module):
    """A recurrence between an embedding and whatever reads the features.

    Args:
        embed: observations `[m, *event]` to what the recurrence takes.
        recurrence: anything that can be scanned, from both ends too.
        width: how many features a step shows in the end.
        dropout: the share of them dropped while training.
        both_ways: whether the second half of the features was read from the end.
        finish: what is shown `[m, ...]` to features `[m, width]`.
    """

    def __init__(
        self,
        embed: nn.Module,
        recurrence: Scannable,
        width: int,
        dropout: float = 0.0,
        both_ways: bool = False,
        finish: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.embed, self.recurrence = embed, recurrence
        self.width, self.both_ways = width, both_ways
        self.finish, self.dropout = finish or nn.Identity(), nn.Dropout(dropout)

    def forward(self, sequences: Sequences) -> Sequences:
        """Features `[total, width]` over the observations of each sequence."""
        embedded = sequences.with_values(self.embed(sequences.values))
        shown = scan(self.recurrence, embedded).features
        return shown.with_values(self.dropout(self.finish(shown.values)))


@runtime_checkable
class Encodes(Protocol):
    """A rung that can read whole sequences and not only predict."""

    def encoder(self, space: Space) -> Encoder:
        """An encoder of this kind over a space, its parameters not yet learned."""
        ...
