"""What there are several kinds of, each with options of its own, as JSON and made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

_Kind = TypeVar("_Kind")


def describe(one: Any) -> dict[str, Any]:
    """Its kind and its options, as JSON."""
    return {"kind": one.kind, **(asdict(one) if is_dataclass(one) else {})}  # type: ignore[arg-type]


def known(kinds: Mapping[str, _Kind], kind: object, what: str) -> _Kind:
    """That of the kinds which is meant.

    Raises:
        ValueError: where there is none of that name.
    """
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"there is no {what} {kind!r}")
    return kinds[kind]


def of_kind(
    kinds: Mapping[str, Callable[..., _Kind]], described: Mapping[str, Any], what: str
) -> _Kind:
    """What `describe` described.

    Raises:
        ValueError, KeyError, TypeError: for a kind or an option that there is not.
    """
    options = {name: value for name, value in described.items() if name != "kind"}
    return known(kinds, described["kind"], what)(**options)
