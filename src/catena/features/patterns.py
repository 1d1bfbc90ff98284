r"""Wapiti's patterns as regular expressions.

A pattern is a row of items, each of which may be followed by ? (or none) or * (any number of them):
a character, . for any, \d a digit, \a a letter, \w a letter or digit, \l a small and \u a capital
letter, \p a punctuation mark, \s a space; the same in capitals for any other character; \ before
anything else for itself. ^ at the start holds it to the word's start, $ at the end to its end.
"""

from __future__ import annotations

import re
import string

from catena.errors import CatenaError

CLASSES = {
    "d": "0-9",
    "a": "A-Za-z",
    "w": "A-Za-z0-9",
    "l": "a-z",
    "u": "A-Z",
    "p": re.escape(string.punctuation),
    "s": r"\s",
}
ITEM = re.compile(r"(\\.|[^\\])([?*]?)", re.DOTALL)


def compile_pattern(pattern: str, place: str) -> re.Pattern[str]:
    """A regular expression that finds what the pattern does.

    Raises:
        CatenaError: when the pattern ends within an item, or starts with ? or *.
    """
    start, body = ("^", pattern[1:]) if pattern.startswith("^") else ("", pattern)
    end = ""
    if body.endswith("$") and not body.endswith("\\$"):
        end, body = r"\Z", body[:-1]
    if ITEM.sub("", body) or body[:1] in {"?", "*"}:
        raise CatenaError(f'{place}: the pattern "{pattern}" cannot be read')
    return re.compile(start + ITEM.sub(_item, body) + end, re.DOTALL)


def _item(found: re.Match[str]) -> str:
    return _one(found[1]) + found[2]


def _one(item: str) -> str:
    """A regular expression for one character."""
    if item == ".":
        return "."
    letter = item[-1]
    if item[0] == "\\" and letter.lower() in CLASSES:
        return f"[{'^' if letter.isupper() else ''}{CLASSES[letter.lower()]}]"
    return re.escape(letter)
