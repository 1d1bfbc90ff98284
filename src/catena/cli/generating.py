"""The commands for models that generate: their options and examples."""

from __future__ import annotations

from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, takes


@takes(o.FORM)
def generate(
    given: Given,
    model: o.Model,
    prompt: Annotated[
        str | None, typer.Option(help="What it begins with; for numbers a JSON list.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many sequences.")] = 1,
    length: Annotated[int, typer.Option(help="At most, the prompt not counted.")] = 400,
    min_length: Annotated[int, typer.Option(help="No end before this.")] = 0,
    temperature: o.Temperature = 1.0,
    top_k: o.TopK = None,
    top_p: o.TopP = None,
    min_p: o.MinP = 0.0,
    beam: o.Beam = None,
    copied: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="Say how much of each stands in this data, on standard error."
        ),
    ] = None,
    seed: o.Seed = 0,
) -> None:
    """Draw sequences from a model.

    \b
    Examples:
      catena generate lstm.safetensors --prompt "ROMEO:" -n 3 --temperature 0.8
      catena generate tang.safetensors --acrostic 春夏秋冬 --line-length 7
      catena generate tang.safetensors -n 20 --copied tang
    """
    from catena.cli import generate as command

    command.generate(model, given)


def next_(
    model: o.Model,
    prefix: Annotated[str | None, typer.Option(help="What came before.")] = None,
    k: Annotated[int, typer.Option("-k", help="How many.")] = 10,
    json: o.Json = False,
) -> None:
    """The likeliest next symbols and their probabilities.

    \b
    Example:
      catena next lstm.safetensors --prefix "To be, or not to b" -k 5
    """
    from catena.cli import generate as command

    command.next_symbols(model, prefix, k, json)


@takes(o.some("stream", "unit", "encoding", "errors", "group_by", "order_by", "item", "space"))
def surprise(
    given: Given,
    model: o.Model,
    data: o.Data,
    top: Annotated[int | None, typer.Option(help="Only so many of the most surprising.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Bits of every step: what in this log is unusual?

    \b
    Example:
      catena surprise model.safetensors today.log --top 20
    """
    from catena.cli import generate as command
    from catena.cli.reading import Reading

    command.surprise(model, data, Reading.of(given), top, json)
