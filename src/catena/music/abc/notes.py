"""Notes, lengths and tuplets as they are written."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from catena.errors import CatenaError
from catena.music.abc.fields import Meter
from catena.music.abc.keys import NATURAL, SIGNS

NOTE = re.compile(r"(?P<sign>\^\^?|__?|=)?(?P<letter>[A-Ga-g])(?P<marks>[',]*)(?P<length>.*)")
LENGTH = re.compile(r"(\d*)(?:/(\d+)|(/*))")
TUPLET = re.compile(r"\((\d):?(\d*):?(\d*)")
# How many notes' time p notes take unless it is written; the others take that of two, or of three
# in a compound metre.
TIMES = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
COMPOUND = ((6, 8), (9, 8), (12, 8))
MIDDLE = 5  # the octave from middle C up, as MIDI counts: 60 is 12 times 5


class Written(NamedTuple):
    """A note as it is written.

    Args:
        letter: C to B.
        octave: 5 from middle C up.
        alteration: in semitones, where an accidental stands before it.
        length: in units.
    """

    letter: str
    octave: int
    alteration: int | None
    length: Fraction

    @property
    def natural(self) -> int:
        """Its pitch without any accidental."""
        return NATURAL[self.letter] + 12 * self.octave


@lru_cache(maxsize=10_000)
def written(text: str) -> Written:
    """What a note's token says.

    >>> written("^c'3/2")
    Written(letter='C', octave=7, alteration=1, length=Fraction(3, 2))
    """
    found = NOTE.fullmatch(text)
    assert found is not None  # tokens of this kind match
    letter, marks = found["letter"], found["marks"]
    octave = MIDDLE + letter.islower() + marks.count("'") - marks.count(",")
    alteration = SIGNS[found["sign"]] if found["sign"] else None
    return Written(letter.upper(), octave, alteration, length_of(found["length"]))


@lru_cache(maxsize=10_000)
def length_of(text: str) -> Fraction:
    """A length in units: nothing is 1, `3/2` one and a half, `/` a half, `//` a quarter.

    Raises:
        CatenaError: for one that no note has.
    """
    found = LENGTH.fullmatch(text)
    assert found is not None
    number, divisor, slashes = found[1] or "1", found[2], found[3] or ""
    if len(number) > 4 or len(divisor or "") > 4 or len(slashes) > 9:
        raise CatenaError(f"the length {text} is beyond what is played")
    below = int(divisor) if divisor else 2 ** len(slashes)
    if not below or not int(number):
        raise CatenaError(f"the length {text} is nothing; leave the note out")
    return Fraction(int(number), below)


def tuplet_of(text: str, meter: Meter | None) -> tuple[Fraction, int]:
    """By what a tuplet shortens its notes, and how many they are.

    Raises:
        CatenaError: when it is none.

    >>> tuplet_of("(3", None), tuplet_of("(5:2:6", None)
    ((Fraction(2, 3), 3), (Fraction(2, 5), 6))
    """
    found = TUPLET.fullmatch(text)
    assert found is not None
    p = int(found[1])
    if p < 2:
        raise CatenaError(f"{text} is no tuplet: from (2 to (9 notes are")
    odd = 3 if meter in COMPOUND else 2
    q, r = (int(part) if part else None for part in found.groups()[1:])
    q, r = q if q is not None else TIMES.get(p, odd), r if r is not None else p
    if not 0 < q < 100 or not 0 < r < 100:
        raise CatenaError(f"{text} is no tuplet; write p notes in the time of q as (p:q")
    return Fraction(q, p), r
