"""Scores from sparse attributes and their gradients: C++, PyTorch and dense matrices agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import catena._native as native
from catena.errors import CatenaError
from catena.features.state import StateFeatures
from catena.features.vocabulary import Encoded
from catena.kernels import features as kernel


@pytest.fixture(params=native.levels())
def level(request):
    native.use_level(request.param)
    yield request.param
    native.use_level(native.levels()[0])


def made(total, attributes, width, valued, seed=0, most=12):
    """Steps with 0 to `most` attributes, the first of which are the most frequent, and labels."""
    draw = torch.Generator().manual_seed(seed)
    counts = torch.randint(most + 1, (total,), generator=draw)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    m = int(offsets[-1])
    ids = (torch.rand(m, generator=draw, dtype=torch.float64) ** 4 * attributes).to(torch.int32)
    values = torch.randn(m, generator=draw, dtype=torch.float64) if valued else None
    labels = torch.randint(width, (total,), generator=draw)
    return Encoded(offsets, ids, values, attributes), labels


def matrix(data):
    """`[total, attributes]`."""
    step = torch.arange(len(data)).repeat_interleave(data.offsets.diff())
    values = torch.ones(len(data.ids), dtype=torch.float64) if data.values is None else data.values
    whole = torch.zeros(len(data), data.attributes, dtype=torch.float64)
    return whole.index_put((step, data.ids.long()), values, accumulate=True)


def table(features, weights):
    """`[attributes, width]`."""
    whole = torch.zeros(features.attributes, features.width, dtype=torch.float64)
    of = torch.arange(features.attributes).repeat_interleave(features.pairs.diff())
    return whole.index_put((of, features.labels.long()), weights)


def gradient(features, data, grad):
    """`[features]`, of all steps together."""
    return features.gradient([(features.columns(data), grad)])


def by_columns(features, data, weights):
    """Scores `[total, width]`, attribute by attribute."""
    to = torch.full((len(data), features.width), torch.nan, dtype=torch.float64)
    features.columns(data).scores(features.spread(weights), to)
    return to


SIZES = [(1, 1, 1), (0, 3, 2), (7, 5, 3), (60, 200, 9), (200, 40, 22), (50, 400, 41), (1100, 90, 7)]


@pytest.mark.parametrize("valued", [False, True])
@pytest.mark.parametrize(("total", "attributes", "width"), SIZES)
def test_the_same_as_dense_matrices_and_as_the_reference(total, attributes, width, valued, level):
    data, labels = made(total, attributes, width, valued)
    for features in (
        StateFeatures.seen(data, labels, width),
        StateFeatures.every(attributes, width),
    ):
        weights = torch.randn(len(features), dtype=torch.float64)
        grad = torch.randn(total, width, dtype=torch.float64)
        layout = features._layout
        scores, back = features.scores(data, weights), gradient(features, data, grad)
        assert torch.allclose(scores, matrix(data) @ table(features, weights), atol=1e-12)
        for native_one, reference in (
            (scores, kernel.reference_scores(layout, data.rows, weights)),
            (by_columns(features, data, weights), scores),
            (back, kernel.reference_gradient(layout, data.rows, grad)),
        ):
            assert torch.allclose(native_one, reference, rtol=1e-13, atol=1e-12)
        # <S w, d> = <w, S' d>
        assert float((scores * grad).sum()) == pytest.approx(float(weights @ back), abs=1e-9)


def test_rows_and_single_weights_both_occur():
    data, labels = made(60, 200, 9, False)
    layout = StateFeatures.seen(data, labels, 9)._layout
    assert 0 < layout.rows < 200
    assert 0 < len(layout.filled) < len(layout.labels)


def test_the_gradient_of_parts_is_that_of_the_whole():
    data, labels = made(60, 200, 9, True)
    features = StateFeatures.seen(data, labels, 9)
    grad = torch.randn(60, 9, dtype=torch.float64)
    cuts = (0, 20), (20, 20), (20, 59), (59, 60)
    parts = [(features.columns(data.steps(a, b)), grad[a:b]) for a, b in cuts]
    assert torch.equal(features.gradient(parts), gradient(features, data, grad))


def test_one_step_alone_scores_as_in_any_company(level):
    data, labels = made(60, 200, 9, True)
    features = StateFeatures.seen(data, labels, 9)
    weights = torch.randn(len(features), dtype=torch.float64)
    whole = features.scores(data, weights)
    for t in range(60):
        assert torch.equal(features.scores(data.steps(t, t + 1), weights)[0], whole[t])


@pytest.mark.parametrize("valued", [False, True])
def test_every_number_of_threads_gives_the_same_bits(valued, monkeypatch):
    monkeypatch.setattr(kernel, "ALONE", 0)
    data, labels = made(1300, 500, 22, valued)
    features = StateFeatures.seen(data, labels, 22)
    weights = torch.randn(len(features), dtype=torch.float64)
    grad = torch.randn(1300, 22, dtype=torch.float64)
    found = []
    try:
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            assert kernel.threads_for(len(data.ids)) == threads
            scores, turned = features.scores(data, weights), by_columns(features, data, weights)
            found.append((scores, turned, gradient(features, data, grad)))
    finally:
        torch.set_num_threads(1)
    for others in found[1:]:
        assert all(torch.equal(*both) for both in zip(others, found[0], strict=True))


def test_pairs_are_seen_among_few_attributes_and_among_many():
    data, labels = made(60, 200, 9, False)
    own = data.ids.long() * 9 + labels.repeat_interleave(data.offsets.diff())
    pairs = [divmod(key, 9) for key in sorted(set(own.tolist()))]
    for attributes in (200, 1_000_000):
        features = StateFeatures.seen(replace(data, attributes=attributes), labels, 9)
        assert list(zip(features.owners.tolist(), features.labels.tolist(), strict=True)) == pairs


def test_seen_pairs_and_how_often():
    ids, offsets = torch.tensor([0, 1, 0, 2, 0], dtype=torch.int32), torch.tensor([0, 2, 4, 5])
    values = torch.tensor([1.0, 2.0, 0.5, -1.0, 4.0], dtype=torch.float64)
    data, labels = Encoded(offsets, ids, values, 4), torch.tensor([1, 0, 1])
    features = StateFeatures.seen(data, labels, 2)
    assert features.pairs.tolist() == [0, 2, 3, 4, 4]
    assert features.labels.tolist() == [0, 1, 1, 0]
    once = torch.ones(3, dtype=torch.float64)
    columns = features.columns(data)
    assert features.count([(columns, labels, once)]).tolist() == [0.5, 5.0, 2.0, -1.0]
    assert features.count([(columns, labels, once.cumsum(0))]).tolist() == [1.0, 13.0, 2.0, -2.0]
    often = StateFeatures.seen(data, labels, 2, minimum=2)
    assert often.pairs.tolist() == [0, 1, 2, 2, 2]
    assert often.count([(often.columns(data), labels, once)]).tolist() == [5.0, 2.0]
    sets = torch.tensor([[False, True], [False, False], [True, True]])
    some = StateFeatures.seen(data, sets, 2)
    assert (some.pairs.tolist(), some.labels.tolist()) == ([0, 2, 3, 3, 3], [0, 1, 1])
    most = StateFeatures.seen(data, sets, 2, minimum=5)
    assert (most.pairs.tolist(), most.labels.tolist()) == ([0, 1, 1, 1, 1], [1])


def test_wrong_calls_are_refused():
    data, labels = made(10, 5, 3, False)
    features = StateFeatures.seen(data, labels, 3)
    weights = torch.zeros(len(features), dtype=torch.float64)
    for wrong in (weights.float(), weights[1:], weights[None]):
        with pytest.raises(CatenaError, match="weights must be float64"):
            features.scores(data, wrong)
    with pytest.raises(CatenaError, match="grad must be float64"):
        gradient(features, data, torch.zeros(10, 4, dtype=torch.float64))
    other = StateFeatures.seen(data, labels, 3).columns(data)
    with pytest.raises(CatenaError, match="columns are of other features"):
        features.gradient([(other, torch.zeros(10, 3, dtype=torch.float64))])
    with pytest.raises(CatenaError, match="65536 labels are too many"):
        StateFeatures(torch.tensor([0]), torch.tensor([]), 1 << 16)
    with pytest.raises(CatenaError, match="steps of 6 attributes"):
        features.scores(made(10, 6, 3, False)[0], weights)
    with pytest.raises(CatenaError, match="labels must lie from 0 to 2"):
        StateFeatures.seen(data, labels + 1, 3)
    with pytest.raises(CatenaError, match="labels of shape"):
        features.count([(features.columns(data), labels[1:], torch.ones(9).double())])
    for pairs, of in (([0, 2], [0]), ([0, 1], [3]), ([1, 1], [0]), ([0, 1, 0, 1], [0])):
        with pytest.raises(CatenaError, match="state features"):
            StateFeatures(torch.tensor(pairs), torch.tensor(of), 3)


def test_the_order_of_a_steps_attributes_does_not_matter():
    offsets, attributes = torch.tensor([0, 3, 3, 5]), 4
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    ids = torch.tensor([3, 0, 2, 1, 1], dtype=torch.int32)
    data = Encoded(offsets, ids, values, attributes)
    assert data.ids.tolist() == [0, 2, 3, 1, 1]
    assert data.values is not None
    assert data.values.tolist() == [2.0, 3.0, 1.0, 4.0, 5.0]
    assert ids.tolist() == [3, 0, 2, 1, 1]  # the caller's own
    bare = Encoded(offsets, ids, None, attributes)
    assert bare.ids.equal(data.ids)
    assert bare.values is None


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 90])
def test_few_and_many_attributes_of_a_step_are_put_in_order(count):
    ids = torch.randint(40, (2 * count,), dtype=torch.int32)
    data = Encoded(torch.tensor([0, count, 2 * count]), ids, None, 40)
    own = [sorted(part) for part in (ids[:count].tolist(), ids[count:].tolist())]
    assert data.ids.tolist() == own[0] + own[1]
