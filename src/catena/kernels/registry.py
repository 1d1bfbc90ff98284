"""One table: which kernel scans which recurrence.

A kernel has the signature of the reference loop in `catena.scanning`: it takes the recurrence, the
time-major inputs `[total, *event]`, their layout and the starting state in the layout's order, and
returns the features `[total, *features]` and each sequence's last state, both in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from torch import Tensor

from catena.errors import CatenaError
from catena.recurrence import Recurrence, Scannable, State

Kernel = Callable[..., tuple[Tensor, State]]
Refuses = Callable[..., "str | None"]
_Function = TypeVar("_Function", bound=Kernel)

REFERENCE = "reference"


class Entry(NamedTuple):
    """A kernel, and what says of a recurrence why the kernel cannot scan it (or None)."""

    kernel: Kernel
    refuses: Refuses


_TABLE: dict[type, dict[str, Entry]] = {}


def register(
    kind: type, backend: str, refuses: Refuses = lambda recurrence: None
) -> Callable[[_Function], _Function]:
    """Enter the decorated function as a kernel for recurrences of exactly this class.

    Args:
        refuses: asked with the recurrence: why the kernel cannot scan it as it stands (its device,
            its dtype, one of its options), or None.
    """

    def enter(kernel: _Function) -> _Function:
        _TABLE.setdefault(kind, {})[backend] = Entry(kernel, refuses)
        return kernel

    return enter


def backends(recurrence: Scannable) -> list[str]:
    """The backends that can scan this recurrence, the preferred one first."""
    loop = [REFERENCE] if isinstance(recurrence, Recurrence) else []
    entered = _TABLE.get(type(recurrence), {})
    return [*(name for name in entered if entered[name].refuses(recurrence) is None), *loop]


def find(recurrence: Scannable, backend: str | None) -> Kernel | None:
    """The kernel for a requested backend, or the preferred one; None is the reference loop.

    Raises:
        CatenaError: when the requested backend has no kernel for it. None is swapped silently.
    """
    entered = _TABLE.get(type(recurrence), {})
    if backend is None:
        for entry in entered.values():
            if entry.refuses(recurrence) is None:
                return entry.kernel
        return None
    possible = backends(recurrence)
    if backend not in possible:
        why = f": {entered[backend].refuses(recurrence)}" if backend in entered else ""
        raise CatenaError(
            f"no {backend!r} kernel scans this {type(recurrence).__name__}{why}; "
            f"choose from {', '.join(possible)}"
        )
    return None if backend == REFERENCE else entered[backend].kernel


def explain(recurrence: Scannable) -> str:
    """Which kernel a scan of this recurrence runs, and why.

    >>> from catena.recurrence import FromFunction
    >>> print(explain(FromFunction(lambda s, x, theta: s, state=[1])))
    FromFunction: reference, the loop over time (no kernel is registered for it)
    """
    name, entered = type(recurrence).__name__, _TABLE.get(type(recurrence), {})
    if not entered:
        return f"{name}: reference, the loop over time (no kernel is registered for it)"
    first, *others = backends(recurrence)
    reasons = {other: entry.refuses(recurrence) for other, entry in entered.items()}
    refusals = "".join(f"; not {other}: {why}" for other, why in reasons.items() if why)
    also = ", ".join(others) or "none"
    return f"{name}: {first}, the first that can run it (also: {also}){refusals}"
