"""The calls into native/chain.hpp: what crosses the border, and in which type."""

from __future__ import annotations

import torch
from torch import Tensor

import catena._native as _native
from catena.kernels.chain.potentials import Potentials
from catena.kernels.chain.reference import Expectations
from catena.layout import Layout

# Another thread pays from so many products of a score and a weight on.
SHARE = 200_000


def log_z(chain: Potentials) -> Tensor:
    """log Z `[n]` float64."""
    border = _Border(chain)
    found = torch.empty(len(chain.lengths), dtype=torch.float64)
    _native.expect(*border.given, 0, found.data_ptr(), 0, 0, 0, 0)
    return found


def expectations(
    chain: Potentials, weight: Tensor, marginals: Tensor | None = None
) -> Expectations:
    """As `catena.kernels.chain.reference.expectations`, without a graph.

    Args:
        marginals: where they are put, like the scores; new memory unless given.
    """
    border = _Border(chain)
    n, labels = len(chain.lengths), chain.scores.shape[1]
    weight = _double(weight)
    found = Expectations(
        torch.empty(n, dtype=torch.float64),
        torch.empty_like(border.scores) if marginals is None else marginals,
        *(torch.empty(shape, dtype=torch.float64) for shape in ((labels, labels), labels, labels)),
    )
    _native.expect(*border.given, weight.data_ptr(), *(part.data_ptr() for part in found))
    return found._replace(marginals=found.marginals.to(chain.scores.dtype))


def best(chain: Potentials, k: int) -> tuple[Tensor, Tensor]:
    """As `catena.kernels.chain.reference.best`."""
    border = _Border(chain)
    paths = torch.empty(len(chain.scores), k, dtype=torch.int64)
    found = torch.empty(len(chain.lengths), k, dtype=torch.float64)
    _native.best(*border.given, k, paths.data_ptr(), found.data_ptr())
    return paths, found


def beliefs(
    log_likelihood: Tensor, layout: Layout, transition: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    """What `catena.ladder.chain.Propagation` reads after each step `[total, K]`, and after the last
    `[n, K]`; float64, without a graph.

    Args:
        log_likelihood: `[total, K]` in nats, time-major.
        transition: `[K, K]`.
        before: `[n, K]`, in the layout's order.
    """
    n, states = before.shape
    sizes = layout.batch_sizes
    given = layout.lengths[layout.order], sizes.cumsum(0) - sizes
    parts = *given, _double(log_likelihood), _double(transition), _double(before)
    found = torch.empty_like(parts[2]), torch.empty_like(parts[4])
    threads = _threads(n, len(log_likelihood), states)
    _native.filter(threads, n, states, *(part.data_ptr() for part in (*parts, *found)))
    return found


class _Border:
    """Keeps alive what the addresses in `given` point to."""

    def __init__(self, chain: Potentials) -> None:
        kept = torch.float64 if chain.scores.dtype == torch.float64 else torch.float32
        self.scores = chain.scores.detach().to(kept).contiguous()
        self._kept = [
            chain.lengths.contiguous(),
            self.scores,
            *(_double(part) for part in chain[2:]),
        ]
        n, labels = len(chain.lengths), chain.scores.shape[1]
        threads = _threads(n, len(chain.scores), labels)
        addresses = (part.data_ptr() for part in self._kept)
        self.given = (threads, n, labels, kept == torch.float64, *addresses)


def _threads(n: int, steps: int, labels: int) -> int:
    """How many threads n sequences are worth."""
    return max(1, min(torch.get_num_threads(), n, steps * labels * labels // SHARE))


def _double(values: Tensor) -> Tensor:
    return values.detach().double().contiguous()
