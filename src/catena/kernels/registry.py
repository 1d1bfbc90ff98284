"""One table: which kernel scans which recurrence.

A kernel has the signature of the reference loop in `catena.scanning`: it takes the recurrence, the
time-major inputs `[total, *event]`, their layout and the starting state in the layout's order, and
returns the features `[total, *features]` and each sequence's last state, both in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from catena.errors import CatenaError
from catena.recurrence import Recurrence, Scannable, State

Kernel = Callable[..., tuple[Tensor, State]]
_Function = TypeVar("_Function", bound=Kernel)

REFERENCE = "reference"
_TABLE: dict[type, dict[str, Kernel]] = {}


def register(kind: type, backend: str) -> Callable[[_Function], _Function]:
    """Enter the decorated function as a kernel for recurrences of exactly this class."""

    def enter(kernel: _Function) -> _Function:
        _TABLE.setdefault(kind, {})[backend] = kernel
        return kernel

    return enter


def backends(recurrence: Scannable) -> list[str]:
    """The backends that can scan this recurrence, the preferred one first."""
    loop = [REFERENCE] if isinstance(recurrence, Recurrence) else []
    return [*_TABLE.get(type(recurrence), {}), *loop]


def find(recurrence: Scannable, backend: str | None) -> Kernel | None:
    """The kernel for a requested backend, or the preferred one; None is the reference loop.

    Raises:
        CatenaError: when the requested backend has no kernel for it. None is swapped silently.
    """
    choice = backend or backends(recurrence)[0]
    if choice not in backends(recurrence):
        raise CatenaError(
            f"no {choice!r} kernel scans a {type(recurrence).__name__}; "
            f"choose from {', '.join(backends(recurrence))}"
        )
    return None if choice == REFERENCE else _TABLE[type(recurrence)][choice]


def explain(recurrence: Scannable) -> str:
    """Which kernel a scan of this recurrence runs, and why.

    >>> from catena.recurrence import FromFunction
    >>> print(explain(FromFunction(lambda s, x, theta: s, state=[1])))
    FromFunction: reference, the loop over time (no kernel is registered for it)
    """
    name, found = type(recurrence).__name__, _TABLE.get(type(recurrence))
    if not found:
        return f"{name}: reference, the loop over time (no kernel is registered for it)"
    first, *others = backends(recurrence)
    return f"{name}: {first}, the first that is registered (also: {', '.join(others) or 'none'})"
