"""Paired intervals: they cover what they should, and blocks keep what belongs together."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catena import Sequences
from catena.comparing.bootstrap import BLOCKS, MOST, Bootstrap, _blocks, by_position
from catena.comparing.tally import mean


@given(st.lists(st.integers(0, 60), max_size=300))
def test_a_block_never_holds_two_sequences_unless_there_are_very_many(lengths):
    lengths = torch.tensor(lengths, dtype=torch.int64)
    blocks = _blocks(lengths)
    owner = torch.repeat_interleave(lengths)
    assert len(blocks) == int(lengths.sum())
    assert bool((blocks.diff() >= 0).all())
    assert len({(int(b), int(o)) for b, o in zip(blocks, owner, strict=True)}) == len(
        set(blocks.tolist())
    )


def test_the_length_of_blocks():
    assert torch.bincount(_blocks(torch.tensor([100_000]))).tolist() == [500] * BLOCKS
    assert torch.bincount(_blocks(torch.tensor([1000]))).max() == 10  # the cube root
    assert int(_blocks(torch.full((9 * MOST,), 3))[-1]) < MOST


def correlated(length, generator):
    """Noise of one sequence: moving averages over five draws."""
    return torch.randn(length + 4, generator=generator).unfold(0, 5, 1).mean(1)


@pytest.mark.parametrize(
    ("lengths", "gap"), [([4] * 400, 0.3), ([3000], 0.0), ([700, 900, 400], 0.3)]
)
def test_the_interval_covers_a_known_difference(lengths, gap):
    """95 of 100: with correlated noise in a sequence, and most of it shared by both models."""
    lengths, covered, draws = torch.tensor(lengths), 0, 100
    total = int(lengths.sum())
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        shared = 5 * torch.rand(total, generator=generator)
        own = torch.cat([correlated(int(length), generator) for length in lengths])
        found = Bootstrap(lengths, seed, draws=400).difference(
            mean(shared + gap + own), mean(shared)
        )
        covered += found.low <= gap <= found.high
        assert found.low <= found.value <= found.high
        assert found.high - found.low < 0.2  # unpaired, `shared` alone would make it wider
    assert 88 <= covered <= 100  # 95 are expected, with a deviation of 2.2


def test_pairing_is_by_the_same_draws():
    bits = torch.rand(500)
    found = Bootstrap(torch.tensor([500])).difference(mean(bits + 0.25), mean(bits))
    assert [found.low, found.value, found.high] == pytest.approx([0.25] * 3, abs=1e-7)
    assert found.clear
    assert not Bootstrap(torch.tensor([500])).difference(mean(bits), mean(bits)).clear


def test_the_weight_of_a_sequence_is_its_length():
    lengths = torch.tensor([1, 99] * 150)
    bits = torch.repeat_interleave(torch.tensor([10.0, 0.0] * 150), lengths)
    found = Bootstrap(lengths).difference(mean(bits), mean(torch.zeros_like(bits)))
    assert found.value == pytest.approx(0.1)
    assert found.low <= 0.1 <= found.high < 0.15


def test_infinite_and_undefined_bits():
    zeros, once, lengths = torch.zeros(900), torch.zeros(900), torch.tensor([3] * 300)
    once[7] = math.inf
    found = Bootstrap(lengths).difference(mean(once), mean(zeros))
    assert (found.value, found.low, found.high) == (math.inf, 0.0, math.inf)
    assert not found.clear
    found = Bootstrap(lengths).difference(mean(zeros), mean(once))
    assert (found.value, found.low, found.high) == (-math.inf, -math.inf, 0.0)
    found = Bootstrap(lengths).difference(mean(once), mean(once))
    assert math.isnan(found.value)
    assert not found.clear


@pytest.mark.parametrize("lengths", [[], [0, 0], [0] * 300])
def test_no_predictions_at_all(lengths):
    nothing = mean(torch.zeros(0))
    found = Bootstrap(torch.tensor(lengths, dtype=torch.int64)).difference(nothing, nothing)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_bits_by_position():
    bits = Sequences.from_list([torch.tensor([1.0, 2.0, 4.0]), torch.tensor([3.0]), torch.zeros(0)])
    assert by_position(bits) == [(1, 1, 2.0), (2, 3, 3.0)]
    assert by_position(Sequences.from_list([])) == []
