"""Rows of scores: the native kernels beside PyTorch's sums and order."""

import math

import pytest
import torch

import catena._native as _native
from catena.kernels import rows

NEVER = -math.inf


@pytest.fixture(params=_native.levels())
def level(request):
    _native.use_level(request.param)
    yield request.param
    _native.use_level(_native.levels()[0])


def scores_of(count, columns, seed=0):
    return 4 * torch.randn(count, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 511, 513, 5001])
def test_log_sums(level, columns):
    scores = scores_of(7, columns)
    scores[1] += 1e4
    scores[2, ::2] = NEVER
    scores[3] = -50.0
    found = rows.log_sums(scores)
    torch.testing.assert_close(found, scores.double().logsumexp(-1), atol=1e-6, rtol=1e-7)


def test_what_has_no_sum_and_what_is_not_a_number(level):
    scores = scores_of(4, 40)
    scores[0], scores[1, 3], scores[2, 39] = NEVER, math.inf, math.nan
    found = rows.log_sums(scores)
    assert found[:2].tolist() == [NEVER, math.inf]
    assert found[2].isnan()
    assert found[3].isfinite()


@pytest.mark.parametrize("columns", [1, 15, 16, 17, 700])
@pytest.mark.parametrize("k", [1, 5, 16, 900])
def test_the_best_of_each_row(level, columns, k):
    scores = scores_of(9, columns)
    values, places = rows.top(scores, k)
    wanted, order = scores.sort(dim=-1, descending=True, stable=True)
    assert torch.equal(values, wanted[:, :k])
    assert torch.equal(places, order[:, :k])


def test_of_equals_the_first(level):
    scores = torch.zeros(2, 50)
    scores[1, 20:] = 1.0
    assert rows.top(scores, 4)[1].tolist() == [[0, 1, 2, 3], [20, 21, 22, 23]]


def test_where_few_are_possible_the_rest_is_impossible(level):
    scores = torch.full((2, 30), NEVER)
    scores[0, 29] = -1e30
    values, places = rows.top(scores, 3)
    assert values.tolist() == [[scores[0, 29].item(), NEVER, NEVER], [NEVER] * 3]
    assert places[0, 0] == 29


def test_a_row_is_what_it_is_alone_whatever_the_threads(level):
    scores = scores_of(300, 1003)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        sums, best = rows.log_sums(scores), rows.top(scores, 5)
    finally:
        torch.set_num_threads(threads)
    for row in (0, 7, 299):
        alone = scores[row : row + 1]
        assert torch.equal(rows.log_sums(alone), sums[row : row + 1])
        assert torch.equal(rows.top(alone, 5)[1], best[1][row : row + 1])


def test_other_numbers_and_gaps_between_rows():
    scores = scores_of(5, 64)
    for given in (scores.double(), scores[:, ::2], scores[:, 3:50], scores[:0], scores[:, :0]):
        torch.testing.assert_close(rows.log_sums(given), given.double().logsumexp(-1))
        order = given.sort(dim=-1, descending=True, stable=True).indices
        assert torch.equal(rows.top(given, 4)[1], order[:, :4])
