"""Train, validation and test: nothing lost, nothing twice, the same for everyone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catena import CatenaError, Sequences
from catena.split import split


@given(st.integers(3, 400), st.integers(0, 2**32 - 1))
def test_many_sequences_are_parted_whole(count, seed):
    data = [[i] * (1 + i % 4) for i in range(count)]
    train, valid, test, rule = split(data, seed)
    assert sorted(train + valid + test) == sorted(data)
    assert (len(valid), len(test)) == (max(1, round(0.05 * count)), max(1, round(0.1 * count)))
    assert [train, valid, test] == [sorted(part) for part in (train, valid, test)]
    assert f"seed {seed}" in rule
    assert split(data, seed) == (train, valid, test, rule)


@given(st.integers(3, 400))
def test_one_sequence_is_cut_by_position(length):
    text = "".join(chr(0x4E00 + i) for i in range(length))
    train, valid, test, rule = split(text)
    assert valid + train + test == text
    assert (len(valid), len(test)) == (max(1, round(0.05 * length)), max(1, round(0.1 * length)))
    assert split([text])[:3] == ([train], [valid], [test])
    assert "by position" in rule


def test_the_seed_draws_other_sequences():
    data = [str(i) for i in range(100)]
    assert split(data, 0).test != split(data, 1).test


def test_sequences_are_parted_like_lists():
    rows = [torch.arange(i, i + 3) for i in range(50)]
    parts, same = split(Sequences.from_list(rows), 3), split(rows, 3)
    for part, other in zip(parts[:3], same[:3], strict=True):
        assert [row.tolist() for row in part] == [row.tolist() for row in other]
    one = split(Sequences.from_list([torch.arange(100)]))
    assert [part.values.tolist()[0] for part in one[:3]] == [5, 0, 90]


@given(st.lists(st.text("ab", min_size=1, max_size=9), min_size=40, max_size=80))
def test_words_stay_whole(words):
    text = " ".join(words)
    parts = split(text, unit="word")
    assert parts.valid + parts.train + parts.test == text
    assert [w for part in (parts.valid, parts.train, parts.test) for w in part.split()] == words


@pytest.mark.parametrize("data", ["ab", ["x", "y"], Sequences.from_list([[1, 2]])])
def test_too_little(data):
    with pytest.raises(CatenaError, match="cannot be cut"):
        split(data)
