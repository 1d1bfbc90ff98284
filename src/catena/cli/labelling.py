"""The commands for models that label: their options and examples."""

from __future__ import annotations

from typing import Annotated

import typer

from catena.cli import options as o


def tag(
    model: o.Model,
    data: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A file of tokens, or - for standard input.", show_default=False
        ),
    ],
    n_best: Annotated[
        int | None, typer.Option(help="So many paths a sentence, under lines `# rank p`.")
    ] = None,
    marginals: Annotated[
        bool, typer.Option("--marginals", help="Add a column: how probable each label is.")
    ] = False,
    columns: o.Columns = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
) -> None:
    """Label every token of a file: the same file with labels.

    \b
    Example:
      catena tag tagger.safetensors test.conll > tagged.conll
    """
    from catena.cli import tag as tagging

    reading = tagging.TokenReading(columns, encoding, errors)  # type: ignore[arg-type]
    tagging.tag(model, data, reading, n_best, marginals)
