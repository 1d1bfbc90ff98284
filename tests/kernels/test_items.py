"""The best of many items and Adagrad for rows of a table: the native kernels beside PyTorch's."""

import pytest
import torch

import catena._native as _native
from catena.kernels import items
from catena.kernels.items import Rule


@pytest.fixture(params=_native.levels())
def level(request):
    _native.use_level(request.param)
    yield request.param
    _native.use_level(_native.levels()[0])


def table_of(count, width, seed=0, clustered=True):
    torch.manual_seed(seed)
    spread = torch.linspace(2.0, 0.05, width) if clustered else torch.ones(width)
    turn = torch.linalg.qr(torch.randn(width, width)).Q
    return (torch.randn(count, width) * spread) @ turn, torch.randn(count) * 0.3


@pytest.mark.parametrize("clustered", [True, False])
@pytest.mark.parametrize(("count", "width"), [(5000, 100), (1003, 37), (40, 3), (7, 130), (1, 1)])
def test_the_best_are_the_best_of_all_scores(level, count, width, clustered):
    table, bias = table_of(count, width, clustered=clustered)
    index = items.index(table, bias)
    for seed in range(5):
        query = 5 * torch.randn(width, generator=torch.Generator().manual_seed(seed))
        for k in (1, 20, count + 3):
            found, scores = items.top(index, query, k)
            wanted, best = items.reference_top(table, bias, query, k)
            torch.testing.assert_close(scores, best, atol=1e-4, rtol=1e-5)
            exact = torch.nn.functional.linear(query.double(), table.double(), bias.double())
            # Of scores that rounding may turn around either item will do.
            torch.testing.assert_close(exact[found], exact[wanted], atol=1e-4, rtol=1e-5)
            assert len(set(found.tolist())) == min(k, count)


def test_equal_items_come_in_their_order_and_zeros_are_scored(level):
    table, bias = torch.zeros(50, 9), torch.zeros(50)
    table[30:] = 1.0
    index = items.index(table, bias)
    assert items.top(index, torch.ones(9), 25)[0].tolist() == [*range(30, 50), *range(5)]
    assert items.top(index, torch.zeros(9), 3)[0].tolist() == [0, 1, 2]
    assert items.top(index, -torch.ones(9), 3)[0].tolist() == [0, 1, 2]


def test_a_few_large_items_do_not_hide_the_others(level):
    table, bias = table_of(300, 50)
    table[7] *= 1e4
    bias[11] = -1e6
    index = items.index(table, bias)
    query = torch.randn(50)
    wanted = items.reference_top(table, bias, query, 10)[0]
    assert items.top(index, query, 10)[0].tolist() == wanted.tolist()


@pytest.mark.parametrize("width", [1, 7, 16, 100])
def test_rows_are_moved_as_the_reference_moves_them(level, width):
    torch.manual_seed(0)
    held = [torch.randn(30, width), torch.rand(30, width), torch.randn(30, width)]
    rows, gradient = torch.tensor([3, 17, 29, 0]), torch.randn(4, width)
    rule = Rule(0.05, 0.3, 0.99, 1e-6)
    (a, b, c), (d, e, f) = ([part.clone() for part in held] for _ in range(2))
    mine, theirs = (a, b, c), (d, e, f)
    items.move_rows(mine, rows, gradient, rule)
    items.reference_move_rows(theirs, rows, gradient, rule)
    for one, other, before in zip(mine, theirs, held, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
        still = torch.ones(30, dtype=torch.bool).index_fill(0, rows, False)
        assert torch.equal(one[still], before[still])
    items.move_rows(mine, rows[:0], gradient[:0], rule)
