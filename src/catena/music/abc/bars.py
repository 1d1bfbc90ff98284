"""Bars: what sounds in them, how they are repeated, and whether they are full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from catena.music.abc.fields import Meter


@dataclass
class Sound:
    """A note, a chord or a rest.

    Args:
        pitches: MIDI numbers; none for a rest.
        length: in whole notes.
        tied: those of the pitches that go on in the next sound.
    """

    pitches: tuple[int, ...]
    length: Fraction
    tied: frozenset[int] = frozenset()


@dataclass
class Bar:
    """What stands between two bar lines.

    Args:
        sounds: one after the other.
        line: of the tune, from 1.
        meter: its metre; None is free.
        tempos: quarter notes a minute, each after so many whole notes of the bar.
        rests: how many whole bars of rest stand in it.
        opens: whether a repeat begins with it.
        plays: how often what it ends is played; 1 where no repeat ends.
        thick: whether a part ends with it.
        endings: in which of the repeats it is played; all where there is none.
        cut: whether no bar line ends it, but the sign of an ending.
    """

    sounds: list[Sound] = field(default_factory=list)
    line: int = 0
    meter: Meter | None = None
    tempos: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    rests: int = 0
    opens: bool = False
    plays: int = 1
    thick: bool = False
    endings: tuple[int, ...] = ()
    cut: bool = False

    @property
    def length(self) -> Fraction:
        """Of all that sounds, in whole notes."""
        return sum((sound.length for sound in self.sounds), Fraction(0))

    @property
    def ends(self) -> bool:
        """Whether a part of the tune ends with it."""
        return self.plays > 1 or self.thick or self.cut


def uneven(bars: list[Bar]) -> Iterator[tuple[int, str]]:
    """The lines of the bars that do not fill their metre, and what they hold instead.

    The first and the last bar of a part may be shorter: together with a pick-up they are one.
    """
    for place, bar in enumerate(bars):
        if bar.meter is None:
            continue
        full, length = bar.meter.length * max(1, bar.rests), bar.length
        first = place == 0 or bars[place - 1].ends or bar.opens or bool(bar.endings)
        following = bars[place + 1 : place + 2]
        last = not following or bar.ends or following[0].opens or bool(following[0].endings)
        if length > full or (length < full and not (first or last)):
            yield bar.line, f"a bar of {length} where the metre has {full}"
