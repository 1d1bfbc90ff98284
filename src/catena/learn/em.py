"""Expectation-maximisation for hidden Markov models (Baum et al. 1970; Dempster et al. 1977).

From each of several guesses, the E-step and the M-step of `catena.learn.expectation` in turn. The
M-step is a maximum within the allowed parameters (a variance has a floor), so an iteration cannot
lower the likelihood; that is checked at each one.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from catena.emission import LEAST_COUNT
from catena.errors import CatenaError
from catena.ladder.hmm import HiddenMarkov
from catena.ladder.rung import at_least, one_of, whole
from catena.learn.checkpoint import Checkpoint, digest, fingerprint, grouped
from catena.learn.expectation import Expected, expect, log_prior, maximise
from catena.learn.interrupt import Interrupted, asked_to_stop
from catena.learn.learner import History, Progress, Run
from catena.model import SequenceModel
from catena.sequences import Sequences

# By how much rounding may lower the objective, relative to its size and to the observations.
ROUNDING = 1e-9


@dataclass
class Climb:
    """Where the search stands, between two iterations: with the parameters, all that a resumed run
    needs to know."""

    restart: int = 0
    iteration: int = 0
    objective: float | None = None
    best: float = -math.inf
    dead: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True)
class EM:
    """Learn a hidden Markov model by expectation-maximisation.

    What is kept is the best of all iterations and restarts: by held-out likelihood where held-out
    sequences are given, by training likelihood otherwise.

    Args:
        iterations: at most so many for each restart.
        restarts: from how many different guesses.
        tolerance: a restart ends when an iteration gains less than this, nats an observation.
        span: longer sequences are cut into pieces of so many observations to be learned from side
            by side. Each piece starts from the initial distribution, which therefore becomes that
            of a piece; the moves across the cuts are not counted. None cuts nothing.
        pseudocount: added to every state's expected count of every symbol (a Dirichlet prior), and
            of every switch on and off, so that what is absent from training stays possible; 0 is
            maximum likelihood.
        start: "guess" draws every restart's parameters; "present" starts the first restart from
            the parameters that the model has.
        minutes: stop after so long; None sets no limit.
    """

    kind: ClassVar[str] = "em"
    iterations: int = 100
    restarts: int = 1
    tolerance: float = 1e-4
    span: int | None = 4096
    pseudocount: float = 0.01
    start: Literal["guess", "present"] = "guess"
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name in ("iterations", "restarts"):
            whole(name, getattr(self, name), 1)
        for name in ("tolerance", "pseudocount"):
            at_least(name, getattr(self, name), 0)
        if self.span is not None:
            whole("span", self.span, 1)
        if self.minutes is not None:
            at_least("minutes", self.minutes, 0)
        one_of("start", self.start, ("guess", "present"))

    def fit(
        self,
        model: SequenceModel,
        train: Sequences,
        valid: Sequences | None,
        run: Run,
        weights: Tensor | None = None,
    ) -> History:
        """Learn the model's parameters in place; see `Learner.fit`.

        A row of the history holds the surprise in nats (ends included) before the iteration's
        M-step, `train` over the pieces and `valid` over whole sequences.
        """
        if not isinstance(model, HiddenMarkov):
            raise CatenaError(f"em learns hidden Markov models, not a {type(model).__name__}")
        return _Fit(self, model, train, valid, run, weights).climb()


class _Fit:
    """One call to `EM.fit`."""

    def __init__(
        self,
        options: EM,
        model: HiddenMarkov,
        train: Sequences,
        valid: Sequences | None,
        run: Run,
        weights: Tensor | None,
    ) -> None:
        pieces, ends = cut(train, options.span)
        self.options, self.model, self.valid, self.run = options, model, valid, run
        self.observed = model.observed(pieces, ends)
        if not self.observed.total:
            raise CatenaError("there is not one observation to learn from")
        self.at, self.best = Climb(), _parameters(model)
        if len(pieces) > len(train):
            self.at.note(
                f"sequences longer than {options.span} were cut into pieces of that length; each "
                "piece starts from the initial distribution"
            )
        job = {"learner": options.kind, **asdict(options), "seed": run.seed, "job": dict(run.job)}
        # In every sequence one piece ends.
        self.weights = None if weights is None else weights[ends.cumsum(0) - ends.long()]
        data = {"train": fingerprint(train), "valid": fingerprint(valid)}
        data["weights"] = None if weights is None else digest(weights)
        self.checkpoint = Checkpoint(run.checkpoint, {**job, **data, "states": model.states})

    def climb(self) -> History:
        if self.run.resume:
            self._load()
        with asked_to_stop() as asked:
            while self.at.restart < self.options.restarts and not self._out_of_time():
                self._iterate()
                if asked.stop:
                    self._save()
                    raise Interrupted(self.run.checkpoint)
                if self.checkpoint.due:
                    self._save()
        _restore(self.model, self.best)
        return self._history()

    def _iterate(self) -> None:
        """Judge the present parameters, then improve them or go on to the next restart."""
        began = time.monotonic()
        if self.at.iteration == 0 and (self.at.restart or self.options.start == "guess"):
            self._guess()
        expected = expect(self.model, self.observed, self.weights)
        row, gain = self._judge(expected)
        done = gain < self.options.tolerance or self.at.iteration == self.options.iterations
        if done:
            self.at.restart, self.at.iteration, self.at.objective = self.at.restart + 1, 0, None
        else:
            maximise(self.model, expected, self.options.pseudocount)
            self.at.iteration += 1
        self.at.seconds += time.monotonic() - began
        self._report(row, time.monotonic() - began)

    def _guess(self) -> None:
        """Each restart's draws depend on the seed and its number alone, not on those before it."""
        seed = np.random.SeedSequence((self.run.seed, self.at.restart)).generate_state(1)
        self.model.guess(self.observed.values, torch.Generator().manual_seed(int(seed[0])))

    def _judge(self, expected: Expected) -> tuple[dict[str, Any], float]:
        """The row of the history, and the gain over the last iteration in nats an observation."""
        at, observations = self.at, float(expected.observations)
        likelihood = float(expected.log_likelihood)
        objective = likelihood + log_prior(self.model, self.options.pseudocount)
        if not math.isfinite(objective):
            raise CatenaError(
                "the training data is impossible under the parameters that EM starts from: a "
                "probability of 0 stays 0; start from a guess, or mend those parameters"
            )
        gain = math.inf if at.objective is None else self._gain(at.objective, objective, expected)
        at.objective = objective
        row = {"restart": at.restart + 1, "iteration": at.iteration}
        row |= {"step": len(at.rows), "seconds": at.seconds, "train": -likelihood / observations}
        if self.valid is not None:
            row["valid"] = -self._held_out()
        at.rows.append(row)
        self._keep(-row["valid"] if "valid" in row else objective / observations, expected)
        return row, gain

    def _gain(self, before: float, after: float, expected: Expected) -> float:
        observations = float(expected.observations)
        slack = ROUNDING * (abs(before) + observations)
        if after < before - slack:
            fall = (
                f"restart {self.at.restart + 1}, iteration {self.at.iteration} lowered the "
                f"objective from {before:.6f} to {after:.6f} nats"
            )
            if self.at.iteration > 1 or self.at.restart or self.options.start == "guess":
                raise RuntimeError(f"EM: {fall}; it cannot, so this is a bug")
            # Parameters from elsewhere may lie where this EM does not go (a covariance below the
            # floor): then there is no promise about the first step.
            self.at.note(f"{fall}: it started outside the allowed parameters")
            return math.inf
        return (after - before) / observations

    def _held_out(self) -> float:
        assert self.valid is not None
        scored = self.model.log_prob(self.valid).values
        return float(scored.mean()) if len(scored) else 0.0

    def _keep(self, score: float, expected: Expected) -> None:
        if score > self.at.best or self.at.best == -math.inf:
            self.at.best, self.best = score, _parameters(self.model)
            self.at.dead = (expected.visits <= LEAST_COUNT).nonzero().flatten().tolist()

    def _out_of_time(self) -> bool:
        limit = self.options.minutes
        if limit is None or not self.at.rows or self.at.seconds < 60 * limit:
            return False
        self.at.note(f"stopped: out of time, in restart {self.at.restart + 1}")
        return True

    def _report(self, row: dict[str, Any], seconds: float) -> None:
        options, observations = self.options, self.observed.total
        whole = options.restarts * (options.iterations + 1)
        steps = self.at.restart * (options.iterations + 1) + self.at.iteration
        left = (whole - steps) * self.at.seconds / len(self.at.rows)
        done = steps / whole
        if options.minutes is not None:
            left = max(0.0, min(left, 60 * options.minutes - self.at.seconds))
            done = max(done, self.at.seconds / (self.at.seconds + left) if left else 1.0)
        text = f"iteration {row['iteration']}"
        text = text if options.restarts == 1 else f"restart {row['restart']}, {text}"
        speed = observations / max(seconds, 1e-9)
        latest = row["train"], row.get("valid")
        self.run.report(Progress(done, self.at.seconds, left, speed, *latest, text))

    def _history(self) -> History:
        if self.at.dead:
            names = ", ".join(str(state + 1) for state in self.at.dead)
            self.at.note(
                f"dead states, which no observation belongs to: {names}; fewer states would do"
            )
        at = self.at
        return History(at.rows, at.notes, epochs=float(len(at.rows)), seconds=at.seconds)

    def _save(self) -> None:
        present, best = _parameters(self.model), self.best
        tensors = {f"present.{name}": tensor for name, tensor in present.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
        self.checkpoint.save(tensors, asdict(self.at))

    def _load(self) -> None:
        found = self.checkpoint.load()
        if found is None:
            return
        tensors, facts = found
        self.at = Climb(**facts)
        groups = grouped(tensors)
        _restore(self.model, groups["present"])
        self.best = groups["best"]


def cut(sequences: Sequences, span: int | None) -> tuple[Sequences, Tensor]:
    """Pieces of at most `span` observations in place of longer sequences; and `[m]`, whether the
    end of a sequence lies in each.

    >>> pieces, ends = cut(Sequences.from_list([[1, 2, 3], []]), 2)
    >>> [piece.tolist() for piece in pieces], ends.tolist()
    ([[1, 2], [3], []], [False, True, True])
    """
    if span is None:
        return sequences, torch.ones(len(sequences), dtype=torch.bool)
    parts = ((sequences.lengths + span - 1) // span).clamp_min(1)
    last = parts.cumsum(0) - 1
    lengths = torch.full((int(parts.sum()),), span)
    lengths[last] = sequences.lengths - (parts - 1) * span
    ends = torch.zeros(len(lengths), dtype=torch.bool).index_fill(0, last, True)
    return Sequences(sequences.values, lengths), ends


def _parameters(model: HiddenMarkov) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


@torch.no_grad()
def _restore(model: HiddenMarkov, parameters: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        parameter.copy_(parameters[name])
