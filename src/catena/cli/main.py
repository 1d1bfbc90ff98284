"""`catena`: the program, and the commands for models of every task.

A command imports what it needs when it runs.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from catena import __version__
from catena.cli import (
    captioning,
    chatting,
    composing,
    generating,
    labelling,
    recommending,
    tasks,
    translating,
)
from catena.cli import options as o
from catena.cli.given import Given, takes
from catena.errors import CatenaError

BAD_INPUT = 2
STOPPED = 130
# How DATA is read where it is sequences.
OF_SEQUENCES = ("stream", "unit", "item", "space", "unknown")
OF_SESSIONS = ("skip_bad", "drop_repeats")
OF_MUSIC = ("form", "step")
OF_TEXTS = ("encoding", "errors", "group_by", "order_by")


class Commands(TyperGroup):
    """The list of commands, printed without rich, whose import would take longer than the rest."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Plain text, whatever the markup of the commands' own help."""
        self.rich_markup_mode = None
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode="rich",
    help="Sequences of any length: which model does your data need, and what can it do with it?",
    epilog="Start with: catena compare shakespeare --minutes 4 --report report.html",
)


def main(arguments: list[str] | None = None) -> int:
    """The program; its exit status.

    What a user can put right is one line on standard error and status 2, Ctrl-C is status 130.

    Args:
        arguments: those of the command line unless given.
    """
    _print_anything()
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except CatenaError as error:
        return _end(str(error), BAD_INPUT)
    except typer.TyperException as error:
        return _end(_usage(error), BAD_INPUT)
    except KeyboardInterrupt as stopped:
        return _end(_stopped(stopped), STOPPED)
    except BrokenPipeError:
        # The reader of our output has gone (as `head` does): there is nobody left to tell.
        _silence_output()
        return 0


def _run(arguments: list[str]) -> int:
    # Typer's own way of running answers errors in boxes and swallows our KeyboardInterrupt.
    command = typer.main.get_command(app)
    try:
        with command.make_context("catena", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        return done.exit_code
    return 0


def _end(message: str, status: int) -> int:
    print("catena:", message.replace("\n", " "), file=sys.stderr)
    return status


def _usage(error: typer.TyperException) -> str:
    """What was wrong with the arguments, and where the right ones are listed."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "catena"
    return f"{error.format_message().rstrip('.')}; see {command} --help"


def _print_anything() -> None:
    """Symbols that the terminal's encoding lacks are escaped rather than an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence_output() -> None:
    """Python flushes standard output once more at the end: let it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
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

    job = command.Job(
        sources=data,
        task=task,
        models=models,
        minutes=minutes,
        report=report,
        as_json=json,
        valid=valid or [],
        test=test or [],
        given=given,
        seed=seed,
    )
    command.compare(job)


@app.command()
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


@app.command()
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


for name, command in {
    "tag": labelling.tag,
    "classify": labelling.classify,
    "translate": translating.translate,
    "align": translating.align,
    "chat": chatting.chat,
    "caption": captioning.caption,
    "compose": composing.compose,
    "recommend": recommending.recommend,
    "generate": generating.generate,
    "next": generating.next_,
    "surprise": generating.surprise,
}.items():
    app.command(name)(command)


@app.command()
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


@app.command()
def info(model: o.Model, json: o.Json = False) -> None:
    """What a model file holds.

    \b
    Example:
      catena info lstm.safetensors
    """
    tasks.TASKS[tasks.task_of(model)].commands().info(model, json)


@app.callback(invoke_without_command=True)
def _about(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"catena {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(BAD_INPUT)


def _refuse(given: Given, names: Iterable[str], why: str) -> None:
    """Raise if one of the named options stands on the command line."""
    for name in names:
        if name in given:
            raise CatenaError(f"--{name.replace('_', '-')} {why}")


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
        "compose": (*labels, *OF_SEQUENCES, *OF_TEXTS, "minimum", "drop_repeats"),
    }
    if task not in foreign:
        raise CatenaError(f"--task must be {', '.join(foreign)}, not {task!r}")
    _refuse(given, foreign[task], f"is not for --task {task}")


def _stopped(stopped: KeyboardInterrupt) -> str:
    """What to tell a user who pressed Ctrl-C."""
    # A learner's own Interrupted has it; to name that class here would import PyTorch first.
    checkpoint = getattr(stopped, "checkpoint", None)
    if checkpoint is None:
        return "stopped"
    return f"stopped; the work so far is in {checkpoint}: run the same command with --resume"


if __name__ == "__main__":
    sys.exit(main())
