"""What every learner offers, and what it says while it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import Tensor

from catena.model import SequenceModel
from catena.sequences import Sequences


@dataclass(frozen=True)
class Progress:
    """Where a learner is.

    Args:
        done: the share of the work that is done, 0 to 1; 0 while that is unknown.
        seconds: spent learning so far, over all resumed runs.
        left: seconds that the rest will take, at most; None where that cannot be told.
        speed: observations learned from a second.
        train, valid: surprise in nats an observation, the latest; None while unknown.
        text: the learner's own words: "epoch 3 of 10", "restart 2, iteration 7".
    """

    done: float
    seconds: float
    left: float | None
    speed: float
    train: float | None
    valid: float | None
    text: str


@dataclass
class History:
    """What a learner did.

    Args:
        rows: one dict a report, with at least `step` and `seconds`, and `train` and `valid`
            (surprise in nats an observation: lower is better) where they were measured; `score`
            is another measure on held-out data, of which more is better.
        notes: one sentence for each thing the user should know (a fallback, an early stop).
        epochs: how often the data was seen.
        seconds: spent learning, over all resumed runs.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    epochs: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """The circumstances of one call to `fit`.

    Args:
        seed: owns every random draw.
        report: is told of the progress.
        checkpoint: where unfinished work is kept; None keeps none.
        resume: go on from the checkpoint if there is one.
        job: what else is being done, as JSON, beside what the learner itself knows of it: a
            checkpoint of another job is refused.
    """

    seed: int = 0
    report: Callable[[Progress], None] = lambda progress: None
    checkpoint: Path | None = None
    resume: bool = False
    job: Mapping[str, Any] = field(default_factory=dict)


class Learner(Protocol):
    """A way to find θ."""

    kind: ClassVar[str]

    def fit(
        self,
        model: SequenceModel,
        train: Sequences,
        valid: Sequences | None,
        run: Run,
        weights: Tensor | None = None,
    ) -> History:
        """Learn the model's parameters in place.

        Args:
            train: what to learn from, as the model's space encodes it.
            valid: held-out sequences that say when to stop and what to keep, where that is used.
            weights: `[n]` float64 above 0, how many copies each training sequence stands for;
                one each unless given.

        Raises:
            CatenaError: when this learner cannot learn this model or this data.
            Interrupted: after the first Ctrl-C, when the work so far has been kept.
        """
        ...
