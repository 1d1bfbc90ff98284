"""The commands for models that label: their options and examples."""

from __future__ import annotations

from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, takes


@takes(o.some("columns", "encoding", "errors", "group_by", "order_by"))
def tag(
    given: Given,
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
) -> None:
    """Label every token of a file: the same file with labels.

    \b
    Example:
      catena tag tagger.safetensors test.conll > tagged.conll
    """
    from catena.cli import tag as tagging
    from catena.cli.tokens import TokenReading

    tagging.tag(model, data, TokenReading.of(given), n_best, marginals)


@takes(o.some("unit", "encoding", "errors", "group_by", "order_by", "item", "space", "label"))
def classify(
    given: Given,
    model: o.Model,
    data: o.Data,
    top: Annotated[
        int | None, typer.Option(help="So many of the likeliest labels of each.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Label whole sequences: a line for each.

    \b
    Example:
      catena classify classifier.safetensors new.txt --top 3
    """
    from catena.cli import classify as classifying
    from catena.cli.labelled import LabelledReading

    classifying.classify(model, data, LabelledReading.of(given), top, json)
