"""The command for models that recommend: its options and examples."""

from __future__ import annotations

from typing import Annotated

import typer

from catena.cli import options as o
from catena.cli.given import Given, takes


@takes(o.some("group_by", "order_by", "item", "skip_bad", "drop_repeats", "encoding", "errors"))
def recommend(
    given: Given,
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
) -> None:
    """What comes next in each session, the best first.

    \b
    Examples:
      catena recommend shop.safetensors clicks.csv -k 20 --exclude-seen
      echo "tea cup" | catena recommend shop.safetensors - --json
    """
    from catena.cli import recommend as command

    command.recommend(model, sessions, given)
