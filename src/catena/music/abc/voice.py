"""One voice of a tune while it is read: the bars so far, and what holds for the next note."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from catena.errors import CatenaError
from catena.music.abc.bars import Bar, Sound
from catena.music.abc.fields import Meter
from catena.music.abc.keys import Key
from catena.music.abc.notes import Written, tuplet_of
from catena.music.abc.tokens import Token

HIGHEST = 127
WHOLE = Fraction(1)
Place = tuple[str, int]  # a letter and an octave: a line or a space of the staff


@dataclass
class Voice:
    """A voice.

    Args:
        key, unit, meter: what holds now.
        bars: those that are done; `bar` is being filled.
        accidentals: of this bar, by letter.
        tied: the notes of the last sound that go on in the next, with their pitches.
        factor: what the next note's length is multiplied by for a broken rhythm.
        tuplet: what notes are multiplied by, and for how many more.
        open: tokens that must be closed: slurs, a tuplet, a broken rhythm.
        warnings: what was odd.
    """

    key: Key
    unit: Fraction
    meter: Meter | None
    bars: list[Bar] = field(default_factory=list)
    bar: Bar = field(default_factory=Bar)
    accidentals: dict[str, int] = field(default_factory=dict)
    tied: dict[Place, int] = field(default_factory=dict)
    factor: Fraction = WHOLE
    tuplet: tuple[Fraction, int] = (WHOLE, 0)
    open: dict[str, list[Token]] = field(default_factory=dict)
    warnings: list[tuple[Token, str]] = field(default_factory=list)

    # -- sounds -----------------------------------------------------------------------------

    def pitch(self, note: Written, kept: bool = True) -> int:
        """The MIDI number of a note; its accidental holds for the bar where it is to be kept.

        Raises:
            CatenaError: when MIDI has no such note.
        """
        alteration = note.alteration
        if alteration is None and (note.letter, note.octave) in self.tied:
            return self.tied[note.letter, note.octave]
        if alteration is None:
            natural = self.key.signature.get(note.letter, 0)
            alteration = self.accidentals.get(note.letter, natural)
        elif kept:
            self.accidentals[note.letter] = alteration
        pitch = note.natural + alteration + self.key.shift
        if not 0 <= pitch <= HIGHEST:
            raise CatenaError("beyond the notes that MIDI has")
        return pitch

    def sound(self, notes: dict[Place, int], units: Fraction, token: Token) -> None:
        """What sounds next, for so many units of length; a rest has no notes."""
        for place in self.tied.keys() - {*notes}:
            self.warnings.append((token, f"the tie before it leads from {place[0]} to no note"))
        self._begin_bar(token)
        self.bar.sounds.append(Sound(tuple(sorted({*notes.values()})), self._length(units)))
        self.tied = {}

    def rest_bars(self, count: int, token: Token) -> None:
        """So many whole bars of rest.

        Raises:
            CatenaError: in free metre, which has no bars.
        """
        if self.meter is None:
            raise CatenaError("bars of rest need a metre; write rests with z")
        self._begin_bar(token)
        self.bar.rests += count
        self.bar.sounds.append(Sound((), count * self.meter.length))
        self.tied = {}

    def tie(self, notes: dict[Place, int]) -> None:
        """Some notes of the last sound go on in the next.

        Raises:
            CatenaError: when there is none.
        """
        last = self.bar.sounds[-1:]
        if not notes or not last:
            raise CatenaError("a tie needs a note before it")
        self.tied = self.tied | notes
        last[0].tied = last[0].tied | {*notes.values()}

    # -- rhythm -----------------------------------------------------------------------------

    def begin_tuplet(self, token: Token) -> None:
        """The next few notes are faster or slower.

        Raises:
            CatenaError: within another tuplet.
        """
        if self.tuplet[1]:
            raise CatenaError("a tuplet within a tuplet")
        self.tuplet = tuplet_of(token.text, self.meter)
        self.open["tuplet"] = [token]

    def broken(self, token: Token) -> None:
        """The note before is longer by what the next one is shorter, or the other way round.

        Raises:
            CatenaError: without a note before it in the bar.
        """
        if not self.bar.sounds or "broken rhythm" in self.open:
            raise CatenaError("a broken rhythm needs a note before it and one after it")
        short = Fraction(1, 2 ** len(token.text))
        long = 2 - short
        last, self.factor = (long, short) if token.text[0] == ">" else (short, long)
        self.bar.sounds[-1].length *= last
        self.open["broken rhythm"] = [token]

    # -- bars -------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """A bar line, with what it says of repeats.

        Raises:
            CatenaError: in the middle of a tuplet or of a broken rhythm.
        """
        self.check_rhythm()
        head, tail = text.partition("|")[::2] if "|" in text else (text[1:], ":")
        plays = 1 + len(head) - len(head.lstrip(":"))
        self._end_bar()
        if self.bars:
            last = self.bars[-1]
            last.plays = max(last.plays, plays)
            last.thick |= any(sign in text for sign in ("||", "[|", "|]"))
        self.bar.opens |= tail.endswith(":")
        self.accidentals = {}

    def ending(self, numbers: tuple[int, ...]) -> None:
        """What follows is played in these repeats alone."""
        if self.bar.sounds:
            self._end_bar()
            self.bars[-1].cut = True
        self.bar.endings = numbers

    def part(self) -> None:
        """What was before is a part of its own."""
        if self.bars and not self.bar.sounds:
            self.bars[-1].thick = True

    def tempo(self, quarters: Fraction) -> None:
        """From here on so many quarter notes a minute."""
        self.bar.tempos.append((self.bar.length, quarters))

    def finish(self) -> None:
        """The tune ends.

        Raises:
            CatenaError: in the middle of a tuplet or of a broken rhythm.
        """
        self.check_rhythm()
        self._end_bar()

    def check_rhythm(self) -> None:
        """That no tuplet and no broken rhythm waits for a note."""
        if self.tuplet[1]:
            raise CatenaError(f"a tuplet that lacks its last {self.tuplet[1]} notes")
        if "broken rhythm" in self.open:
            raise CatenaError("a broken rhythm needs a note after it")

    def left_open(self) -> Iterator[tuple[str, Token]]:
        """What was opened and not closed."""
        for what, opened in self.open.items():
            yield from ((what, token) for token in opened)

    def _length(self, units: Fraction) -> Fraction:
        """In whole notes, with what a tuplet and a broken rhythm make of it."""
        length = units * self.unit
        if self.tuplet[1]:
            factor, left = self.tuplet
            length *= factor
            self.tuplet = factor, left - 1
            if left == 1:
                self.open.pop("tuplet")
        if self.factor is not WHOLE:
            length, self.factor = length * self.factor, WHOLE
            self.open.pop("broken rhythm")
        return length

    def _begin_bar(self, token: Token) -> None:
        if not self.bar.sounds:
            self.bar.line, self.bar.meter = token.line, self.meter

    def _end_bar(self) -> None:
        """Begin a new bar; one in which nothing sounds is none."""
        if self.bar.sounds:
            self.bars.append(self.bar)
            self.bar = Bar()
