"""`catena`: the program.

A command imports what it needs when it runs.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from catena import __version__
from catena.cli import (
    captioning,
    chatting,
    comparing,
    composing,
    generating,
    labelling,
    modelling,
    recommending,
    translating,
)
from catena.errors import CatenaError

BAD_INPUT = 2
STOPPED = 130


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


for name, command in {
    "compare": comparing.compare,
    "fit": modelling.fit,
    "evaluate": modelling.evaluate,
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
    "average": modelling.average,
    "info": modelling.info,
}.items():
    app.command(name)(command)


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


def _stopped(stopped: KeyboardInterrupt) -> str:
    """What to tell a user who pressed Ctrl-C."""
    # A learner's own Interrupted has it; to name that class here would import PyTorch first.
    checkpoint = getattr(stopped, "checkpoint", None)
    if checkpoint is None:
        return "stopped"
    return f"stopped; the work so far is in {checkpoint}: run the same command with --resume"


if __name__ == "__main__":
    sys.exit(main())
