"""A tune as the symbols that a model learns, and back.

What is kept is what is played: the metre, the unit of length and the key, notes, rests, chords,
grace notes, ties, tuplets, bars, repeats, voices, chord symbols, and where lines and beams end.
What is left out: the number, the title and all other words, comments, slurs, decorations,
fingerings, annotations, and signs that only lay out the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from catena.music.abc.tokens import FIELD, Token, tokens
from catena.music.abc.tune import Tune

KEPT = frozenset(
    ("note", "rest", "rests", "chord", "chord_end", "grace", "grace_end", "tie", "tuplet", "broken")
)
KEPT |= {"bar", "ending", "space", "break"}
FIELDS = frozenset("MLKV")
PARTS = "P"  # among the music, where a repeat goes back to no further than its part
CHORD_SYMBOL = re.compile(r'"[A-G][#b]?(?:[^"<>@^_\s]*)"')
UNTITLED = "Untitled"


def symbols(tune: Tune) -> list[str]:
    """A tune as symbols: each a token, fields as a whole, a run of blanks as one.

    >>> symbols(Tune('X:1\\nT:Air\\nM:6/8\\nK:D\\n|:.d>e  "^slow"(fa2):|'))
    ['M:6/8', '\\n', 'K:D', '\\n', '|:', 'd', '>', 'e', ' ', 'f', 'a2', ':|']
    """
    found: list[str] = []
    for text in _kept(tokens(tune)):
        if text.isspace() and (not found or found[-1].isspace()):
            if found and text == "\n":
                found[-1] = text
            continue
        found.append(text)
    while found and found[-1].isspace():
        found.pop()
    return found


def tune_of(symbols: Sequence[str], number: int = 1, title: str = UNTITLED) -> Tune:
    """The tune that symbols stand for, with a number and a title; fields have lines of their own.

    >>> print(tune_of(["K:D", "\\n", "d2", " ", "f2", "|]"], 7, "Air").text)
    X:7
    T:Air
    K:D
    d2 f2|]
    """
    text = ""
    for symbol in symbols:
        begun = text and not text.endswith("\n")
        if begun and (FIELD.match(symbol) or FIELD.match(text, text.rfind("\n") + 1)):
            text += "\n"
        text += symbol.lstrip("\n") if text.endswith("\n") else symbol
    return Tune(f"X:{number}\nT:{title}\n{text.rstrip()}\n", title)


def _kept(found: Sequence[Token]) -> Iterator[str]:
    """The texts that are kept, a field's blanks taken out."""
    joined = False  # whether this line goes on in the next
    kept = FIELDS
    for token in found:
        if token.kind in ("field", "inline"):
            letter, _, text = token.text.strip("[]").partition(":")
            if letter in kept:
                field = f"{letter}:{text.strip()}"
                kept = kept | {PARTS} if letter == "K" else kept
                yield from ["\n", field] if token.kind == "field" else [f"[{field}]"]
        elif token.kind == "continuation":
            joined = True
        elif token.kind == "break" and joined:
            joined = False
            yield " "
        elif token.kind == "space":
            yield " "
        elif token.kind in KEPT or (token.kind == "quoted" and CHORD_SYMBOL.fullmatch(token.text)):
            yield token.text
