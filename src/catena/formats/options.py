"""What the caller asked for, and the refusal of what a format has no use for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from catena.errors import CatenaError
from catena.space import SPACES, Unit

ErrorPolicy = Literal["strict", "replace", "ignore", "backslashreplace"]

LABEL = "label"
TABLES = "tables (.csv, .tsv, .jsonl, .parquet)"
USES = {
    "stream": "plain text",
    "unit": "texts",
    "encoding": "files of characters",
    "errors": "files of characters",
    "group_by": TABLES,
    "order_by": TABLES,
    "item": TABLES,
    "space": "numbers",
}


@dataclass(frozen=True)
class Options:
    """The keywords of `read` and `read_labelled`; None where the caller said nothing.

    Args:
        labels: whether labels stand beside the sequences: they must, or they may and are left
            alone; None: what is read has none.
    """

    stream: bool | None = None
    unit: Unit | None = None
    encoding: str | None = None
    errors: ErrorPolicy | None = None
    group_by: str | None = None
    order_by: str | None = None
    item: str | None = None
    space: str | None = None
    label: str | None = None
    labels: Literal["needed", "ignored"] | None = None

    def __post_init__(self) -> None:
        _check("unit", self.unit, get_args(Unit))
        _check("errors", self.errors, get_args(ErrorPolicy))
        _check("space", self.space, tuple(SPACES))

    @property
    def names_columns(self) -> bool:
        """Whether the caller named a column of a table."""
        return any(name is not None for name in (self.group_by, self.order_by, self.item))

    @property
    def measures(self) -> bool:
        """Whether the caller wants numbers rather than symbols."""
        return self.space not in (None, "symbols")

    def need_group(self, file: str) -> None:
        """Raise where events are to be ordered, but no column says whose they are."""
        if self.order_by is not None and self.group_by is None:
            raise CatenaError(f"{file}: --order-by needs --group-by, which tells sequences apart")

    def label_among(self, names: Sequence[str]) -> str | None:
        """The column or field of labels, which must be among the names where it is needed; None
        where none is to be read."""
        if self.labels is None or (self.labels == "ignored" and self.label_name not in names):
            return None
        return self.label_name

    @property
    def label_name(self) -> str:
        """What the column or field of labels is called."""
        return self.label or LABEL

    def refuse(self, file: str, what: str, *names: str) -> None:
        """Raise if one of the named options was given for a file that has no use for it."""
        for name in names:
            # stream=False asks for what these formats do anyway.
            if getattr(self, name) not in (None, False):
                flag = name.replace("_", "-")
                raise CatenaError(
                    f"{file}: --{flag} is for {USES[name]}, and this is {what}; leave it out"
                )


def _check(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise CatenaError(f"--{name} must be one of {', '.join(choices)}, not {value!r}")
