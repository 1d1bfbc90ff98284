"""`catena::cell` and `catena::cell_backward`: the native kernels as PyTorch operators.

As registered operators, with shapes known without running them and a formula for the gradient, they
go through torch.compile and torch.export in one piece. A gradient of the gradient goes through the
reference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.functional import layer_norm, linear

from catena.errors import CatenaError
from catena.kernels.cell import native
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.reference import State, reference

_library = torch.library.Library("catena", "DEF")
_GIVEN = (
    "Tensor x, Tensor sizes, Tensor h0, Tensor c0, Tensor ih, Tensor hh, "
    "Tensor? bias_ih, Tensor? bias_hh, Tensor? projection, Tensor? peephole, "
    "Tensor? norm_hh, Tensor? norm_c, Tensor? mask, "
    "str kind, bool coupled, float zoneout, float zoneout_c, SymInt seed, bool recompute"
)
_library.define(f"cell({_GIVEN}, bool keep) -> ({', '.join(['Tensor'] * 7)})")
_library.define(
    "cell_backward(Tensor grad_out, Tensor grad_h, Tensor grad_c, Tensor out, Tensor gates, "
    f"Tensor c, Tensor normal, Tensor scale, {_GIVEN}, bool[] needs) "
    f"-> ({', '.join(['Tensor'] * 11)})"
)
NO_SEED = -1
_TENSORS = 13  # of the arguments, the first so many are tensors or None
_OPTIONS = 7  # and the rest are not


def run(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    batch_sizes: Tensor,
    state: State,
    mask: Tensor | None = None,
    seed: int | None = None,
    recompute: bool = False,
) -> tuple[Tensor, State]:
    """The native kernel, with the signature of the reference, which takes over where derivatives
    are carried forwards.

    Weights in bfloat16 are widened first: between the first step and the last all is float32.

    Args:
        recompute: keep little for the way back and compute the gates again on it: less memory,
            up to a half more time.
    """
    if forward_ad._current_level >= 0:
        return reference(cell, weights, x, batch_sizes, state, mask, seed)
    if mask is not None and mask.requires_grad and torch.is_grad_enabled():
        raise CatenaError("the native kernel finds no gradient of a mask: detach it")
    if weights.hh.dtype == torch.bfloat16:
        return _widened(cell, weights, x, batch_sizes, state, mask, seed, recompute)
    h0, c0 = state if cell.states == 2 else (state[0], x.new_empty(0))
    if weights.norm_hh is not None:
        x, weights = share_of_input(x, weights), without_input(weights)
    keep = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (x, h0, c0, *weights)
    )
    out, h, c, *_ = torch.ops.catena.cell(
        x,
        batch_sizes,
        h0,
        c0,
        weights.ih,
        weights.hh,
        weights.bias_ih,
        weights.bias_hh,
        weights.projection,
        weights.peephole,
        weights.norm_hh,
        weights.norm_c,
        mask,
        cell.kind,
        cell.coupled,
        cell.zoneout,
        cell.zoneout_c,
        NO_SEED if seed is None else seed % 2**32,
        recompute,
        keep,
    )
    return out, (h, c) if cell.states == 2 else (h,)


def _widened(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    batch_sizes: Tensor,
    state: State,
    mask: Tensor | None,
    *options: Any,
) -> tuple[Tensor, State]:
    """In float32, and the results back in the weights' own type."""
    wide = weights.map(Tensor.float)
    mask = None if mask is None else mask.float()
    begin = tuple(part.float() for part in state)
    out, last = run(cell, wide, x.float(), batch_sizes, begin, mask, *options)
    own = weights.hh.dtype
    return out.to(own), tuple(part.to(own) for part in last)


def share_of_input(x: Tensor, weights: Weights) -> Tensor:
    """The normalised W_ih x + b_ih `[total, G*H]`, which needs no time."""
    gain = weights.norm_ih
    assert gain is not None
    return layer_norm(linear(x, weights.ih), gain.shape, gain, weights.bias_ih, eps=1e-5)


def without_input(weights: Weights) -> Weights:
    """The weights that are left when the input's share is known."""
    return weights._replace(ih=weights.ih.new_empty(0), bias_ih=None, norm_ih=None)


class _Given:
    """What both operators are given, in the order of their arguments."""

    def __init__(self, *given: Any) -> None:
        self.tensors, options = given[:_TENSORS], given[_TENSORS:]
        self.x, self.sizes, self.h0, self.c0, *weights, self.mask = self.tensors
        kind, coupled, zoneout, zoneout_c, self.seed, self.recompute = options
        self.cell = Cell(kind, coupled, zoneout, zoneout_c)
        *plain, norm_hh, norm_c = weights
        self.weights = Weights(*plain, norm_hh=norm_hh, norm_c=norm_c)
        self.units = self.weights.hh.shape[0] // self.cell.gates


def _cell(*arguments: Any) -> tuple[Tensor, ...]:
    *given, keep = arguments
    it = _Given(*given)
    out, h, c, kept = native.forward(
        native.prepared(it.cell, it.weights),
        it.x,
        it.sizes,
        it.h0,
        it.c0,
        it.mask,
        it.seed,
        keep,
        it.recompute,
    )
    return out, h, c, *kept


def _cell_fake(*arguments: Any) -> tuple[Tensor, ...]:
    *given, keep = arguments
    it = _Given(*given)
    total, units = it.x.shape[0], it.units
    out = it.x.new_empty(total, it.h0.shape[1])
    whole = keep and not it.recompute
    kept = native.kept_width(it.cell) * units if whole else 0
    gates = it.x.new_empty(total, kept) if kept else it.x.new_empty(0)
    memory = keep and it.cell.states == 2
    c = it.x.new_empty(total, units) if memory else it.x.new_empty(0)
    normed = whole and it.weights.norm_hh is not None
    normal = it.x.new_empty(total, it.cell.gates * units) if normed else it.x.new_empty(0, 0)
    scale = it.x.new_empty(total if normed else 0)
    last = it.h0.new_empty(it.h0.shape), it.c0.new_empty(it.c0.shape)
    return out, *last, gates, c, normal, scale


def _cell_backward(*arguments: Any) -> tuple[Tensor, ...]:
    grad_out, grad_h, grad_c, out, gates, c, normal, scale, *given, needs = arguments
    it = _Given(*given)
    found = native.backward(
        native.prepared(it.cell, it.weights),
        it.x,
        it.sizes,
        it.h0,
        it.c0,
        it.mask,
        it.seed,
        out,
        native.Kept(gates, c, normal, scale),
        it.recompute,
        (grad_out, grad_h, grad_c),
        needs,
    )
    return tuple(it.x.new_empty(0) if part is None else part for part in found)


def _cell_backward_fake(*arguments: Any) -> tuple[Tensor, ...]:
    *given, needs = arguments[8:]
    it = _Given(*given)
    w = it.weights
    need_x, need_ih, *need_rest = needs
    wanted = [it.x if need_x else None, it.h0, it.c0]
    wanted.append(w.ih if need_ih and w.norm_hh is None else None)
    rest = zip((w.hh, w.bias_ih, w.bias_hh, w.projection), need_rest, strict=True)
    wanted += [tensor if need else None for tensor, need in rest]
    wanted += [w.peephole, w.norm_hh, w.norm_c]
    shapes = [(0,) if tensor is None else tensor.shape for tensor in wanted]
    return tuple(it.x.new_empty(shape) for shape in shapes)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *given, keep = inputs
    out, _, _, *kept = output
    ctx.set_materialize_grads(False)
    ctx.keep, ctx.options = keep, given[_TENSORS:]
    ctx.save_for_backward(*given[:_TENSORS], out, *kept)


def _differentiate(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    """Gradients of all arguments of `catena::cell`."""
    tensors, (out, *kept) = ctx.saved_tensors[:_TENSORS], ctx.saved_tensors[_TENSORS:]
    if not ctx.keep:
        raise CatenaError("catena::cell was run with keep=False and cannot be differentiated")
    given = (*tensors, *ctx.options)
    _, *needs = ctx.needs_input_grad  # the first is the dispatcher's keys
    if torch.is_grad_enabled():
        return (*_through_reference(given, grads, needs), *[None] * _OPTIONS)
    h0, c0 = tensors[2], tensors[3]
    found = torch.ops.catena.cell_backward(
        torch.zeros_like(out) if grads[0] is None else grads[0],
        torch.zeros_like(h0) if grads[1] is None else grads[1],
        torch.zeros_like(c0) if grads[2] is None else grads[2],
        out,
        *kept,
        *given,
        [needs[0], *needs[4:9]],
    )
    x, d_h0, d_c0, *weights = found
    wanted = [x, None, d_h0, d_c0, *weights, None]
    needed = (grad if need else None for grad, need in zip(wanted, needs, strict=False))
    return (*needed, *[None] * _OPTIONS)


def _through_reference(
    given: tuple[Any, ...], grads: tuple[Tensor | None, ...], needs: list[bool]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again."""
    # One argument may have been computed from another, or be another: each gets a name of its own,
    # so that its gradient is that of its own place alone.
    own = [part.view_as(part) if isinstance(part, Tensor) else part for part in given]
    it = _Given(*own)
    state = (it.h0, it.c0) if it.cell.states == 2 else (it.h0,)
    seed = None if it.seed == NO_SEED else it.seed
    out, last = reference(it.cell, it.weights, it.x, it.sizes, state, it.mask, seed)
    pairs = [
        (value, grad)
        for value, grad in zip((out, *last), grads, strict=False)
        if grad is not None and value.requires_grad
    ]
    wanted = [i for i, need in enumerate(needs[:_TENSORS]) if need]
    found = torch.autograd.grad(
        [value for value, _ in pairs],
        [own[i] for i in wanted],
        [grad for _, grad in pairs],
        create_graph=True,
        allow_unused=True,
    )
    by_place = dict(zip(wanted, found, strict=True))
    return [by_place.get(i) for i in range(_TENSORS)]


class _Differentiable(torch.autograd.Function):
    """What `torch.library.register_autograd` makes too; but that asks the schema for the default of
    every argument at each call, which takes as long as a short batch."""

    @staticmethod
    def forward(ctx: Any, keys: Any, *inputs: Any) -> tuple[Tensor, ...]:
        found = _below_autograd(keys, *inputs)
        _remember(ctx, inputs, found)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return None, *_differentiate(ctx, *grads)


def _below_autograd(keys: Any, *inputs: Any) -> tuple[Tensor, ...]:
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.catena.cell.default.redispatch(
            keys & torch._C._after_autograd_keyset, *inputs
        )


def _differentiable(keys: Any, *inputs: Any) -> tuple[Tensor, ...]:
    """With the gradient's formula, where there is a use for one."""
    if torch.is_grad_enabled() and torch._C._any_requires_grad(*inputs):
        return _Differentiable.apply(keys, *inputs)  # type: ignore[no-any-return]
    return _below_autograd(keys, *inputs)


_library.impl("cell", _cell, "CPU")
_library.impl("cell_backward", _cell_backward, "CPU")
torch.library.register_fake("catena::cell", _cell_fake, lib=_library)
torch.library.register_fake("catena::cell_backward", _cell_backward_fake, lib=_library)
_library.impl("cell", _differentiable, "Autograd", with_keyset=True)
