"""A tune: its text, and where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TITLE = re.compile(r"^T:[ \t]*([^\n%]*)", re.M)


@dataclass(frozen=True)
class Tune:
    """One tune.

    Args:
        text: from its X: to its last line, as it stands in the file.
        name: the file, for messages.
        line: the number of its first line there, from 1.
    """

    text: str
    name: str = field(default="the tune", compare=False)
    line: int = field(default=1, compare=False)

    @property
    def title(self) -> str:
        """Its first T: field; empty where there is none."""
        found = TITLE.search(self.text)
        return found[1].strip() if found else ""

    def place(self, line: int, column: int | None = None) -> str:
        """Where something in it stands, for messages; its own lines and columns count from 1."""
        said = f"{self.name}, line {self.line + line - 1}"
        return said if column is None else f"{said}, column {column}"
