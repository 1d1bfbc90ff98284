"""How the learning rate changes over a run."""

from __future__ import annotations

import math

SCHEDULES = ("cosine", "linear", "constant")


def rate(schedule: str, step: int, warmup: int, total: int | None) -> float:
    """The share of the peak rate at a step: a linear rise over `warmup` steps, then a fall to 0.

    Args:
        total: the number of steps of the run; None while it is not known yet, which is early.

    >>> [round(rate("linear", step, 2, 10), 2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if schedule == "constant" or total is None:
        return rise
    done = min(1.0, max(0.0, (step - warmup) / max(1, total - warmup)))
    fall = 1.0 - done if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
    return rise * fall
