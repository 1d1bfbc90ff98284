"""The baseline of labels: the one that training showed most, whatever the sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from catena.learn import History


@dataclass(frozen=True)
class Majority:
    """Stands where a rung does; it remembers nothing of a sequence."""

    kind: ClassVar[str] = "majority"


class Shares:
    """How large a part of the labels of training each one is.

    Args:
        labels: of training, one or more.
    """

    def __init__(self, labels: Iterable[Hashable]) -> None:
        counts = Counter(labels)
        self.history_ = History(epochs=1.0)
        self.names = sorted(counts)  # type: ignore[type-var]
        self.best = max(self.names, key=lambda name: counts[name])
        times = torch.tensor([counts[name] for name in self.names], dtype=torch.float64)
        self.log_shares: Tensor = (times / times.sum()).log()
