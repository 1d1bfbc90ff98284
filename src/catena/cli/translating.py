"""The commands for models that translate: their options and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, takes


@takes(o.some("limit", "truncate") | o.SEARCH | o.some("encoding", "errors"))
def translate(
    given: Given,
    model: o.Model,
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="Lines to translate; standard input unless given.",
            show_default=False,
        ),
    ] = "-",
    n_best: Annotated[
        int | None,
        typer.Option(help="So many of each: line number, log p, score and text, with tabs."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Translate lines: one out for each line in, as they come.

    \b
    Examples:
      catena translate translator.safetensors new.de --beam 5 > new.en
      catena translate a.safetensors new.de --ensemble b.safetensors --ensemble c.safetensors
    """
    from catena.cli import translate as command

    command.translate(model, file, given)


@takes(o.some("source", "target", "encoding", "errors"))
def align(
    given: Given,
    model: o.Model,
    data: o.Data,
    picture: Annotated[
        Path | None, typer.Option(help="Draw it too: a .svg, .png or .pdf of a few pairs.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a pair.")] = False,
) -> None:
    """What each symbol of a translation was read off its source by.

    \b
    Example:
      catena align translator.safetensors few.tsv --picture few.svg
    """
    from catena.cli import translate as command

    command.align(model, data, picture, given)
