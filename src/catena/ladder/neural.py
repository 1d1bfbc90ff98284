"""What the rungs learned by gradient share: an embedding in front and a head behind.

e_t = E x_t                                a row of a table, or the measurements themselves
s_t = f(s_{t-1}, e_t; θ)                   the rung's own recurrence
p(x_{t+1} given s_t) = emission(V read(s_t) + b)
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from catena.combine import Bidirectional, Residual, Stack
from catena.emission import Emission, emission_for
from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.dispatch import refusal, scan_cell
from catena.kernels.cell.reference import affine
from catena.kernels.cell.walker import CellWalker, walks
from catena.kernels.packed import linear, product
from catena.kernels.registry import register
from catena.ladder.encoder import Encoder
from catena.ladder.rung import fraction, one_of, whole
from catena.layout import Layout
from catena.model import SequenceModel
from catena.recurrence import Recurrence, State
from catena.space import Counts, Space, Symbols, Vectors
from catena.walking import register as register_walker

# Of what lies further from the mean than so many spreads, float32 would make infinity and then NaN.
FARTHEST = 1e15


class Embedding(nn.Module):
    """Observations `[m, *event]` to features `[m, width]`.

    A symbol becomes a row of a learned table. Vectors enter centred and scaled, bits as they are,
    counts as log(1 + x / mean).
    """

    def __init__(self, space: Space, width: int, dropout: float, spread: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.table: nn.Parameter | None = None
        if isinstance(space, Symbols):
            self.width = width
            self.table = nn.Parameter(torch.randn(space.outcomes, width) * spread)
        else:
            self.width = space.dim
            shift, scale = _units(space)
            self.register_buffer("shift", shift, persistent=False)
            self.register_buffer("scale", scale, persistent=False)
        self._logarithmic = isinstance(space, Counts)

    def forward(self, x: Tensor) -> Tensor:
        if self.table is not None:
            return self.shown(nn.functional.embedding(x, self.table))
        shift, scale = cast(Tensor, self.shift), cast(Tensor, self.scale)
        standard = ((x.to(shift.dtype) - shift) / scale).clamp(-FARTHEST, FARTHEST)
        return self.shown((standard.log1p() if self._logarithmic else standard).float())

    def shown(self, rows: Tensor) -> Tensor:
        """What is made of rows of the table, or of scaled measurements, `[m, width]`."""
        return self.dropout(rows) if self.training else rows


class NeuralHead(nn.Module):
    """Features `[m, width]` to the parameters of an emission.

    Args:
        tied: a table `[outcomes, embedding]` to score symbols with, shared with the embedding
            (Press and Wolf 2017); the head then learns only a projection and a bias.
    """

    def __init__(
        self, width: int, emission: Emission, dropout: float, tied: nn.Parameter | None = None
    ) -> None:
        super().__init__()
        self.emission, self.dropout = emission, nn.Dropout(dropout)
        self.tied = tied
        if tied is None:
            self.linear = nn.Linear(width, emission.size)
        else:
            self.linear = nn.Linear(width, tied.shape[1])
            self.bias = nn.Parameter(torch.zeros(emission.size))
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def hidden(self, features: Tensor) -> Tensor:
        """What the rows of the table are multiplied with, `[m, width]`."""
        dropped = self.dropout(features) if self.training else features
        return dropped if self.tied is None else self.linear(dropped)

    @property
    def table(self) -> tuple[Tensor, Tensor]:
        """A row and a bias for each raw parameter, `[size, width]` and `[size]`."""
        if self.tied is None:
            return self.linear.weight, self.linear.bias
        return self.tied, self.bias

    def parameters_of(self, features: Tensor) -> Tensor:
        """The emission's raw parameters `[m, size]`, float32 even where features are bfloat16."""
        raw = nn.functional.linear(self.hidden(features), *self.table)
        return raw.float() if raw.dtype == torch.bfloat16 else raw

    def scores(self, features: Tensor) -> Tensor:
        """`parameters_of`, without gradients and in evaluation, by weights that are packed once for
        many calls."""
        hidden = features if self.tied is None else linear(self.linear, features)
        raw = product(self, hidden, *self.table)
        return raw.float() if raw.dtype == torch.bfloat16 else raw

    def distribution(self, features: Tensor) -> Distribution:
        return self.emission.distribution(self.parameters_of(features))

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        return self.emission.log_prob(self.parameters_of(features), x)


def assemble(
    space: Space,
    recurrence: Recurrence,
    embedding: Embedding,
    head: nn.Module,
) -> SequenceModel:
    """The model of a neural rung."""
    return SequenceModel(space, embedding, recurrence, cast("NeuralHead", head))


def width_of(recurrence: Recurrence) -> int:
    """How many features a recurrence shows."""
    return recurrence.read(recurrence.start(1)).shape[-1]


@dataclass(frozen=True)
class Recurrent:
    """The options that RNN, GRU and LSTM have in common.

    Args:
        units: the size of the hidden state.
        layers: how many are stacked.
        dropout: the share of features dropped between layers and before the head.
        embedding: the size of a symbol's vector; `units`, but at most 128, unless given.
        embedding_dropout: the share of the embedded input that is dropped.
        tied: score symbols with the embedding's own table.
        residual: add each layer's input to its output, from the second layer on.
        start: whether the initial state is "learned" or "zero".
        emission: for Vectors, "gaussian" (the default), "full" or "mixture".
        bidirectional: read from both ends, for tasks that label or classify; predicting what
            comes next refuses it.
        variational: draw what is dropped once a sequence and not at every step, for the same tasks.
        layer_norm: normalise W x and U h over all gates together, before their biases (Ba et al.
            2016); an LSTM, the c_t inside tanh too.
    """

    kind: ClassVar[str]

    units: int = 256
    layers: int = 1
    dropout: float = 0.0
    embedding: int | None = None
    embedding_dropout: float = 0.0
    tied: bool = False
    residual: bool = False
    start: str = "learned"
    emission: str | None = None
    bidirectional: bool = False
    variational: bool = False
    layer_norm: bool = False

    def __post_init__(self) -> None:
        whole("units", self.units, 1)
        whole("layers", self.layers, 1)
        fraction("dropout", self.dropout)
        fraction("embedding_dropout", self.embedding_dropout)
        one_of("start", self.start, ("learned", "zero"))
        if self.embedding is not None:
            whole("embedding", self.embedding, 1)

    @abstractmethod
    def cell(self, inputs: int) -> Recurrence:
        """One layer of this rung over `inputs` features."""

    def build(self, space: Space) -> SequenceModel:
        """A model that predicts forwards.

        Raises:
            CatenaError: for a bidirectional rung, variational dropout, and for options that do not
                fit the space.
        """
        if self.bidirectional:
            raise CatenaError(
                f"a bidirectional {type(self).__name__} cannot predict what comes next: its "
                "backward half reads the very observations that are to be predicted"
            )
        if self.variational:
            raise CatenaError(
                "variational dropout is for tasks that label or classify whole sequences; leave it "
                "out to predict what comes next"
            )
        if self.tied and not isinstance(space, Symbols):
            raise CatenaError("tied needs symbols: only they have a table to share")
        embedding, recurrence = self.reading(space)
        table = embedding.table if self.tied else None
        emission = emission_for(space, self.emission)
        head = NeuralHead(width_of(recurrence), emission, self.dropout, table)
        return assemble(space, recurrence, embedding, head)

    def reading(self, space: Space, beside: int = 0) -> tuple[Embedding, Recurrence]:
        """The embedding and the recurrence that predict; the recurrence takes so many features
        `beside` the embedded input."""
        embedding = self._embedding(space, self.tied, self.embedding_dropout)
        return embedding, self._stack(embedding.width + beside)

    def encoder(self, space: Space) -> Encoder:
        """A module that reads whole sequences; `tied` and `emission` concern prediction alone."""
        embedding = self._embedding(space, tied=False, dropout=0.0)
        return self.encoder_over(embedding, embedding.width)

    def encoder_over(self, embed: nn.Module, inputs: int) -> Encoder:
        """The same over what `embed` makes of observations, `inputs` numbers a step."""
        return Encoder(
            embed,
            self._stack(inputs),
            self._shown,
            self.dropout,
            self.bidirectional,
            input_dropout=self.embedding_dropout,
            variational=self.variational,
        )

    @property
    def embedded(self) -> int:
        """The size of a symbol's vector."""
        return self.embedding or min(self.units, 128)

    def _embedding(self, space: Space, tied: bool, dropout: float) -> Embedding:
        width = self.embedded
        return Embedding(space, width, dropout, width**-0.5 if tied else 1.0)

    def _stack(self, inputs: int) -> Recurrence:
        layers = [self._layer(self._shown if depth else inputs) for depth in range(self.layers)]
        if self.residual:
            layers[1:] = [Residual(layer) for layer in layers[1:]]
        return Stack(layers, self.dropout, self.variational)

    def _layer(self, inputs: int) -> Recurrence:
        if not self.bidirectional:
            return self.cell(inputs)
        # A stack scans its layers whole, one after the other: none of them has to have a step.
        return cast(Recurrence, Bidirectional(self.cell(inputs), self.cell(inputs)))

    @property
    def _shown(self) -> int:
        """How many features a layer shows."""
        return 2 * self.units if self.bidirectional else self.units


class Gated(nn.Module):
    """The weights of a cell with `gates` blocks of `units` rows, named as torch.nn names them.

    Args:
        cell: the kind of cell.
        inputs, units: sizes; `weight_ih [gates·units, inputs]`, `weight_hh [gates·units, units]`.
        learned_start: whether the initial state is a parameter `[states, units]` or zero.
        norm: whether there are gains of layer normalisation, `norm_ih` and `norm_hh
            [gates·units]`, and with a memory `norm_c [2, units]`.
    """

    def __init__(
        self, cell: Cell, inputs: int, units: int, learned_start: bool, norm: bool
    ) -> None:
        super().__init__()
        self.cell, self.units = cell, units
        gates, states = cell.gates, cell.states
        self.weight_ih = nn.Parameter(torch.empty(gates * units, inputs))
        self.weight_hh = nn.Parameter(torch.empty(gates * units, units))
        self.bias_ih = nn.Parameter(torch.zeros(gates * units))
        self.bias_hh = nn.Parameter(torch.zeros(gates * units))
        self.initial = nn.Parameter(torch.zeros(states, units), requires_grad=learned_start)
        for block in self.weight_ih.data.chunk(gates):
            nn.init.xavier_uniform_(block)
        for block in self.weight_hh.data.chunk(gates):
            nn.init.orthogonal_(block)
        self.norm_ih = nn.Parameter(torch.ones(gates * units)) if norm else None
        self.norm_hh = nn.Parameter(torch.ones(gates * units)) if norm else None
        gain_and_bias = torch.tensor([[1.0], [0.0]]).repeat(1, units)
        self.norm_c = nn.Parameter(gain_and_bias) if norm and states > 1 else None

    def start(self, batch: int) -> tuple[Tensor, ...]:
        return tuple(part.expand(batch, -1) for part in self.initial)

    def read(self, state: tuple[Tensor, ...]) -> Tensor:
        return state[0]

    def halves(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """What the input and the state before bring to the gates, `[batch, gates·units]` each."""
        return (
            affine(x, self.weight_ih, self.bias_ih, self.norm_ih),
            affine(h, self.weight_hh, self.bias_hh, self.norm_hh),
        )

    @property
    def weights(self) -> Weights:
        """As the kernels take them."""
        return Weights(
            self.weight_ih,
            self.weight_hh,
            self.bias_ih,
            self.bias_hh,
            norm_ih=self.norm_ih,
            norm_hh=self.norm_hh,
            norm_c=self.norm_c,
        )


_Kind = TypeVar("_Kind", bound=type[Gated])


def fast(kind: _Kind) -> _Kind:
    """Enter the kernels for a class of cells, the native one before PyTorch's, and its walker."""
    for backend in ("native", "torch"):
        _enter(kind, backend)

    @register_walker(kind)
    def _walk(layer: Gated, state: State) -> CellWalker | None:
        return CellWalker(layer, state) if walks(layer, state) else None

    return kind


def _enter(kind: type[Gated], backend: str) -> None:
    def refuses(layer: Gated) -> str | None:
        return refusal(backend, layer.cell, layer.weights)

    @register(kind, backend, refuses)
    def _scan(layer: Gated, x: Tensor, layout: Layout, state: State) -> tuple[Tensor, State]:
        return scan_cell(layer.cell, layer.weights, x, layout.batch_sizes, state, backend=backend)


def _units(space: Space) -> tuple[Tensor, Tensor]:
    """Shift and scale of a numeric space, each `[dim]` float64."""
    if isinstance(space, Vectors):
        shift, scale = space.shift, space.scale
    elif isinstance(space, Counts):
        shift, scale = (0.0,) * space.dim, space.mean
    else:
        shift, scale = (0.0,), (1.0,)
    return torch.tensor(shift, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64)
