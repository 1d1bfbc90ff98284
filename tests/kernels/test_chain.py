"""The linear chain's native kernels against the reference, and as PyTorch operators."""

from __future__ import annotations

import math
import os
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

import catena._native as _native
from catena.errors import CatenaError
from catena.kernels.chain import dispatch, native, ops, reference
from catena.kernels.chain.potentials import Potentials
from catena.ladder.chain import Propagation
from catena.scanning import scan
from catena.sequences import Sequences

EXACT = {"rtol": 1e-9, "atol": 1e-9}
INF = float("inf")
LENGTHS = [5, 0, 1, 2, 17, 3, 128, 1, 0, 127, 9]


@pytest.fixture(params=_native.levels())
def level(request):
    """Each instruction set that this processor has."""
    _native.use_level(request.param)
    yield request.param
    _native.use_level(_native.levels()[0])


everywhere = pytest.mark.usefixtures("level")


def chain(
    labels: int = 5,
    lengths: list[int] = LENGTHS,
    scale: float = 2.0,
    forbidden: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> Potentials:
    """Random potentials, a share of them -inf."""
    draw = torch.Generator().manual_seed(labels)
    total = sum(lengths)

    def part(*shape: int) -> Tensor:
        drawn = scale * torch.randn(shape, generator=draw, dtype=torch.float64)
        gone = torch.rand(shape, generator=draw) < forbidden
        return drawn.masked_fill(gone, -INF).to(dtype)

    scores, *rest = part(total, labels), part(labels, labels), part(labels), part(labels)
    return Potentials(scores, torch.tensor(lengths, dtype=torch.int64), *rest)


def weights(given: Potentials) -> Tensor:
    return torch.linspace(-1, 2, len(given.lengths), dtype=torch.float64)


@cache
def expected(labels: int, scale: float, forbidden: float) -> tuple[Any, Any]:
    """The reference's expectations and best paths, the same for every instruction set."""
    given = chain(labels, scale=scale, forbidden=forbidden)
    return reference.expectations(given, weights(given)), reference.best(given, 1)


# Each scale and share of -inf: ordinary; far apart, so that exponentials would underflow; with
# constraints; so constrained that some sequences have no path.
SORTS = [(2.0, 0.0), (60.0, 0.0), (1e4, 0.0), (2.0, 0.2), (200.0, 0.3), (1e4, 0.5)]
sorts = pytest.mark.parametrize(("scale", "forbidden"), SORTS)
widths = pytest.mark.parametrize("labels", [1, 2, 3, 4, 5, 8, 9, 12, 22, 33, 70])


@everywhere
@sorts
@widths
def test_expectations(labels, scale, forbidden):
    given = chain(labels, scale=scale, forbidden=forbidden)
    wanted, _ = expected(labels, scale, forbidden)
    found = native.expectations(given, weights(given))
    torch.testing.assert_close(tuple(found), tuple(wanted), **EXACT)
    assert torch.equal(native.log_z(given), found.log_z)


@everywhere
@sorts
@widths
def test_best_path(labels, scale, forbidden):
    given = chain(labels, scale=scale, forbidden=forbidden)
    paths, found = native.best(given, 1)
    _, (same, wanted) = expected(labels, scale, forbidden)
    assert torch.equal(paths, same)
    torch.testing.assert_close(found, wanted, **EXACT)


@everywhere
@sorts
@pytest.mark.parametrize("labels", [1, 2, 3, 22])
def test_k_best(labels, scale, forbidden):
    given = chain(labels, lengths=[5, 0, 1, 2, 17, 3], scale=scale, forbidden=forbidden)
    (paths, found), (same, wanted) = native.best(given, 30), reference.best(given, 30)
    torch.testing.assert_close(found, wanted, **EXACT)
    assert torch.equal(paths, same)


@everywhere
def test_equal_scores_are_different_paths():
    """8 paths of score 0.3, and none twice."""
    flat = torch.zeros(2, 2), torch.zeros(2), torch.zeros(2)
    given = Potentials(torch.full((3, 2), 0.1, dtype=torch.float64), torch.tensor([3]), *flat)
    paths, found = native.best(given, 9)
    assert {tuple(path) for path in paths.T[:8].tolist()} == {*product((0, 1), repeat=3)}
    torch.testing.assert_close(found[0, :8], torch.full((8,), 0.3, dtype=torch.float64), **EXACT)
    assert bool((paths[:, 8] == -1).all())
    assert found[0, 8] == -INF


@everywhere
@pytest.mark.parametrize(("scale", "forbidden"), [(2.0, 0.0), (60.0, 0.0), (2.0, 0.2), (60.0, 0.3)])
@widths
def test_beliefs(labels, scale, forbidden):
    """Not where beliefs come to the end of what a float64 can hold: what is too small is lost."""
    given = chain(labels, scale=scale, forbidden=forbidden)
    propagation = Propagation(given.start.softmax(-1), given.transitions.softmax(-1).nan_to_num())
    data = Sequences(given.scores, given.lengths)
    found = scan(propagation, data, backend="native")
    wanted = scan(propagation, data, backend="reference")
    torch.testing.assert_close(found.features.values, wanted.features.values, **EXACT)
    torch.testing.assert_close(found.state, wanted.state, **EXACT)


@everywhere
@pytest.mark.parametrize("odd", [math.nan, INF, -INF])
def test_beliefs_pass_over_what_is_no_observation(odd):
    moves = torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64)
    data = Sequences(torch.full((1, 2), odd, dtype=torch.float64), torch.tensor([1]))
    for backend in ("native", "reference"):
        state = scan(Propagation(moves[0], moves), data, backend=backend).state[0]
        assert state.tolist() == [[0.375, 0.625]]


# -- lengths, batches, threads -----------------------------------------------------------------


def test_long_sequences():
    """Longer than a byte counts; two bytes, below."""
    given = chain(3, [1000, 127, 128, 1, 0, 255, 256])
    found = native.log_z(given)
    torch.testing.assert_close(found, reference.log_z(given), rtol=1e-12, atol=0)


def leading(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue of a positive matrix, and its vector."""
    values, vectors = torch.linalg.eig(matrix)
    place = values.real.argmax()
    return values[place].real, vectors[:, place].real


@everywhere
@pytest.mark.parametrize(("steps", "scale"), [(32768, 1.0), (1_000_000, 1.0), (1_000_000, 1e4)])
def test_very_long_sequences(steps, scale):
    """Equal scores at every step: log Z and marginals in the middle are those of the largest
    eigenvalue and its two vectors (Perron and Frobenius)."""
    draw = torch.Generator().manual_seed(1)
    moves = torch.randn(3, 3, generator=draw, dtype=torch.float64)
    row = scale * torch.tensor([0.3, 0.5, 0.4], dtype=torch.float64)
    nothing = torch.zeros(3, dtype=torch.float64)
    given = Potentials(row.expand(steps, 3), torch.tensor([steps]), moves, nothing, nothing)
    found = native.expectations(given, torch.ones(1))
    step = (moves + row - row.max()).exp()
    largest, right = leading(step)
    _, left = leading(step.T)
    middle = left * right / (left @ right)
    torch.testing.assert_close(found.marginals[steps // 2], middle, **EXACT)
    ends = (row - row.max()).exp() @ right * left.sum() / (left @ right)
    growth = (steps - 1) * largest.log() + ends.log() + steps * row.max()
    torch.testing.assert_close(found.log_z, growth[None], rtol=1e-12, atol=0)
    assert abs(float(found.transitions.sum()) - (steps - 1)) < 1e-7
    paths, score = native.best(given, 1)
    path = paths[:, 0]
    exact = math.fsum(row[path].tolist() + moves[path[:-1], path[1:]].tolist())
    assert abs(float(score) - exact) <= 1e-15 * abs(exact)
    assert score * (1 - 1e-12) < found.log_z < score + steps * 1.1  # log 3 = 1.0986


@everywhere
@sorts
def test_alone_as_in_any_batch(scale, forbidden):
    """To the last bit, however many threads there are."""
    given = chain(7, scale=scale, forbidden=forbidden)
    whole, (paths, best) = native.expectations(given, weights(given)), native.best(given, 3)
    begin = 0
    for i, own in enumerate(given.scores.split(LENGTHS)):
        alone = given._replace(scores=own, lengths=given.lengths[i : i + 1])
        found = native.expectations(alone, weights(given)[i : i + 1])
        place = slice(begin, begin + len(own))
        assert torch.equal(found.log_z, whole.log_z[i : i + 1])
        assert torch.equal(found.marginals, whole.marginals[place])
        assert torch.equal(native.best(alone, 3)[0], paths[place])
        assert torch.equal(native.best(alone, 3)[1], best[i : i + 1])
        begin += len(own)


@everywhere
@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads(threads, monkeypatch):
    """The same to the last bit."""
    monkeypatch.setattr(native, "SHARE", 1)
    given = chain(5, lengths=LENGTHS * 9)
    alone = *native.expectations(given, weights(given)), *native.best(given, 2)
    torch.set_num_threads(threads)
    try:
        shared = *native.expectations(given, weights(given)), *native.best(given, 2)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(one, other) for one, other in zip(alone, shared, strict=True))


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
def test_nothing_at_all(lengths):
    given = chain(3, lengths=lengths)
    for module in (native, reference):
        found = module.expectations(given, weights(given))
        assert found.log_z.tolist() == [0.0] * len(lengths)
        assert found.marginals.shape == (0, 3)
        assert all(float(part.abs().sum()) == 0 for part in found[2:])
        paths, scores = module.best(given, 2)
        assert paths.shape == (0, 2)
        assert scores.tolist() == [[0.0, -INF]] * len(lengths)


# -- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_dtypes_are_computed_in_float64(dtype):
    given = chain(4, dtype=dtype)
    wide = Potentials(*(part.double() if part.is_floating_point() else part for part in given))
    found, wanted = (
        native.expectations(given, weights(given)),
        native.expectations(wide, weights(given)),
    )
    assert found.marginals.dtype == dtype
    assert torch.equal(found.marginals, wanted.marginals.float().to(dtype))
    for one, other in zip(found[2:], wanted[2:], strict=True):
        torch.testing.assert_close(one, other, **EXACT)
    torch.testing.assert_close(found.log_z, wanted.log_z, **EXACT)


@everywhere
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("value", [float("nan"), INF])
def test_what_is_no_number_spoils_its_own_sequence(value, scale):
    given = chain(6, lengths=[4, 3, 5], scale=scale)
    clean = native.log_z(given)
    given.scores[5, 5] = value
    found = native.expectations(given, torch.ones(3))
    assert found.log_z.isnan().tolist() == [False, True, False]
    assert torch.equal(found.log_z[::2], clean[::2])
    assert found.marginals.isnan().all(1).tolist() == [False] * 4 + [True] * 3 + [False] * 5
    assert bool(found.transitions.isnan().all())
    paths, scores = native.best(given, 2)
    assert scores.isnan().all(1).tolist() == [False, True, False]
    assert (paths == -1).all(1).tolist() == [False] * 4 + [True] * 3 + [False] * 5


@pytest.mark.parametrize("place", [2, 3, 4])
def test_a_weight_that_is_no_number_spoils_all(place):
    given = chain(3, lengths=[4, 0, 3])
    given[place].view(-1)[0] = float("nan")
    assert native.log_z(given).isnan().tolist() == [True, False, True]
    assert native.best(given, 1)[1].isnan().squeeze(1).tolist() == [True, False, True]


@everywhere
@pytest.mark.parametrize("drops", [[150.0] * 6, [1000.0]])
def test_a_detour_that_looks_lost(drops):
    """No label can be left. One falls behind, at once or by less at every step than would
    be noticed, and makes up for it later."""
    labels, rises = 3, [100.0] * (int(sum(drops)) // 100)
    steps = len(drops) + len(rises)
    moves = torch.full((labels, labels), -INF, dtype=torch.float64).fill_diagonal_(0.0)
    scores = torch.zeros(steps, labels, dtype=torch.float64)
    scores[:, 1] = torch.tensor([*(-drop for drop in drops), *rises])
    nothing = torch.zeros(labels, dtype=torch.float64)
    given = Potentials(scores, torch.tensor([steps]), moves, nothing, nothing)
    wanted = reference.expectations(given, torch.ones(1))
    torch.testing.assert_close(native.expectations(given, torch.ones(1)), wanted, **EXACT)
    third = torch.full((steps, labels), 1 / 3, dtype=torch.float64)
    torch.testing.assert_close(wanted.marginals, third, **EXACT)


@everywhere
def test_what_cannot_be_reached_does_not_grow():
    """The last label is far better than the others, which it is never reached from."""
    labels, steps = 3, 2000
    moves = torch.zeros(labels, labels, dtype=torch.float64)
    moves[:2, 2] = -INF
    start, end = torch.tensor([0.0, 0.0, -INF]).double(), torch.zeros(labels).double()
    scores = torch.tensor([0.0, 1.0, 9.0]).double().repeat(steps, 1)
    given = Potentials(scores, torch.tensor([steps]), moves, start, end)
    found = native.expectations(given, torch.ones(1))
    share = torch.tensor([0.0, 1.0]).double().softmax(0)
    wanted = torch.cat([share, share.new_zeros(1)]).expand(steps, 3)
    torch.testing.assert_close(found.marginals, wanted, **EXACT)
    torch.testing.assert_close(found.log_z, steps * scores[:1, :2].logsumexp(1), **EXACT)


# -- refusals ----------------------------------------------------------------------------------


def replaced(**parts: Tensor) -> Potentials:
    return chain(3, lengths=[2, 1])._replace(**parts)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (replaced(scores=torch.zeros(3)), "at least one label"),
        (replaced(scores=torch.zeros(3, 0)), "at least one label"),
        (replaced(transitions=torch.zeros(3, 2)), r"transitions must have shape \(3, 3\)"),
        (replaced(start=torch.zeros(2)), r"start must have shape \(3,\), not \(2,\)"),
        (replaced(end=torch.zeros(3, 1)), "end must have shape"),
        (replaced(end=torch.zeros(3, dtype=torch.int64)), "not torch.int64"),
        (replaced(start=torch.zeros(3, device="meta")), "start are on meta"),
        (replaced(lengths=torch.tensor([2, 2])), "must sum to the 3 rows of scores, not to 4"),
        (replaced(lengths=torch.tensor([4, -1])), "must not be negative"),
        (replaced(lengths=torch.tensor([2.0, 1.0])), "a vector of int64"),
    ],
)
def test_wrong_calls(given, message):
    for call in (dispatch.log_z, lambda given: dispatch.best(given, 1)):
        with pytest.raises(CatenaError, match=message):
            call(given)


def test_wrong_options():
    given = chain(3, lengths=[2, 1])
    with pytest.raises(CatenaError, match="at least 1, not 0"):
        dispatch.best(given, 0)
    with pytest.raises(CatenaError, match="one weight for each of the 2 sequences"):
        dispatch.expectations(given, torch.ones(3))
    with pytest.raises(CatenaError, match="there is none of that name; there are native, refer"):
        dispatch.log_z(given, "triton")
    on_meta = Potentials(*(p.to("meta") for p in given))._replace(lengths=given.lengths)
    with pytest.raises(CatenaError, match="it runs on the CPU and the scores are on meta"):
        dispatch.log_z(on_meta, "native")


def test_the_backend_that_was_asked_for_runs(monkeypatch):
    given, ran = chain(3, lengths=[2]), []
    for name, module in dispatch._RUN.items():
        monkeypatch.setattr(module, "log_z", lambda given, name=name: ran.append(name))
    for backend in (None, "native", "reference"):
        dispatch.log_z(given, backend)
    assert ran == ["native", "native", "reference"]


# -- operators ---------------------------------------------------------------------------------


def parts_of(given: Potentials) -> list[Tensor]:
    return [part.clone().requires_grad_() for part in (given.scores, *given[2:])]


def rebuilt(parts: list[Tensor], given: Potentials) -> Potentials:
    return Potentials(parts[0], given.lengths, *parts[1:])


@pytest.mark.parametrize("forbidden", [0.0, 0.3])
def test_gradients(forbidden):
    """Of log Z: the expectations. Of functions of the expectations: the reference's."""
    given = chain(4, lengths=[3, 0, 5, 1], forbidden=forbidden)
    weight = weights(given).requires_grad_()
    found = []
    for module in (ops, reference):
        parts = parts_of(given)
        first = module.log_z(rebuilt(parts, given))
        finite = first.detach() > -INF
        grads = torch.autograd.grad(first[finite].square().sum(), parts, create_graph=True)
        again = torch.autograd.grad(sum(grad.square().sum() for grad in grads), parts)
        expected = module.expectations(rebuilt(parts, given), weight)
        loss = expected.marginals.square().sum() + expected.transitions.sin().sum()
        through = torch.autograd.grad(loss, [*parts, weight])
        found.append([*grads, *again, *through])
    torch.testing.assert_close(*found, **EXACT)


def test_gradcheck():
    given = chain(3, lengths=[3, 0, 2])
    for call in (ops.log_z, lambda it: ops.expectations(it, weights(given))[1:]):
        assert torch.autograd.gradcheck(lambda *p, c=call: c(rebuilt(p, given)), parts_of(given))
        assert torch.autograd.gradgradcheck(
            lambda *p, c=call: c(rebuilt(p, given)), parts_of(given)
        )


def test_one_tensor_in_two_places():
    given = chain(3, lengths=[3, 1])
    found = []
    for module in (ops, reference):
        both = given.start.clone().requires_grad_()
        value = module.log_z(given._replace(start=both, end=both)).square().sum()
        [grad] = torch.autograd.grad(value, [both], create_graph=True)
        found += [(grad.detach(), *torch.autograd.grad(grad.square().sum(), [both]))]
    torch.testing.assert_close(*found, **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck(dtype):
    given = chain(3, lengths=[3, 0, 2], dtype=dtype)
    parts = parts_of(given)
    args = parts[0], given.lengths, *parts[1:]
    torch.library.opcheck(torch.ops.catena.chain_log_z.default, args)
    torch.library.opcheck(torch.ops.catena.chain_best.default, (*given, 3))
    # Its gradient goes through the reference, which is not traced.
    utils = "test_schema", "test_faketensor", "test_autograd_registration"
    operator = torch.ops.catena.chain_expectations.default
    torch.library.opcheck(operator, (*args, weights(given)), test_utils=utils)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_compile():
    """In one piece, forwards and backwards, for other lengths too."""
    torch._dynamo.reset()

    def loss(scores: Tensor, lengths: Tensor, *rest: Tensor) -> Tensor:
        given = Potentials(2 * scores, lengths, *rest)
        return dispatch.log_z(given).sum() + dispatch.best(given, 2)[1].sum()

    backend = "aot_eager" if "asan" in os.environ.get("LD_PRELOAD", "") else "inductor"
    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    for lengths in ([3, 2, 4], [5, 6, 2, 3]):
        given = chain(3, lengths=lengths)
        grads = []
        for run in (loss, compiled):
            parts = parts_of(given)
            grads.append(torch.autograd.grad(run(*rebuilt(parts, given)), parts))
        torch.testing.assert_close(*grads, **EXACT)
    torch._dynamo.reset()
