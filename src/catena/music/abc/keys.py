"""Keys: which letters they sharpen and flatten, and how they are written.

The signature of a mode is that of the major key so many fifths away: A minor has C major's, D
Mixolydian has G major's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from catena.errors import CatenaError

LETTERS = "CDEFGAB"
NATURAL = dict(zip(LETTERS, (0, 2, 4, 5, 7, 9, 11), strict=True))
FIFTHS = "FCGDAEB"  # the letters in the order in which sharps come
SIGNS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
# How many fifths a mode's signature lies from that of the major key with the same tonic.
MODES = {"": 0, "maj": 0, "ion": 0, "lyd": 1, "mix": -1, "dor": -2, "aeo": -3, "min": -3, "m": -3}
MODES |= {"phr": -4, "loc": -5}
NO_MODE = r"(?!(?:clef|octave|transpose|middle|stafflines|[ms])=|treble|alto|tenor|bass|perc|none)"
KEY = re.compile(rf"(?P<letter>[A-G])(?P<sign>[#b]?)[ \t]*{NO_MODE}(?P<mode>[A-Za-z]*)(?![A-Za-z])")
EXPLICIT = re.compile(r"(\^\^?|__?|=)([A-Ga-g])")
PIPES = ("HP", "Hp")  # the keys of the Highland pipes: one shows its sharps, both sound them
CLEF = re.compile(
    r"(?:clef=)?\"?(?:treble|alto|tenor|bass|perc|none)\d?(?P<octave>[+-]8)?\"?(?!\S)"
    r"|(?P<name>octave|transpose)=(?P<number>-?\d+)|(?:middle|stafflines|m|s)=\S+"
)


@dataclass(frozen=True)
class Key:
    """A key.

    Args:
        letter: of its tonic; empty where it has none.
        sign: how far the tonic lies above that letter: 1 for F#.
        mode: as it is written.
        signature: by how many semitones it raises each letter that it does not leave alone.
        explicit: the accidentals written after it, each an alteration and a letter.
        shift: how many semitones higher it all sounds than it is written.
        further: what else is written after it: clefs and the like.
    """

    letter: str
    sign: int
    mode: str
    signature: dict[str, int]
    explicit: tuple[tuple[int, str], ...] = ()
    shift: int = 0
    further: tuple[str, ...] = ()


NO_KEY = Key("", 0, "", {})


def key_of(text: str) -> Key:
    """The key that a K: field names.

    Raises:
        CatenaError: for what is no key; the message is to follow the place.

    >>> key_of("D").signature
    {'F': 1, 'C': 1}
    >>> key_of("A Dorian").signature == key_of("G").signature
    True
    """
    found = KEY.match(text)
    rest = text[found.end() :] if found else text
    if found and _mode(found["mode"]) in MODES:
        sign = {"": 0, "#": 1, "b": -1}[found["sign"]]
        fifths = FIFTHS.index(found["letter"]) - 1 + 7 * sign + MODES[_mode(found["mode"])]
        signature, mode = _signature(fifths), found["mode"]
        letter = found["letter"]
    elif found and found["mode"].lower() == "exp":
        letter, sign, mode, signature = found["letter"], 0, "exp", {}
    else:
        word, _, rest = text.partition(" ")
        letter, sign, mode = "", 0, word
        if word.lower() not in ("", "none") and word not in PIPES and not CLEF.match(word):
            raise CatenaError(
                f"{text!r} is no key; write it as D, F#m, Bb, Ador or D mixolydian, or none"
            )
        signature = {"F": 1, "C": 1} if word in PIPES else {}
        rest = f"{word} {rest}" if CLEF.match(word) and word != "none" else rest
    explicit, shift, further = _further(rest, text)
    signature |= {name: alteration for alteration, name in explicit}
    return Key(letter, sign, mode, signature, explicit, shift, further)


def _mode(word: str) -> str:
    """The part of a mode's name that counts: its first three letters; m and M are minor, major."""
    return {"m": "m", "M": "maj"}.get(word, word.lower()[:3])


def _signature(fifths: int) -> dict[str, int]:
    """The letters raised, or lowered, so many fifths from C major."""
    signature: dict[str, int] = {}
    for place in range(abs(fifths)):
        letter = FIFTHS[place % 7] if fifths > 0 else FIFTHS[-1 - place % 7]
        signature[letter] = signature.get(letter, 0) + (1 if fifths > 0 else -1)
    return signature


def _further(rest: str, text: str) -> tuple[tuple[tuple[int, str], ...], int, tuple[str, ...]]:
    """What follows a key: accidentals, how much higher it sounds, and all the rest as it is."""
    explicit, shift, further = [], 0, []
    while rest := rest.lstrip():
        if found := EXPLICIT.match(rest):
            explicit.append((SIGNS[found[1]], found[2].upper()))
        elif found := CLEF.match(rest):
            further.append(found[0])
            shift += 12 if found["octave"] == "+8" else -12 if found["octave"] else 0
            if found["name"]:
                shift += int(found["number"]) * (12 if found["name"] == "octave" else 1)
        else:
            raise CatenaError(f"{rest!r} means nothing in the key {text!r}; leave it out")
        rest = rest[found.end() :]
    return tuple(explicit), shift, tuple(further)
