"""An exponential moving average of a model's parameters (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class Average:
    """The average beside the model. With a decay of 0 it is the model's present parameters.

    Args:
        decay: how much of the average stays at each update.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self.kept = copied(model.state_dict()) if decay else {}

    def update(self, step: int) -> None:
        """Take the present parameters in, after the `step`-th update."""
        if not self.kept:
            return
        # Early on the average must forget its random beginning: a shorter memory at first.
        weight = 1.0 - min(self._decay, (1 + step) / (10 + step))
        # A shared table has two names: both are kept.
        current = dict(self._model.named_parameters(remove_duplicate=False))
        for name, kept in self.kept.items():
            if name in current:
                kept.lerp_(current[name].detach(), weight)

    def parameters(self) -> dict[str, Tensor]:
        """A copy of the parameters that count: the average where one is kept."""
        return copied(self.kept or self._model.state_dict())

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the model holds the average and is in evaluation mode."""
        present = copied(self._model.state_dict()) if self.kept else {}
        if self.kept:
            self._model.load_state_dict(self.kept)
        self._model.eval()
        try:
            yield
        finally:
            self._model.train()
            if present:
                self._model.load_state_dict(present)


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors in memory of their own."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
