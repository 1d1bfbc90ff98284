"""The user's own recurrence as a rung.

s_t = f(s_{t-1}, e_t; θ)                     anything with start, step and read
p(x_{t+1} given s_t) = emission(V read(s_t) + b)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from catena.emission import emission_for
from catena.errors import CatenaError
from catena.ladder.encoder import Encoder
from catena.ladder.neural import Embedding, NeuralHead, assemble, width_of
from catena.ladder.rung import fraction, whole
from catena.model import SequenceModel
from catena.recurrence import Recurrence
from catena.space import Space


@dataclass(frozen=True)
class Custom:
    """A rung around a recurrence of the user's own, learned by gradient.

    Args:
        recurrence: called with the size of the embedded input; returns a module with `start`,
            `step` and `read` (a class will do), whose `read` gives features `[batch, width]`.
        embedding: the size of a symbol's vector.
        dropout: the share of features dropped before the head.
        emission: for Vectors, "gaussian" (the default), "full" or "mixture".

    A saved file names the recurrence but holds no code: `load` is given the rung again.
    """

    kind: ClassVar[str] = "custom"

    recurrence: Callable[[int], Recurrence]
    embedding: int = 64
    dropout: float = 0.0
    emission: str | None = None

    def __post_init__(self) -> None:
        whole("embedding", self.embedding, 1)
        fraction("dropout", self.dropout)

    def build(self, space: Space) -> SequenceModel:
        """A model over a space.

        Raises:
            CatenaError: when what `recurrence` returns lacks one of the three methods.
        """
        embedding = self._embedding(space)
        recurrence = self._made(embedding.width)
        head = NeuralHead(width_of(recurrence), emission_for(space, self.emission), self.dropout)
        return assemble(space, recurrence, embedding, head)

    def encoder(self, space: Space) -> Encoder:
        """A module that reads whole sequences; `emission` concerns prediction alone."""
        embedding = self._embedding(space)
        return self.encoder_over(embedding, embedding.width)

    def encoder_over(self, embed: nn.Module, inputs: int) -> Encoder:
        """The same over what `embed` makes of observations, `inputs` numbers a step."""
        recurrence = self._made(inputs)
        return Encoder(embed, recurrence, width_of(recurrence), self.dropout)

    @property
    def embedded(self) -> int:
        """The size of a symbol's vector."""
        return self.embedding

    def _embedding(self, space: Space) -> Embedding:
        return Embedding(space, self.embedding, 0.0, 1.0)

    def _made(self, inputs: int) -> Recurrence:
        recurrence = self.recurrence(inputs)
        missing = [name for name in ("start", "step", "read") if not hasattr(recurrence, name)]
        if missing:
            raise CatenaError(f"{type(recurrence).__name__} lacks {', '.join(missing)}")
        return recurrence
