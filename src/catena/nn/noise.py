"""The random draws of a training step: dropout in all its places, and zoneout's seed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import dropout


class Noise:
    """What one forward pass in training draws.

    Args:
        generator: where the draws come from; torch's default generator without one.
        zoneout: whether a seed for zoneout is needed.
    """

    def __init__(self, generator: torch.Generator | None, zoneout: bool) -> None:
        self.generator, self._seed = generator, None
        if zoneout:
            device = "cpu" if generator is None else generator.device
            self._seed = int(torch.randint(2**31, (), generator=generator, device=device))

    def seed(self, place: int) -> int | None:
        """Zoneout's seed of one direction of one layer."""
        return None if self._seed is None else self._seed + place

    def drop(self, values: Tensor, chance: float) -> Tensor:
        """Each value is 0 by chance and otherwise divided by the chance of being kept."""
        if not chance:
            return values
        if self.generator is None:
            return dropout(values, chance)
        kept = torch.empty_like(values).bernoulli_(1 - chance, generator=self.generator)
        return values * kept.div_(1 - chance or 1.0)

    def mask(self, like: Tensor, rows: int, units: int, chance: float) -> Tensor | None:
        """`[rows, units]`: recurrent dropout's factors, one a unit of a sequence."""
        return self.drop(like.new_ones(rows, units), chance) if chance else None
