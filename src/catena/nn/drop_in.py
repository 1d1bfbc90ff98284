"""RNN, GRU and LSTM in the place of torch.nn's.

The arguments, the parameters with their names, shapes and first values, the forms of input and
output, and the results are PyTorch's. More than that:

- `lengths=` beside padded input, and catena's `Sequences` as input: any order, length 0 included,
  and no work on padding.
- Variants of the cell, which run through the same kernels. `catena.kernels.cell.reference` has
  their equations.
- Every random draw in training comes from torch's default generator or from `generator=`.
"""

from __future__ import annotations

from typing import Any

from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell
from catena.nn.layers import Layers


class RNN(Layers):
    """The simple (Elman) recurrent network with tanh or ReLU, as `torch.nn.RNN`.

    Args:
        input_size: the features of a step.
        hidden_size: the units of a layer.
        num_layers: how many are stacked.
        nonlinearity: "tanh" or "relu".
        bias: whether there are bias_ih and bias_hh.
        batch_first: padded input and output are `[n, T, features]`.
        dropout: the chance that an output between two layers is dropped in training.
        bidirectional: run each layer from each end.
        layer_norm: normalise W_ih x and W_hh h (Ba et al. 2016).
        zoneout: the chance in training that a unit keeps its value (Krueger et al. 2017).
        recurrent_dropout: the chance in training that a sequence never sees a unit of its past
            (Gal and Ghahramani 2016).
        weight_drop: the chance in training that a weight of weight_hh is left out of a forward
            pass (Merity et al. 2018).
        learned_start: learn the initial state (`h_0`).
        recompute: keep only what the way back cannot compute again (h, and an LSTM's c): training
            takes less than half of the memory and up to a half more time.
        backend: the kernel by name; the fastest unless given.

    >>> import torch
    >>> layer = RNN(3, 5)
    >>> output, h_n = layer(torch.randn(7, 2, 3), lengths=[4, 7])
    >>> output.shape, h_n.shape
    (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        layer_norm: bool = False,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        learned_start: bool = False,
        recompute: bool = False,
        backend: str | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise CatenaError(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        super().__init__(
            Cell(f"rnn_{nonlinearity}", zoneout=zoneout),
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
            device, dtype, norm=layer_norm, recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop, learned_start=learned_start, recompute=recompute,
            backend=backend,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class GRU(Layers):
    """The gated recurrent unit, as `torch.nn.GRU`. All arguments but `nonlinearity` as `RNN`.

    >>> import torch
    >>> layer = GRU(3, 5, num_layers=2, bidirectional=True, batch_first=True)
    >>> output, h_n = layer(torch.randn(2, 7, 3))
    >>> output.shape, h_n.shape
    (torch.Size([2, 7, 10]), torch.Size([4, 2, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        layer_norm: bool = False,
        zoneout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        learned_start: bool = False,
        recompute: bool = False,
        backend: str | None = None,
    ) -> None:
        super().__init__(
            Cell("gru", zoneout=zoneout),
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
            device, dtype, norm=layer_norm, recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop, learned_start=learned_start, recompute=recompute,
            backend=backend,
        )  # fmt: skip


class LSTM(Layers):
    """The long short-term memory, as `torch.nn.LSTM`.

    Args (beyond those of `GRU`):
        proj_size: project h to this size (Sak et al. 2014); 0 for none.
        layer_norm: normalises c inside tanh too.
        zoneout_c: zoneout of c.
        learned_start: learns `h_0` and `c_0`.
        peephole: let the gates see c (Gers et al. 2002).
        coupled: the input gate is 1 - the forget gate (Greff et al. 2017).
        forget_bias: where the forget gate's bias begins (1 is usual: Jozefowicz et al. 2015); drawn
            like the others unless given.

    >>> import torch
    >>> from catena import Sequences
    >>> layer = LSTM(3, 5, layer_norm=True, zoneout=0.1)
    >>> batch = Sequences.from_list([torch.randn(4, 3), torch.randn(0, 3)])
    >>> output, (h_n, c_n) = layer(batch)
    >>> output.values.shape, h_n[0, 1].tolist()
    (torch.Size([4, 5]), [0.0, 0.0, 0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        layer_norm: bool = False,
        zoneout: float = 0.0,
        zoneout_c: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        learned_start: bool = False,
        peephole: bool = False,
        coupled: bool = False,
        forget_bias: float | None = None,
        recompute: bool = False,
        backend: str | None = None,
    ) -> None:
        super().__init__(
            Cell("lstm", coupled, zoneout, zoneout_c),
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype, norm=layer_norm, recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop, learned_start=learned_start, recompute=recompute,
            backend=backend,
            peephole=peephole, forget_bias=forget_bias,
        )  # fmt: skip
