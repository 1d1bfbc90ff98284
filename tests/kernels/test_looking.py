"""Attention natively, for a few queries a memory, against products of whole rectangles."""

from unittest.mock import patch

import pytest
import torch

import catena._native as _native
from catena import Sequences
from catena import attention as module
from catena.attention import attention_for

LENGTHS = [3, 0, 17, 1, 5, 200]
OWNER = torch.tensor([2, 0, 2, 4, 1, 3, 5, 0, 2, 4, 5])


@pytest.fixture(params=_native.levels())
def level(request):
    _native.use_level(request.param)
    yield request.param
    _native.use_level(_native.levels()[0])


@torch.no_grad()
def made(name, queries, width, heads=1, lengths=LENGTHS):
    torch.manual_seed(0)
    attention = attention_for(name, queries, width, heads)
    return attention, attention.memory(
        Sequences(torch.randn(sum(lengths), width), torch.tensor(lengths))
    )


def both_ways(attention, memory, queries, owner):
    with torch.no_grad(), patch.object(module, "attend", side_effect=AssertionError):
        found = attention(queries, owner, memory)
    wanted = attention(queries, owner, memory)
    for own, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(own, other.detach(), atol=2e-6, rtol=1e-5)
    return found


@pytest.mark.parametrize(("queries", "width"), [(1, 1), (5, 17), (64, 64), (130, 75)])
def test_one_head(level, queries, width):
    attention, memory = made("general", queries, width)
    both_ways(attention, memory, 3 * torch.randn(len(OWNER), queries), OWNER)


@pytest.mark.parametrize(("width", "heads"), [(6, 3), (64, 4), (36, 2)])
def test_many_heads(level, width, heads):
    attention, memory = made("multi-head", width, 40, heads)
    both_ways(attention, memory, 3 * torch.randn(len(OWNER), width), OWNER)


def test_scores_far_apart(level):
    attention, memory = made("dot", 33, 33)
    context, weights = both_ways(attention, memory, 100 * torch.randn(len(OWNER), 33), OWNER)
    assert context.isfinite().all()
    torch.testing.assert_close(weights.sum(1)[OWNER != 1], torch.ones(10))
    assert not weights[OWNER == 1].any()


def test_a_query_does_not_depend_on_the_others():
    attention, memory = made("general", 48, 32)
    queries = torch.randn(len(OWNER), 48)
    together = both_ways(attention, memory, queries, OWNER)
    for i in range(len(OWNER)):
        alone = both_ways(attention, memory, queries[i : i + 1], OWNER[i : i + 1])
        assert all(torch.equal(a[0], b[i]) for a, b in zip(alone, together, strict=True))


def test_threads_share_the_queries():
    attention, memory = made("general", 256, 256)
    owner, threads = OWNER.repeat(4), torch.get_num_threads()
    queries = torch.randn(len(owner), 256) / 16  # scores of about 1
    try:
        torch.set_num_threads(3)
        both_ways(attention, memory, queries, owner)
    finally:
        torch.set_num_threads(threads)


def test_only_empty_memories():
    attention, memory = made("dot", 4, 4, lengths=[0, 0])
    context, weights = both_ways(attention, memory, torch.randn(2, 4), torch.tensor([1, 0]))
    assert not context.any()
    assert weights.shape == (2, 0)
