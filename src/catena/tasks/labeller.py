"""What tagging needs of a model: scores of labels, and what joins the labels of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from catena.linear_chain import LinearChain
from catena.sequences import Sequences
from catena.space import Vectors
from catena.tasks.reader import Reader, Sentence


class Labeller(Protocol):
    """A model of labels; paths, probabilities and measures follow from these scores alone."""

    @property
    def reader(self) -> Reader | Vectors:
        """What it reads of a sentence."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """L of them, sorted."""
        ...

    @property
    def chain(self) -> LinearChain:
        """The scores of moves, of the first and of the last label, `[L, L]`, `[L]`, `[L]`."""
        ...

    def scores(self, sentences: Sequence[Sentence]) -> Sequences:
        """float64 `[total, L]` in nats: for each step, how well each label fits.

        Raises:
            CatenaError: at a token that is not like those of training.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """What it is made of beside the tensors, as JSON."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        ...

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        ...
