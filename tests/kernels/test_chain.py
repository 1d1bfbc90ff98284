"""The linear chain's native kernels against the reference, and as PyTorch operators."""

from __future__ import annotations

import os
from itertools import product

import pytest
import torch
from torch import Tensor

import catena._native as _native
from catena.errors import CatenaError
from catena.kernels.chain import dispatch, native, ops, reference
from catena.kernels.chain.potentials import Potentials

EXACT = {"rtol": 1e-9, "atol": 1e-9}
INF = float("inf")
LENGTHS = [5, 0, 1, 2, 17, 3, 128, 1, 0, 127, 9]


@pytest.fixture(params=_native.levels(), autouse=True)
def level(request):
    """Each instruction set that this processor has."""
    _native.use_level(request.param)
    yield request.param
    _native.use_level(_native.levels()[0])


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
    return Potentials(scores, torch.tensor(lengths), *rest)


def weights(given: Potentials) -> Tensor:
    return torch.linspace(-1, 2, len(given.lengths), dtype=torch.float64)


# Each scale and share of -inf: ordinary; far apart, so that exponentials would underflow; with
# constraints; so constrained that some sequences have no path.
SORTS = [(2.0, 0.0), (60.0, 0.0), (1e4, 0.0), (2.0, 0.2), (200.0, 0.3), (1e4, 0.5)]
sorts = pytest.mark.parametrize(("scale", "forbidden"), SORTS)
widths = pytest.mark.parametrize("labels", [1, 2, 3, 4, 5, 8, 9, 12, 22, 33, 70])


@sorts
@widths
def test_expectations(labels, scale, forbidden):
    given = chain(labels, scale=scale, forbidden=forbidden)
    wanted = reference.expectations(given, weights(given))
    found = native.expectations(given, weights(given))
    torch.testing.assert_close(tuple(found), tuple(wanted), **EXACT)
    assert torch.equal(native.log_z(given), found.log_z)


@sorts
@widths
def test_best_path(labels, scale, forbidden):
    given = chain(labels, scale=scale, forbidden=forbidden)
    (paths, found), (same, wanted) = native.best(given, 1), reference.best(given, 1)
    assert torch.equal(paths, same)
    torch.testing.assert_close(found, wanted, **EXACT)


@sorts
@pytest.mark.parametrize("labels", [1, 2, 3, 22])
def test_k_best(labels, scale, forbidden):
    given = chain(labels, lengths=[5, 0, 1, 2, 17, 3], scale=scale, forbidden=forbidden)
    (paths, found), (same, wanted) = native.best(given, 30), reference.best(given, 30)
    torch.testing.assert_close(found, wanted, **EXACT)
    assert torch.equal(paths, same)


def test_equal_scores_are_different_paths():
    """8 paths of score 0.3, and none twice."""
    flat = torch.zeros(2, 2), torch.zeros(2), torch.zeros(2)
    given = Potentials(torch.full((3, 2), 0.1, dtype=torch.float64), torch.tensor([3]), *flat)
    paths, found = native.best(given, 9)
    assert {tuple(path) for path in paths.T[:8].tolist()} == {*product((0, 1), repeat=3)}
    torch.testing.assert_close(found[0, :8], torch.full((8,), 0.3, dtype=torch.float64), **EXACT)
    assert bool((paths[:, 8] == -1).all())
    assert found[0, 8] == -INF


# -- lengths, batches, threads -----------------------------------------------------------------


def test_long_sequences():
    """Longer than a byte and two bytes count; the reference keeps up."""
    given = chain(3, [32768, 127, 128, 1, 0, 255, 256, 32767])
    found = native.log_z(given)
    torch.testing.assert_close(found, reference.log_z(given), rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_a_million_steps(scale):
    """Equal scores at every step: log Z and marginals in the middle are those of the largest
    eigenvalue and its two vectors (Perron and Frobenius)."""
    steps, draw = 1_000_000, torch.Generator().manual_seed(1)
    moves = torch.randn(3, 3, generator=draw, dtype=torch.float64)
    row = scale * torch.tensor([0.3, 0.5, 0.4], dtype=torch.float64)
    nothing = torch.zeros(3, dtype=torch.float64)
    given = Potentials(row.expand(steps, 3), torch.tensor([steps]), moves, nothing, nothing)
    found = native.expectations(given, torch.ones(1))
    step = (moves + row - row.max()).exp()
    values, right = torch.linalg.eig(step)
    left = torch.linalg.eig(step.T)[1].real[:, torch.linalg.eigvals(step.T).real.argmax()]
    first = values.real.argmax()
    middle = (left * right.real[:, first]) / (left @ right.real[:, first])
    torch.testing.assert_close(found.marginals[steps // 2], middle, **EXACT)
    growth = steps * (values[first].real.log() + row.max())
    torch.testing.assert_close(found.log_z, growth[None], rtol=0, atol=1e-9 * steps * scale)
    assert abs(float(found.transitions.sum()) - (steps - 1)) < 1e-6
    paths, score = native.best(given, 1)
    torch.testing.assert_close(reference.score(given, paths[:, 0]), score[:, 0], rtol=1e-12, atol=0)
    assert score < found.log_z < score + steps * 1.1  # log 3 = 1.0986


@sorts
def test_alone_as_in_any_batch(scale, forbidden):
    """To the last bit, however many threads there are."""
    given = chain(7, scale=scale, forbidden=forbidden)
    whole, best = native.expectations(given, weights(given)), native.best(given, 3)
    rows, begin = given.scores.split(LENGTHS), 0
    for i, own in enumerate(rows):
        alone = given._replace(scores=own, lengths=given.lengths[i : i + 1])
        found = native.expectations(alone, weights(given)[i : i + 1])
        assert torch.equal(found.log_z, whole.log_z[i : i + 1])
        assert torch.equal(found.marginals, whole.marginals[begin : begin + len(own)])
        for one, several in zip(native.best(alone, 3), best, strict=True):
            place = slice(begin, begin + len(own)) if one is not found and len(one) == len(own) else slice(i, i + 1)
            del place, several
        begin += len(own)
