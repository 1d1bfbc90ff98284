"""Recurrent cells and all their variants in plain PyTorch, step by step.

It defines what every kernel computes. It can be differentiated to any order, in float32 and
float64. Without its variants a cell is PyTorch's own:

    a = W_ih x_t + b_ih,   u = W_hh h_{t-1} + b_hh
    RNN     h_t = tanh(a + u)  or  max(0, a + u)
    GRU     r = σ(a_r + u_r),  z = σ(a_z + u_z),  n = tanh(a_n + r * u_n)
            h_t = (1 - z) * n + z * h_{t-1}
    LSTM    i, f, o = σ(a + u),  g = tanh(a_g + u_g)
            c_t = f * c_{t-1} + i * g,   h_t = P (o * tanh c_t)

The variants change this:

    layer normalisation   W_ih x, W_hh h and the c_t inside tanh are normalised (Ba et al. 2016),
                          ε = 1e-5; the first two over all gates together, gain before bias
    peepholes             p_i * c_{t-1}, p_f * c_{t-1}, p_o * c_t inside σ (Gers et al. 2002)
    coupled gates         i = 1 - f (Greff et al. 2017)
    recurrent dropout     W_hh (m * h_{t-1}), one m a sequence (Gal and Ghahramani 2016)
    zoneout               a unit of h_t or c_t keeps its former value by chance (Krueger et al.
                          2017); in evaluation, the expectation. h_t is computed from the new c_t
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from catena.kernels.cell.cell import Cell, Weights

State = tuple[Tensor, ...]

_STREAM_OF_C = 0x68BC21EB
_WORD = 0xFFFFFFFF


def reference(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    batch_sizes: Tensor,
    state: State,
    mask: Tensor | None = None,
    seed: int | None = None,
) -> tuple[Tensor, State]:
    """Run one layer over a time-major ragged batch (see `catena.layout`).

    Args:
        x: `[total, I]`.
        batch_sizes: `[T]` int64 on the CPU, how many sequences are still running at each step.
        state: h `[n, R]` and, of an LSTM, c `[n, H]`, longest sequence first. Sequences of length
            0 come last: n may exceed `batch_sizes[0]`, and T may be 0.
        mask: `[n, R]`, recurrent dropout's factors: 0 or 1 / (1 - p).
        seed: of zoneout's random numbers, in training; without it, evaluation.

    Returns:
        h of each step `[total, R]`, and the last state of each sequence; of an empty one, its
        first.
    """
    outputs, ended, live = [], [], state
    projected = not weights.ih.numel()  # then x is the input's share of the gates already
    gates = x if projected else affine(x, weights.ih, weights.bias_ih, weights.norm_ih)
    for t, a in enumerate(gates.split(batch_sizes.tolist())):
        if len(a) < len(live[0]):
            ended.append(tuple(part[len(a) :] for part in live))
            live = tuple(part[: len(a)] for part in live)
        kept = live[0] if mask is None else live[0] * mask[: len(a)]
        u = affine(kept, weights.hh, weights.bias_hh, weights.norm_hh)
        live = _zoned(cell, live, _step(cell, weights, a, u, live), t, seed)
        outputs.append(live[0])
    last = tuple(torch.cat(parts) for parts in zip(live, *reversed(ended), strict=True))
    return (torch.cat(outputs) if outputs else state[0][:0]), last


def affine(values: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    """`weight` times `values [m, ...]`, layer-normalised where there is a gain, and the bias."""
    if gain is None:
        return linear(values, weight, bias)
    return layer_norm(linear(values, weight), gain.shape, gain, bias, eps=1e-5)


def _step(cell: Cell, weights: Weights, a: Tensor, u: Tensor, state: State) -> State:
    """The state after one step, before zoneout, from both halves of the gates `[m, G*H]`."""
    if cell.kind == "lstm":
        return _lstm(cell, weights, a + u, state[1])
    if cell.kind == "gru":
        return (_gru(a, u, state[0]),)
    return (torch.tanh(a + u) if cell.kind == "rnn_tanh" else torch.relu(a + u),)


def _gru(a: Tensor, u: Tensor, h: Tensor) -> Tensor:
    (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, -1), u.chunk(3, -1)
    r, z = torch.sigmoid(a_r + u_r), torch.sigmoid(a_z + u_z)
    return (1 - z) * torch.tanh(a_n + r * u_n) + z * h


def _lstm(cell: Cell, weights: Weights, gates: Tensor, c: Tensor) -> State:
    i, f, g, o = gates.chunk(4, -1)
    if weights.peephole is not None:
        i, f = i + weights.peephole[0] * c, f + weights.peephole[1] * c
    f = torch.sigmoid(f)
    c = f * c + (1 - f if cell.coupled else torch.sigmoid(i)) * torch.tanh(g)
    if weights.peephole is not None:
        o = o + weights.peephole[2] * c
    h = torch.sigmoid(o) * torch.tanh(shown(c, weights.norm_c))
    return (h if weights.projection is None else linear(h, weights.projection)), c


def shown(c: Tensor, norm: Tensor | None) -> Tensor:
    """What of an LSTM's memory enters tanh: c `[m, H]`, layer-normalised where there is a norm
    `[2, H]`."""
    return c if norm is None else layer_norm(c, c.shape[1:], *norm, eps=1e-5)


def _zoned(cell: Cell, before: State, after: State, t: int, seed: int | None) -> State:
    h = _zone(before[0], after[0], cell.zoneout, t, seed, 0)
    if len(after) == 1:
        return (h,)
    return h, _zone(before[1], after[1], cell.zoneout_c, t, seed, _STREAM_OF_C)


def _zone(
    before: Tensor, after: Tensor, chance: float, t: int, seed: int | None, stream: int
) -> Tensor:
    if not chance:
        return after
    if seed is None:
        return chance * before + (1 - chance) * after
    rows, units = (torch.arange(size, device=after.device) for size in after.shape)
    return torch.where(uniform(seed, t, rows, units, stream) < chance, before, after)


def uniform(seed: int, t: int, rows: Tensor, units: Tensor, stream: int = 0) -> Tensor:
    """Random numbers in [0, 1) that depend on nothing but where they are used, so that none need
    be kept for the backward pass.

    Args:
        seed: its lower 32 bits count.
        t: the step.
        rows: `[m]` int64, rows of the layout.
        units: `[k]` int64.
        stream: 0 for h; another number gives others at the same place.

    Returns:
        `[m, k]` float64, multiples of 2^-24.
    """
    step = torch.tensor((seed ^ (t * 0x9E3779B9)) & _WORD, device=rows.device)
    key = _mix(_mix(step) + rows)
    if stream:
        key = _mix(key ^ stream)
    return (_mix(key[:, None] + units) >> 8).double() * 2**-24


def _mix(word: Tensor) -> Tensor:
    """A hash of 32 bits to 32 bits in which each bit of the result depends on all (C. Wellons'
    lowbias32), on int64."""
    word = word & _WORD
    word = ((word ^ (word >> 16)) * 0x7FEB352D) & _WORD
    word = ((word ^ (word >> 15)) * 0x846CA68B) & _WORD  # wraps around: the lower half is right
    return word ^ (word >> 16)
