"""Other items than the one that came next, drawn by how often they occur."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from catena.kernels.sampled import draw, guide

# So many are drawn at a time and then handed out update by update, which costs far less than
# drawing for each.
CACHE = 1 << 16


class Negatives:
    """Items drawn with replacement, q_j in proportion to count_j ** exponent.

    What an update gets depends on its number alone, so that a run that goes on from a checkpoint
    draws the same as one that was never interrupted.

    Args:
        counts: `[items]`, how often each occurs.
        samples: k, how many an update gets.
        exponent: 1 draws by popularity, 0 all items alike.
        cache: how many are drawn at a time.
    """

    def __init__(self, counts: Tensor, samples: int, exponent: float, cache: int = CACHE) -> None:
        weights = counts.double() ** exponent * (counts > 0)
        q = weights / weights.sum()
        self._guide = guide(q.cumsum(0))
        self.samples, self._updates = samples, max(1, cache // samples)
        # log(k q_j): how often each item is to be expected among the samples of an update.
        self.log_draws = (q.log() + math.log(samples)).float()
        self._place: tuple[int, int] | None = None
        self._drawn = torch.zeros(0, samples, dtype=torch.int64)

    def draw(self, seed: int, update: int) -> Tensor:
        """The items `[samples]` of one update of an epoch that has this seed."""
        block, row = divmod(update, self._updates)
        if self._place != (seed, block):
            self._place, self._drawn = (seed, block), self._block(seed + block)
        return self._drawn[row]

    def _block(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        size = (self._updates, self.samples)
        at = torch.rand(size, generator=generator, dtype=torch.float64)
        return draw(self._guide, at * self._guide.edges[-1])
