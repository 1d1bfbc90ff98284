"""The text of a tune cut into tokens: notes, bar lines, fields. Nothing is lost: the texts of the
tokens, one after the other, are the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from catena.music.abc.tune import Tune

LENGTH = r"\d*(?:/\d+|/*)"
NUMBERS = r"\d+(?:[,-]\d+)*"
# What a line of music is made of; where two fit, the earlier does.
MUSIC = {
    "comment": r"%.*",
    "space": r"[ \t\r]+",
    "break": "\n",
    "continuation": r"\\(?=[ \t\r]*(?:%.*)?(?:\n|\Z))",
    "inline": r"\[[A-Za-z]:[^\]\n]*\]",
    "quoted": r'"[^"\n]*"',
    "named": r'![^\s!|\[\]"]+!',
    "line_end": r"[!$]",
    "ending": rf"\[{NUMBERS}|(?<=\|){NUMBERS}",
    "bar": r":*(?:\[\|+\]?|\|+\]?):*|\.\||::+",
    "note": rf"(?:\^\^?|__?|=)?[A-Ga-g][',]*{LENGTH}",
    "rest": rf"[zx]{LENGTH}",
    "rests": r"[ZX]\d*",
    "spacer": rf"y{LENGTH}",
    "chord": r"\[",
    "chord_end": rf"\]{LENGTH}",
    "grace": r"\{/?",
    "grace_end": r"\}",
    "tuplet": r"\(\d(?::\d*){0,2}",
    "slur": r"\.?\(",
    "slur_end": r"\)",
    "tie": r"\.?-",
    "broken": r">{1,3}|<{1,3}",
    "letter": r"[.~H-Wh-w]",
    "nothing": "`+",
    "unknown": r".",
}
PATTERN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in MUSIC.items()))
# A line such as "G:|" is music.
FIELD = re.compile(r"(?P<field>[A-Za-z+]:(?![|:])(?:\\%|[^%\n])*?)(?=[ \t\r]*(?:%|\n|\Z))")

NUMBER_RANGE = re.compile(r"(\d+)(?:-(\d+))?")  # of endings
USER_SYMBOL = re.compile(r"([~H-Wh-w])[ \t]*=")  # of a U: field


class Token(NamedTuple):
    """A piece of a tune.

    Args:
        kind: which of `MUSIC`, or "field" for a field on a line of its own.
        text: as it stands there.
        line, column: where it stands in the tune, from 1.
    """

    kind: str
    text: str
    line: int
    column: int


def tokens(tune: Tune) -> list[Token]:
    """The tokens of a tune.

    >>> [token.text for token in tokens(Tune("X:1\\nK:D\\n|:d>e [fa]2:|"))]
    ['X:1', '\\n', 'K:D', '\\n', '|:', 'd', '>', 'e', ' ', '[', 'f', 'a', ']2', ':|']
    """
    return list(_tokens(tune.text))


def _tokens(text: str) -> Iterator[Token]:
    place, line, begin = 0, 1, 0
    while place < len(text):
        found = FIELD.match(text, place) if place == begin else None
        found = found or PATTERN.match(text, place)
        assert found is not None  # something fits everywhere
        yield Token(str(found.lastgroup), found[0], line, place - begin + 1)
        place = found.end()
        if found[0] == "\n":
            line, begin = line + 1, place
