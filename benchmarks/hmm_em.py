"""EM of a hidden Markov model beside hmmlearn's: the same start, the same number of iterations.

    python benchmarks/hmm_em.py

Correctness first: both sides must reach the same log-likelihood before anything is timed.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import hmmlearn
import numpy as np
import torch
from harness import in_turns, keep
from hmmlearn.hmm import CategoricalHMM, GaussianHMM

from catena import EM, HMM, Sequences, Symbols, Vectors
from catena.learn import Run

STATES, SEQUENCES, ITERATIONS = 16, 1000, 5


def data(kind: str) -> tuple[Sequences, Any]:
    """About 98,000 steps in 1,000 sequences, and their space."""
    random = np.random.default_rng(0)
    lengths = random.integers(50, 147, SEQUENCES)
    if kind == "categorical":
        values = torch.from_numpy(random.integers(0, 64, lengths.sum()))
        return Sequences(values, lengths), Symbols(tuple(range(64)), unknown="error", end=False)
    values = torch.from_numpy(random.normal(size=(lengths.sum(), 6)))
    return Sequences(values, lengths), Vectors(6)


def ours(kind: str, observed: Sequences, space: Any) -> tuple[Any, Any]:
    """A model at its start, and what runs EM on a copy of it."""
    torch.manual_seed(0)
    start = HMM(STATES).build(space)
    start.guess(observed.values, torch.Generator().manual_seed(0))
    how = EM(iterations=ITERATIONS, tolerance=0.0, start="present", pseudocount=0.0)

    def work() -> float:
        model = HMM(STATES).build(space)
        model.load_state_dict(start.state_dict())
        how.fit(model, observed, None, Run())
        return float(model.evidence(observed).sum())

    return start, work


def theirs(kind: str, observed: Sequences, start: Any) -> Any:
    """hmmlearn from the same parameters."""
    log_initial, log_transition = start.log_initial.exp(), start.log_transition.exp()
    x, lengths = observed.values.numpy(), observed.lengths.numpy()
    emitted = start.embed.emission.distribution(start.embed.raw)

    def work() -> float:
        common = {
            "init_params": "",
            "n_iter": ITERATIONS,
            "tol": -np.inf,
            "implementation": "scaling",
        }
        if kind == "categorical":
            model: Any = CategoricalHMM(STATES, n_features=64, **common)
            model.emissionprob_ = emitted.probs.detach().numpy()
        else:
            model = GaussianHMM(
                STATES, "diag", min_covar=0, covars_prior=0, covars_weight=0, **common
            )
            model.means_ = emitted.mean.detach().numpy()
            model.covars_ = emitted.variance.detach().numpy()
        model.startprob_, model.transmat_ = (
            log_initial.detach().numpy(),
            log_transition.detach().numpy(),
        )
        rows = x[:, None] if x.ndim == 1 else x
        model.fit(rows, lengths)
        return float(model.score(rows, lengths))

    return work


def main() -> None:
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    kept: dict[str, Any] = {"hmmlearn": hmmlearn.__version__, "states": STATES}
    for kind in ("categorical", "gaussian"):
        observed, space = data(kind)
        start, mine = ours(kind, observed, space)
        peer = theirs(kind, observed, start)
        likelihoods = mine(), peer()
        gap = abs(likelihoods[0] / likelihoods[1] - 1)
        if gap > 1e-6:
            raise SystemExit(
                f"{kind}: the log-likelihoods differ: {likelihoods}; nothing was timed"
            )
        timed = in_turns({"catena": mine, "hmmlearn": peer})
        ratio = timed["hmmlearn"]["median"] / timed["catena"]["median"]
        for name, side in timed.items():
            speed = observed.total * ITERATIONS / side["median"]
            print(f"{kind:12} {name:9} {side['median']:.3f} s  {speed:,.0f} steps/s an iteration")
        print(f"{kind:12} catena is {ratio:.2f} times as fast; log-likelihoods agree to {gap:.0e}")
        kept[kind] = {"steps": observed.total, "iterations": ITERATIONS, "ratio": ratio, **timed}
    keep("hmm_em", kept)


if __name__ == "__main__":
    main()
