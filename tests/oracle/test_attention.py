"""Attention against a plain loop over queries and steps in float64, gradients too."""

import math

import pytest
import torch

from catena import CatenaError, Sequences
from catena.attention import ATTENTIONS, TILE, alike, attend, attention_for

KINDS = [(name, coverage) for name in ATTENTIONS for coverage in (False, True)]
QUERIES = {"dot": 6}  # its memory has 6 features too
LENGTHS = [3, 0, 7, 1, 5]
OWNER = torch.tensor([2, 0, 2, 4, 1, 3, 3, 0, 2, 4, 4])


def made(name, coverage, seed=0):
    torch.manual_seed(seed)
    module = attention_for(name, QUERIES.get(name, 4), 6, heads=2, coverage=coverage).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))
    return module


def data(name, lengths=LENGTHS, owner=OWNER, seed=1):
    torch.manual_seed(seed)
    features = torch.randn(sum(lengths), 6, dtype=torch.float64, requires_grad=True)
    queries = torch.randn(len(owner), QUERIES.get(name, 4), dtype=torch.float64, requires_grad=True)
    covered = torch.rand(len(owner), max(lengths), dtype=torch.float64, requires_grad=True)
    return features, torch.tensor(lengths), queries, owner, covered


def run(module, features, lengths, queries, owner, covered):
    memory = module.memory(Sequences(features, lengths))
    return module(queries, owner, memory, covered if module.seen is not None else None)


def plainly(module, features, lengths, queries, owner, covered):
    """One query and one step at a time."""
    starts = (lengths.cumsum(0) - lengths).tolist()
    contexts, rows = [], []
    for t, source in enumerate(owner.tolist()):
        steps = [features[starts[source] + s] for s in range(int(lengths[source]))]
        c, a = _one(module, queries[t], steps, covered[t])
        contexts.append(c)
        rows.append(a)
    weights = torch.stack(
        [torch.cat([row, row.new_zeros(int(lengths.max()) - len(row))]) for row in rows]
    )
    return torch.stack(contexts), weights


def _one(module, query, steps, covered):
    if not steps:
        return query.new_zeros(module.width), query.new_zeros(0)
    name, seen = type(module).__name__, module.seen
    heads = seen.shape[0] if seen is not None else getattr(module, "heads", 1)
    size = module.width // heads
    contexts, all_weights = [], []
    for head in range(heads):
        u = seen[head] if seen is not None else 0.0
        part = slice(head * size, (head + 1) * size)
        scores, values = [], []
        for s, m in enumerate(steps):
            n = covered[s] if seen is not None else 0.0
            if name == "Multiplicative":
                scores.append(query @ (module.key(m) + n * u))
                values.append(m)
            elif name == "Additive":
                inner = module.query(query) + module.key(m) + n * u
                scores.append((module.score.weight[0] * torch.tanh(inner)).sum())
                values.append(m)
            else:
                key = module.key(m)[part] + n * u
                scores.append(module.query(query)[part] @ key / math.sqrt(size))
                values.append(module.value(m)[part])
        powers = [torch.exp(score) for score in scores]
        total = sum(powers)
        weights = [power / total for power in powers]
        contexts.append(sum(w * v for w, v in zip(weights, values, strict=True)))
        all_weights.append(torch.stack(weights))
    return torch.cat(contexts), torch.stack(all_weights).mean(0)


@pytest.mark.parametrize(("name", "coverage"), KINDS)
def test_attention_is_the_plain_loop_with_all_gradients(name, coverage):
    module, inputs = made(name, coverage), data(name)
    found, wanted = run(module, *inputs), plainly(module, *inputs)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    learned = [*module.parameters(), inputs[0], inputs[2], *([inputs[4]] if coverage else [])]
    mix = [torch.randn_like(part) for part in wanted]
    gradients = [torch.autograd.grad(list(parts), learned, mix) for parts in (found, wanted)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_neither_company_nor_order_change_anything(name):
    module = made(name, True)
    features, lengths, queries, owner, covered = data(name)
    whole = run(module, features, lengths, queries, owner, covered)
    for t in range(len(owner)):
        source = int(owner[t])
        begin = int(lengths[:source].sum())
        own = features[begin : begin + int(lengths[source])]
        alone = run(
            module, own, lengths[source : source + 1], queries[t : t + 1],
            torch.tensor([0]), covered[t : t + 1],
        )  # fmt: skip
        torch.testing.assert_close(alone.context[0], whole.context[t], rtol=1e-12, atol=1e-12)
    order = torch.randperm(len(owner))
    mixed = run(module, features, lengths, queries[order], owner[order], covered[order])
    torch.testing.assert_close(mixed.context, whole.context[order], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixed.weights, whole.weights[order], rtol=1e-12, atol=1e-12)


def test_many_queries_and_memories_of_very_different_lengths():
    lengths = [2, 600, 40, 0, 450, 3, 3]
    owner = torch.arange(7).repeat_interleave(torch.tensor([TILE + 3, 2, 1, 2, 1, 2 * TILE, 3]))
    owner = owner[torch.randperm(len(owner))]
    module, inputs = made("general", False).requires_grad_(False), data("general", lengths, owner)
    inputs = [part.detach() for part in inputs]
    found, wanted = run(module, *inputs), plainly(module, *inputs)
    torch.testing.assert_close(found.context, wanted[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.weights, wanted[1], rtol=1e-12, atol=1e-12)


def test_the_work_stays_near_the_real_steps():
    """Counted in scores: neither a long memory nor one with many queries costs the others."""
    lengths = torch.tensor([2000, *[5] * 400])
    owner = torch.arange(401).repeat_interleave(torch.tensor([1000, 1000, *[6] * 399]))
    memory = attention_for("dot", 3, 3).memory(Sequences(torch.randn(4000, 3), lengths))
    scored = []

    def scores(queries, keys, covered):
        e = queries @ keys.transpose(2, 3)
        scored.append(e.numel())
        return e

    attend(scores, torch.randn(len(owner), 1, 3), owner, memory)
    real = int(lengths[owner].sum())
    assert real <= sum(scored) <= 1.1 * real


def test_groups_of_like_length_hold_every_memory_once():
    torch.manual_seed(0)
    for size in (0, 1, 50):
        lengths = (torch.rand(size) ** 4 * 300).long()
        groups = alike(lengths)
        kept = sorted(torch.cat(groups).tolist()) if groups else []
        assert kept == lengths.nonzero().squeeze(1).tolist()


def test_no_memory_at_all_and_no_queries():
    module = attention_for("additive", 4, 6)
    memory = module.memory(Sequences(torch.zeros(0, 6), torch.zeros(2, dtype=torch.int64)))
    found = module(torch.randn(3, 4), torch.tensor([0, 1, 1]), memory)
    assert found.context.tolist() == [[0.0] * 6] * 3
    assert found.weights.shape == (3, 0)
    none = torch.zeros(0, dtype=torch.int64)
    assert module(torch.randn(0, 4), none, memory).context.shape == (0, 6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(CatenaError, match="one width"):
        attention_for("dot", 3, 4)
    with pytest.raises(CatenaError, match="3 heads"):
        attention_for("multi-head", 8, 4, heads=3)
    with pytest.raises(CatenaError, match="attention must be one of"):
        attention_for("sparse", 4, 4)
