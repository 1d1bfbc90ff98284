"""The compiled kernels against the float64 reference: outputs, last states and every gradient."""

import os
import random
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from catena import _native
from catena.errors import CatenaError
from catena.kernels.cell import native, ops
from catena.kernels.cell import torch as torchs
from catena.kernels.cell.cell import Cell, Weights
from catena.kernels.cell.dispatch import scan_cell
from catena.kernels.cell.reference import reference, uniform
from catena.layout import Layout

# How exact the kernels are is found out without a sanitizer; with it, how they use memory.
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")
KINDS = ("rnn_tanh", "rnn_relu", "gru", "lstm")
UNITS = (1, 3, 7, 16, 33, 129)
EPSILON = 2.0**-24  # half a unit in the last place of 1 in float32
# At most twice the error of PyTorch's float32; below this share of a tensor's norm it is chance
# whose sum was rounded more luckily.
FACTOR, FLOOR = 2.0, 6 * EPSILON


def long_tailed(n, longest):
    """`n` lengths whose logarithms are normal, 0 and 1 among them."""
    drawn = torch.randn(n, generator=torch.Generator().manual_seed(n)).exp().mul(2).long()
    return [*drawn.clamp(max=longest - 1).tolist(), longest, 1, 0][-n:]


LENGTHS = {
    "one step": [1],
    "few steps": [4, 2, 2, 1, 0],
    "few steps, many": [4, 3] + [2] * 130 + [1] * 120 + [0] * 5,
    "alone": [13],
    "ragged": [9, 7, 7, 5, 1, 0, 0],
    "equal": [6] * 5,
    "long tail": long_tailed(257, 40),
}
# What a variant adds to the cell, and what else it has.
VARIANTS = {
    "mask": ({}, "mask"),
    "zoneout": ({"zoneout": 0.3}, "seed"),
    "zoneout expected": ({"zoneout": 0.3}, ""),
    "mask and zoneout": ({"zoneout": 0.4}, "mask seed"),
    "norm": ({}, "norm"),
    "norm, mask and zoneout": ({"zoneout": 0.4}, "norm mask seed"),
    "zoneout of c": ({"zoneout": 0.2, "zoneout_c": 0.4}, "seed"),
    "only zoneout of c": ({"zoneout_c": 0.4}, "seed"),
    "peephole": ({}, "peephole"),
    "coupled": ({"coupled": True}, ""),
    "all but norm": ({"coupled": True, "zoneout": 0.2, "zoneout_c": 0.3}, "peephole mask seed"),
    "all": ({"coupled": True, "zoneout": 0.2, "zoneout_c": 0.3}, "peephole norm mask seed"),
    "projection": ({}, "projection"),
    "projection to one number": ({"zoneout": 0.3}, "mask to-one projection seed"),
    "projection and zoneout expected": ({"zoneout": 0.3, "zoneout_c": 0.2}, "projection"),
    "projection and norm": ({}, "projection norm"),
    "all but norm, projected": (
        {"coupled": True, "zoneout": 0.2, "zoneout_c": 0.3},
        "peephole mask seed projection",
    ),
    "all, projected": (
        {"coupled": True, "zoneout": 0.2, "zoneout_c": 0.3},
        "peephole norm mask seed projection",
    ),
}
OF_EVERY_CELL = tuple(VARIANTS)[:6]
VARIED = [
    (kind, name) for kind in KINDS for name in VARIANTS if kind == "lstm" or name in OF_EVERY_CELL
]
PROJECTED = [name for name, (_, features) in VARIANTS.items() if "projection" in features]
ALL = [*((kind, None) for kind in KINDS), *VARIED]


class Case(NamedTuple):
    """What a kernel is called with, and what flows back into its results."""

    cell: Cell
    weights: Weights
    x: Tensor
    sizes: Tensor
    state: tuple[Tensor, ...]
    mask: Tensor | None
    seed: int | None
    flow: list[Tensor]

    def to(self, dtype):
        def cast(part):
            return None if part is None else part.to(dtype)

        return self._replace(
            weights=Weights(*map(cast, self.weights)),
            x=cast(self.x),
            state=tuple(map(cast, self.state)),
            mask=cast(self.mask),
            flow=list(map(cast, self.flow)),
        )


def case(kind, lengths, inputs=3, units=5, bias=True, variant=None, seed=0):
    """Random weights, inputs, first states and cotangents, float32."""
    options, features = VARIANTS.get(variant, ({}, ""))
    torch.manual_seed(seed)
    cell = Cell(kind, **options)
    rows, seen = cell.gates * units, numbers_of_h(features, units)
    drawn = [torch.randn(rows, size) * 0.5 * size**-0.5 for size in (inputs, seen)]
    drawn += [torch.randn(rows) * 0.5 if bias else None for _ in range(2)]
    weights = Weights(*drawn, **further(features, rows, units, kind == "lstm"))
    lengths = sorted(lengths, reverse=True)
    n, total = len(lengths), sum(lengths)
    mask = torch.randint(3, (n, seen)).float() / 2 if "mask" in features else None
    state = [(n, seen), (n, units)][: cell.states]
    return Case(
        cell,
        weights,
        torch.randn(total, inputs),
        Layout(torch.tensor(lengths, dtype=torch.int64)).batch_sizes,
        tuple(map(torch.randn, state)),
        mask,
        12345 if "seed" in features else None,
        [torch.randn(total, seen), *map(torch.randn, state)],
    )


def numbers_of_h(features, units):
    if "projection" not in features:
        return units
    return 1 if "to-one" in features else (units + 1) // 2


def further(features, rows, units, memory):
    """The weights that only variants have."""
    found = {"peephole": torch.randn(3, units)} if "peephole" in features else {}
    if "projection" in features:
        found["projection"] = torch.randn(numbers_of_h(features, units), units) * units**-0.5
    if "norm" in features:
        found |= {"norm_ih": torch.rand(rows) + 0.5, "norm_hh": torch.rand(rows) + 0.5}
        found |= (
            {"norm_c": torch.randn(2, units) * 0.3 + torch.tensor([[1.0], [0.0]])} if memory else {}
        )
    return found


def results(run, given):
    """Outputs and last states by name."""
    with torch.no_grad():
        out, last = run(*given[:-1])
    return dict(zip(("out", "h", "c"), (out, *last), strict=False))


def everything(run, given):
    """Outputs, last states and the gradients of all that can have one, by name."""
    names = [name for name, value in given.weights._asdict().items() if value is not None]
    leaves = [given.x, *given.state, *(getattr(given.weights, name) for name in names)]
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    states = given.cell.states
    state, own = leaves[1 : 1 + states], leaves[1 + states :]
    weights = given.weights._replace(**dict(zip(names, own, strict=True)))
    options = given.mask, given.seed
    out, last = run(given.cell, weights, leaves[0], given.sizes, tuple(state), *options)
    grads = torch.autograd.grad([out, *last], leaves, given.flow, allow_unused=True)
    found = dict(zip(("out", "h", "c"), (out.detach(), *last), strict=False))
    labels = ["x", *("h0", "c0")[:states], *names]
    for label, grad, leaf in zip(labels, grads, leaves, strict=True):
        found[f"d {label}"] = torch.zeros_like(leaf) if grad is None else grad
    return {name: value.detach() for name, value in found.items()}


def errors(found, exact):
    """For each tensor the norm of what is wrong as a share of the norm of what is right."""
    for name, wanted in exact.items():
        assert found[name].shape == wanted.shape, name
        size = float(wanted.norm()) or 1.0
        yield name, float((found[name].double() - wanted).norm()) / size


def exact_enough(given, peer=reference, look=None):
    """Nowhere more than twice as far off as float32 in PyTorch, in the median over these calls."""
    look = look or everything
    if SANITIZED:
        look(ops.run, given[0])
        return
    ours, theirs = defaultdict(list), defaultdict(list)
    for one in given:
        exact = look(reference, one.to(torch.float64))
        for run, into in ((ops.run, ours), (peer, theirs)):
            for name, error in errors(look(run, one), exact):
                into[name].append(error)
    for name in ours:
        error, other = median(ours[name]), median(theirs[name])
        assert error <= FACTOR * other + FLOOR, f"{name}: {error:.2e}, PyTorch {other:.2e}"


def several(kind, lengths, inputs, units, **options):
    """Calls with different numbers: several where a tensor has few of them or a norm of few may
    divide by next to nothing, so that no error is judged by a single rounding."""
    features = VARIANTS.get(options.get("variant"), ("", ""))[1]
    times = 1 + 12 // units
    if "norm" in features and units < 200:
        times = 15 if "projection" in features else 7
    lengths = lengths if times < 7 or len(lengths) < 10 else lengths[::6]
    return [case(kind, lengths, inputs, units, seed=seed, **options) for seed in range(times)]


def identical(found, wanted):
    for name, value in wanted.items():
        assert torch.equal(found[name], value), f"{name} differs"


@pytest.fixture(autouse=True)
def _as_before():
    """Whatever a test sets, the next one begins with the same threads and the best kernels."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    _native.use_level(_native.levels()[0])


@pytest.fixture
def share(monkeypatch):
    """A function that lets so many threads share the work by rows or by columns of any size."""

    def set_plan(threads, by_rows):
        def planned(gates, units, rows, steps):
            most = rows if by_rows else -(-units // native.PANEL)
            return native.Plan(max(1, min(threads, most)), by_rows)

        torch.set_num_threads(threads)
        monkeypatch.setattr(native, "plan", planned)

    return set_plan


def settings(*names):
    """Kernels, inputs and biases, drawn for this test alone."""
    draw = random.Random(" ".join(map(str, names)))
    return draw.choice(_native.levels()), draw.choice((1, 5, 40)), draw.random() < 0.75


# -- what is computed --------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_cell(kind, units, lengths):
    level, inputs, bias = settings(kind, units, lengths)
    _native.use_level(level)
    given = several(kind, LENGTHS[lengths], inputs, units, bias=bias)
    exact_enough(given, torchs.run)
    exact_enough(given, torchs.run, results)


@pytest.mark.parametrize("lengths", ["few steps", "ragged", "long tail"])
@pytest.mark.parametrize(("kind", "variant"), VARIED)
def test_every_variant(kind, variant, lengths):
    level, inputs, bias = settings(kind, variant, lengths)
    # The norm of a few numbers may divide by next to nothing, in any precision.
    units = random.Random(variant + lengths).choice((7, 16, 33) if "norm" in variant else UNITS[:5])
    inputs = max(inputs, 5)
    _native.use_level(level)
    exact_enough(several(kind, LENGTHS[lengths], inputs, units, bias=bias, variant=variant))


@pytest.mark.parametrize("plan", [(1, True), (2, True), (3, True), (2, False), (3, False)])
@pytest.mark.parametrize("level", _native.levels())
@pytest.mark.parametrize("kind", KINDS)
def test_every_split_on_every_processor(kind, level, plan, share):
    share(*plan)
    _native.use_level(level)
    variant = random.Random(f"{kind} {level} {plan}").choice(OF_EVERY_CELL)
    exact_enough([case(kind, LENGTHS["ragged"] * 5, 5, 50, variant=variant)])


@pytest.mark.parametrize("plan", [(1, True), (2, True), (3, True), (2, False), (3, False)])
@pytest.mark.parametrize("level", _native.levels())
@pytest.mark.parametrize("variant", PROJECTED)
def test_every_split_of_a_projection(variant, level, plan, share):
    share(*plan)
    _native.use_level(level)
    exact_enough([case("lstm", LENGTHS["ragged"] * 3, 5, 150, variant=variant)])


@pytest.mark.parametrize(
    ("lengths", "inputs", "units"),
    [([60] * 200, 4, 8), ([6] * 4, 2048, 16), ([6] * 4, 5, 1024)],
    ids=["rows", "inputs", "units"],
)
@pytest.mark.parametrize(
    ("kind", "variant"),
    [*((kind, None) for kind in KINDS), ("lstm", "norm"), ("lstm", "projection")],
)
def test_long_sums(kind, variant, lengths, inputs, units):
    """Of thousands of terms: weights' gradients over the steps, products over inputs and units."""
    exact_enough(several(kind, lengths, inputs, units, variant=variant))


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_no_steps(kind, variant, lengths):
    given = case(kind, lengths, variant=variant)
    found = everything(ops.run, given)
    identical(found, everything(reference, given))
    assert torch.equal(found["h"], given.state[0])


@pytest.mark.parametrize("steps", [3, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_without_sequences(kind, steps, poisoned):
    given = case(kind, [])
    given = given._replace(sizes=torch.zeros(steps, dtype=torch.int64))
    found = everything(ops.run, given)
    assert all(float(found[f"d {name}"].abs().sum()) == 0 for name in ("ih", "hh", "bias_ih"))


@pytest.mark.parametrize("which", ["bias_ih", "bias_hh"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_bias_of_the_two(kind, which):
    """Either it is added, or it is refused."""
    given = case(kind, LENGTHS["ragged"])
    given = given._replace(weights=given.weights._replace(**{which: None}))
    try:
        ops.run(*given[:-1])
    except CatenaError:
        return
    exact_enough([given])


@pytest.mark.parametrize("lengths", ["few steps", "ragged"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_that_is_zoned_out_keeps_its_value_to_the_bit(kind, lengths):
    given = case(kind, LENGTHS[lengths], units=33, variant="zoneout")
    given = given._replace(x=given.x * 1000)  # what it would have been is far from what it was
    out = results(ops.run, given)["out"].split(given.sizes.tolist())
    before = given.state[0]
    for t, now in enumerate(out):
        before, units = before[: len(now)], torch.arange(33)
        kept = uniform(12345, t, torch.arange(len(now)), units) < given.cell.zoneout
        assert torch.equal(now[kept], before[kept])
        before = now


@pytest.mark.parametrize("kind", KINDS)
def test_large_numbers_saturate_and_nan_stays(kind):
    given = case(kind, [7, 6], 2, 20)
    given.x[:] = torch.tensor([1e4, -1e4])
    exact_enough([given], torchs.run, results)
    given.x[-1] = torch.nan
    found = results(ops.run, given)["out"]
    assert bool(found[-1].isnan().all())
    assert bool(found[:-1].isfinite().all())


# -- where the work is cut ---------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 300, 2000])
@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        *((kind, variant) for kind in KINDS for variant in (None, "mask and zoneout")),
        ("lstm", "all, projected"),
    ],
)
def test_inference_in_pieces(kind, piece, variant, monkeypatch):
    """To the bit what training computes, which is never cut."""
    given = case(kind, LENGTHS["long tail"][::3], 5, 20, variant=variant)
    whole = everything(ops.run, given)
    monkeypatch.setattr(native, "PIECE", piece)
    cut = results(ops.run, given)
    identical(cut, {name: whole[name] for name in cut})


def test_the_plan():
    """Never more threads than there are, nor more than rows or panels of 16 units for them."""
    draw = random.Random(0)
    for _ in range(500):
        gates, rows, steps = draw.choice((1, 3, 4)), draw.randint(0, 300), draw.randint(0, 50)
        units, threads = draw.randint(1, 1024), draw.choice((1, 2, 3, 64))
        torch.set_num_threads(threads)
        found = native.plan(gates, units, rows, steps)
        assert 1 <= found.threads <= threads
        assert found.threads <= max(1, rows if found.by_rows else -(-units // native.PANEL))
    torch.set_num_threads(2)
    assert native.plan(4, 8, 2, 3).threads == 1  # so little that a second would cost more
    assert native.plan(4, 512, 64, 50) == (2, False)  # no cache holds these weights twice


def again(*given):
    return ops.run(*given, recompute=True)


@pytest.mark.parametrize("piece", [1, 300, 2000, 1 << 19])
@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_gates_that_are_computed_again(kind, variant, piece, monkeypatch, share, poisoned):
    """The same results to the bit; gradients differ only in the order of their sums over pieces."""
    monkeypatch.setattr(native, "PIECE", piece)
    share(*random.Random(f"{kind} {variant} {piece}").choice([(1, True), (2, True), (2, False)]))
    lengths = "few steps" if piece == 1 and variant is not None else "ragged"
    given = case(kind, LENGTHS[lengths], 5, 20, variant=variant)
    whole, found = everything(ops.run, given), everything(again, given)
    for name, value in whole.items():
        if name in ("out", "h", "c", "d h0", "d c0", "d x"):
            assert torch.equal(found[name], value), name
        else:
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [[], [0, 0]])
@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_no_steps_computed_again(kind, variant, lengths):
    given = case(kind, lengths, variant=variant)
    identical(everything(again, given), everything(ops.run, given))


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_derivative_of_what_is_computed_again(kind):
    given = case(kind, LENGTHS["ragged"])
    x = given.x.clone().requires_grad_()
    seconds = []
    for run in (ops.run, again):
        out, _ = run(given.cell, given.weights, x, *given[3:-1])
        [first] = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(first.square().sum(), x)[0])
    assert torch.equal(*seconds)


@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_bfloat16(kind, variant):
    """What float32 computes from the same numbers, rounded once at the end."""
    given = case(kind, LENGTHS["ragged"], 5, 20, variant=variant).to(torch.bfloat16)
    wanted, found = everything(ops.run, given.to(torch.float32)), everything(ops.run, given)
    for name, value in wanted.items():
        assert found[name].dtype == torch.bfloat16
        assert torch.equal(found[name], value.bfloat16()), name


# -- memory ------------------------------------------------------------------------------------


@pytest.fixture
def poisoned(monkeypatch):
    """New memory holds NaN, so that whoever reads it before writing shows."""

    def poison(make):
        def made(*args, **kwargs):
            tensor = make(*args, **kwargs)
            return tensor.fill_(torch.nan) if tensor.is_floating_point() else tensor

        return made

    for home, name in [
        (torch.Tensor, "new_empty"),
        (torch, "empty_like"),
        (torch, "empty"),
    ]:
        monkeypatch.setattr(home, name, poison(getattr(home, name)))


@pytest.mark.parametrize("lengths", ["few steps", "ragged", "long tail"])
@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_nothing_is_read_before_it_is_written(kind, variant, lengths, share, request):
    level, inputs, bias = settings(variant, kind, lengths)
    draw = random.Random(lengths + kind)
    units = draw.choice(UNITS)
    share(draw.choice((1, 2)), draw.random() < 0.5)
    _native.use_level(level)
    given = case(kind, LENGTHS[lengths], inputs, units, bias, variant)
    clean, inferred = everything(ops.run, given), results(ops.run, given)
    request.getfixturevalue("poisoned")
    identical(everything(ops.run, given), clean)
    identical(results(ops.run, given), inferred)
    assert all(bool(value.isfinite().all()) for value in clean.values())


@pytest.mark.parametrize(
    ("kind", "variant"), [*((kind, "mask") for kind in KINDS), ("lstm", "all but norm, projected")]
)
@pytest.mark.parametrize("lengths", ["few steps", "ragged"])
def test_what_is_given_is_left_alone_and_may_lie_anywhere(kind, variant, lengths):
    given = case(kind, LENGTHS[lengths], 4, 18, variant=variant)
    plain = everything(ops.run, given)

    def scattered(part):
        if part is None or part.dim() == 0:
            return part
        wide = torch.full((*part.shape, 3), 7, dtype=part.dtype)  # every third number is its own
        wide[..., 1] = part
        return wide[..., 1]

    apart = given._replace(
        weights=Weights(*map(scattered, given.weights)),
        x=scattered(given.x),
        state=tuple(map(scattered, given.state)),
        mask=scattered(given.mask),
        flow=list(map(scattered, given.flow)),
    )
    assert not apart.x.is_contiguous()
    identical(everything(lying(ops.run, apart), apart), plain)
    assert torch.equal(apart.x, given.x)
    assert all(torch.equal(a, b) for a, b in zip(apart.state, given.state, strict=True))


def lying(run, given):
    """`run` with tensors that lie as `given`'s do: a clone of them lies otherwise."""

    def like(new, old):
        return new if new is None else torch.as_strided(_room(new, old), old.shape, old.stride(), 1)

    def again(cell, weights, x, sizes, state, mask, seed):
        moved = Weights(*[like(new, old) for new, old in zip(weights, given.weights, strict=True)])
        states = tuple(like(new, old) for new, old in zip(state, given.state, strict=True))
        return run(cell, moved, like(x, given.x), sizes, states, mask, seed)

    return again


def _room(new, old):
    """A copy of `new` spread out over storage like that of `old`; gradients pass."""
    wide = torch.stack([torch.zeros_like(new), new, torch.zeros_like(new)], -1)
    assert wide.select(-1, 1).stride() == old.stride()
    return wide


# -- the same bits -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(33, 60), (200, 30)], ids=["small", "large"])
@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        *((kind, None) for kind in KINDS),
        ("lstm", "all but norm"),
        ("lstm", "all but norm, projected"),
    ],
)
def test_the_same_bits_from_any_number_of_threads_and_from_run_to_run(kind, variant, size):
    units, n = size
    given = case(kind, long_tailed(n, 20), 24, units, variant=variant)
    torch.set_num_threads(1)
    alone = everything(ops.run, given)
    inferred = results(ops.run, given)
    for threads in (1, 2, 3, 2):
        torch.set_num_threads(threads)
        identical(everything(ops.run, given), alone)
        identical(results(ops.run, given), inferred)


def gathered(given, lengths, rows):
    """The call for these of its sequences alone, and where their steps are in the whole."""
    whole = Layout(torch.tensor(lengths))
    firsts = whole.batch_sizes.cumsum(0) - whole.batch_sizes
    part = Layout(torch.tensor([lengths[row] for row in rows]))
    steps = [firsts[t] + rows[j] for t, m in enumerate(part.batch_sizes.tolist()) for j in range(m)]
    at, own = torch.stack(steps), torch.tensor(rows)
    flow = [given.flow[0][at], *(piece[own] for piece in given.flow[1:])]
    alone = given._replace(
        x=given.x[at],
        sizes=part.batch_sizes,
        state=tuple(piece[own] for piece in given.state),
        flow=flow,
    )
    return alone, at, own


COMPANY = {
    "each alone": [[row] for row in range(12)],
    "pairs": [[0, 11], [1, 3], [4, 5]],
    "some": [[1, 2, 3, 5, 8, 10, 11], [0, 2, 4, 6, 8, 9]],
}


@pytest.mark.parametrize("company", COMPANY)
@pytest.mark.parametrize("plan", [(1, True), (3, True), (2, False)])
@pytest.mark.parametrize(
    ("kind", "units", "variant"),
    [*((kind, 37, None) for kind in KINDS), ("lstm", 300, None), ("lstm", 300, "projection")],
)
def test_a_sequence_is_the_same_in_any_company(kind, units, variant, plan, company, share):
    """To the bit: what is computed for a sequence, and its input's and first state's gradients."""
    share(*plan)
    lengths = [21, 17, 16, 12, 12, 9, 8, 6, 5, 3, 2, 1]
    given = case(kind, lengths, 5, units, variant=variant)
    whole, inferred = everything(ops.run, given), results(ops.run, given)
    for rows in COMPANY[company]:
        alone, at, own = gathered(given, lengths, rows)
        found, quick = everything(ops.run, alone), results(ops.run, alone)
        for name, value in whole.items():
            if name in ("out", "d x"):
                assert torch.equal(found[name], value[at]), (rows, name)
            if name in ("h", "c", "d h0", "d c0"):
                assert torch.equal(found[name], value[own]), (rows, name)
        assert torch.equal(quick["out"], inferred["out"][at])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_few_steps(kind):
    """It goes to PyTorch's kernels unless a kernel is asked for, and these sum in another order: a
    sequence's numbers then differ by a few roundings from those in a longer batch."""
    lengths = [30, 4, 4, 3, 2, 1]
    given = case(kind, lengths, 5, 129)
    whole = results(scan_cell, given)["out"]
    for rows in ([1, 2, 3, 4, 5], [3], [5]):
        alone, at, _ = gathered(given, lengths, rows)
        torch.testing.assert_close(results(scan_cell, alone)["out"], whole[at], rtol=0, atol=1e-6)


# -- what is refused ---------------------------------------------------------------------------


def wrong(**changes):
    """Arguments of a call of two sequences of 6 and 4 steps, some of them replaced."""
    kind = changes.pop("kind", "lstm")
    given = case(kind, [6, 4], 3, 5)
    return {
        "cell": given.cell,
        "weights": given.weights,
        "x": given.x,
        "batch_sizes": given.sizes,
        "state": given.state,
        **{name: change(given) for name, change in changes.items()},
    }


def weight(name, change):
    return lambda given: given.weights._replace(**{name: change(getattr(given.weights, name))})


def sizes(*numbers):
    return lambda given: torch.tensor(numbers)


REFUSED = {
    "float64 input": {"x": lambda given: given.x.double()},
    "integer input": {"x": lambda given: given.x.long()},
    "bfloat16 weights": {"weights": weight("hh", torch.Tensor.bfloat16)},
    "float64 bias": {"weights": weight("bias_ih", torch.Tensor.double)},
    "float64 state": {"state": lambda given: tuple(part.double() for part in given.state)},
    "float64 mask": {"mask": lambda given: torch.ones(2, 5).double()},
    "input elsewhere": {"x": lambda given: given.x.to("meta")},
    "weight elsewhere": {"weights": weight("hh", lambda part: part.to("meta"))},
    "state elsewhere": {"state": lambda given: tuple(part.to("meta") for part in given.state)},
    "mask elsewhere": {"mask": lambda given: torch.ones(2, 5, device="meta")},
    "input of one dimension": {"x": lambda given: given.x[:, 0]},
    "input of three dimensions": {"x": lambda given: given.x[:, :, None]},
    "input of other features": {"x": lambda given: given.x[:, :2]},
    "weights of other inputs": {"weights": weight("ih", lambda part: part[:, :2])},
    "weights of other units": {"weights": weight("hh", lambda part: part[:-1])},
    "weights of one dimension": {"weights": weight("hh", lambda part: part[0])},
    "bias too short": {"weights": weight("bias_hh", lambda part: part[:-1])},
    "peepholes of other units": {"weights": weight("peephole", lambda _: torch.ones(3, 4))},
    "a projection of other units": {"weights": weight("projection", lambda _: torch.ones(5, 4))},
    "a projection to more than h has": {
        "weights": weight("projection", lambda _: torch.ones(6, 5))
    },
    "a projection of a GRU": {
        "kind": "gru",
        "weights": weight("projection", lambda _: torch.ones(5, 5)),
    },
    "state of one dimension": {"state": lambda given: tuple(part[0] for part in given.state)},
    "state of other units": {"state": lambda given: tuple(part[:, :4] for part in given.state)},
    "c of fewer sequences": {"state": lambda given: (given.state[0], given.state[1][:1])},
    "c left out": {"state": lambda given: given.state[:1]},
    "mask of other units": {"mask": lambda given: torch.ones(2, 4)},
    "mask of fewer sequences": {"mask": lambda given: torch.ones(1, 5)},
    "int32 batch sizes": {"batch_sizes": lambda given: given.sizes.int()},
    "batch sizes elsewhere": {"batch_sizes": lambda given: given.sizes.to("meta")},
    "batch sizes of two dimensions": {"batch_sizes": lambda given: given.sizes[:, None]},
    "batch sizes that rise": {"batch_sizes": sizes(1, 2, 2, 2, 2, 1)},
    "batch sizes that rise, few": {"batch_sizes": sizes(1, 2, 1), "x": lambda given: given.x[:4]},
    "batch sizes of more steps": {"batch_sizes": sizes(2, 2, 2, 2, 1, 1, 1)},
    "batch sizes of fewer steps": {"batch_sizes": sizes(2, 2, 2, 2, 1)},
    "batch sizes of more steps, few": {
        "batch_sizes": sizes(2, 2, 2, 2),
        "x": lambda given: given.x[:7],
    },
    "batch sizes with gaps": {"batch_sizes": lambda given: given.sizes.repeat_interleave(2)[::2]},
    "a batch size below zero": {"batch_sizes": sizes(2, 2, 2, 2, 2, 2, -2)},
    "more sequences than states": {
        "batch_sizes": sizes(3, 2, 1, 1, 1, 1, 1),
        "x": lambda given: torch.randn(10, 3),
    },
    "a batch size that wraps around": {"batch_sizes": sizes(2, 2, 2, 2, 2, 2**62, -(2**62))},
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("asked", [None, "native"])
def test_a_wrong_call_is_refused(what, asked):
    with pytest.raises(CatenaError):
        scan_cell(**wrong(**REFUSED[what]), backend=asked)


def test_a_mask_to_be_learned_is_not_silently_left_out():
    given = case("lstm", [6, 4], variant="mask")
    mask = given.mask.clone().requires_grad_()
    try:
        out, _ = ops.run(given.cell, given.weights, given.x.requires_grad_(), *given[3:5], mask)
        out.sum().backward()
    except CatenaError:
        return
    assert mask.grad is not None


# -- threads and processes ---------------------------------------------------------------------


@pytest.mark.parametrize("units", [40, 200])
def test_scans_and_products_take_turns_on_the_same_threads(units):
    """PyTorch's products and our scans share one team: neither stalls or spoils the other."""
    torch.set_num_threads(2)
    given = case("lstm", long_tailed(60, 20), 24, units)
    a = torch.randn(300, 300)
    product, wanted = a @ a, everything(ops.run, given)
    for _ in range(20):
        identical(everything(ops.run, given), wanted)
        assert torch.equal(a @ a, product)


def test_scans_from_several_threads_of_python():
    torch.set_num_threads(2)
    given = [case(kind, long_tailed(60, 20), 24, 64) for kind in KINDS]
    wanted = [everything(ops.run, one) for one in given]

    def again(place):
        torch.set_num_threads(2)
        for _ in range(5):
            identical(everything(ops.run, given[place]), wanted[place])
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(again, range(4), timeout=60))


class Scanned(torch.utils.data.Dataset):
    """Each item is the sum of what a scan gives, in whatever process it is asked for."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        given = case("gru", long_tailed(60, 20), 24, 64, seed=index)
        return everything(ops.run, given)["d hh"].double().sum()


@pytest.mark.filterwarnings("ignore:This process")  # ... is multi-threaded, use of fork()
def test_workers_of_a_data_loader():
    """They are forked from a process whose team of threads is at work already."""
    torch.set_num_threads(2)
    data = Scanned()
    wanted = [data[index] for index in range(4)]
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2, timeout=60)
    assert list(loader) == wanted


GRANTED = """
import torch
from catena.nn import LSTM
torch.set_num_threads(2)
torch.manual_seed(0)
layer, x = LSTM(40, 64), torch.randn(20, 40, 40)
layer(x)[0].square().sum().backward()
print(float(layer.weight_hh_l0.grad.double().sum()))
"""


def test_fewer_threads_than_were_asked_for():
    """Where the OpenMP runtime grants fewer, one does all the work."""
    printed = []
    for limit in ("1", "8"):
        environment = os.environ | {"OMP_THREAD_LIMIT": limit}
        command = [sys.executable, "-c", GRANTED]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        printed.append(done.stdout)
    assert printed[0] == printed[1]


def test_the_levels():
    assert _native.levels()[-1] == "portable"
    assert _native.team_kind() == "openmp"  # PyTorch's own
    with pytest.raises(ValueError, match="no such"):
        _native.use_level("no such")
