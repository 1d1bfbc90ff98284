"""The conditional random field: a path of labels is weighed as a whole, given what is observed.

    p(y_1..y_T given x) = exp(Σ_t θ_s · f(x_t, y_t) + Σ_t θ_m(y_{t-1}, y_t)) / Z(x)

    state    α_t(j) = log Σ exp(score of y_1..y_t) over the paths with y_t = j, `[batch, L]`
    start    α_1(j) = s_1(j)                             with s_t(j) = θ_s · f(x_t, j)
    step     α_t(j) = s_t(j) + log Σ_i exp(α_{t-1}(i) + θ_m(i, j))
    read     log Z = log Σ_j exp α_T(j)

f pairs every attribute of a step with a label, θ_m every label with the next; there are no weights
of the first and the last label. Learning minimises Σ -log p + l1 ‖θ‖₁ + l2 ‖θ‖² in nats; where a
step has a set of labels instead of one, p is that of all paths that the sets allow.

Source: Lafferty, McCallum and Pereira (Conditional random fields, 2001).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from catena.errors import CatenaError
from catena.ladder.rung import whole


# Not in LADDER: it tells labels given observations and has no p(x), which the laws there are about.
@dataclass(frozen=True)
class CRF:
    """A linear-chain conditional random field over the attributes of steps.

    Args:
        l1: weight of ‖θ‖₁; above 0, weights become exactly 0 and are left out of the model.
        l2: weight of ‖θ‖² (not of half of it).
        minimum: above 1, only those pairs of an attribute and a label, or of two labels, have
            weights whose values in training (1, where none is given) sum up to that at least: what
            CRFsuite calls feature.minfreq.
        all_states: give every attribute a weight for every label, not only for those it was seen
            with.
        all_transitions: the same of every pair of labels.

    >>> CRF(l2=0.1)
    CRF(l1=0.0, l2=0.1, minimum=1, all_states=False, all_transitions=False)
    """

    kind: ClassVar[str] = "crf"
    l1: float = 0.0
    l2: float = 1.0
    minimum: int = 1
    all_states: bool = False
    all_transitions: bool = False

    def __post_init__(self) -> None:
        for name in ("l1", "l2"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise CatenaError(
                    f"{name} must be a number of at least 0, not {getattr(self, name)}"
                )
        whole("minimum", self.minimum, 1)
