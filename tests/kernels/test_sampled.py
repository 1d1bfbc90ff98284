"""What learning from a sample of items is made of: the native kernels beside PyTorch's."""

import pytest
import torch

import catena._native as _native
from catena.kernels import sampled


@pytest.fixture(params=_native.levels())
def level(request):
    _native.use_level(request.param)
    yield request.param
    _native.use_level(_native.levels()[0])


@pytest.mark.parametrize("shares", [[1.0], [0.0, 3.0, 0.0], [1e-9] * 9 + [1.0, 1e-9], range(1000)])
def test_draws_fall_on_the_first_edge_above(shares):
    edges = torch.tensor(list(shares), dtype=torch.float64).cumsum(0)
    torch.manual_seed(0)
    at = torch.rand(4000, dtype=torch.float64) * edges[-1]
    at = torch.cat([at, edges, edges.nextafter(torch.zeros(1).double()), torch.zeros(1).double()])
    found = sampled.draw(sampled.guide(edges), at)
    assert torch.equal(found, sampled.reference_draw(edges, at))


@pytest.mark.parametrize("items", [1, 64, 65, 3000])
def test_distinct_items_are_found_and_counted(items):
    torch.manual_seed(items)
    room = sampled.marks(items)
    for values, others in ((50, 200), (1, 0), (0, 7)):
        read, drawn = torch.randint(items, (values,)), torch.randint(items, (others,))
        found = sampled.distinct(read, drawn, room)
        for mine, theirs in zip(found, sampled.reference_distinct(read, drawn), strict=True):
            assert torch.equal(mine, theirs)
        assert not room.bits.any()


@pytest.mark.parametrize(("rows", "items"), [(1, 1), (3, 7), (5, 16), (4, 50), (9, 2100)])
@pytest.mark.parametrize("spread", [1.0, 60.0])
def test_the_softmax_is_that_of_float64(level, rows, items, spread):
    torch.manual_seed(0)
    products, bias = torch.randn(rows, items) * spread, torch.randn(items)
    weight = torch.randn(items).masked_fill(torch.rand(items) < 0.3, -torch.inf)
    own = torch.randint(items, (rows,))
    wide = products.double()
    wanted = sampled.reference_softmax(wide, bias.double(), own, weight.double())
    found = sampled.softmax(products, bias, own, weight)
    # Scores themselves are rounded to float32.
    close = {"atol": 2e-6 * spread, "rtol": 1e-6}
    torch.testing.assert_close(found.double(), wanted, **close)
    torch.testing.assert_close(products.double(), wide, **close)
    undrawn = weight.isinf().expand(rows, -1).scatter(1, own[:, None], False)
    assert not products[undrawn].any()


def test_one_score_far_above_all_others_leaves_nothing_to_learn(level):
    products, own = torch.zeros(2, 20), torch.tensor([3, 4])
    products[:, 3] = 1e6
    gain = sampled.softmax(products, torch.zeros(20), own, torch.zeros(20))
    assert gain.tolist() == [0.0, -1e6]
    assert not products[0].any()
    assert products[1, 3] == -1
    assert products[1, 4] == 1


@pytest.mark.parametrize("width", [1, 16, 37])
def test_rows_are_added_though_some_come_twice(level, width):
    torch.manual_seed(0)
    to, rows, place = torch.randn(9, width), torch.randn(5, width), torch.tensor([2, 0, 2, 8, 2])
    wanted = to.index_add(0, place, rows)
    sampled.add_rows(to, place, rows)
    torch.testing.assert_close(to, wanted)
