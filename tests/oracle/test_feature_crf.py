"""The training objective of a feature CRF against all paths, and trained on seen sequences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from catena.errors import CatenaError
from catena.features import objective
from catena.features.attributes import Attributes
from catena.features.objective import Objective, seen_moves
from catena.features.state import StateFeatures
from catena.features.vocabulary import AttributeVocabulary, Encoded
from catena.learn.quasi_newton import QuasiNewton, minimise
from catena.linear_chain import known

LENGTHS = torch.tensor([3, 0, 1, 4, 2])
WIDTH = 3


def data_and_labels():
    draw = np.random.default_rng(5)
    labels = draw.integers(WIDTH, size=int(LENGTHS.sum()))
    steps = [
        {"w": f"{(y + draw.integers(2)) % WIDTH}{draw.integers(3)}", "n": draw.normal(), "b": True}
        for y in labels
    ]
    attributes = Attributes.from_steps(steps)
    data = AttributeVocabulary.learn(attributes).encode(attributes)
    return data, torch.from_numpy(labels)


def by_enumeration(data, labels, features, moves, theta):
    """Minus the log-probability of the labels, from all paths."""
    scores = features.scores(data, theta[: len(features)])
    table = torch.zeros(WIDTH * WIDTH, dtype=torch.float64)
    table[moves] = theta[len(features) :]
    table = table.view(WIDTH, WIDTH)

    def score(path, start):
        at = sum(scores[start + t, y] for t, y in enumerate(path))
        return at + sum(table[a, b] for a, b in itertools.pairwise(path))

    total, start = 0.0, 0
    for length in LENGTHS.tolist():
        if length:
            paths = itertools.product(range(WIDTH), repeat=length)
            whole = torch.stack([score(path, start) for path in paths]).logsumexp(0)
            total += float(whole - score(labels[start : start + length].tolist(), start))
        start += length
    return total


@pytest.mark.parametrize("part", [1, 4, 1000])
@pytest.mark.parametrize("every", [False, True])
def test_the_objective_and_its_gradient(every, part, monkeypatch):
    monkeypatch.setattr(objective, "PART", part)
    data, labels = data_and_labels()
    if every:
        features = StateFeatures.every(data.attributes, WIDTH)
        moves = torch.arange(WIDTH * WIDTH)
    else:
        features = StateFeatures.seen(data, labels, WIDTH)
        moves = seen_moves(labels, LENGTHS, WIDTH)
        assert len(moves) < WIDTH * WIDTH
    function = Objective(data, labels, LENGTHS, features, moves)
    theta = torch.from_numpy(np.random.default_rng(1).standard_normal(function.size))
    value, gradient = function(theta)
    assert value == pytest.approx(by_enumeration(data, labels, features, moves, theta), abs=1e-9)
    for k in range(function.size):
        nudge = torch.zeros_like(theta)
        nudge[k] = 1e-5
        slope = (function(theta + nudge)[0] - function(theta - nudge)[0]) / 2e-5
        assert float(gradient[k]) == pytest.approx(slope, abs=1e-7)


def test_one_call_leaves_nothing_behind_for_the_next():
    data, labels = data_and_labels()
    features = StateFeatures.seen(data, labels, WIDTH)
    moves = seen_moves(labels, LENGTHS, WIDTH)
    function = Objective(data, labels, LENGTHS, features, moves)
    a, b = torch.randn(2, function.size, dtype=torch.float64)
    value, gradient = function(a)
    kept = gradient.clone()
    function(b)
    assert torch.equal(gradient, kept)
    again, same = function(a)
    assert again == value
    assert torch.equal(same, kept)


@pytest.mark.parametrize("part", [1, 4, 1000])
def test_sets_of_labels_are_summed_out(part, monkeypatch):
    monkeypatch.setattr(objective, "PART", part)
    data, labels = data_and_labels()
    sets = torch.from_numpy(np.random.default_rng(3).random((len(data), WIDTH)) < 0.4)
    sets[torch.arange(len(data)), labels] = True
    sets[2] = True
    weight = torch.tensor([1.0, 5.0, 0.0, 2.5, 0.5], dtype=torch.float64)
    features = StateFeatures.seen(data, sets, WIDTH)
    moves = seen_moves(sets, LENGTHS, WIDTH)
    function = Objective(data, sets, LENGTHS, features, moves, weight)
    theta = torch.from_numpy(np.random.default_rng(1).standard_normal(function.size))
    value, gradient = function(theta)
    chain = by_paths(data, features, moves, theta)
    wanted = -sum(
        float(w) * (chain(i, sets) - chain(i, torch.ones_like(sets))) for i, w in enumerate(weight)
    )
    assert value == pytest.approx(wanted, abs=1e-9)
    for k in range(function.size):
        nudge = torch.zeros_like(theta)
        nudge[k] = 1e-5
        slope = (function(theta + nudge)[0] - function(theta - nudge)[0]) / 2e-5
        assert float(gradient[k]) == pytest.approx(slope, abs=1e-7)
    with pytest.raises(CatenaError, match="none of the labels"):
        Objective(data, sets & False, LENGTHS, features, moves)


def by_paths(data, features, moves, theta):
    """log Z of a sequence over the paths that sets of labels allow, from all of those paths."""
    scores = features.scores(data, theta[: len(features)])
    table = torch.zeros(WIDTH * WIDTH, dtype=torch.float64)
    table[moves] = theta[len(features) :]

    def log_z(i, sets):
        begin, end = int(LENGTHS[:i].sum()), int(LENGTHS[: i + 1].sum())
        rows = [row.nonzero().flatten().tolist() for row in sets[begin:end]]
        found = [
            sum(float(scores[begin + t, y]) for t, y in enumerate(path))
            + sum(float(table[a * WIDTH + b]) for a, b in itertools.pairwise(path))
            for path in itertools.product(*rows)
        ]
        return float(torch.tensor(found, dtype=torch.float64).logsumexp(0))

    return log_z


@pytest.mark.parametrize("sets", [False, True])
def test_a_weight_is_so_many_copies(sets):
    data, labels = data_and_labels()
    features, moves = StateFeatures.every(data.attributes, WIDTH), torch.arange(WIDTH**2)
    right = known(labels, WIDTH) if sets else labels
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0, 3.0], dtype=torch.float64)
    weighted = Objective(data, right, LENGTHS, features, moves, weight)
    chosen = torch.tensor([*range(4), *[8, 9] * 3])
    sizes = data.offsets.diff()
    entries = [torch.arange(int(data.offsets[t]), int(data.offsets[t + 1])) for t in chosen]
    entries, offsets = torch.cat(entries), torch.cat([torch.zeros(1), sizes[chosen].cumsum(0)])
    assert data.values is not None
    copies = Encoded(offsets.long(), data.ids[entries], data.values[entries], data.attributes)
    plain = Objective(copies, labels[chosen], torch.tensor([3, 0, 1, 2, 2, 2]), features, moves)
    theta = torch.from_numpy(np.random.default_rng(1).standard_normal(plain.size))
    (value, gradient), (wanted, back) = weighted(theta), plain(theta)
    assert value == pytest.approx(wanted, abs=1e-9)
    assert torch.allclose(gradient, back, rtol=0, atol=1e-9)


def test_moves_do_not_cross_from_one_sequence_to_the_next():
    labels = torch.tensor([0, 1, 2, 0, 0])
    assert seen_moves(labels, torch.tensor([2, 0, 1, 2]), 3).tolist() == [0, 1]
    assert seen_moves(labels[:0], torch.tensor([0]), 3).tolist() == []
    assert seen_moves(torch.tensor([0, 1, 0, 1, 1]), torch.tensor([5]), 2, 2).tolist() == [1]
    sets = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=torch.bool)
    assert seen_moves(sets, torch.tensor([3, 1]), 3).tolist() == [1, 4]


@pytest.mark.parametrize("l1", [0.0, 0.1])
def test_training_finds_weights_that_tell_the_labels_apart(l1):
    data, labels = data_and_labels()
    features = StateFeatures.seen(data, labels, WIDTH)
    function = Objective(data, labels, LENGTHS, features, seen_moves(labels, LENGTHS, WIDTH))
    start = torch.zeros(function.size, dtype=torch.float64)
    options = QuasiNewton(l1=l1, l2=0.01, epsilon=1e-8, delta=0)
    found = minimise(function, start, options)
    assert found.objective < 0.5 * function(start)[0]
    assert bool((found.theta == 0).any()) == (l1 > 0)


def test_lengths_that_do_not_fit_are_refused():
    data, labels = data_and_labels()
    features = StateFeatures.seen(data, labels, WIDTH)
    with pytest.raises(CatenaError, match="the lengths sum to 3"):
        Objective(data, labels, torch.tensor([3]), features, torch.arange(9))
    with pytest.raises(CatenaError, match="there are 9 labels, for 10 steps"):
        Objective(data, labels[1:], LENGTHS, features, torch.arange(9))
