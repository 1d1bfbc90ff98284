"""Probabilities that can be believed: temperature scaling (Guo et al. 2017).

    p(c given x) = softmax(scores / T)

One number, found on held-out data, takes back the overconfidence of a network that was trained for
long, and of a generative model that counts what depends on each other as if it did not. Which class
is likeliest, it leaves as it was.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from catena.tasks.class_models import log_probabilities

# Beyond e to the power of this, a temperature only says that the scores mean nothing.
RANGE = 10.0


def temperature(scores: Tensor, targets: Tensor, many: bool) -> float:
    """The T at which the targets are most probable.

    Args:
        scores: `[n, C]`. targets: `[n]` class numbers or, with `many`, `[n, C]` of 0 and 1.
    """
    from scipy.optimize import minimize_scalar

    # A class that is impossible stays so at any temperature, and tells nothing of the others.
    possible = scores.isfinite().all(1) if many else _of(scores, targets).isfinite()
    scores, targets = scores[possible], targets[possible]
    if not len(scores):
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = scores / math.exp(log_temperature)
        if not many:
            return -float(_of(log_probabilities(scaled, many), targets).mean())
        right = torch.where(targets > 0, scaled, -scaled)
        return -float(log_probabilities(right, many).mean())

    found = minimize_scalar(loss, bounds=(-RANGE, RANGE), method="bounded")
    return math.exp(found.x)


def _of(table: Tensor, targets: Tensor) -> Tensor:
    return table.gather(1, targets[:, None]).squeeze(1)
