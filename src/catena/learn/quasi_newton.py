"""L-BFGS (Nocedal 1980; Liu and Nocedal 1989) and OWL-QN (Andrew and Gao 2007).

Minimised is F(θ) = f(θ) + l1 ‖θ‖₁ + l2 ‖θ‖², for a smooth f. The direction of a step is -H g,
where the last few steps and changes of the gradient stand for the inverse Hessian H. How far to go
along it is found so that the strong Wolfe conditions hold (Nocedal and Wright 2006, algorithms 3.5
and 3.6, with the cubic interpolation of Moré and Thuente 1994).

With l1 > 0, g is the pseudo-gradient, the steepest of the subgradients; a step stays in the orthant
that it starts into, each coordinate that would leave it becoming 0, and its length is halved until
F falls by enough.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.ladder.rung import at_least, whole
from catena.learn.checkpoint import Checkpoint
from catena.learn.held_out import Best, Measure
from catena.learn.interrupt import Interrupted, asked_to_stop
from catena.learn.learner import History, Progress, Run

Function = Callable[[Tensor], tuple[float | Tensor, Tensor | np.ndarray]]
# The Wolfe conditions: F falls by this share of what its slope promises, and the slope itself to
# this share.
FALL, FLATTEN = 1e-4, 0.9
TRIALS = 20
# A curvature that rounding could have made says nothing about the Hessian.
LEAST_CURVATURE = 1e-16


@dataclass(frozen=True)
class QuasiNewton:
    """Minimise by L-BFGS, or with `l1` by OWL-QN.

    Args:
        l1: weight of ‖θ‖₁; parameters become exactly 0.
        l2: weight of ‖θ‖² (not of half of it).
        iterations: at most so many; None sets no limit.
        memory: how many of the last steps stand for the Hessian.
        epsilon: stop when the gradient's norm is below this share of the parameters' (of 1, if
            theirs is smaller).
        delta: stop when F has fallen by less than this share of itself ...
        period: ... within so many iterations; 0 never stops for that.
        minutes: stop after so long; None sets no limit.
        patience: where held-out data judges, stop after so many iterations without a better one;
            None never stops for that.
    """

    kind: ClassVar[str] = "quasi-newton"
    l1: float = 0.0
    l2: float = 0.0
    iterations: int | None = None
    memory: int = 6
    epsilon: float = 1e-5
    delta: float = 1e-5
    period: int = 10
    minutes: float | None = None
    patience: int | None = 20

    def __post_init__(self) -> None:
        for name in ("l1", "l2", "epsilon", "delta"):
            at_least(name, getattr(self, name), 0)
        if self.iterations is not None:
            whole("iterations", self.iterations, 0)
        whole("memory", self.memory, 1)
        whole("period", self.period, 0)
        if self.minutes is not None:
            at_least("minutes", self.minutes, 0)
        if self.patience is not None:
            whole("patience", self.patience, 1)


class Minimum(NamedTuple):
    """What was found: theta float64 `[n]`; F there; the objective after each iteration, and why it
    ended, in `history`: `score` in its rows is the measure on held-out data."""

    theta: Tensor
    objective: float
    history: History


def minimise(
    function: Function,
    start: Tensor | np.ndarray,
    options: QuasiNewton | None = None,
    run: Run | None = None,
    observations: int = 1,
    measure: Measure | None = None,
) -> Minimum:
    """The θ where f, and the penalties that the options name, are least; with a measure, the best
    one on the way there.

    A stop by Ctrl-C keeps the search in the run's checkpoint; resumed, it goes on as if it had
    never been stopped.

    Args:
        function: θ, float64 `[n]` -> f(θ) and its gradient `[n]`, as tensors or NumPy arrays. It
            must not keep θ, which changes.
        start: where to begin.
        observations: how many f sums over, for the reports, which are of F an observation.
        measure: judges the θ of every iteration by held-out data.

    Raises:
        CatenaError: when f is not finite where the search begins.
        Interrupted: after the first Ctrl-C.

    >>> found = minimise(lambda x: (((x - 3) ** 2).sum(), 2 * (x - 3)), torch.zeros(2))
    >>> found.theta.round(decimals=6).tolist()
    [3.0, 3.0]
    """
    options, run = options or QuasiNewton(), run or Run()
    best = None if measure is None else Best(measure, options.patience)
    return _Search(function, start, options, run, max(observations, 1), best).descend()


class Point(NamedTuple):
    """A θ, F there, and its gradient: of the smooth part of F."""

    theta: Tensor
    objective: float
    gradient: Tensor


@dataclass
class Path:
    """Where the search stands: with the tensors, all that a resumed run needs to know."""

    iteration: int = 0
    evaluations: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    curvatures: list[float] = field(default_factory=list)
    seconds: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)


class _Search:
    """One call to `minimise`."""

    def __init__(
        self,
        function: Function,
        start: Tensor | np.ndarray,
        options: QuasiNewton,
        run: Run,
        observations: int,
        best: Best | None,
    ) -> None:
        self.function, self.options, self.run, self.best = function, options, run, best
        self.observations, self.path = observations, Path()
        self.steps: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=options.memory)
        # The memory of the step that was forgotten last, for the next: new memory of this size
        # would come from the system, page by page.
        self._spare: tuple[Tensor, Tensor] | None = None
        self.theta = torch.as_tensor(start, dtype=torch.float64).detach().clone()
        # How long the search takes is no part of what it is.
        named = {**asdict(options), "iterations": None, "minutes": None, "patience": None}
        job = {"learner": options.kind, **named, "seed": run.seed, "job": dict(run.job)}
        self.checkpoint = Checkpoint(run.checkpoint, {**job, "parameters": len(self.theta)})

    def descend(self) -> Minimum:
        if self.run.resume:
            self._load()
        began = time.monotonic() - self.path.seconds
        at = self._evaluate(self.theta)
        if not math.isfinite(at.objective):
            raise CatenaError(
                f"the objective is {at.objective} where the search begins; start elsewhere, or "
                "look for values that are too large"
            )
        why = self._why_stop(at)
        with asked_to_stop() as asked:
            while why is None:
                after = self._iterate(at)
                if after is None:
                    why = "no step along the direction lowers the objective any more"
                    break
                at = after
                self.path.seconds = time.monotonic() - began
                self._report(at)
                why = self._why_stop(at)
                if why is None and (asked.stop or self.checkpoint.due):
                    self._save(at)
                if asked.stop and why is None:
                    raise Interrupted(self.run.checkpoint)
        rows, notes = self.path.rows, [f"stopped: {why}"]
        theta, objective = at.theta, at.objective
        if self.best is not None and self.best.theta is not None:
            notes.append(self.best.note("iteration"))
            theta, objective = self.best.theta, rows[self.best.step - 1]["objective"]
        epochs, seconds = float(self.path.evaluations), self.path.seconds
        return Minimum(theta, objective, History(rows, notes, epochs, seconds))

    # -- one iteration ----------------------------------------------------------------------

    def _iterate(self, at: Point) -> Point | None:
        """The next point, or None where there is none that is lower."""
        slope = self._steepest(at)
        direction = self._direction(slope)
        if self.options.l1:
            # A coordinate against its own slope would climb (Andrew and Gao 2007, section 3.2).
            direction.masked_fill_(direction * slope >= 0, 0.0)
        descent = float(direction @ slope)
        if not descent < 0:
            return None
        first = 1.0 if self.steps else 1 / float(direction.norm())
        search = self._within_orthant if self.options.l1 else self._along
        after = search(at, direction, slope, first)
        if after is not None:
            self._remember(at, after)
            self.path.iteration += 1
        return after

    def _evaluate(self, theta: Tensor) -> Point:
        value, gradient = self.function(theta)
        self.path.evaluations += 1
        objective = float(value)
        gradient = torch.as_tensor(gradient, dtype=torch.float64)
        if self.options.l2:
            objective += self.options.l2 * float(theta @ theta)
            gradient = gradient.add(theta, alpha=2 * self.options.l2)
        if self.options.l1:
            objective += self.options.l1 * float(theta.abs().sum())
        # A function may hand out the same memory each time.
        return Point(theta, objective, gradient if self.options.l2 else gradient.clone())

    def _steepest(self, at: Point) -> Tensor:
        """The gradient of F; with `l1`, its pseudo-gradient (Andrew and Gao 2007, equation 4)."""
        l1 = self.options.l1
        if not l1:
            return at.gradient
        shrunk = at.gradient.sign() * (at.gradient.abs() - l1).clamp_min(0)
        return torch.where(at.theta == 0, shrunk, at.gradient + l1 * at.theta.sign())

    def _direction(self, slope: Tensor) -> Tensor:
        """-H g, by the two loops of Nocedal (1980)."""
        direction = slope.neg()
        shares = []
        for step, change, curvature in reversed(self.steps):
            shares.append(float(step @ direction) / curvature)
            direction.sub_(change, alpha=shares[-1])
        if self.steps:
            _, change, curvature = self.steps[-1]
            direction.mul_(curvature / float(change @ change))
        for (step, change, curvature), share in zip(self.steps, reversed(shares), strict=True):
            direction.add_(step, alpha=share - float(change @ direction) / curvature)
        return direction

    def _remember(self, at: Point, after: Point) -> None:
        step, change = self._spare or (torch.empty_like(at.theta), torch.empty_like(at.theta))
        torch.sub(after.theta, at.theta, out=step)
        torch.sub(after.gradient, at.gradient, out=change)
        self._spare = step, change
        curvature = float(step @ change)
        if curvature > LEAST_CURVATURE * float(change @ change):
            full = len(self.steps) == self.steps.maxlen
            self._spare = self.steps.popleft()[:2] if full else None
            self.steps.append((step, change, curvature))

    # -- how far to go ----------------------------------------------------------------------

    def _along(self, at: Point, direction: Tensor, slope: Tensor, first: float) -> Point | None:
        """A point on the ray where the strong Wolfe conditions hold.

        The lowest point seen lies at one end of an interval that holds such points; the interval
        grows until it is closed, then shrinks.
        """
        start = _Trial(0.0, at.objective, float(direction @ slope), at)
        low, high, length = start, None, first
        for _ in range(TRIALS):
            point = self._evaluate(at.theta.add(direction, alpha=length))
            trial = _Trial(length, point.objective, float(point.gradient @ direction), point)
            if not trial.falls(start) or trial.objective >= low.objective:
                high = trial
            elif abs(trial.slope) <= -FLATTEN * start.slope:
                return point
            else:
                if trial.slope * (trial.length - low.length) >= 0:
                    high = low
                low = trial
            length = 4 * low.length if high is None else _between(low, high)
            if length == low.length:
                break
        # Near the minimum rounding hides the slope; any fall is then as good as the best.
        return low.point if low.objective < at.objective else None

    def _within_orthant(
        self, at: Point, direction: Tensor, slope: Tensor, first: float
    ) -> Point | None:
        orthant = torch.where(at.theta == 0, -slope.sign(), at.theta.sign())
        length = first
        for _ in range(TRIALS):
            theta = at.theta.add(direction, alpha=length)
            theta.masked_fill_(theta * orthant <= 0, 0.0)
            point = self._evaluate(theta)
            if point.objective <= at.objective + FALL * float((theta - at.theta) @ slope):
                return point if point.objective < at.objective else None
            length /= 2
        return None

    # -- when to stop, and what is kept -----------------------------------------------------

    def _why_stop(self, at: Point) -> str | None:
        options, rows = self.options, self.path.rows
        size = max(1.0, float(at.theta.norm()))
        if float(self._steepest(at).norm()) <= options.epsilon * size:
            return "the gradient vanishes"
        if options.period and len(rows) > options.period:
            before = rows[-1 - options.period]["objective"]
            if before - at.objective < options.delta * abs(at.objective):
                return f"{options.period} iterations gained less than {options.delta:g} of it"
        if options.iterations is not None and self.path.iteration >= options.iterations:
            return f"after {options.iterations} iterations"
        if options.minutes is not None and self.path.seconds >= 60 * options.minutes:
            return f"after {options.minutes:g} minutes"
        return None if self.best is None else self.best.why_stop

    def _report(self, at: Point) -> None:
        path, mean = self.path, at.objective / self.observations
        active = int(at.theta.count_nonzero())
        row: dict[str, Any] = {"step": path.iteration, "seconds": path.seconds, "train": mean}
        row |= {"objective": at.objective, "active": active}
        text = f"iteration {path.iteration}, {active} weights in use"
        if self.best is not None:
            row["score"] = self.best.look(path.iteration, at.theta)
            text = f"iteration {path.iteration}, {self.best.measure.name} {row['score']:.4f}"
        path.rows.append(row)
        each = path.seconds / path.iteration
        done, left = self._share_done(each)
        speed = self.observations * path.evaluations / max(path.seconds, 1e-9)
        self.run.report(Progress(done, path.seconds, left, speed, mean, None, text))

    def _share_done(self, each: float) -> tuple[float, float | None]:
        """The share of the work that is done, and the seconds left at `each` an iteration."""
        left = []
        if self.options.iterations is not None:
            left.append(each * (self.options.iterations - self.path.iteration))
        if self.options.minutes is not None:
            left.append(max(0.0, 60 * self.options.minutes - self.path.seconds))
        if not left:
            return 0.0, None
        return self.path.seconds / max(self.path.seconds + min(left), 1e-9), min(left)

    def _save(self, at: Point) -> None:
        tensors = {"theta": at.theta}
        for i, (step, change, _) in enumerate(self.steps):
            tensors |= {f"step.{i}": step, f"change.{i}": change}
        self.path.curvatures = [curvature for _, _, curvature in self.steps]
        if self.best is not None:
            tensors |= self.best.tensors()
            self.path.best = self.best.facts()
        self.checkpoint.save(tensors, asdict(self.path))

    def _load(self) -> None:
        found = self.checkpoint.load()
        if found is None:
            return
        tensors, facts = found
        # In memory of their own: sums may depend on where in a cache line an array begins.
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        self.path, self.theta = Path(**facts), tensors["theta"]
        if self.best is not None:
            self.best.restore(tensors, self.path.best)
        self.path.evaluations -= 1  # this point is evaluated once more
        for i, curvature in enumerate(self.path.curvatures):
            self.steps.append((tensors[f"step.{i}"], tensors[f"change.{i}"], curvature))


class _Trial(NamedTuple):
    """A point on a ray: how far out, F there and its slope along the ray."""

    length: float
    objective: float
    slope: float
    point: Point

    def falls(self, start: _Trial) -> bool:
        return self.objective <= start.objective + FALL * self.length * start.slope


def _between(low: _Trial, high: _Trial) -> float:
    """The minimum of the cubic through both ends and their slopes, well inside the interval."""
    width = high.length - low.length
    least, most = low.length + 0.1 * width, low.length + 0.9 * width
    if not math.isfinite(high.objective) or not math.isfinite(high.slope):
        return least
    a = low.slope + high.slope - 3 * (high.objective - low.objective) / width
    root = a * a - low.slope * high.slope
    if root < 0:
        return (least + most) / 2
    b = math.copysign(math.sqrt(root), width)
    divisor = high.slope - low.slope + 2 * b
    if divisor == 0:
        return (least + most) / 2
    length = high.length - width * (high.slope + b - a) / divisor
    return min(max(length, min(least, most)), max(least, most))
