"""The command for models that recommend: its options and examples."""

from __future__ import annotations

from typing import Annotated

import typer

from catena.cli import options as o


def recommend(
    model: o.Model,
    sessions: Annotated[
        list[str],
        typer.Argument(
            metavar="SESSIONS...",
            help="Tables of events, or text with a session a line (.txt, - for standard input).",
            show_default=False,
        ),
    ],
    count: Annotated[int, typer.Option("-k", help="How many items for each session.")] = 10,
    exclude_seen: Annotated[
        bool, typer.Option("--exclude-seen", help="Leave out what is in the session.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a session.")] = False,
    group_by: o.GroupBy = None,
    order_by: o.OrderBy = None,
    item: o.Item = None,
    skip_bad: o.SkipBad = None,
    drop_repeats: o.DropRepeats = None,
    encoding: o.Encoding = None,
    errors: o.Errors = None,
) -> None:
    """What comes next in each session, the best first.

    \b
    Examples:
      catena recommend shop.safetensors clicks.csv -k 20 --exclude-seen
      echo "tea cup" | catena recommend shop.safetensors - --json
    """
    given = {name: value for name, value in locals().items() if value is not None}
    from catena.cli import recommend as command

    command.recommend(model, sessions, given)
