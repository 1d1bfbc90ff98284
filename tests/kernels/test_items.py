"""The best of many items and Adagrad for rows of a table: the native kernels beside PyTorch's."""

import math

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
@pytest.mark.parametrize(
    ("count", "width"), [(5000, 100), (1003, 37), (40, 3), (7, 130), (300, 1), (1, 1), (129, 200)]
)
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


def test_numbers_beyond_those_that_are_coded_count_too(level, monkeypatch):
    monkeypatch.setattr(items, "CODED", 6)
    table, bias = table_of(700, 21, clustered=False)
    index = items.index(table, bias)
    assert index.codes.shape[1] == 2
    for query in torch.randn(5, 21):
        assert_best(items.top(index, query, 9), items.reference_top(table, bias, query, 9))


def test_where_queries_are_mostly_alike_few_numbers_have_codes(level):
    table, bias = table_of(5000, 40, clustered=False)
    spread = torch.logspace(0, -3, 40)
    turn = torch.linalg.qr(torch.randn(40, 40)).Q
    index = items.index(table, bias, turn.T @ (spread.square()[:, None] * turn))
    coded = 4 * index.codes.shape[1]
    assert coded < 30
    for likely in torch.randn(5, 40):
        # The last lies in the first number that has no code.
        for query in ((spread * likely) @ turn, likely, turn[coded]):
            assert_best(items.top(index, query, 9), items.reference_top(table, bias, query, 9))


def test_what_is_known_of_queries_may_be_no_number(level):
    table, bias = table_of(300, 20)
    index = items.index(table, bias, torch.full((20, 20), math.nan))
    query = torch.randn(20)
    assert_best(items.top(index, query, 9), items.reference_top(table, bias, query, 9))


@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-20, 1e12])
def test_a_query_of_any_size_finds_the_best(level, size):
    table, bias = table_of(600, 30)
    bias = bias.fill_(0)
    query = size * torch.randn(30)
    assert_best(
        items.top(items.index(table, bias), query, 7), items.reference_top(table, bias, query, 7)
    )


def test_a_table_of_any_size_is_searched(level):
    for size in (1e-30, 1e-3, 1e12, 1e17):
        table, query = size * table_of(600, 30)[0], torch.randn(30)
        bias = torch.zeros(600)
        assert_best(
            items.top(items.index(table, bias), query, 7),
            items.reference_top(table, bias, query, 7),
        )


def test_what_is_not_finite_takes_nothing_from_the_others(level):
    table, bias = table_of(700, 20)
    bias[:300], bias[300], bias[301] = -math.inf, math.inf, math.nan
    table[302], table[303, 5], table[304] = math.nan, math.inf, 1e30
    query = torch.randn(20)
    best = torch.nn.functional.linear(query, table, bias).nan_to_num(nan=-math.inf, posinf=math.inf)
    index = items.index(table, bias)
    found, scores = items.top(index, query, 25)
    torch.testing.assert_close(scores, items.best(best, 25)[1], atol=1e-4, rtol=1e-5)
    assert found[0] in (300, 303, 304)
    everything = items.top(index, query, 700)[0]
    assert sorted(everything.tolist()) == list(range(700))
    for broken in (math.nan, math.inf):
        found = items.top(index, torch.full((20,), broken), 25)[0]
        assert len(set(found.tolist())) == 25
        assert set(found.tolist()) <= set(range(700))


def assert_best(mine, wanted):
    """The same scores but for rounding, of items that are distinct."""
    scale = float(wanted[1].abs().max())
    torch.testing.assert_close(mine[1], wanted[1], atol=1e-5 * scale, rtol=0)
    assert len(set(mine[0].tolist())) == len(wanted[0])


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
