"""What fields say in numbers: the metre, the unit of length, the tempo."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from catena.errors import CatenaError

METRE = re.compile(r"\(?(\d+(?:[ \t]*\+[ \t]*\d+)*)\)?[ \t]*/[ \t]*(\d+)")
BEAT = re.compile(r"(\d+)/(\d+)")
TEXT = re.compile(r'"[^"]*"')
NAMED_METRES = {"C": (4, 4), "C|": (2, 2)}


class Meter(NamedTuple):
    """So many notes of a `unit`-th in a bar."""

    beats: int
    unit: int

    @property
    def length(self) -> Fraction:
        """Of a bar, in whole notes."""
        return Fraction(self.beats, self.unit)


def meter_of(text: str) -> Meter | None:
    """The metre that an M: field names; None for free metre.

    Raises:
        CatenaError: for what is no metre.

    >>> meter_of("6/8"), meter_of("C|").length
    (Meter(beats=6, unit=8), Fraction(1, 1))
    """
    if text.lower() in ("none", ""):
        return None
    if text in NAMED_METRES:
        return Meter(*NAMED_METRES[text])
    found = METRE.fullmatch(text)
    beats = sum(map(int, found[1].split("+"))) if found else 0
    if not found or not beats or not _halves(int(found[2])):
        raise CatenaError(f"{text!r} is no metre; write it as 6/8, C, C| or none")
    return Meter(beats, int(found[2]))


def unit_of(text: str) -> Fraction:
    """The length in whole notes that an L: field names.

    Raises:
        CatenaError: for what is no such length.
    """
    found = BEAT.fullmatch(text) or re.fullmatch(r"(1)()", text)
    if not found or found[1] != "1" or not _halves(int(found[2] or 1)):
        raise CatenaError(f"{text!r} is no length; write it as 1/8")
    return Fraction(1, int(found[2] or 1))


def usual_unit(meter: Meter | None) -> Fraction:
    """The unit of length where there is no L: field."""
    short = meter is not None and meter.length < Fraction(3, 4)
    return Fraction(1, 16) if short else Fraction(1, 8)


def tempo_of(text: str, unit: Fraction) -> Fraction | None:
    """Quarter notes a minute that a Q: field asks for; None where it has words alone.

    Raises:
        CatenaError: for what is no tempo.

    >>> tempo_of('"Slow" 3/8=60', Fraction(1, 8))
    Fraction(90, 1)
    """
    said = TEXT.sub("", text).strip()
    if not said:
        return None
    beats, equals, number = said.rpartition("=")
    parts = beats.split() if equals else []
    lengths = [BEAT.fullmatch(part) for part in parts]
    good = number.strip().isdecimal() and int(number) > 0 and all(lengths)
    if not good or (equals and not parts) or any(m and not int(m[2]) for m in lengths):
        raise CatenaError(f"{text!r} is no tempo; write it as 1/4=120")
    beat = sum((Fraction(int(m[1]), int(m[2])) for m in lengths if m), Fraction(0)) or unit
    return 4 * beat * int(number)


def _halves(number: int) -> bool:
    """Whether it is a power of two that a note may be divided by."""
    return 0 < number <= 512 and number & (number - 1) == 0
