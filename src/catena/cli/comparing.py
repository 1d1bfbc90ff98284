"""The command that compares models: its options and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, flag, picked, takes
from catena.errors import CatenaError

# How DATA is read where it is sequences.
OF_SEQUENCES = ("stream", "unit", "item", "space", "unknown")
OF_SESSIONS = ("skip_bad", "drop_repeats")
OF_MUSIC = ("form", "step")


@takes(
    o.some(
        "stream", "unit", "encoding", "errors", "group_by", "order_by", "item", "space", "unknown",
        "minimum", "columns", "label", "label_by", "skip_bad", "drop_repeats", "form", "step",
    )
)  # fmt: skip
def compare(
    given: Given,
    data: o.Data,
    task: Annotated[
        str, typer.Option(help="What for: generate, classify, tag, recommend or compose.")
    ] = "generate",
    models: Annotated[
        str | None,
        typer.Option(
            help="Some of markov,hmm,window,rnn,gru,lstm; with --task classify also "
            "majority,bilstm; with --task tag majority,crf,bilstm-crf, but not markov; with --task "
            "recommend popularity,session-popularity,session-knn, but not hmm."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(help="For learning; counting and scoring come on top.")
    ] = 4.0,
    valid: Annotated[
        list[str] | None, typer.Option(help="Labelled data to choose by; else a part of DATA.")
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option(help="Labelled data to test on; else a part of DATA.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write one self-contained HTML page with plots.")
    ] = None,
    json: o.Json = False,
    seed: o.Seed = 0,
) -> None:
    """Fit the whole ladder and say which rung your data needs.

    \b
    Examples:
      catena compare shakespeare --report report.html
      catena compare visits.csv --group-by user --order-by time --item page
      catena compare train.tsv --task classify --test test.tsv
      catena compare train.conll --task tag --models majority,hmm,crf
      catena compare clicks.csv --task recommend --models popularity,session-knn,gru
      catena compare tunes.abc --task compose
    """
    _check_compared(given)
    from catena.cli import compare as command

    command.compare(given)


def _check_compared(given: Given) -> None:
    """Raise if an option of `compare` is not for its task.

    Args:
        given: all that stands on the command line, by name.
    """
    task = given["task"]
    labels, others = ("columns", "label", "label_by"), (*OF_SESSIONS, *OF_MUSIC)
    foreign = {
        "generate": (*labels, "valid", "test", *others),
        "classify": ("columns", "stream", *others),
        "tag": (*OF_SEQUENCES, "minimum", "label", "label_by", *others),
        "recommend": (*labels, "stream", "unit", "space", "unknown", *OF_MUSIC),
        "compose": (*labels, *OF_SEQUENCES, "group_by", "order_by", "minimum", "drop_repeats"),
    }
    if task not in foreign:
        raise CatenaError(f"--task must be {', '.join(foreign)}, not {task!r}")
    for name in picked(given, foreign[task]):
        raise CatenaError(f"{flag(name)} is not for --task {task}")
