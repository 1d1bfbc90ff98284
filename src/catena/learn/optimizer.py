"""PyTorch's optimisers, and what they remember as plain tensors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from catena.errors import CatenaError
from catena.learn.adagrad_momentum import Adagrad

OPTIMIZERS = ("adamw", "sgd", "adagrad")
PEAKS = {"adamw": 3e-3, "sgd": 1.0, "adagrad": 0.02}


def optimizer_for(
    model: nn.Module, name: str, rate: float | None, weight_decay: float, momentum: float
) -> torch.optim.Optimizer:
    """AdamW, SGD or Adagrad over the parameters that are learned.

    Decay pulls on weights only: a bias, a gain or an initial state has no reason to be small.

    Raises:
        CatenaError: when nothing in the model can be learned by gradient.
    """
    learned = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if not learned:
        raise CatenaError("this model has no parameters that a gradient could change")
    weights = [name for name, p in learned.items() if p.dim() > 1 and not _is_free(name)]
    groups = [
        {"params": [learned[n] for n in weights], "weight_decay": weight_decay},
        {"params": [p for n, p in learned.items() if n not in weights], "weight_decay": 0.0},
    ]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate or PEAKS[name], momentum=momentum)
    if name == "adagrad":
        return Adagrad(groups, rate or PEAKS[name], momentum)
    return torch.optim.AdamW(groups, lr=rate or PEAKS[name], betas=(0.9, 0.99), fused=True)


def _is_free(name: str) -> bool:
    """Whether a parameter is the initial state of a recurrence, or belongs to layer
    normalisation."""
    own = name.rpartition(".")[2]
    return own == "initial" or own.startswith("norm_")


def clip_norm(parameters: Iterable[nn.Parameter], most: float) -> None:
    """Scale all gradients together so that their norm is at most so much; some may be sparse."""
    held = [one for one in parameters if one.grad is not None]
    thin = [one.grad for one in held if one.grad is not None and one.grad.is_sparse]
    if not thin:
        nn.utils.clip_grad_norm_(held, most)
        return
    dense = [one.grad for one in held if one.grad is not None and not one.grad.is_sparse]
    norm = nn.utils.get_total_norm([*dense, *(part.coalesce().values() for part in thin)])
    share = float((most / (norm + 1e-6)).clamp(max=1.0))
    for part in (*dense, *(one._values() for one in thin)):
        part.mul_(share)


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All that the optimiser remembers, by `optimizer.PARAMETER.NAME`."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
        if value is not None
    }


def restore_moments(optimizer: torch.optim.Optimizer, kept: dict[str, Tensor]) -> None:
    """Give the optimiser back what `moments` took, by `PARAMETER.NAME`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in kept.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
