"""The commands for models of every task: their options and examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli import tasks
from catena.cli.given import Given, takes


@takes(o.RUNG | o.LEARNING | o.READING)
def fit(
    given: Given,
    data: o.Data,
    model: Annotated[
        str,
        typer.Option(
            help="markov, hmm, window, rnn, gru or lstm; with --task tag: crf, but not markov; "
            "with --task translate and chat: the encoder, window, rnn, gru or lstm; with --task "
            "caption: the decoder, rnn, gru or lstm; with --task recommend also popularity, "
            "session-popularity and session-knn.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.", show_default=False)
    ],
    task: Annotated[
        str,
        typer.Option(
            help="What for: generate, classify, tag, caption, translate, chat, compose, recommend."
        ),
    ] = "generate",
    valid: Annotated[
        list[str] | None, typer.Option(help="Held-out data that says when to stop.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")] = False,
    seed: o.Seed = 0,
) -> None:
    """Learn a model from data and write it to one file.

    \b
    Examples:
      catena fit shakespeare --model lstm --minutes 5 -o lstm.safetensors
      catena fit tang --model markov --order 3 -o tang.safetensors
      catena fit train.tsv --task classify --model gru -o classifier.safetensors
      catena fit train.conll --task tag --model crf -o tagger.safetensors
      catena fit train.conll --task tag --model lstm --bidirectional -o tagger.safetensors
      catena fit train.de train.en --task translate --model lstm -o translator.safetensors
      catena fit train.tsv --task caption --model lstm -o captioner.safetensors
      catena fit dialogues.jsonl --task chat --model gru --context 3 -o chat.safetensors
      catena fit tunes/ --task compose --model lstm -o composer.safetensors
      catena fit tunes.abc --task compose --model lstm -o tunes.safetensors
      catena fit clicks.csv --task recommend --model gru --tied -o shop.safetensors
    """
    # Options are told apart by name, so that what one task or model does not have is refused.
    chosen = tasks.task_named(task)
    tasks.refuse_foreign("fit", task, given)
    chosen.commands().fit(given)


@takes(
    o.some(
        "stream", "unit", "encoding", "errors", "group_by", "order_by", "item", "space", "columns",
        "label", "label_by", "source", "target",
    )
    | o.among(o.SEARCH, tasks.OF_EVALUATIONS)
    | o.some("skip_bad", "drop_repeats")
    | o.OTHERS
)  # fmt: skip
def evaluate(
    given: Given,
    model: o.Model,
    data: o.Data,
    json: o.Json = False,
) -> None:
    """How good a model is at its task, on some data.

    \b
    Examples:
      catena evaluate lstm.safetensors held-out.txt --json
      catena evaluate classifier.safetensors test.tsv --mistakes 10
      catena evaluate tagger.safetensors test.conll
      catena evaluate translator.safetensors test.de test.en --beam 8
      catena evaluate chat.safetensors test.jsonl
      catena evaluate composer.safetensors test/
      catena evaluate shop.safetensors clicks.csv --cutoffs 5,20 --json
    """
    task = tasks.task_of(model)
    tasks.refuse_foreign("evaluate", task, given)
    tasks.TASKS[task].commands().evaluate(model, data, given)


def average(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Files of one kind of model.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
) -> None:
    """One model of several, its parameters the average of theirs.

    \b
    Example:
      catena average one.safetensors two.safetensors -o both.safetensors
    """
    from catena.cli.averaging import average as command

    command(models, output)


def info(model: o.Model, json: o.Json = False) -> None:
    """What a model file holds.

    \b
    Example:
      catena info lstm.safetensors
    """
    tasks.TASKS[tasks.task_of(model)].commands().info(model, json)
