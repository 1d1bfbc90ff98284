"""What RNN, GRU and LSTM have in common: layers and directions, from the input to the output."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.dispatch import scan_cell
from catena.kernels.cell.frozen import Frozen
from catena.kernels.cell.stepper import Stepper, pack_layers
from catena.nn.inputs import Batch, Listed, Packed, Padded, Ragged, ShapeError
from catena.nn.noise import Noise
from catena.nn.parameters import check_chances, check_sizes, initialise, name, shapes
from catena.sequences import Sequences

State = tuple[Tensor, ...]
Input = Tensor | PackedSequence | Sequences


class Layers(nn.Module):
    """What RNN, GRU and LSTM have in common: layers and directions over one kind of cell.

    Args:
        cell: what each layer computes.
        norm: layer normalisation.
        recurrent_dropout: the chance that a sequence never sees a unit of its own past.
        weight_drop: the chance that a weight of weight_hh is left out of a forward pass.
        learned_start: whether the initial state is learned instead of zero.
        backend: the kernel by name; the fastest unless given.
        recompute: keep little for the way back and compute the gates again on it.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: Any,
        dtype: Any,
        *,
        norm: bool,
        recurrent_dropout: float,
        weight_drop: float,
        learned_start: bool,
        backend: str | None,
        recompute: bool,
        peephole: bool = False,
        forget_bias: float | None = None,
    ) -> None:
        super().__init__()
        check_sizes(input_size, hidden_size, num_layers, proj_size, bias, batch_first)
        check_chances(dropout=dropout, recurrent_dropout=recurrent_dropout, weight_drop=weight_drop)
        if dropout and num_layers == 1:
            warnings.warn(
                f"dropout={dropout} comes between layers, so it does nothing with num_layers=1",
                stacklevel=3,
            )
        if forget_bias is not None and not bias:
            raise CatenaError("forget_bias needs bias=True")
        self.cell, self.backend, self.recompute = cell, backend, recompute
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout, self.proj_size = float(dropout), proj_size
        self.layer_norm, self.peephole, self.forget_bias = norm, peephole, forget_bias
        self.recurrent_dropout, self.weight_drop = recurrent_dropout, weight_drop
        self.learned_start = learned_start
        self._zones = cell.zoneout > 0 or cell.zoneout_c > 0
        self._directions = 2 if bidirectional else 1
        self._sizes = (proj_size or hidden_size, hidden_size)[: cell.states]
        self._frozen: list[Frozen] | None = None
        self.register_load_state_dict_post_hook(_thaw)
        self._register(device, dtype)
        self.reset_parameters()

    def _register(self, device: Any, dtype: Any) -> None:
        """Make room for all parameters, and write down which belong to which `Weights`."""
        self._names: list[list[str | None]] = []
        for layer in range(self.num_layers):
            inputs = self._directions * self._sizes[0] if layer else self.input_size
            fields = shapes(
                self.cell, inputs, self.hidden_size, self.proj_size,
                self.bias, self.layer_norm, self.peephole,
            )  # fmt: skip
            for backwards in (False, True)[: self._directions]:
                names = {field: name(field, layer, backwards) for field in fields}
                for field, shape in fields.items():
                    empty = torch.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(names[field], nn.Parameter(empty))
                found = [names.get(field) for field in Weights._fields]
                self._names.append(found if any(found[4:]) else found[:4])  # the rest is None
        for part, size in zip("hc", self._sizes, strict=False):
            if self.learned_start:
                empty = torch.empty(len(self._names), size, device=device, dtype=dtype)
                self.register_parameter(f"{part}_0", nn.Parameter(empty))

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as torch.nn does: uniformly from ±1/√hidden_size."""
        initialise(self.named_parameters(), self.hidden_size, self.forget_bias)

    def flatten_parameters(self) -> None:
        """Nothing: there is no cuDNN buffer to fill. Code written for torch.nn calls it."""

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each direction of each layer."""
        return [[getattr(self, key) for key in names if key] for names in self._names]

    def extra_repr(self) -> str:
        shown = [str(self.input_size), str(self.hidden_size)]
        for option, usual in _USUAL.items():
            value = getattr(self.cell if option in _OF_CELL else self, option)
            if value != usual:
                shown.append(f"{option}={value!r}")
        return ", ".join(shown)

    # -- one forward pass -----------------------------------------------------------------------

    def forward(
        self,
        input: Input,
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Any, Any]:
        """Run all layers over a batch of sequences.

        Args:
            input: `[T, n, input_size]` (with batch_first `[n, T, input_size]`), one sequence
                `[T, input_size]`, a PackedSequence, or `Sequences` of values
                `[total, input_size]`.
            hx: where each sequence starts, `[layers * directions, n, size]`, without n for one
                sequence; of an LSTM (h_0, c_0). Zero or what was learned unless given.
            lengths: `[n]`, the real steps of each sequence of a padded input, 0 included. Outputs
                beyond them are zero, and each last state is the one at the sequence's own end.
            generator: where dropout and zoneout draw from in training.

        Returns:
            the last layer's outputs in the form of the input, `[..., directions * size]`, and the
            last states in the form of hx.

        Raises:
            CatenaError: for a wrong shape, dtype or length. It is a RuntimeError too where
                torch.nn raises one.
        """
        batch = self._arrange(input, hx, lengths)
        self._check(batch, getattr(self, str(self._names[0][0])).dtype)
        noise = Noise(generator, self._zones) if self.training and self._noisy() else None
        outputs, last = self._run(batch, self._begin(batch, hx), noise)
        return batch.leave(outputs), self._end(batch, last)

    def freeze(self) -> Self:
        """Pack the weights once, for evaluation: short inputs then take a fraction of the time.

        What changes the parameters afterwards is not seen. `train()`, `load_state_dict` and moving
        the layer to another device or dtype end it; calls that need gradients do without it.

        Raises:
            CatenaError: for weights that the native kernel does not take.

        >>> from catena.nn import LSTM
        >>> layer = LSTM(3, 5).freeze()
        >>> layer(torch.randn(1, 2, 3))[0].requires_grad
        False
        """
        self.eval().requires_grad_(False)
        self._frozen = [Frozen(self.cell, self._weights(names)) for names in self._names]
        return self

    def train(self, mode: bool = True) -> Self:
        if mode:
            self._frozen = None
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._frozen = None
        return super()._apply(fn, recurse)

    def stepper(self, batch: int = 1, *, weights: torch.dtype = torch.float32) -> Stepper:
        """These layers as they are now, one step at a time, in one native call a step.

        Args:
            batch: how many sequences step together.
            weights: torch.bfloat16 rounds weight_ih and weight_hh to half the memory. Inputs,
                state, biases and sums are float32 either way.

        Returns:
            what has `push(x)`, `state` and `reset()`; see `Stepper`.

        Raises:
            CatenaError: in training, for bidirectional layers, projections, and for a layer that is
                not float32 on the CPU.

        >>> from catena.nn import GRU
        >>> layer = GRU(3, 5, num_layers=2).eval()
        >>> stepper, x = layer.stepper(batch=4), torch.randn(7, 4, 3)
        >>> steps = torch.stack([stepper.push(step).clone() for step in x])
        >>> torch.testing.assert_close((steps, stepper.state), layer(x))
        """
        if self.training:
            raise CatenaError("a stepper is for evaluation: call eval() on the layer first")
        if self.bidirectional:
            raise CatenaError("a bidirectional layer cannot step: one half begins at the end")
        start = None
        if self.learned_start:
            starts = (self.get_parameter(f"{part}_0") for part in "hc"[: len(self._sizes)])
            start = [part[:, None].expand(-1, batch, -1) for part in starts]
        layers = pack_layers(self.cell, [self._weights(names) for names in self._names], weights)
        return Stepper(self.cell, layers, batch, start)

    def _weights(self, names: list[str | None]) -> Weights:
        # Where a parameter is what its name says (and no parametrization), asking the module's
        # own table is ten times as fast as asking the module.
        table = self._parameters
        found: list[Any] = [
            table[key] if key in table else key and getattr(self, key) for key in names
        ]
        return Weights(*found)

    def _arrange(self, input: Input, hx: Any, lengths: Any) -> Batch:
        if isinstance(input, Tensor):
            if lengths is None:
                return Padded(input, self.batch_first)
            return Ragged(input, lengths, self.batch_first)
        if lengths is not None:
            raise CatenaError(f"a {type(input).__name__} has its own lengths: leave out lengths=")
        if isinstance(input, PackedSequence):
            rows = None if hx is None else _parts(hx)[0].shape[-2]
            return Packed(input, rows)
        return Listed(input)

    def _check(self, batch: Batch, dtype: torch.dtype) -> None:
        values = batch.values
        if values.dtype != dtype:
            if not torch.is_autocast_enabled(values.device.type):
                raise CatenaError(
                    f"the input is {values.dtype} and the weights are {dtype}: "
                    f"convert one, for example with input.to({dtype})"
                )
            batch.values = values.to(dtype)
        if values.dim() != 2 or values.shape[1] != self.input_size:
            raise ShapeError(
                f"input must have input_size={self.input_size} features a step, "
                f"not shape {tuple(values.shape[1:])}"
            )

    def _begin(self, batch: Batch, hx: Any) -> list[State]:
        """The first state of each direction of each layer, in the order of the batch's rows."""
        if hx is not None:
            parts = self._given(batch, _parts(hx))
        elif self.learned_start:
            starts = (self.get_parameter(f"{part}_0") for part in "hc"[: len(self._sizes)])
            parts = [start[:, None].expand(-1, batch.rows, -1) for start in starts]
        else:
            return [self._zeros(batch)] * len(self._names)
        return list(zip(*(part.unbind(0) for part in parts), strict=True))

    def _zeros(self, batch: Batch) -> State:
        h = batch.values.new_zeros(batch.rows, self._sizes[0])
        if len(self._sizes) == 1:
            return (h,)
        return h, h if not self.proj_size else h.new_zeros(batch.rows, self.hidden_size)

    def _given(self, batch: Batch, parts: Sequence[Tensor]) -> list[Tensor]:
        """The caller's hx, checked, `[places, n, size]` each, in the order of the batch's rows."""
        kind = type(self).__name__
        if len(parts) != len(self._sizes):
            raise ShapeError(f"hx of {kind} has {len(self._sizes)} part(s), not {len(parts)}")
        arranged = []
        for part, size in zip(parts, self._sizes, strict=True):
            wanted = (len(self._names), batch.rows, size)
            wanted = (wanted[0], size) if batch.single else wanted
            if part.shape != wanted:
                raise ShapeError(f"expected hx of shape {wanted}, got {tuple(part.shape)}")
            part = part.unsqueeze(1) if batch.single else part
            arranged.append(part if batch.order is None else part.index_select(1, batch.order))
        return arranged

    def _noisy(self) -> bool:
        chances = self.dropout or self.recurrent_dropout or self.weight_drop
        return self._zones or chances > 0

    def _run(
        self, batch: Batch, states: list[State], noise: Noise | None
    ) -> tuple[Tensor, list[State]]:
        """All layers over all of time. Between them everything stays in time-major order."""
        values, last = batch.values, []
        reversal = batch.reversal() if self.bidirectional else None
        for layer in range(self.num_layers):
            if layer and noise is not None:
                values = noise.drop(values, self.dropout)
            outputs = []
            for place in range(layer * self._directions, (layer + 1) * self._directions):
                backwards = place % self._directions
                seen = batch.turn(values, reversal) if backwards else values
                output, after = self._scan(place, seen, batch, states, noise)
                outputs.append(batch.turn(output, reversal) if backwards else output)
                last.append(after)
            values = torch.cat(outputs, 1) if self.bidirectional else outputs[0]
        return values, last

    def _scan(
        self,
        place: int,
        values: Tensor,
        batch: Batch,
        states: list[State],
        noise: Noise | None,
    ) -> tuple[Tensor, State]:
        """One direction of one layer."""
        if self._frozen is not None and not _needs_gradient(values, states[place]):
            return self._frozen[place].run(values, batch.batch_sizes, states[place])
        own, mask, seed = self._weights(self._names[place]), None, None
        if noise is not None:
            if self.weight_drop:
                own = own._replace(hh=noise.drop(own.hh, self.weight_drop))
            mask = noise.mask(values, batch.rows, self._sizes[0], self.recurrent_dropout)
            seed = noise.seed(place)
        how = (self.backend, self.recompute)
        return scan_cell(self.cell, own, values, batch.batch_sizes, states[place], mask, seed, *how)

    def _end(self, batch: Batch, last: list[State]) -> Any:
        """The last states as torch.nn returns them."""
        parts: State
        if len(last) == 1:
            parts = tuple([piece[None] for piece in last[0]])
        else:
            parts = tuple([torch.stack(pieces) for pieces in zip(*last, strict=True)])
        if batch.inverse is not None:
            parts = tuple([part.index_select(1, batch.inverse) for part in parts])
        if batch.single:
            parts = tuple([part.squeeze(1) for part in parts])
        return parts if len(self._sizes) > 1 else parts[0]


def _needs_gradient(values: Tensor, state: State) -> bool:
    if torch.compiler.is_compiling():
        return True
    return torch.is_grad_enabled() and any(part.requires_grad for part in (values, *state))


def _thaw(layer: nn.Module, keys: Any) -> None:
    """What is loaded is what counts."""
    assert isinstance(layer, Layers)
    layer._frozen = None


def _parts(hx: Any) -> Sequence[Tensor]:
    return (hx,) if isinstance(hx, Tensor) else hx


_OF_CELL = ("zoneout", "zoneout_c", "coupled")
_USUAL = {
    "proj_size": 0,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "layer_norm": False,
    "zoneout": 0.0,
    "zoneout_c": 0.0,
    "recurrent_dropout": 0.0,
    "weight_drop": 0.0,
    "learned_start": False,
    "peephole": False,
    "coupled": False,
    "forget_bias": None,
    "backend": None,
    "recompute": False,
}
