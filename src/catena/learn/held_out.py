"""The best parameters so far, judged by held-out data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Measure:
    """How good parameters are on held-out data.

    Args:
        name: of the measure, for messages: "span F1".
        of: θ, float64 `[n]` -> the measure; higher is better. It must not keep θ, which changes.
    """

    name: str
    of: Callable[[Tensor], float]


class Best:
    """The parameters that did best.

    Args:
        patience: so many looks in a row without a better one are enough; None: never.

    Attributes:
        theta: a copy of them; None before the first look.
        step: when they were seen.
        score: what the measure said of them.
    """

    def __init__(self, measure: Measure, patience: int | None) -> None:
        self.measure, self.patience = measure, patience
        self.theta: Tensor | None = None
        self.step, self.score, self._stale = 0, 0.0, 0

    def look(self, step: int, theta: Tensor) -> float:
        """The measure of these parameters, which are kept if no earlier ones were better.

        Of those that are as good the last are kept: they fit what is learned from best, and a
        measure of little data can be as high as can be after few steps.
        """
        score = self.measure.of(theta)
        first = self.theta is None
        self._stale = 0 if first or score > self.score else self._stale + 1
        if first or score >= self.score:
            self.theta, self.step, self.score = theta.clone(), step, score
        return score

    @property
    def why_stop(self) -> str | None:
        """Why there is no use in going on, if there is none."""
        if self.patience is None or self._stale < self.patience:
            return None
        return f"{self._stale} times in a row no better {self.measure.name} on held-out data"

    def note(self, unit: str) -> str:
        """A sentence for the user."""
        return f"kept {unit} {self.step}: {self.measure.name} {self.score:.4f} on held-out data"

    def tensors(self) -> dict[str, Tensor]:
        """What `restore` needs, with `facts`."""
        return {} if self.theta is None else {"best": self.theta}

    def facts(self) -> dict[str, Any]:
        """The rest, as JSON."""
        return {"step": self.step, "score": self.score, "stale": self._stale}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Be as the one that told of itself."""
        self.theta = tensors.get("best")
        self.step, self.score, self._stale = facts["step"], facts["score"], facts["stale"]
