"""A rung: the hyperparameters of one kind of model, as a frozen dataclass."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar, Protocol, runtime_checkable

from catena.errors import CatenaError
from catena.model import SequenceModel
from catena.space import Space


@runtime_checkable
class Rung(Protocol):
    """What every rung has: it prints, compares, goes into the saved file, and builds its model."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: ClassVar[str]

    def build(self, space: Space) -> SequenceModel:
        """A model of this kind over a space, its parameters not yet learned.

        Raises:
            CatenaError: when this rung cannot model the space.
        """
        ...


def options(rung: type[Rung]) -> list[str]:
    """The names of a rung's options."""
    return [field.name for field in fields(rung)]


def at_least(name: str, value: float, least: float) -> None:
    """Refuse an option below its minimum."""
    if not value >= least:
        raise CatenaError(f"{name} must be at least {least}, not {value}")


def whole(name: str, value: object, least: int) -> None:
    """Refuse an option that is no whole number, or below its minimum."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise CatenaError(f"{name} must be a whole number, not {value!r}")
    at_least(name, value, least)


def one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse an option that is none of its choices."""
    if value not in choices:
        raise CatenaError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")


def fraction(name: str, value: float) -> None:
    """Refuse a probability outside [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise CatenaError(f"{name} must be at least 0 and below 1, not {value}")
