"""What the spelling of a word says about it, for words that training never saw.

A character here is what a reader takes for one: a letter with the marks that combine with it, so
that no affix is cut between a letter and its accent, and both ways to write é have one shape.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

UPPER, LOWER, DIGIT, LETTER = "X", "x", "0", "a"
CLASSES = {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER, "Nd": DIGIT, "Lo": LETTER, "Lm": LETTER}
JOINER = "\u200d"


@lru_cache(1 << 16)
def shape(word: str, longest: int | None = None) -> str:
    """Its pattern: X for a capital letter, x for a small one, a for a letter of a script that has
    no case, 0 for a digit; everything else stands for itself.

    Args:
        longest: cut runs of one class off here; None keeps them whole.

    >>> shape("Boeing-747"), shape("Boeing-747", 1), shape("北京2008", 2)
    ('Xxxxxx-000', 'Xx-0', 'aa00')
    """
    classes: list[str] = []
    run = 0
    for character in characters(word):
        found = CLASSES.get(unicodedata.category(character[0]), character)
        run = run + 1 if classes and classes[-1] == found else 1
        if longest is None or run <= longest:
            classes.append(found)
    return "".join(classes)


def prefixes(word: str, longest: int) -> list[str]:
    """How it begins: its first 1, 2, ... characters, at most `longest` and never the whole word.

    >>> prefixes("undo", 3), prefixes("at", 3)
    (['u', 'un', 'und'], ['a'])
    """
    if word.isascii():
        return [word[:length] for length in range(1, min(longest + 1, len(word)))]
    parts = characters(word)
    return ["".join(parts[:length]) for length in range(1, min(longest + 1, len(parts)))]


def suffixes(word: str, longest: int) -> list[str]:
    """How it ends: its last 1, 2, ... characters, at most `longest` and never the whole word.

    >>> suffixes("walking", 3)
    ['g', 'ng', 'ing']
    """
    if word.isascii():
        return [word[-length:] for length in range(1, min(longest + 1, len(word)))]
    parts = characters(word)
    return [
        "".join(parts[len(parts) - length :]) for length in range(1, min(longest + 1, len(parts)))
    ]


def characters(word: str) -> list[str]:
    """A word cut where a reader would cut it: marks stay with the letter before them, and so does
    what a zero-width joiner joins.

    >>> len(characters("noe\\u0308l"))
    4
    """
    if word.isascii():
        return list(word)
    parts: list[str] = []
    for character in word:
        joins = unicodedata.category(character)[0] == "M" or character == JOINER
        if parts and (joins or parts[-1].endswith(JOINER)):
            parts[-1] += character
        else:
            parts.append(character)
    return parts
