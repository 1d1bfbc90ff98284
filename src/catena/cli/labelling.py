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
    group_by: o.GroupBy = None,
    order_by: o.OrderBy = None,
) -> None:
    """Label every token of a file: the same file with labels.

    \b
    Example:
      catena tag tagger.safetensors test.conll > tagged.conll
    """
    from catena.cli import tag as tagging

    reading = tagging.TokenReading(columns, encoding, errors, group_by, order_by)  # type: ignore[arg-type]
    tagging.tag(model, data, reading, n_best, marginals)


def classify(
    model: o.Model,
    data: o.Data,
    top: Annotated[
        int | None, typer.Option(help="So many of the likeliest labels of each.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    unit: o.Unit = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
    group_by: o.GroupBy = None,
    order_by: o.OrderBy = None,
    item: o.Item = None,
    space: o.SpaceName = None,
    label: o.Label = None,
) -> None:
    """Label whole sequences: a line for each.

    \b
    Example:
      catena classify classifier.safetensors new.txt --top 3
    """
    from catena.cli import classify as classifying

    given = {name: value for name, value in locals().items() if value is not None}
    classifying.classify(model, data, classifying.reading(given), top, json)
