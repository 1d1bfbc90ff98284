"""Ranks and what is made of them, beside figures computed by hand."""

import math

import pytest
import torch

from catena.errors import CatenaError
from catena.metrics import RankTally, ranks

# Four items that occurred 10, 6, 3 and 1 times.
COUNTS = torch.tensor([10, 6, 3, 1])


def tally(cutoffs=(1, 2, 3)):
    return RankTally(COUNTS, cutoffs)


def test_ranks_by_hand():
    scores = torch.tensor([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0], [0.0, 5.0, -1.0, 2.0]])
    assert ranks(scores, torch.tensor([0, 0, 3])).tolist() == [1, 4, 2]


def test_ties_stand_before_the_right_item():
    scores = torch.tensor([[1.0, 1.0, 1.0, 1.0], [2.0, 1.0, 1.0, 0.0]])
    assert ranks(scores, torch.tensor([0, 1])).tolist() == [4, 3]


def test_what_is_not_a_number_or_infinite_never_helps():
    nan, inf = math.nan, math.inf
    scores = torch.tensor([[nan, 1.0, 2.0], [nan, 1.0, 2.0], [-inf, -inf, 0.0], [nan, nan, nan]])
    assert ranks(scores, torch.tensor([0, 2, 0, 1])).tolist() == [3, 2, 3, 3]


def test_all_measures_by_hand():
    ranked = tally()
    ranked.add(torch.tensor([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]]), torch.tensor([1, 0]))
    ranked.add(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), torch.tensor([2]))
    ranked.add_cold(1)
    found = ranked.result()
    # Ranks 2, 4 and 3 and one item that no model could name: four predictions.
    assert found.recall == {1: 0.0, 2: 0.25, 3: 0.5}
    assert found.mrr == pytest.approx({1: 0.0, 2: 0.5 / 4, 3: (1 / 2 + 1 / 3) / 4})
    gain = 1 / math.log2(3)
    assert found.ndcg == pytest.approx({1: 0.0, 2: gain / 4, 3: (gain + 1 / math.log2(4)) / 4})
    # First places: items 0, 3, 0; first two: 0 1, 3 2, 0 1.
    assert found.coverage == {1: 0.5, 2: 1.0, 3: 1.0}
    taken = (6 + 10 + 3) / 3
    assert found.popularity[1] == pytest.approx((10 + 1 + 10) / 3 / taken)
    assert found.popularity[2] == pytest.approx((8 + 2 + 8) / 3 / taken)
    assert (found.predictions, found.cold, found.tied, found.ties) == (4, 1, 0.0, "conservative")


def test_equal_scores_are_told():
    ranked = tally((1,))
    ranked.add(torch.tensor([[1.0, 1.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0]]), torch.tensor([0, 1]))
    assert ranked.result().tied == 0.5
    assert ranked.result().recall == {1: 0.0}


def test_blocks_of_any_size_add_up_to_the_same():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(6, (40, 4), generator=generator).float()
    targets = torch.randint(4, (40,), generator=generator)
    whole, parts = tally(), tally()
    whole.add(scores, targets)
    for block, right in zip(scores.split(7), targets.split(7), strict=True):
        parts.add(block, right)
    for name, found in parts.result().describe().items():
        assert found == pytest.approx(whole.result().describe()[name]), name


def test_more_shown_than_there_are_items_and_nothing_at_all():
    ranked = tally((20,))
    ranked.add(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), torch.tensor([3]))
    assert ranked.result().recall == {20: 1.0}
    assert ranked.result().coverage == {20: 1.0}
    empty = tally((5,)).result()
    assert (empty.recall, empty.predictions, empty.tied) == ({5: 0.0}, 0, 0.0)


@pytest.mark.parametrize("cutoffs", [(), (0,), (1.5,)])
def test_cutoffs_are_whole_numbers(cutoffs):
    with pytest.raises(CatenaError, match="whole numbers from 1 up"):
        tally(cutoffs)
