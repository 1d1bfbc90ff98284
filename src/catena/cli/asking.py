"""What translations must and must not hold, from the options of `catena translate`."""

from __future__ import annotations

from collections.abc import Sequence

from catena.cli.given import Given
from catena.constraints import All, Constraint, Containing, Without
from catena.tasks.language import Language

Asked = list[Constraint | None]


def asked(lines: Sequence[str], language: Language, given: Given) -> tuple[list[str], Asked | None]:
    """The sources of lines, and what is asked of the translation of each; None for nothing.

    Args:
        language: of the translations.
        given: the options, by name. With `phrases`, a line is a source and, each after a tab, what
            must occur in its translation.
    """
    parts = [line.split("\t") if given.get("phrases") else [line] for line in lines]
    sources = [source for source, *_ in parts]
    if not any(given.get(name) for name in ("phrases", "contain", "forbid")):
        return sources, None
    every, never = given.get("contain", []), given.get("forbid", [])
    return sources, [_form([*every, *own], never, language) for _, *own in parts]


def _form(wanted: Sequence[str], unwanted: Sequence[str], language: Language) -> Constraint | None:
    parts: list[Constraint] = []
    if wanted := [text for text in wanted if text.strip()]:
        parts.append(Containing([language.phrase(text) for text in wanted]))
    if unwanted:
        parts.append(Without([language.phrase(text) for text in unwanted]))
    return All(parts) if parts else None
