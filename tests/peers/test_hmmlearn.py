"""EM from the same start as hmmlearn's reaches the same log-likelihoods, iteration by iteration.

hmmlearn's priors are set so that they have no weight, since catena's EM is maximum likelihood when
`pseudocount` is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from catena.ladder.hmm import HMM, HiddenMarkov
from catena.learn.em import EM
from catena.learn.learner import Run
from catena.sequences import Sequences
from catena.space import Counts, Symbols, Vectors

peer = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is not installed (extra: peers)")

LENGTHS = (40, 1, 73, 12)
TOTAL = sum(LENGTHS)
ITERATIONS = 15
START = np.random.default_rng(0)
INITIAL = START.dirichlet(np.ones(3))
TRANSITION = START.dirichlet(np.ones(3), size=3)
HIDDEN = START.integers(3, size=TOTAL)


def categorical(rng: np.random.Generator) -> tuple[HiddenMarkov, Any, np.ndarray]:
    table = rng.dirichlet(np.ones(4), size=3)
    model = HMM(3).build(Symbols(tuple("abcd"), unknown="error", end=False))
    model.embed.raw.data.copy_(torch.from_numpy(np.log(table)))
    theirs = peer.CategoricalHMM(3, **OPTIONS, emissionprob_prior=1.0)
    theirs.emissionprob_, theirs.n_features = table, 4
    return model, theirs, ((HIDDEN + rng.integers(2, size=TOTAL)) % 4)[:, None]


def gaussian(rng: np.random.Generator, kind: str) -> tuple[HiddenMarkov, Any, np.ndarray]:
    shift, scale = np.array([1.0, -2.0]), np.array([3.0, 0.5])
    x = shift + scale * (HIDDEN[:, None] - 1 + 0.8 * rng.standard_normal((TOTAL, 2)))
    means = rng.standard_normal((3, 2))
    emission = "gaussian" if kind == "diag" else "full"
    model = HMM(3, emission).build(Vectors(2, tuple(shift), tuple(scale)))
    model.embed.raw.data.zero_()
    model.embed.raw.data[:, :2] = torch.from_numpy(means)
    theirs = peer.GaussianHMM(
        3,
        kind,
        **OPTIONS,
        min_covar=0.0,
        means_prior=0.0,
        means_weight=0.0,
        covars_prior=0.0,
        covars_weight=1.0,
    )
    theirs.means_ = shift + scale * means
    spread = np.tile(scale**2, (3, 1))
    theirs.covars_ = spread if kind == "diag" else np.stack([np.diag(row) for row in spread])
    return model, theirs, x


def poisson(rng: np.random.Generator) -> tuple[HiddenMarkov, Any, np.ndarray]:
    x = rng.poisson(np.array([1.0, 6.0]) * (HIDDEN[:, None] + 0.5))
    rates = rng.uniform(1, 8, size=(3, 2))
    model = HMM(3).build(Counts(2, (2.0, 5.0)))
    model.embed.raw.data.copy_(torch.from_numpy(np.log(rates / np.array([2.0, 5.0]))))
    theirs = peer.PoissonHMM(3, **OPTIONS, lambdas_prior=0.0, lambdas_weight=0.0)
    theirs.lambdas_ = rates
    return model, theirs, x


OPTIONS = {
    "init_params": "",
    "n_iter": ITERATIONS,
    "tol": -np.inf,
    "startprob_prior": 1.0,
    "transmat_prior": 1.0,
}
CASES = {
    "categorical": categorical,
    "diagonal": lambda rng: gaussian(rng, "diag"),
    "full": lambda rng: gaussian(rng, "full"),
    "poisson": poisson,
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_log_likelihood_after_every_iteration(case: str) -> None:
    ours, theirs, x = CASES[case](np.random.default_rng(1))
    with torch.no_grad():
        ours.recurrence.log_initial.copy_(torch.from_numpy(np.log(INITIAL)))
        ours.recurrence.log_transition.copy_(torch.from_numpy(np.log(TRANSITION)))
    theirs.startprob_, theirs.transmat_ = INITIAL, TRANSITION
    data = Sequences(torch.from_numpy(x[:, 0] if case == "categorical" else x), LENGTHS)

    theirs.fit(x, LENGTHS)
    options = EM(ITERATIONS, tolerance=0.0, pseudocount=0.0, start="present")
    history = options.fit(ours, data, None, Run())

    found = -np.array([row["train"] for row in history.rows]) * TOTAL
    peers = [*theirs.monitor_.history, theirs.score(x, LENGTHS)]
    assert len(found) == ITERATIONS + 1
    np.testing.assert_allclose(found, peers, rtol=1e-6)
    evidence = ours.evidence(data).sum().item()
    assert evidence == pytest.approx(theirs.score(x, LENGTHS), rel=1e-6)
    # Two paths may be equally probable, so it is not the paths but what they are worth.
    best = ours.viterbi(data)[1].sum().item()
    assert best == pytest.approx(theirs.decode(x, LENGTHS)[0], rel=1e-6)
    np.testing.assert_allclose(
        ours.smooth(data).values.numpy(), theirs.predict_proba(x, LENGTHS), atol=1e-6
    )
