"""The command for models that converse: its options and example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, takes


@takes({})
def chat(
    given: Given,
    model: o.Model,
    temperature: Annotated[
        float | None,
        typer.Option(help="Below 1 bolder replies are rarer (0.7); 0 takes the likeliest."),
    ] = None,
    top_k: o.TopK = None,
    top_p: Annotated[
        float | None, typer.Option(help="Among the fewest that hold this share (0.9).")
    ] = None,
    beam: o.Beam = None,
    seed: o.Seed = 0,
    transcript: Annotated[
        Path | None, typer.Option(help="Append all that is said to this file, as it is said.")
    ] = None,
) -> None:
    """Converse: a reply to every line, typed or piped.

    Lines that begin with a slash are commands: /reset, /undo, /save FILE, /help, /quit.

    \b
    Example:
      catena chat chat.safetensors --temperature 0.5 --transcript talk.txt
    """
    from catena.cli import chat as command

    command.chat(model, given)
