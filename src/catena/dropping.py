"""Dropout over the steps of sequences (Srivastava et al. 2014).

Variational, what is dropped is drawn once a sequence, and so the same at each of its steps (Gal and
Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, 2016).
"""

from __future__ import annotations

from torch import Tensor, nn


class Dropout(nn.Module):
    """Some of the features dropped while training.

    Args:
        rate: the share of them.
        variational: whether it is drawn once a sequence.
    """

    def __init__(self, rate: float, variational: bool = False) -> None:
        super().__init__()
        self.drop, self.variational = nn.Dropout(rate), variational

    def forward(self, values: Tensor, owner: Tensor) -> Tensor:
        """Features `[total, width]`.

        Args:
            owner: `[total]` on the CPU, which sequence each step belongs to.
        """
        if not (self.variational and self.training and self.drop.p and len(owner)):
            return self.drop(values)
        masks = self.drop(values.new_ones(int(owner.max()) + 1, *values.shape[1:]))
        return values * masks.index_select(0, owner.to(values.device))
