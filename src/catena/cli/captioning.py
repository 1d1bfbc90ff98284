"""The command for models that caption: its options and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o


def caption(
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
    beam: o.BeamWidth = None,
    length_penalty: o.LengthPenalty = None,
    gnmt: o.Gnmt = None,
    coverage_penalty: o.CoveragePenalty = None,
    min_length: o.MinLength = None,
    max_length: o.MaxLength = None,
    no_repeat: o.NoRepeat = None,
    exact: o.Exact = None,
) -> None:
    """Say what is to be seen in pictures: a line for each.

    \b
    Example:
      catena caption captioner.safetensors holiday/*.jpg --beam 5
    """
    given = {name: value for name, value in locals().items() if value is not None}
    from catena.cli import caption as command

    command.caption(model, files, picture, given)
