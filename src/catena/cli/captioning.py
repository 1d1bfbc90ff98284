"""The command for models that caption: its options and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, takes


@takes(o.among(o.SEARCH, o.OF_SEARCH))
def caption(
    given: Given,
    model: o.Model,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="Pictures, or features (.npy, .safetensors).",
            show_default=False,
        ),
    ],
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw what a picture's caption was read off, there."),
    ] = None,
    n_best: Annotated[
        int | None, typer.Option(help="So many of each: file, log p, score and text, with tabs.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a picture.")] = False,
) -> None:
    """Caption pictures: a line for each, its name and its caption.

    \b
    Example:
      catena caption captioner.safetensors holiday/*.jpg --beam 5
    """
    from catena.cli import caption as command

    command.caption(model, files, picture, given)
