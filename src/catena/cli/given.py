"""What stands on the command line, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any

Given = Mapping[str, Any]


def takes(options: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options beside its own parameters.

    The command is called with all that stands on the command line, by name, and after that with
    its own parameters.

    Args:
        options: what typer is told of each, by name; one that is not given is None.
    """
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=told)
        for name, told in options.items()
    ]

    def taking(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = signature(command, eval_str=True).parameters.values()

        @wraps(command)
        def run(**values: Any) -> None:
            given = {name: value for name, value in values.items() if value is not None}
            command(given, **{one.name: values[one.name] for one in own})

        # Typer asks a command for its parameters.
        run.__signature__ = Signature([*own, *more])  # type: ignore[attr-defined]
        return run

    return taking


def picked(given: Given, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: given[name] for name in names if name in given}


def flag(name: str) -> str:
    """An option as it is typed: `--top-k` of `top_k`."""
    return "--" + name.replace("_", "-")
