"""The reference of the recurrent cells: equal to torch.nn, and every variant to its equations."""

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import layer_norm

from catena.errors import CatenaError
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.reference import reference, uniform
from catena.layout import Layout

KINDS = ("rnn_tanh", "rnn_relu", "gru", "lstm")
LENGTHS = torch.tensor([5, 3, 3, 1, 0, 0])  # longest first, as kernels get them
ROUNDING = {"rtol": 1e-12, "atol": 1e-12}  # the same float64 sums in another order

FEATURES = {  # what a variant adds to Cell, and which of the further weights it has
    "plain": ({}, ()),
    "norm": ({}, ("norm_ih", "norm_hh", "norm_c")),
    "zoneout": ({"zoneout": 0.3}, ()),
    "zoneout_c": ({"zoneout": 0.2, "zoneout_c": 0.4}, ()),
    "projection": ({}, ("projection",)),
    "peephole": ({}, ("peephole",)),
    "coupled": ({"coupled": True}, ()),
    "all": (
        {"coupled": True, "zoneout": 0.2, "zoneout_c": 0.3},
        ("projection", "peephole", "norm_ih", "norm_hh", "norm_c"),
    ),
}
OF_ALL = ("plain", "norm", "zoneout")
VARIANTS = [(kind, name) for kind in KINDS for name in FEATURES if kind == "lstm" or name in OF_ALL]
every_variant = pytest.mark.parametrize(("kind", "variant"), VARIANTS)


def drawn(kind, variant="plain", inputs=2, units=3, outputs=2, bias=True):
    """A cell and random weights."""
    options, further = FEATURES[variant]
    cell = Cell(kind, **options)
    torch.manual_seed(len(kind) + 7 * units)
    rows, shown = cell.gates * units, outputs if "projection" in further else units
    shapes = {
        "ih": (rows, inputs),
        "hh": (rows, shown),
        "bias_ih": (rows,) if bias else None,
        "bias_hh": (rows,) if bias else None,
        "projection": (outputs, units),
        "peephole": (3, units),
        "norm_ih": (rows,),
        "norm_hh": (rows,),
        "norm_c": (2, units),
    }
    there = {"ih", "hh", "bias_ih", "bias_hh", *further} - ({"norm_c"} if kind != "lstm" else set())
    weights = {
        name: torch.randn(shape, dtype=torch.float64) if shape and name in there else None
        for name, shape in shapes.items()
    }
    return cell, Weights(**weights)


def begun(cell, weights, lengths=LENGTHS):
    """Random inputs, the layout's batch sizes and a random first state."""
    x = torch.randn(int(lengths.sum()), weights.ih.shape[1], dtype=torch.float64)
    sizes = (weights.hh.shape[1], weights.hh.shape[0] // cell.gates)[: cell.states]
    state = tuple(torch.randn(len(lengths), size, dtype=torch.float64) for size in sizes)
    return x, Layout(lengths).batch_sizes, state


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [*KINDS, "projected"])
@torch.no_grad()
def test_it_equals_torch(kind, bias):
    options, further = {}, "plain"
    if kind == "projected":
        kind, options, further = "lstm", {"proj_size": 2}, "projection"
    cell, weights = drawn(kind, further, bias=bias)
    make = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}.get(
        kind, partial(torch.nn.RNN, nonlinearity=kind[-4:])
    )
    layer = make(2, 3, bias=bias, **options).double()
    for name, value in weights._asdict().items():
        if value is not None:
            known = {"ih": "weight_ih", "hh": "weight_hh", "projection": "weight_hr"}
            getattr(layer, f"{known.get(name, name)}_l0").copy_(value)
    x, batch_sizes, state = begun(cell, weights)
    found, last = reference(cell, weights, x, batch_sizes, state)
    live = int(batch_sizes[0])
    hx = tuple(part[None, :live].contiguous() for part in state)
    packed = torch.nn.utils.rnn.PackedSequence(x, batch_sizes)
    output, after = layer(packed, hx if kind == "lstm" else hx[0])
    torch.testing.assert_close(found, output.data, **ROUNDING)
    for part, wanted, before in zip(
        last, after if kind == "lstm" else (after,), state, strict=True
    ):
        torch.testing.assert_close(part[:live], wanted[0], **ROUNDING)
        assert torch.equal(part[live:], before[live:])


@every_variant
@pytest.mark.parametrize("lengths", [[0, 0], []])
def test_nothing_to_do(kind, variant, lengths):
    cell, weights = drawn(kind, variant)
    x, batch_sizes, state = begun(cell, weights, torch.tensor(lengths, dtype=torch.int64))
    outputs, last = reference(cell, weights, x, batch_sizes, state, seed=1)
    assert outputs.shape == (0, weights.hh.shape[1])
    assert all(torch.equal(a, b) for a, b in zip(last, state, strict=True))


@every_variant
@pytest.mark.parametrize("seed", [None, 5])
def test_every_gradient(kind, variant, seed):
    cell, weights = drawn(kind, variant)
    x, batch_sizes, state = begun(cell, weights, torch.tensor([3, 1, 0]))
    mask = torch.tensor([0.0, 1.5]).double()[torch.randint(2, state[0].shape)]
    there = [name for name, value in weights._asdict().items() if value is not None]
    leaves = [x, *state, *(getattr(weights, name) for name in there)]
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]

    def run(x, *rest):
        state, given = rest[: cell.states], rest[cell.states :]
        own = weights._replace(**dict(zip(there, given, strict=True)))
        outputs, last = reference(cell, own, x, batch_sizes, state, mask, seed)
        return outputs, *last

    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)
    if kind == "lstm" and variant in ("plain", "all"):
        assert torch.autograd.gradgradcheck(run, leaves, fast_mode=True)


def alone(cell, weights, xs, state, mask=None):
    """One sequence `[T, I]` after its equations, without zoneout, one step at a time."""
    h, *c = state
    shown = []
    for x in xs:
        past = h if mask is None else h * mask
        a, u = weights.ih @ x, weights.hh @ past
        if weights.norm_ih is not None:
            a, u = (
                layer_norm(a, a.shape) * weights.norm_ih,
                layer_norm(u, u.shape) * weights.norm_hh,
            )
        a, u = a + weights.bias_ih, u + weights.bias_hh
        if cell.kind == "lstm":
            h, *c = alone_lstm(cell, weights, a + u, c[0])
        elif cell.kind == "gru":
            (ar, az, an), (ur, uz, un) = a.chunk(3), u.chunk(3)
            z = torch.sigmoid(az + uz)
            h = (1 - z) * torch.tanh(an + torch.sigmoid(ar + ur) * un) + z * h
        else:
            h = getattr(torch, cell.kind[4:])(a + u)
        shown.append(h)
    return torch.stack(shown), (h, *c)


def alone_lstm(cell, weights, gates, c):
    i, f, g, o = gates.chunk(4)
    p = torch.zeros(3, len(c)).double() if weights.peephole is None else weights.peephole
    f = torch.sigmoid(f + p[1] * c)
    i = 1 - f if cell.coupled else torch.sigmoid(i + p[0] * c)
    c = f * c + i * torch.tanh(g)
    inner = c
    if weights.norm_c is not None:
        inner = layer_norm(c, c.shape) * weights.norm_c[0] + weights.norm_c[1]
    h = torch.sigmoid(o + p[2] * c) * torch.tanh(inner)
    return (h if weights.projection is None else weights.projection @ h), c


@pytest.mark.parametrize("masked", [False, True])
@every_variant
@torch.no_grad()
def test_each_sequence_by_itself(kind, variant, masked):
    cell, weights = drawn(kind, variant)
    cell = Cell(cell.kind, cell.coupled)
    x, batch_sizes, state = begun(cell, weights)
    mask = torch.rand_like(state[0]) if masked else None
    outputs, last = reference(cell, weights, x, batch_sizes, state, mask)
    firsts = batch_sizes.cumsum(0) - batch_sizes
    for row, length in enumerate(LENGTHS.tolist()):
        if length:
            at, own = firsts[:length] + row, tuple(part[row] for part in state)
            wanted, after = alone(cell, weights, x[at], own, None if mask is None else mask[row])
            torch.testing.assert_close(outputs[at], wanted, **ROUNDING)
            for part, end in zip(last, after, strict=True):
                torch.testing.assert_close(part[row], end, **ROUNDING)


# -- zoneout -----------------------------------------------------------------------------------


def mixed(a):
    """The hash of 32 bits in plain integers."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        a = ((a ^ (a >> shift)) * factor) % 2**32
    return a


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**40 + 3, -7])
def test_the_hash_in_plain_integers(seed):
    for t, j, unit in [(0, 0, 0), (1, 2, 3), (70_000, 256, 1023), (2**31, 5, 7)]:
        key = mixed((mixed((seed ^ t * 0x9E3779B9) % 2**32) + j) % 2**32)
        of_h, of_c = (key + unit) % 2**32, (mixed(key ^ 0x68BC21EB) + unit) % 2**32
        at = torch.tensor([j]), torch.tensor([unit])
        assert float(uniform(seed, t, *at)) == (mixed(of_h) >> 8) / 2**24
        assert float(uniform(seed, t, *at, 0x68BC21EB)) == (mixed(of_c) >> 8) / 2**24


def grid(seed, stream=0, times=40, rows=30, units=50):
    """Random numbers `[times, rows, units]`."""
    at = torch.arange(rows), torch.arange(units)
    return torch.stack([uniform(seed, t, *at, stream) for t in range(times)])


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_the_numbers_are_uniform(seed):
    """60,000 numbers: a share is within four standard deviations of its chance."""
    numbers = grid(seed)
    assert 0 <= float(numbers.min()) < float(numbers.max()) < 1
    for chance in (0.05, 0.25, 0.5, 0.9):
        spread = math.sqrt(chance * (1 - chance) / numbers.numel())
        assert abs(float((numbers < chance).double().mean()) - chance) < 4 * spread


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_the_numbers_are_independent():
    """Of steps, rows, units, streams and seeds: below four standard deviations, 4 / √n."""
    numbers = grid(3)
    limit = 4 / math.sqrt(numbers.numel() / 2)
    for axis in range(3):
        for lag in (1, 2, 16):
            size = numbers.shape[axis] - lag
            pair = numbers.narrow(axis, 0, size), numbers.narrow(axis, lag, size)
            assert abs(correlation(*pair)) < limit
    for other in (grid(4), grid(3 + 2**20), grid(3, 0x68BC21EB)):
        assert abs(correlation(numbers, other)) < limit
    assert abs(correlation(numbers[:30, :, :30], numbers[:30, :, :30].transpose(0, 1))) < limit * 2


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_zoneout_keeps_what_the_hash_says(kind):
    lstm = kind == "lstm"
    cell, weights = drawn(kind, "zoneout_c" if lstm else "zoneout")
    plain = Cell(kind)
    x, batch_sizes, state = begun(cell, weights)
    outputs, last = reference(cell, weights, x, batch_sizes, state, seed=11)
    live, units = tuple(part.clone() for part in state), torch.arange(3)
    for t, (now, given) in enumerate(
        zip(x.split(batch_sizes.tolist()), outputs.split(batch_sizes.tolist()), strict=True)
    ):
        rows, size = torch.arange(len(now)), torch.tensor([len(now)])
        before = tuple(part[: len(now)] for part in live)
        _, fresh = reference(plain, weights, now, size, before)
        for part, old, new, chance, stream in zip(
            live, before, fresh, (cell.zoneout, cell.zoneout_c), (0, 0x68BC21EB), strict=False
        ):
            kept = uniform(11, t, rows, units, stream) < chance
            part[: len(now)] = torch.where(kept, old, new)
        torch.testing.assert_close(given, live[0][: len(now)], **ROUNDING)
    for part, wanted in zip(last, live, strict=True):
        torch.testing.assert_close(part, wanted, **ROUNDING)


@torch.no_grad()
def test_the_share_of_units_that_keep_their_value():
    cell = Cell("lstm", zoneout=0.3, zoneout_c=0.1)
    _, weights = drawn("lstm", units=64)
    x, batch_sizes, state = begun(cell, weights, torch.full((100,), 1))
    _, last = reference(cell, weights, x, batch_sizes, state, seed=0)
    for part, before, chance in zip(last, state, (0.3, 0.1), strict=True):
        share = float((part == before).double().mean())
        assert abs(share - chance) < 4 * math.sqrt(chance * (1 - chance) / part.numel())


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_evaluation_is_the_expectation(kind):
    """One step: the mean over many seeds, within four standard deviations."""
    lstm = kind == "lstm"
    cell, weights = drawn(kind, "zoneout_c" if lstm else "zoneout")
    x, batch_sizes, state = begun(cell, weights, torch.tensor([1, 1]))
    _, expected = reference(cell, weights, x, batch_sizes, state)
    _, fresh = reference(Cell(kind), weights, x, batch_sizes, state)
    runs = [reference(cell, weights, x, batch_sizes, state, seed=seed)[1] for seed in range(1000)]
    for part, (old, new, wanted) in enumerate(zip(state, fresh, expected, strict=True)):
        chance = (cell.zoneout, cell.zoneout_c)[part]
        torch.testing.assert_close(wanted, chance * old + (1 - chance) * new, **ROUNDING)
        mean = torch.stack([run[part] for run in runs]).mean(0)
        spread = (old - new).abs() * math.sqrt(chance * (1 - chance) / 1000)
        assert bool(((mean - wanted).abs() <= 4 * spread).all())


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_all_zoned_out(kind):
    cell, weights = drawn(kind)
    cell = Cell(kind, zoneout=1.0, zoneout_c=float(kind == "lstm"))
    x, batch_sizes, state = begun(cell, weights)
    for seed in (None, 3):
        _, last = reference(cell, weights, x, batch_sizes, state, seed=seed)
        for part, before in zip(last, state, strict=True):
            torch.testing.assert_close(part, before, rtol=0, atol=0)


@torch.no_grad()
def test_float32_stays_float32():
    for kind, variant in VARIANTS:
        cell, weights = drawn(kind, variant)
        x, batch_sizes, state = begun(cell, weights)
        single = Weights(*[None if value is None else value.float() for value in weights])
        begin = tuple(part.float() for part in state)
        found, last = reference(cell, single, x.float(), batch_sizes, begin, seed=2)
        wanted, _ = reference(cell, weights, x, batch_sizes, state, seed=2)
        assert found.dtype == last[-1].dtype == torch.float32
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "srn"}, "srn"),
        ({"kind": "gru", "zoneout": 1.5}, "zoneout"),
        ({"kind": "gru", "coupled": True}, "only an LSTM"),
        ({"kind": "rnn_tanh", "zoneout_c": 0.1}, "only an LSTM"),
    ],
)
def test_a_cell_that_cannot_be(options, word):
    with pytest.raises(CatenaError, match=word):
        Cell(**options)
