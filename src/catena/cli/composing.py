"""The command for models that compose: its options and example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, picked, takes


@takes({})
def compose(
    given: Given,
    model: o.Model,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="The file to write: .mid, or of tunes .abc.", show_default=False
        ),
    ],
    primer: Annotated[
        Path | None,
        typer.Option(help="A file, .mid or .abc, that it begins with.", show_default=False),
    ] = None,
    bars: Annotated[
        int | None,
        typer.Option(help="So many follow the primer (16); tunes of ABC end by themselves."),
    ] = None,
    n: Annotated[
        int, typer.Option("-n", "--n", help="How many; of several, new.mid is new-1.mid, ...")
    ] = 1,
    temperature: o.Temperature = 1.0,
    top_k: o.TopK = None,
    top_p: o.TopP = None,
    min_p: o.MinP = 0.0,
    seed: o.Seed = 0,
) -> None:
    """Write new music, and beside each piece its piano roll (.png).

    \b
    Examples:
      catena compose composer.safetensors --primer tune.mid -o new.mid --bars 16
      catena compose tunes.safetensors -o new.abc -n 4 --temperature 0.8
    """
    from catena.cli import compose as command

    command.compose(model, output, primer, bars, n, picked(given, o.OF_DRAWING))
