"""The feed-forward window (Bengio et al. 2003): the contrast to recurrence.

    s_t = (e_{t-k+1}, ..., e_t)                  the last k embedded inputs
    a_1 = relu(W_1 [s_t] + b_1), a_2 = relu(W_2 a_1 + b_2), ...
    p(x_{t+1} given s_t) = emission(V a_n + b)

It sees a fixed length: what lies more than k steps back is gone, however plain it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from catena.emission import emission_for
from catena.ladder.encoder import Encoder
from catena.ladder.neural import Embedding, NeuralHead, assemble
from catena.ladder.rung import fraction, whole
from catena.ladder.shift import Shift
from catena.model import SequenceModel
from catena.space import Space


@dataclass(frozen=True)
class Window:
    """A multilayer perceptron over the last `width` inputs.

    Args:
        width: how many inputs it sees.
        units: the size of each hidden layer.
        layers: how many hidden layers.
        dropout: the share of features dropped after each hidden layer.
        embedding: the size of a symbol's vector.
        emission: for Vectors, "gaussian" (the default), "full" or "mixture".
    """

    kind: ClassVar[str] = "window"

    width: int = 8
    units: int = 256
    layers: int = 1
    dropout: float = 0.0
    embedding: int = 32
    emission: str | None = None

    def __post_init__(self) -> None:
        for name in ("width", "units", "layers", "embedding"):
            whole(name, getattr(self, name), 1)
        fraction("dropout", self.dropout)

    def build(self, space: Space) -> SequenceModel:
        """A model over a space; every space will do."""
        embedding = self._embedding(space)
        recurrence = Shift(self.width, torch.zeros(embedding.width))
        head = NeuralHead(self.units, emission_for(space, self.emission), 0.0)
        perceptron = _perceptron(self.width * embedding.width, self)
        return assemble(space, recurrence, embedding, WindowHead(perceptron, head))

    def encoder(self, space: Space) -> Encoder:
        """A module that reads whole sequences; `emission` concerns prediction alone."""
        embedding = self._embedding(space)
        return self.encoder_over(embedding, embedding.width)

    def encoder_over(self, embed: nn.Module, inputs: int) -> Encoder:
        """The same over what `embed` makes of observations, `inputs` numbers a step."""
        recurrence = Shift(self.width, torch.zeros(inputs))
        perceptron = _perceptron(self.width * inputs, self)
        return Encoder(embed, recurrence, self.units, finish=perceptron)

    @property
    def embedded(self) -> int:
        """The size of a symbol's vector."""
        return self.embedding

    def _embedding(self, space: Space) -> Embedding:
        return Embedding(space, self.embedding, 0.0, 1.0)


class WindowHead(nn.Module):
    """Windows `[m, width, embedding]` through the perceptron to the emission."""

    def __init__(self, perceptron: nn.Module, head: NeuralHead) -> None:
        super().__init__()
        self.perceptron, self.head = perceptron, head

    def hidden(self, features: Tensor) -> Tensor:
        """What the rows of the table are multiplied with, `[m, units]`."""
        return self.head.hidden(self.perceptron(features))

    @property
    def table(self) -> tuple[Tensor, Tensor]:
        """A row and a bias for each raw parameter, `[size, units]` and `[size]`."""
        return self.head.table

    def distribution(self, features: Tensor) -> torch.distributions.Distribution:
        return self.head.distribution(self.perceptron(features))

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        return self.head.log_prob(self.perceptron(features), x)


def _perceptron(inputs: int, rung: Window) -> nn.Sequential:
    parts: list[nn.Module] = [nn.Flatten()]
    for depth in range(rung.layers):
        linear = nn.Linear(rung.units if depth else inputs, rung.units)
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        parts += [linear, nn.ReLU(), nn.Dropout(rung.dropout)]
    return nn.Sequential(*parts)
