"""The C++ kernels: one layer through time and back, on float32 tensors in the CPU's memory.

PyTorch multiplies what can be multiplied at once (the input's share of the gates, the gradients of
the weights); `catena._native` walks through time. Tensors are handed over as addresses, so every
function here checks, or has made, each tensor it passes on.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

import catena._native as _native
from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.check import check_call

KINDS = ("rnn_tanh", "rnn_relu", "gru", "lstm")
PANEL = 16
# Below this many operations a second thread costs more than it helps.
ALONE = 200_000
# Below this many operations a step, meeting once a step costs more than a second thread helps.
WORTH_MEETING = 40_000
# Bytes of weights that stay in a core's own cache.
OWN_CACHE = 256 * 1024
# A piece of this many numbers of gates stays in a shared cache until what needs it is done.
PIECE = 1 << 19


class Plan(NamedTuple):
    """How the work of a call is shared."""

    threads: int
    by_rows: bool


class Kept(NamedTuple):
    """What the way forward leaves for the way back.

    gates `[total, width]`: i, f, g, o of an LSTM; r, z, n and W_hn h + b_hn of a GRU; h before
    zoneout of the simple network. c `[total, H]` of an LSTM. With layer normalisation, normal
    `[total, G*H]` and scale `[total]`: W_hh h as it was before the gain, and 1 / σ. Of all this
    only c is kept where the rest is to be computed again.
    """

    gates: Tensor
    c: Tensor
    normal: Tensor
    scale: Tensor


def width_of(kind: str) -> int:
    """Numbers kept for a unit and a step."""
    return {"gru": 4, "lstm": 4}.get(kind, 1)


def kept_width(cell: Cell) -> int:
    """Numbers kept for a unit and a step beside the outputs: a simple network's gates are they."""
    return width_of(cell.kind) if cell.gates > 1 or cell.zoneout else 0


def plan(gates: int, units: int, rows: int, steps: int) -> Plan:
    """Who does what, from the size of the work alone.

    Threads that share the units read each weight once between them, and meet once a step. Threads
    that share the sequences never meet, but each reads all weights at every step: that is for
    weights that fit in a core's own cache, where there are too few units to share them evenly.
    """
    threads = torch.get_num_threads()
    if threads == 1 or 2 * gates * units * units * rows * steps < ALONE:
        return Plan(1, True)
    blocks = -(-units // PANEL)
    uneven = blocks < 4 * threads or blocks % threads
    if uneven and rows >= 4 * threads and gates * units * units * 4 <= OWN_CACHE:
        return Plan(threads, True)
    meeting_pays = 2 * gates * units * units * rows >= WORTH_MEETING and blocks >= 2
    return Plan(min(threads, blocks), False) if meeting_pays else Plan(1, True)


def pack_forward(weight: Tensor, gates: int) -> Tensor:
    """Weights `[G*H, K]` in panels of 16 units, gate by gate, for a @ W.T."""
    rows, depth = weight.shape
    units = rows // gates
    packed = weight.new_empty(-(-units // PANEL) * gates * PANEL * depth)
    threads = _threads_for(8 * rows * depth)
    _native.pack_forward(weight.data_ptr(), gates, units, depth, threads, packed.data_ptr())
    return packed


def pack_backward(weight: Tensor) -> Tensor:
    """Weights `[K, columns]` in panels of 16 columns, for d @ W."""
    rows, columns = weight.shape
    packed = weight.new_empty(-(-columns // PANEL) * PANEL * rows)
    threads = _threads_for(4 * rows * columns)
    _native.pack_backward(weight.data_ptr(), rows, columns, threads, packed.data_ptr())
    return packed


def dense(a: Tensor, packed: Tensor, start: Tensor | None, to: Tensor, columns: int) -> None:
    """`to[:, :columns]` = start + a `[m, k]` @ packed; rows may lie apart."""
    rows, depth = a.shape
    _native.dense(
        _threads_for(2 * rows * depth * columns),
        *(a.data_ptr(), rows, a.stride(0), depth),
        packed.data_ptr(),
        _address(start),
        *(to.data_ptr(), to.stride(0), columns),
    )


def _threads_for(operations: int) -> int:
    return torch.get_num_threads() if operations > ALONE else 1


def forward(
    packs: Packs,
    x: Tensor,
    sizes: Tensor,
    h0: Tensor,
    c0: Tensor,
    mask: Tensor | None,
    seed: int,
    keep: bool,
    recompute: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Kept]:
    """One layer through time.

    Args:
        packs: what `prepared` returned.
        x: `[total, I]`, time-major. With layer normalisation, the input's whole share of the gates
            `[total, G*H]`; W_ih is then empty.
        sizes: `[T]`, how many sequences are still running at each step.
        h0, c0: `[n, R]` and `[n, H]`, longest sequence first; c0 `[0]` unless the cell is an LSTM.
        mask: `[n, R]`, what h is multiplied by before the product with W_hh.
        seed: of zoneout in training, or -1.
        keep: whether the way back will be asked for.
        recompute: keep only c: the way back computes the gates again, piece by piece.

    Returns:
        h of each step `[total, R]`, the last h `[n, R]` and c `[n, H]`, and what was kept.
    """
    _check(packs.cell, packs.weights, x, sizes, h0, c0, mask)
    x, h0, c0, mask = x.contiguous(), h0.contiguous(), c0.contiguous(), _contiguous(mask)
    kept = "nothing" if not keep else "memory" if recompute else "gates"
    return Forward(packs, x, sizes, h0, c0, mask, seed, kept).run()


def _check(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    sizes: Tensor,
    h0: Tensor,
    c0: Tensor,
    mask: Tensor | None,
) -> None:
    state = (h0, c0) if cell.states == 2 else (h0,)
    if weights.hh.dtype != torch.float32 or weights.hh.device.type != "cpu":
        kind = f"{weights.hh.dtype} on {weights.hh.device}"
        raise CatenaError(f"the native kernel takes float32 on the CPU, not {kind}")
    check_call(cell, weights, x, sizes, state, mask)


def prepared(cell: Cell, weights: Weights) -> Packs:
    """Weights without gaps in memory, and with the bias that a norm always adds."""
    if weights.norm_hh is not None and weights.bias_hh is None:
        weights = weights._replace(bias_hh=torch.zeros_like(weights.norm_hh))
    return Packs(cell, weights.map(torch.Tensor.contiguous))


class Packs:
    """A cell's weights, each product's packed when it is first asked for."""

    def __init__(self, cell: Cell, weights: Weights) -> None:
        self.cell, self.weights = cell, weights
        self.units = weights.hh.shape[0] // cell.gates
        self.normed = weights.norm_hh is not None
        self.projected = weights.projection is not None

    @cached_property
    def bias(self) -> tuple[Tensor | None, Tensor | None]:
        return biases(self.cell, self.weights)

    @cached_property
    def hh(self) -> Tensor:
        return pack_forward(self.weights.hh, self.cell.gates)

    @cached_property
    def ih(self) -> Tensor:
        return pack_forward(self.weights.ih, 1)

    @cached_property
    def projection(self) -> Tensor | None:
        found = self.weights.projection
        return None if found is None else pack_forward(found, 1)

    @cached_property
    def projection_back(self) -> Tensor | None:
        found = self.weights.projection
        return None if found is None else pack_backward(found)

    @cached_property
    def hh_back(self) -> Tensor:
        return pack_backward(self.weights.hh)

    @cached_property
    def ih_back(self) -> Tensor:
        """As the gradients of a GRU's gates lie: n before r and z."""
        gru, ih = self.cell.kind == "gru", self.weights.ih
        return pack_backward(ih.roll(self.units, 0) if gru else ih)


def pieces(sizes: Tensor, rows: int) -> list[tuple[int, int, int, int]]:
    """Cuts time into pieces of about so many rows, at least one step each: the first step, the one
    after the last, and the same for rows."""
    offsets, found, first = [0, *sizes.cumsum(0).tolist()], [], 0
    while first < len(sizes):
        last = max(bisect_right(offsets, offsets[first] + rows) - 1, first + 1)
        found.append((first, last, offsets[first], offsets[last]))
        first = last
    return found


class Forward:
    """One call: its buffers, and the pieces of time it is done in.

    Args:
        keep: for the way back: "nothing", "memory" (an LSTM's c) or "gates" (and the c).
        done: steps before this call.
    """

    def __init__(
        self,
        packs: Packs,
        x: Tensor,
        sizes: Tensor,
        h0: Tensor,
        c0: Tensor,
        mask: Tensor | None,
        seed: int,
        keep: str,
        done: int = 0,
    ) -> None:
        self.packs, self.x, self.sizes, self.done = packs, x, sizes, done
        self.cell, self.weights, self.normed = packs.cell, packs.weights, packs.normed
        self.h0, self.c0, self.mask, self.seed = h0, c0, mask, seed
        self.keep = keep == "gates"
        (self.n, self.seen), self.units = h0.shape, packs.units
        self.last_h, self.last_c = h0.clone(), c0.clone()
        self.out = x.new_empty(x.shape[0], self.seen)
        self.memory = keep != "nothing" and self.cell.states == 2
        self.c = x.new_empty(x.shape[0], self.units) if self.memory else x.new_empty(0)
        self.masked = None if mask is None else x.new_empty(2, self.n, self.seen)
        self.hidden = x.new_empty(self.n, self.units) if packs.projected else None
        self.plan = plan(self.cell.gates, self.units, self.n, sizes.shape[0])
        wide = self.cell.gates * self.units if self.keep and self.normed else 0
        self.normal = x.new_empty(x.shape[0] if wide else 0, wide)
        self.scale = x.new_empty(x.shape[0] if wide else 0)
        self.room = x.new_empty(self.n, self.cell.gates * self.units) if self.normed else None

    def run(self) -> tuple[Tensor, Tensor, Tensor, Kept]:
        width = width_of(self.cell.kind) * self.units
        kept = self.x.new_empty(0)
        if self.keep or self.x.shape[0] * width <= PIECE:
            gates = self._projected(0, self.x.shape[0])
            self._advance(0, self.sizes.shape[0], 0, gates, self.h0, self.c0)
            kept = gates if self.keep and kept_width(self.cell) else kept
        else:
            self._piece_by_piece(PIECE // width)
        return self.out, self.last_h, self.last_c, Kept(kept, self.c, self.normal, self.scale)

    def _piece_by_piece(self, rows: int) -> None:
        h, c = self.h0, self.c0
        for first, last, begin, end in pieces(self.sizes, rows):
            self._advance(first, last, begin, self._projected(begin, end), h, c)
            latest = end - int(self.sizes[last - 1])
            h, c = self.out[latest:end], self.c[latest:end] if self.memory else self.last_c

    def _projected(self, begin: int, end: int) -> Tensor:
        """W_ih x + b of some rows, with room for what the kernel adds."""
        wide, x = self.cell.gates * self.units, self.x[begin:end]
        if self.cell.gates == 1 and not self.cell.zoneout:
            gates = self.out[begin:end]
        else:
            gates = x.new_empty(end - begin, width_of(self.cell.kind) * self.units)
        if self.normed:
            gates[:, :wide].copy_(x)
        else:
            dense(x, self.packs.ih, self.packs.bias[0], gates, wide)
        return gates

    def _advance(
        self, first: int, last: int, begin: int, gates: Tensor, h: Tensor, c: Tensor
    ) -> None:
        """The steps from `first` to `last`, from the state h, c; `begin` is their first row."""
        if self.mask is not None and self.masked is not None:
            torch.mul(h, self.mask[: len(h)], out=self.masked[0, : len(h)])
        _native.forward(
            *_shape(self.cell, self.plan, last - first, self.n, self.units, self.seen),
            self.sizes.data_ptr() + 8 * first,
            self.done + first,
            self.packs.hh.data_ptr(),
            _address(self.packs.bias[1]),
            h.data_ptr(),
            c.data_ptr(),
            gates.data_ptr(),
            self.out[begin:].data_ptr(),
            self.c[begin:].data_ptr() if len(self.c) else 0,
            self.last_h.data_ptr(),
            self.last_c.data_ptr(),
            _address(self.masked),
            _address(self.packs.projection),
            _address(self.hidden),
            *_variant(self.cell, self.weights, self.mask, self.seed),
            *self._norm(begin, len(gates)),
        )

    def _norm(self, begin: int, rows: int) -> tuple[int, ...]:
        if not self.normed:
            return (0,) * 6
        if self.keep:
            normal, scale = self.normal[begin:], self.scale[begin:]
        else:
            normal = self.passing = self.x.new_empty(rows, self.cell.gates * self.units + 1)
            scale = normal.view(-1)[rows * self.cell.gates * self.units :]
        return (*_gains(self.weights), *map(_address, (self.room, normal, scale)))


def _shape(cell: Cell, plan: Plan, steps: int, n: int, units: int, seen: int) -> tuple[int, ...]:
    return (KINDS.index(cell.kind), plan.threads, plan.by_rows, steps, n, units, seen)


def _variant(
    cell: Cell, weights: Weights, mask: Tensor | None, seed: int
) -> tuple[int, int, float, float, int, bool]:
    chances = cell.zoneout, cell.zoneout_c
    return (_address(mask), _address(weights.peephole), *chances, seed, cell.coupled)


def _contiguous(tensor: Any) -> Any:
    return None if tensor is None else tensor.contiguous()


def _own(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


def _gains(weights: Weights) -> tuple[int, int, int]:
    return _address(weights.norm_hh), _address(weights.bias_hh), _address(weights.norm_c)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _outer(d: Tensor, x: Tensor) -> Tensor:
    """d.T @ x `[m, n]` of d `[rows, m]`, whose rows may lie apart, and x `[rows, n]`."""
    (rows, n), m = x.shape, d.shape[1]
    found = x.new_empty(m, n)
    threads = _threads_for(2 * rows * m * n)
    _native.outer(threads, d.data_ptr(), d.stride(0), m, x.data_ptr(), rows, n, found.data_ptr())
    return found


def biases(cell: Cell, weights: Weights) -> tuple[Tensor | None, Tensor | None]:
    """What is added to W_ih x at once, and what a GRU adds to W_hn h at every step."""
    ih, hh = weights.bias_ih, weights.bias_hh
    units = weights.hh.shape[0] // cell.gates
    if cell.kind != "gru":
        return (ih + hh if ih is not None and hh is not None else ih if hh is None else hh), None
    if hh is None:
        return ih, weights.hh.new_zeros(units)
    bias = torch.zeros_like(hh) if ih is None else ih.clone()
    bias[: 2 * units] += hh[: 2 * units]
    return bias, hh[2 * units :].contiguous()


class Gradients(NamedTuple):
    """Of everything `forward` was given; None where it was not asked for."""

    x: Tensor | None
    h0: Tensor
    c0: Tensor
    ih: Tensor | None
    hh: Tensor | None
    bias_ih: Tensor | None
    bias_hh: Tensor | None
    projection: Tensor | None
    peephole: Tensor | None
    norm_hh: Tensor | None
    norm_c: Tensor | None


def backward(
    packs: Packs,
    x: Tensor,
    sizes: Tensor,
    h0: Tensor,
    c0: Tensor,
    mask: Tensor | None,
    seed: int,
    out: Tensor,
    kept: Kept,
    recompute: bool,
    flow: tuple[Tensor, Tensor, Tensor],
    needs: list[bool],
) -> Gradients:
    """The way back through one call of `forward`, of which it is given all and what it returned.

    Args:
        flow: the gradients of the outputs `[total, R]` and of the last h and c, `[n, R]` and
            `[n, H]`.
        needs: whether x, W_ih, W_hh, b_ih, b_hh and the projection have a use for theirs.
    """
    _check(packs.cell, packs.weights, x, sizes, h0, c0, mask)
    x, h0, c0, mask = x.contiguous(), h0.contiguous(), c0.contiguous(), _contiguous(mask)
    grad_out, grad_h, grad_c = flow
    carry_h, carry_c = (_own(part) for part in (grad_h, grad_c))
    flow = (grad_out.contiguous(), carry_h, carry_c)
    if recompute:
        return _Again(packs, x, sizes, h0, c0, mask, seed, out, kept.c).run(*flow, needs)
    return Backward(packs, x, sizes, h0, c0, mask, seed, out, kept).run(*flow, needs)


class _Again:
    """The way back from the last piece of time to the first, each computed anew before."""

    def __init__(
        self,
        packs: Packs,
        x: Tensor,
        sizes: Tensor,
        h0: Tensor,
        c0: Tensor,
        mask: Tensor | None,
        seed: int,
        out: Tensor,
        c: Tensor,
    ) -> None:
        self.packs, self.x, self.sizes, self.seed = packs, x, sizes, seed
        self.h0, self.c0, self.mask, self.out, self.c = h0, c0, mask, out, c

    def run(
        self, grad_out: Tensor, carry_h: Tensor, carry_c: Tensor, needs: list[bool]
    ) -> Gradients:
        width = width_of(self.packs.cell.kind) * self.packs.units
        of_x = torch.empty_like(self.x) if needs[0] else None
        total: Gradients | None = None
        # A call without steps still has gradients: zeros.
        cuts = pieces(self.sizes, max(1, PIECE // width)) or [(0, 0, 0, 0)]
        for first, last, begin, end in reversed(cuts):
            live = int(self.sizes[first]) if first else len(carry_h)
            flow = grad_out[begin:end], carry_h[:live], carry_c[:live]
            found = self._piece(first, last, begin, end, live).run(*flow, needs)
            if of_x is not None and found.x is not None:
                of_x[begin:end] = found.x
            total = found if total is None else _sum(total, found)
        assert total is not None
        return total._replace(x=of_x, h0=carry_h, c0=carry_c)

    def _piece(self, first: int, last: int, begin: int, end: int, live: int) -> Backward:
        h, c = self.h0, self.c0
        if first:
            former = begin - int(self.sizes[first - 1])
            h, c = self.out[former : former + live], self.c[former : former + live]
        mask = None if self.mask is None else self.mask[:live]
        given = (self.packs, self.x[begin:end], self.sizes[first:last], h, c, mask, self.seed)
        out, _, _, kept = Forward(*given, "gates", first).run()
        return Backward(*given, out, kept, first)


def _sum(total: Gradients, found: Gradients) -> Gradients:
    """Those of the weights of both; the rest is a piece's own."""
    pairs = list(zip(total, found, strict=True))
    weights = [None if a is None or b is None else a + b for a, b in pairs[3:]]
    return Gradients(*found[:3], *weights)


class Backward:
    """The way back through one call of `Forward` that kept the gates; `done` steps before it."""

    def __init__(
        self,
        packs: Packs,
        x: Tensor,
        sizes: Tensor,
        h0: Tensor,
        c0: Tensor,
        mask: Tensor | None,
        seed: int,
        out: Tensor,
        kept: Kept,
        done: int = 0,
    ) -> None:
        self.packs, self.cell, self.weights = packs, packs.cell, packs.weights
        self.x, self.h0, self.c0, self.mask = x, h0, c0, mask
        self.sizes, self.seed, self.done = sizes, seed, done
        self.out = out.contiguous()
        self.kept = kept if kept_width(self.cell) else kept._replace(gates=self.out)
        (self.n, self.seen), self.units = h0.shape, packs.units
        self.normed = packs.normed
        self.plan = plan(self.cell.gates, self.units, self.n, sizes.shape[0])

    def run(
        self, grad_out: Tensor, carry_h: Tensor, carry_c: Tensor, needs: list[bool]
    ) -> Gradients:
        """The carries hold the gradients of the last state, and on return those of the first."""
        width = width_of(self.cell.kind) * self.units
        self.grads = self.x.new_empty(self.x.shape[0], width)
        self._make_room_for_norm()
        self._make_room_for_projection()
        self._retreat(grad_out, carry_h, carry_c)
        return self._gradients(carry_h, carry_c, needs)

    def _make_room_for_norm(self) -> None:
        rows, wide = (self.x.shape[0], self.cell.gates * self.units) if self.normed else (0, 0)
        self.room = self.x.new_empty(self.n, wide)
        self.of_product = self.x.new_empty(rows, wide)
        self.sums = self.x.new_zeros(self.plan.threads, 2, wide + 2 * self.units)

    def _make_room_for_projection(self) -> None:
        """m = o * tanh c `[total, H]` for the kernel to work out, and the gradients of P m."""
        self.hidden = self.of_h = None
        if self.packs.projected:
            self.hidden = torch.empty_like(self.kept.c)
            self.of_h = torch.empty_like(self.out)

    def _retreat(self, grad_out: Tensor, carry_h: Tensor, carry_c: Tensor) -> None:
        """The loop: leaves the gates' gradients, and those of the start in the carries."""
        given = [self.h0, self.c0, self.kept.gates, self.out, self.kept.c, grad_out, self.grads]
        _native.backward(
            *_shape(self.cell, self.plan, self.sizes.shape[0], self.n, self.units, self.seen),
            self.sizes.data_ptr(),
            self.done,
            self.packs.hh_back.data_ptr(),
            *(part.data_ptr() for part in given),
            carry_h.data_ptr(),
            carry_c.data_ptr(),
            *(_address(part) for part in (self.packs.projection_back, self.hidden, self.of_h)),
            *_variant(self.cell, self.weights, self.mask, self.seed),
            *self._norm(),
        )

    def _norm(self) -> tuple[int, ...]:
        if not self.normed:
            return (0,) * 8
        parts = self.room, self.kept.normal, self.kept.scale, self.of_product, self.sums
        return (*_gains(self.weights), *(part.data_ptr() for part in parts))

    @property
    def _skip(self) -> int:
        """Where the gradients of W_hh h begin in a row of the gates' gradients."""
        return self.units if self.cell.kind == "gru" else 0

    def _gradients(self, carry_h: Tensor, carry_c: Tensor, needs: list[bool]) -> Gradients:
        wide, gru = self.cell.gates * self.units, self.cell.kind == "gru"
        of_x, of_h = self.grads[:, :wide], self.grads[:, self._skip :]
        need_x, need_ih, need_hh, need_b_ih, need_b_hh, need_projection = needs
        need_b_ih = need_b_ih and self.weights.bias_ih is not None
        need_b_hh = need_b_hh and self.weights.bias_hh is not None
        # The kernel leaves a GRU's n before r and z; the weights have them after.
        turn = (lambda w: w.roll(-self.units, 0)) if gru else (lambda w: w)
        b_ih = turn(of_x.sum(0)) if need_b_ih or (need_b_hh and not gru) else None
        of_norm = self.sums.sum((0, 1)) if self.normed else None
        return Gradients(
            x=self._of_x(of_x) if need_x else None,
            h0=carry_h,
            c0=carry_c,
            ih=turn(_outer(of_x, self.x)) if need_ih and not self.normed else None,
            hh=self._of_hh(self.of_product if self.normed else of_h) if need_hh else None,
            bias_ih=b_ih if need_b_ih else None,
            bias_hh=(of_h.sum(0) if gru else _copy(b_ih)) if need_b_hh else None,
            projection=self._of_projection() if need_projection else None,
            peephole=None if self.weights.peephole is None else self._of_peephole(),
            norm_hh=None if of_norm is None else of_norm[:wide].clone(),
            norm_c=self._of_norm_c(of_norm),
        )

    def _of_norm_c(self, of_norm: Tensor | None) -> Tensor | None:
        if of_norm is None or self.weights.norm_c is None:
            return None
        return of_norm[-2 * self.units :].view(2, self.units).clone()

    def _of_x(self, grads: Tensor) -> Tensor:
        """`[total, I]`"""
        if self.normed:
            return grads.roll(-self.units, 1) if self.cell.kind == "gru" else grads.clone()
        found = torch.empty_like(self.x)
        dense(grads, self.packs.ih_back, None, found, found.shape[1])
        return found

    def _of_hh(self, grads: Tensor) -> Tensor:
        """`[G*H, R]`"""
        found = torch.empty_like(self.weights.hh)
        _native.outer_of_former(
            _threads_for(2 * self.x.shape[0] * found.numel()),
            *(grads.data_ptr(), grads.stride(0), grads.shape[1]),
            *(self.sizes.shape[0], self.sizes.data_ptr(), self.seen),
            *(self.h0.data_ptr(), self.out.data_ptr(), _address(self.mask)),
            found.data_ptr(),
        )
        return found

    def _of_projection(self) -> Tensor | None:
        """`[R, H]`"""
        if self.of_h is None or self.hidden is None:
            return None
        return _outer(self.of_h, self.hidden)

    def _former(self, values: Tensor, start: Tensor) -> Tensor:
        """`[total, H]`: at each step, what the step before left."""
        former = torch.empty_like(values)
        _native.former(
            self.plan.threads,
            self.sizes.shape[0],
            self.units,
            self.sizes.data_ptr(),
            start.data_ptr(),
            values.data_ptr(),
            former.data_ptr(),
        )
        return former

    def _of_peephole(self) -> Tensor:
        before = self._former(self.kept.c, self.c0)
        i, f, g, _ = self.kept.gates.chunk(4, 1)
        d_i, d_f, _, d_o = self.grads.chunk(4, 1)
        after = f * before + i * g
        return torch.stack([(d_i * before).sum(0), (d_f * before).sum(0), (d_o * after).sum(0)])
