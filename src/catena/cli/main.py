"""`catena`: the commands, their options and examples. Each imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from catena.cli import options as o

BAD_INPUT = 2
STOPPED = 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Sequences of any length: which model does your data need, and what can it do with it?",
    epilog="Start with: catena compare shakespeare --minutes 4 --report report.html",
)


def main() -> None:
    """The program. What a user can put right is one line and status 2; Ctrl-C is status 130."""
    from catena.errors import CatenaError

    try:
        app()
    except CatenaError as error:
        print(f"catena: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt as stopped:
        print(f"\ncatena: {_stopped(stopped)}", file=sys.stderr)
        sys.exit(STOPPED)
    except BrokenPipeError:
        # The reader of our output has gone (as `head` does): there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def compare(
    data: o.Data,
    task: Annotated[str, typer.Option(help="What for.")] = "generate",
    models: Annotated[
        str | None, typer.Option(help="Some of markov,hmm,window,rnn,gru,lstm.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="For everything together.")] = 4.0,
    report: Annotated[
        Path | None, typer.Option(help="Write one self-contained HTML page with plots.")
    ] = None,
    json: o.Json = False,
    seed: o.Seed = 0,
    stream: o.Stream = None,
    unit: o.Unit = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
    group_by: o.GroupBy = None,
    order_by: o.OrderBy = None,
    item: o.Item = None,
    space: o.SpaceName = None,
    unknown: o.Unknown = None,
    minimum: o.Minimum = None,
) -> None:
    """Fit the whole ladder on the same data and say which rung it needs.

    Examples:  catena compare shakespeare --report report.html
    ·  catena compare visits.csv --group-by user --order-by time --item page
    """
    from catena.cli import compare as command

    _only_generate(task)
    reading = _reading(stream, unit, encoding, errors, group_by, order_by, item, space)
    command.compare(data, models, minutes, report, json, reading, unknown, minimum, seed)


@app.command()
def fit(
    data: o.Data,
    model: Annotated[
        str, typer.Option(help="markov, hmm, window, rnn, gru or lstm.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.", show_default=False)
    ],
    task: Annotated[str, typer.Option(help="What for.")] = "generate",
    valid: Annotated[
        list[str] | None, typer.Option(help="Held-out data that says when to stop.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")] = False,
    order: o.Order = None,
    smoothing: o.Smoothing = None,
    alpha: o.Alpha = None,
    states: o.States = None,
    width: o.Width = None,
    units: o.Units = None,
    layers: o.Layers = None,
    dropout: o.Dropout = None,
    embedding: o.Embedding = None,
    embedding_dropout: o.EmbeddingDropout = None,
    tied: o.Tied = None,
    residual: o.Residual = None,
    start: o.Start = None,
    bidirectional: o.Bidirectional = None,
    emission: o.Emission = None,
    minutes: o.Minutes = None,
    epochs: o.Epochs = None,
    batch: o.Batch = None,
    span: o.Span = None,
    optimizer: o.Optimizer = None,
    rate: o.Rate = None,
    schedule: o.Schedule = None,
    warmup: o.Warmup = None,
    clip: o.Clip = None,
    weight_decay: o.WeightDecay = None,
    average: o.Average = None,
    patience: o.Patience = None,
    precision: o.Precision = None,
    device: o.Device = None,
    iterations: o.Iterations = None,
    restarts: o.Restarts = None,
    seed: o.Seed = 0,
    stream: o.Stream = None,
    unit: o.Unit = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
    group_by: o.GroupBy = None,
    order_by: o.OrderBy = None,
    item: o.Item = None,
    space: o.SpaceName = None,
    unknown: o.Unknown = None,
    minimum: o.Minimum = None,
) -> None:
    """Learn a model from data and write it to one file.

    Examples:  catena fit shakespeare --model lstm --units 256 --minutes 5 -o lstm.safetensors
    ·  catena fit tang --model markov --order 3 -o tang.safetensors
    """
    # Options are told apart by name, so that what one model does not have is refused.
    given = {
        name: value for name, value in locals().items() if name in _GIVEN and value is not None
    }
    from catena.cli import fit as command

    _only_generate(task)
    reading = _reading(stream, unit, encoding, errors, group_by, order_by, item, space)
    job = command.Job(
        sources=data,
        model=model,
        output=output,
        reading=reading,
        given=given,
        unknown=unknown,
        minimum=minimum,
        valid=valid or [],
        seed=seed,
        resume=resume,
    )
    command.fit(job)


@app.command()
def evaluate(
    model: o.Model,
    data: o.Data,
    json: o.Json = False,
    stream: o.Stream = None,
    unit: o.Unit = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
    group_by: o.GroupBy = None,
    order_by: o.OrderBy = None,
    item: o.Item = None,
    space: o.SpaceName = None,
) -> None:
    """How well a model predicts some data, in bits per symbol.

    Example:  catena evaluate lstm.safetensors held-out.txt --json
    """
    from catena.cli import use

    reading = _reading(stream, unit, encoding, errors, group_by, order_by, item, space)
    use.evaluate(model, data, reading, json)


@app.command()
def generate(
    model: o.Model,
    prompt: Annotated[
        str | None, typer.Option(help="What it begins with; for numbers a JSON list.")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many sequences.")] = 1,
    length: Annotated[int, typer.Option(help="At most, the prompt not counted.")] = 400,
    min_length: Annotated[int, typer.Option(help="No end before this.")] = 0,
    temperature: Annotated[
        float, typer.Option(help="Below 1 bolder guesses are rarer; 0 takes the likeliest.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Among so many of the likeliest.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Among the fewest that hold this share.")
    ] = None,
    beam: Annotated[
        int | None, typer.Option(help="Search for the likeliest with this many in play.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Owns every random draw.")] = 0,
) -> None:
    """Draw sequences from a model.

    Example:  catena generate lstm.safetensors --prompt "ROMEO:" -n 3 --temperature 0.8
    """
    from catena.cli import use

    how = use.Drawing(n, length, min_length, temperature, top_k, top_p, seed)
    use.generate(model, prompt, how, beam)


@app.command("next")
def next_(
    model: o.Model,
    prefix: Annotated[str | None, typer.Option(help="What came before.")] = None,
    k: Annotated[int, typer.Option("-k", help="How many.")] = 10,
    json: o.Json = False,
) -> None:
    """The likeliest next symbols and their probabilities.

    Example:  catena next lstm.safetensors --prefix "To be, or not to b" -k 5
    """
    from catena.cli import use

    use.next_symbols(model, prefix, k, json)


@app.command()
def surprise(
    model: o.Model,
    data: o.Data,
    top: Annotated[int | None, typer.Option(help="Only so many of the most surprising.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    stream: o.Stream = None,
    unit: o.Unit = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
    group_by: o.GroupBy = None,
    order_by: o.OrderBy = None,
    item: o.Item = None,
    space: o.SpaceName = None,
) -> None:
    """Bits of every step: what in this log is unusual?

    Example:  catena surprise model.safetensors today.log --top 20
    """
    from catena.cli import use

    reading = _reading(stream, unit, encoding, errors, group_by, order_by, item, space)
    use.surprise(model, data, reading, top, json)


@app.command()
def info(model: o.Model, json: o.Json = False) -> None:
    """What a model file holds.

    Example:  catena info lstm.safetensors
    """
    from catena.cli import use

    use.info(model, json)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"catena {installed('catena')}")
        raise typer.Exit


_GIVEN = frozenset(
    "order smoothing alpha states width units layers dropout embedding embedding_dropout tied "
    "residual start bidirectional emission minutes epochs batch span optimizer rate schedule "
    "warmup clip weight_decay average patience precision device iterations restarts".split()
)


def _reading(*given: Any) -> Any:
    from catena.cli.reading import Reading

    return Reading(*given)


def _only_generate(task: str) -> None:
    from catena.errors import CatenaError

    if task != "generate":
        raise CatenaError(f"--task must be generate, not {task!r}")


def _stopped(stopped: KeyboardInterrupt) -> str:
    """What to tell a user who pressed Ctrl-C."""
    from catena.learn import Interrupted

    if not isinstance(stopped, Interrupted):
        return "stopped"
    from catena.cli.fit import how_to_resume

    return how_to_resume(stopped)


if __name__ == "__main__":
    main()
