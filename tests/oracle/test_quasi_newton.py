"""Minima that are known, or that SciPy finds."""

from __future__ import annotations

import os
import signal
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from catena.errors import CatenaError
from catena.learn.interrupt import Interrupted
from catena.learn.learner import Run
from catena.learn.quasi_newton import QuasiNewton, _Search, minimise

TIGHT = QuasiNewton(epsilon=1e-10, delta=0, period=0, iterations=2000)


def quadratic(n=30, condition=1e4):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    matrix = torch.from_numpy(basis * np.geomspace(1, condition, n) @ basis.T)
    where = torch.from_numpy(rng.standard_normal(n))
    return lambda x: (0.5 * (x - where) @ matrix @ (x - where), matrix @ (x - where)), where


def rosenbrock(x):
    a, b = x[:-1], x[1:]
    gradient = torch.zeros_like(x)
    gradient[:-1] = -400 * a * (b - a**2) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a**2)
    return (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum(), gradient


def logistic(n=200, k=40):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, k))
    truth = np.where(rng.random(k) < 0.3, rng.standard_normal(k), 0)
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-x @ truth)), 1.0, -1.0)

    def function(theta):
        margin = y * (x @ theta.numpy())
        return np.logaddexp(0, -margin).sum(), -x.T @ (y / (1 + np.exp(margin)))

    return function, k


def test_a_quadratic():
    function, where = quadratic()
    found = minimise(function, torch.zeros_like(where), TIGHT)
    assert (found.theta - where).abs().max() < 1e-8


@pytest.mark.parametrize("n", [2, 10])
def test_rosenbrock(n):
    found = minimise(rosenbrock, torch.full((n,), -1.2), TIGHT)
    assert (found.theta - 1).abs().max() < 1e-8


def test_the_steps_that_are_remembered_are_those_that_were_made_last():
    function, where = quadratic(n=12, condition=1e5)
    visited = []

    def noted(x):
        visited.append(x.clone())
        return function(x)

    options = QuasiNewton(memory=3, epsilon=0, delta=0, iterations=9)
    search = _Search(noted, torch.zeros_like(where), options, Run(), 1, None)
    search.descend()
    matrix = torch.stack([function(where + one)[1] for one in torch.eye(12).double()])
    assert len(search.steps) == 3
    made = [b - a for i, a in enumerate(visited) for b in visited[i + 1 :]]
    for step, change, curvature in search.steps:
        assert any(torch.equal(step, one) for one in made)
        assert torch.allclose(change, matrix @ step, rtol=1e-8, atol=1e-10)
        assert curvature == float(step @ change)
    ends = [step for step, *_ in search.steps]
    assert all(not torch.equal(a, b) for a, b in pairwise(ends))


def test_each_iteration_goes_down():
    for l1 in (0.0, 1.0):
        function, k = logistic()
        found = minimise(function, np.ones(k), QuasiNewton(l1=l1, l2=0.1))
        path = [row["objective"] for row in found.history.rows]
        assert len(path) > 5
        assert all(after < before for before, after in pairwise(path))


def test_the_same_minimum_as_scipy():
    function, k = logistic()
    found = minimise(function, np.zeros(k), QuasiNewton(**{**vars(TIGHT), "l2": 0.5}))

    def penalised(theta):
        value, gradient = function(torch.from_numpy(theta))
        return value + 0.5 * theta @ theta, gradient + theta

    theirs = minimize(penalised, np.zeros(k), jac=True, method="L-BFGS-B", tol=1e-14)
    assert found.objective <= theirs.fun + 1e-9
    np.testing.assert_allclose(found.theta, theirs.x, atol=1e-5)


@pytest.mark.parametrize("l2", [0.0, 0.2])
def test_l1_reaches_a_point_where_no_subgradient_is_left(l2):
    function, k = logistic()
    found = minimise(function, np.zeros(k), QuasiNewton(**{**vars(TIGHT), "l1": 4.0, "l2": l2}))
    theta = found.theta.numpy()
    gradient = function(found.theta)[1] + 2 * l2 * theta
    zero = theta == 0
    assert 3 < zero.sum() < k - 3
    assert np.abs(gradient[~zero] + 4 * np.sign(theta[~zero])).max() < 1e-6
    assert np.abs(gradient[zero]).max() <= 4 + 1e-6


def test_l1_of_a_separable_quadratic_is_soft_thresholding():
    centre = torch.tensor([3.0, -2.0, 0.5, -0.1, 0.0], dtype=torch.float64)
    found = minimise(
        lambda x: (0.5 * (x - centre) @ (x - centre), x - centre),
        torch.zeros(5),
        QuasiNewton(**{**vars(TIGHT), "l1": 1.0}),
    )
    assert found.theta.tolist() == pytest.approx([2.0, -1.0, 0.0, 0.0, 0.0], abs=1e-9)
    assert found.theta[2:].tolist() == [0.0, 0.0, 0.0]


def test_it_stops_for_each_reason():
    function, k = logistic()
    start = np.zeros(k)

    def why(**options):
        return minimise(function, start, QuasiNewton(**options)).history

    assert "gradient" in why(epsilon=1e-2).notes[0]
    assert "after 3 iterations" in why(iterations=3).notes[0]
    assert [row["step"] for row in why(iterations=3).rows] == [1, 2, 3]
    assert "gained less" in why(l2=0.1, epsilon=0, delta=1e-2, period=2).notes[0]
    assert "minutes" in why(minutes=0).notes[0]
    assert minimise(function, start, QuasiNewton(iterations=0)).theta.tolist() == start.tolist()
    assert "no step" in why(l2=0.1, epsilon=0, delta=0).notes[0]


def test_an_infinite_part_is_gone_around():
    def function(x):
        value = -torch.log(x).sum() + 100 * x.sum()
        return (value, 100 - 1 / x) if bool((x > 0).all()) else (np.inf, x * np.nan)

    found = minimise(function, torch.full((3,), 5.0), TIGHT)
    assert found.theta.tolist() == pytest.approx([0.01] * 3, abs=1e-9)


def test_an_infinite_start_is_refused():
    with pytest.raises(CatenaError, match="where the search begins"):
        minimise(lambda x: (np.nan, x), torch.zeros(2))


def test_the_progress_is_told():
    function, k = logistic()
    told = []
    run = Run(report=told.append)
    found = minimise(function, np.zeros(k), QuasiNewton(iterations=4, l1=1.0), run, 200)
    assert [round(report.done, 9) for report in told][-1] == 1
    assert told[-1].train == pytest.approx(found.objective / 200)
    assert told[-1].left == 0


@pytest.mark.parametrize("l1", [0.0, 2.0])
def test_a_stopped_search_goes_on_as_if_it_had_not_been(l1, tmp_path):
    function, k = logistic()
    options = QuasiNewton(l1=l1, l2=0.01, iterations=25, epsilon=0, delta=0)
    whole = minimise(function, np.zeros(k), options)
    calls = 0

    def stopped(theta):
        nonlocal calls
        calls += 1
        if calls == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return function(theta)

    path = tmp_path / "search"
    with pytest.raises(Interrupted):
        minimise(stopped, np.zeros(k), options, Run(checkpoint=path))
    resumed = minimise(function, np.zeros(k), options, Run(checkpoint=path, resume=True))
    assert torch.equal(resumed.theta, whole.theta)
    assert resumed.history.epochs == whole.history.epochs
    other = QuasiNewton(l1=l1, l2=0.5)
    with pytest.raises(CatenaError, match="belongs to a run"):
        minimise(function, np.zeros(k), other, Run(checkpoint=path, resume=True))
