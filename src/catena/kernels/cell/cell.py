"""What a recurrent cell computes, apart from the numbers in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from catena.errors import CatenaError

_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Cell:
    """A kind of cell and those of its variants that hold no weights.

    Args:
        kind: "rnn_tanh", "rnn_relu", "gru" or "lstm".
        coupled: the input gate is 1 - f (Greff et al. 2017; LSTM only). The input gate's rows of
            the weights are still there, unused.
        zoneout: the chance that a unit of h keeps its former value (Krueger et al. 2017).
        zoneout_c: the same for c (LSTM only).

    Raises:
        CatenaError: for a kind that is not one of these, a chance outside 0 to 1, and an option
            of the LSTM on another cell.
    """

    kind: str
    coupled: bool = False
    zoneout: float = 0.0
    zoneout_c: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in _GATES:
            raise CatenaError(f"no cell is called {self.kind!r}; choose from {', '.join(_GATES)}")
        for name in ("zoneout", "zoneout_c"):
            if not 0 <= getattr(self, name) <= 1:
                raise CatenaError(f"{name} is a chance from 0 to 1, not {getattr(self, name)}")
        if self.kind != "lstm" and (self.coupled or self.zoneout_c):
            raise CatenaError(f"only an LSTM has coupled gates and zoneout_c, not {self.kind}")

    @property
    def gates(self) -> int:
        """How many vectors of H numbers a step computes: the rows of its weights, by H."""
        return _GATES[self.kind]

    @property
    def states(self) -> int:
        """How many parts the state has: h, and an LSTM's c."""
        return 2 if self.kind == "lstm" else 1


class Weights(NamedTuple):
    """The numbers of a cell with H units, I inputs, G gates and an output of R numbers.

    R is P with a projection and H without. The gates stand in PyTorch's order: i, f, g, o of an
    LSTM; r, z, n of a GRU. The norms are there all together or not at all.
    """

    ih: Tensor
    """`[G*H, I]`"""
    hh: Tensor
    """`[G*H, R]`"""
    bias_ih: Tensor | None
    """`[G*H]`"""
    bias_hh: Tensor | None
    """`[G*H]`"""
    projection: Tensor | None = None
    """`[P, H]`: h_t = projection (o_t * tanh c_t) (LSTM only)"""
    peephole: Tensor | None = None
    """`[3, H]`: c_{t-1} into i and f, c_t into o (LSTM only)"""
    norm_ih: Tensor | None = None
    """`[G*H]`: gain of layer normalisation of W_ih x"""
    norm_hh: Tensor | None = None
    """`[G*H]`: gain of layer normalisation of W_hh h"""
    norm_c: Tensor | None = None
    """`[2, H]`: gain and bias of layer normalisation of c_t (LSTM only)"""

    def map(self, change: Callable[[Tensor], Tensor]) -> Weights:
        """The same with every tensor that is there changed."""
        found: list[Any] = [None if part is None else change(part) for part in self]
        return Weights(*found)
