"""The commands for models that translate: their options and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o


def translate(
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
    limit: o.Limit = None,
    truncate: o.Truncate = None,
    beam: o.BeamWidth = None,
    length_penalty: o.LengthPenalty = None,
    gnmt: o.Gnmt = None,
    coverage_penalty: o.CoveragePenalty = None,
    min_length: o.MinLength = None,
    max_length: o.MaxLength = None,
    no_repeat: o.NoRepeat = None,
    replace_unknown: o.ReplaceUnknown = None,
    exact: o.Exact = None,
    contain: o.MustContain = None,
    forbid: o.MustNotContain = None,
    phrases: o.Phrases = None,
    ensemble: o.Ensemble = None,
    mean: o.Mean = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
) -> None:
    """Translate lines: one out for each line in, as they come.

    \b
    Examples:
      catena translate translator.safetensors new.de --beam 5 > new.en
      catena translate a.safetensors new.de --ensemble b.safetensors --ensemble c.safetensors
    """
    given = {name: value for name, value in locals().items() if value is not None}
    from catena.cli import translate as command

    command.translate(model, file, given)


def align(
    model: o.Model,
    data: o.Data,
    picture: Annotated[
        Path | None, typer.Option(help="Draw it too: a .svg, .png or .pdf of a few pairs.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a pair.")] = False,
    source: o.SourceSide = None,
    target: o.TargetSide = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
) -> None:
    """What each symbol of a translation was read off its source by.

    \b
    Example:
      catena align translator.safetensors few.tsv --picture few.svg
    """
    given = {name: value for name, value in locals().items() if value is not None}
    from catena.cli import translate as command

    command.align(model, data, picture, given)
