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

        shown = Signature([*own, *more])

        @wraps(command)
        def run(**values: Any) -> None:
            given = {name: values[name] for name in shown.parameters if values[name] is not None}
            command(given, **{one.name: values[one.name] for one in own})

        run.__signature__ = shown  # type: ignore[attr-defined]  # typer reads it
        return run

    return taking


def picked(given: Given, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options that were given."""
    return {name: given[name] for name in names if name in given}


def flag(name: str) -> str:
    """An option as it is typed: `--top-k` of `top_k`."""
    return "--" + name.replace("_", "-")
