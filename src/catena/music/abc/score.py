"""What a tune says: its notes with their pitches and lengths, bar after bar.

A tune is read strictly. Its header begins with X:, ends with K: and has a title between. Every
character of its music means something; chords, grace notes, slurs and quotes that are opened are
closed; tuplets are complete; a broken rhythm stands between two notes of a bar. What breaks this is
an error. What players put up with is a warning: a bar that does not fill its metre, a tie that
leads nowhere.

An accidental holds to the end of its bar, for its letter in all octaves, as the standard has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from catena.errors import CatenaError
from catena.music.abc.bars import Bar, uneven
from catena.music.abc.fields import meter_of, tempo_of, unit_of, usual_unit
from catena.music.abc.keys import NO_KEY, key_of
from catena.music.abc.notes import length_of, written
from catena.music.abc.tokens import NUMBER_RANGE, USER_SYMBOL, Token, tokens
from catena.music.abc.tune import Tune
from catena.music.abc.voice import Place, Voice

# Letters that are decorations unless a U: field adds to them.
DECORATIONS = frozenset(".~HLMOPSTuv")
# Fields that may stand among the music.
IN_MUSIC = frozenset("IKLMNPQRTUVWmrsw+")
# Kinds of tokens that say nothing of what sounds when.
SILENT = frozenset(("comment", "space", "break", "continuation", "quoted", "named", "nothing"))
SILENT |= {"line_end", "spacer"}
IN_CHORD = frozenset(("note", "tie", "letter", "slur", "slur_end", "chord_end"))
IN_GRACE = IN_CHORD | {"chord", "broken", "grace_end"}
# What a character that means nothing may have been.
HINTS = {
    '"': "a quote that is not closed on its line",
    "\\": "a backslash that does not end its line",
    "&": "two voices within a bar are not read",
    "+": "a sign of ABC 1; write chords as [CEG] and decorations as !trill!",
    ":": "a colon that belongs to no repeat sign",
    "*": "a sign that ABC keeps for later",
}


@dataclass(frozen=True)
class Score:
    """A tune understood.

    Args:
        fields: of the header, the first of each letter.
        voices: the bars of each voice in the order in which the voices begin; "" is that of a tune
            without V: fields.
        warnings: what is odd and can be played, each with its place.
        even: whether every bar fills its metre, but for the first and the last of a part, which
            may be shorter.
    """

    fields: dict[str, str]
    voices: dict[str, list[Bar]]
    warnings: list[str]
    even: bool


def read(tune: Tune) -> Score:
    """Understand a tune.

    Raises:
        CatenaError: at the first thing that is wrong, with file, line, column and what is there.

    >>> score = read(Tune("X:1\\nT:A scale\\nM:4/4\\nL:1/4\\nK:G\\nGABc|defg|"))
    >>> [sound.pitches for sound in score.voices[""][1].sounds]
    [(74,), (76,), (78,), (79,)]
    """
    reader = _Reader(tune)
    for token in tokens(tune):
        if token.kind not in SILENT:
            reader.take(token)
    return reader.score()


class _Reader:
    """One walk over the tokens."""

    def __init__(self, tune: Tune) -> None:
        self.tune = tune
        self.fields: dict[str, str] = {}
        self.decorations = set(DECORATIONS)
        self.voices: dict[str, Voice] = {}
        self.voice = Voice(NO_KEY, Fraction(1, 8), None)
        self.chord: Token | None = None
        self.grace: Token | None = None
        self.notes: dict[Place, int] = {}  # of the chord that is open, or of the last sound
        self.latest: dict[Place, int] = {}  # the open chord's last note
        self.ties: dict[Place, int] = {}  # those of its notes that go on
        self.units = Fraction(1)  # the length of the open chord's first note

    # -- the walk ---------------------------------------------------------------------------

    def take(self, token: Token) -> None:
        """Understand one token more.

        Raises:
            CatenaError: with the place of the token, or of what should have been closed before it.
        """
        self._check_within(token)
        try:
            if not self.voices and token.kind != "field":
                raise CatenaError("music before K:, the key, which ends the header")
            HANDLERS[token.kind](self, token)
        except CatenaError as error:
            raise self._at(token, str(error)) from error

    def score(self) -> Score:
        """What the tokens said.

        Raises:
            CatenaError: when something is missing at the end.
        """
        if not self.voices:
            line = 1 + self.tune.text.rstrip("\n").count("\n")
            raise CatenaError(f"{self.tune.place(line)}: no K:, the key, which ends the header")
        for what, opened in (("chord", self.chord), ("group of grace notes", self.grace)):
            if opened is not None:
                raise self._at(opened, f"a {what} that is not closed")
        for voice in self.voices.values():
            for what, opened in voice.left_open():
                raise self._at(opened, f"a {what} that is not complete")
            voice.finish()
        return self._score()

    def _score(self) -> Score:
        voices = {name: voice.bars for name, voice in self.voices.items() if voice.bars}
        if not voices:
            raise CatenaError(f"{self.tune.place(1)}: a tune without a note; leave it out")
        odd = [
            f"{self.tune.place(token.line, token.column)}: {said}"
            for voice in self.voices.values()
            for token, said in voice.warnings
        ]
        bad = [
            f"{self.tune.place(line)}: {said}"
            for bars in voices.values()
            for line, said in uneven(bars)
        ]
        return Score(self.fields, voices, odd + bad, not bad)

    def _check_within(self, token: Token) -> None:
        """That a chord and grace notes hold what they may."""
        for what, opened, allowed in (
            ("chord", self.chord, IN_CHORD),
            ("group of grace notes", self.grace, IN_GRACE),
        ):
            if opened is not None and token.kind not in allowed:
                raise self._at(opened, f"a {what} that is not closed before {token.text!r}")

    def _at(self, token: Token, said: str) -> CatenaError:
        place = self.tune.place(token.line, token.column)
        return CatenaError(f"{place}: {token.text!r}: {said}")

    # -- fields -----------------------------------------------------------------------------

    def field(self, token: Token) -> None:
        letter, _, text = token.text.strip("[]").partition(":")
        text = text.strip()
        if not self.voices:
            self._header(letter, text)
        elif letter not in IN_MUSIC:
            raise CatenaError(f"the field {letter}: belongs into the header, before K:")
        else:
            self._change(letter, text)

    def _header(self, letter: str, text: str) -> None:
        if not self.fields and letter != "X":
            raise CatenaError("a tune begins with the field X:, its number")
        self.fields.setdefault(letter, text)
        self._common(letter, text)
        if letter != "K":
            return
        if "T" not in self.fields:
            raise CatenaError("no title before the key; write one, as T:Air")
        if "L" not in self.fields:
            self.voice.unit = usual_unit(self.voice.meter)
        self.voices[""] = self.voice
        if "Q" in self.fields:
            self._change("Q", self.fields["Q"])

    def _change(self, letter: str, text: str) -> None:
        """A field among the music; it holds for its voice from here on."""
        self._common(letter, text)
        if letter == "P":
            self.voice.part()
        elif letter == "Q" and (quarters := tempo_of(text, self.voice.unit)) is not None:
            self.voice.tempo(quarters)
        elif letter == "V":
            self._go_to(text.split(" ")[0])

    def _common(self, letter: str, text: str) -> None:
        """What a field says in the header as well as among the music."""
        if letter == "K":
            self.voice.key = key_of(text)
        elif letter == "M":
            self.voice.meter = meter_of(text)
        elif letter == "L":
            self.voice.unit = unit_of(text)
        elif letter == "U" and (found := USER_SYMBOL.match(text)):
            self.decorations.add(found[1])

    def _go_to(self, name: str) -> None:
        if name not in self.voices:
            first = self.voices[""]
            self.voices[name] = Voice(key_of(self.fields["K"]), first.unit, first.meter)
        self.voice = self.voices[name]
        self.notes = {}

    # -- sounds -----------------------------------------------------------------------------

    def note(self, token: Token) -> None:
        note = written(token.text)
        pitch = self.voice.pitch(note, kept=self.grace is None)
        place = note.letter, note.octave
        if self.grace is not None:
            return
        if self.chord is None:
            self.notes = {place: pitch}
            self.voice.sound(self.notes, note.length, token)
            return
        self.units = self.units if self.notes else note.length
        self.notes[place] = pitch
        self.latest = {place: pitch}

    def rest(self, token: Token) -> None:
        self.notes = {}
        self.voice.sound({}, length_of(token.text[1:]), token)

    def rests(self, token: Token) -> None:
        self.notes = {}
        count = token.text[1:] or "1"
        if len(count) > 3 or not int(count):
            raise CatenaError("from 1 to 999 bars of rest can be written so")
        self.voice.rest_bars(int(count), token)

    def open_chord(self, token: Token) -> None:
        self.chord, self.notes, self.ties = token, {}, {}

    def close_chord(self, token: Token) -> None:
        if self.chord is None:
            raise CatenaError("a bracket that closes no chord")
        if self.grace is None:
            if not self.notes:
                raise CatenaError("a chord without a note")
            self.voice.sound(self.notes, self.units * length_of(token.text[1:]), self.chord)
            if self.ties:
                self.voice.tie(self.ties)
        self.chord = None

    def open_grace(self, token: Token) -> None:
        self.grace = token

    def close_grace(self, token: Token) -> None:
        if self.grace is None:
            raise CatenaError("a brace that closes no grace notes")
        self.grace = None

    def tie(self, token: Token) -> None:
        if self.grace is not None:
            return
        if self.chord is None:
            self.voice.tie(self.notes)
        elif not self.notes:
            raise CatenaError("a tie needs a note before it")
        else:
            self.ties |= self.latest

    # -- rhythm, slurs, bars ----------------------------------------------------------------

    def tuplet(self, token: Token) -> None:
        self.voice.begin_tuplet(token)

    def broken(self, token: Token) -> None:
        if self.grace is None:
            self.voice.broken(token)

    def slur(self, token: Token) -> None:
        self.voice.open.setdefault("slur", []).append(token)

    def close_slur(self, token: Token) -> None:
        if not self.voice.open.get("slur"):
            raise CatenaError("a parenthesis that closes no slur")
        self.voice.open["slur"].pop()

    def bar(self, token: Token) -> None:
        self.voice.line(token.text)

    def ending(self, token: Token) -> None:
        numbers: list[int] = []
        for first, last in NUMBER_RANGE.findall(token.text):
            numbers += range(int(first), int(last or first) + 1)
        if not numbers or not 0 < min(numbers) <= max(numbers) < 100:
            raise CatenaError("endings are numbered from 1 to 99")
        self.voice.ending(tuple(numbers))

    def letter(self, token: Token) -> None:
        if token.text not in self.decorations:
            raise CatenaError(
                "a letter that is no note, and no decoration: make it one, as U:k = !fermata!"
            )

    def unknown(self, token: Token) -> None:
        raise CatenaError(HINTS.get(token.text, "a character that means nothing in ABC"))


HANDLERS: dict[str, Callable[[_Reader, Token], None]] = {
    "field": _Reader.field,
    "inline": _Reader.field,
    "note": _Reader.note,
    "rest": _Reader.rest,
    "rests": _Reader.rests,
    "chord": _Reader.open_chord,
    "chord_end": _Reader.close_chord,
    "grace": _Reader.open_grace,
    "grace_end": _Reader.close_grace,
    "tie": _Reader.tie,
    "tuplet": _Reader.tuplet,
    "broken": _Reader.broken,
    "slur": _Reader.slur,
    "slur_end": _Reader.close_slur,
    "bar": _Reader.bar,
    "ending": _Reader.ending,
    "letter": _Reader.letter,
    "unknown": _Reader.unknown,
}
