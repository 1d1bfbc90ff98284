"""Sequences in, features of every step out: what labels and classifies with a recurrence.

e_t = embed(x_t)
s_t = f(s_{t-1}, e_t; θ)                   or two of them, one from each end
h_t = finish(read(s_t))
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from catena.dropping import Dropout
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
        input_dropout: the share of what the recurrence takes that is dropped while training.
        variational: whether what is dropped is drawn once a sequence and not at every step.
    """

    def __init__(
        self,
        embed: nn.Module,
        recurrence: Scannable,
        width: int,
        dropout: float = 0.0,
        both_ways: bool = False,
        finish: nn.Module | None = None,
        input_dropout: float = 0.0,
        variational: bool = False,
    ) -> None:
        super().__init__()
        self.embed, self.recurrence = embed, recurrence
        self.width, self.both_ways = width, both_ways
        self.finish = finish or nn.Identity()
        self.dropout = Dropout(dropout, variational)
        self.input_dropout = Dropout(input_dropout, variational)

    def forward(self, sequences: Sequences) -> Sequences:
        """Features `[total, width]` over the observations of each sequence."""
        owner = torch.repeat_interleave(sequences.lengths)
        embedded = self.input_dropout(self.embed(sequences.values), owner)
        shown = scan(self.recurrence, sequences.with_values(embedded)).features
        return shown.with_values(self.dropout(self.finish(shown.values), owner))


@runtime_checkable
class Encodes(Protocol):
    """A rung that can read whole sequences and not only predict."""

    @property
    def embedded(self) -> int:
        """The size of a symbol's vector."""
        ...

    def encoder(self, space: Space) -> Encoder:
        """An encoder of this kind over a space, its parameters not yet learned."""
        ...

    def encoder_over(self, embed: nn.Module, inputs: int) -> Encoder:
        """An encoder of this kind over what `embed` makes of observations, `inputs` numbers a
        step."""
        ...
