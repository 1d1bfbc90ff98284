"""A tune in another key: the key, the notes, the chord symbols.

Every letter moves by as many steps as the tonic does, and the new key's signature does to it what
the old one did to the old letter; so only notes with an accidental of their own are worked
out anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from catena.errors import CatenaError
from catena.music.abc.keys import LETTERS, NATURAL, SIGNS, Key, key_of
from catena.music.abc.notes import MIDDLE, NOTE, written
from catena.music.abc.score import read
from catena.music.abc.symbols import CHORD_SYMBOL
from catena.music.abc.tokens import Token, tokens
from catena.music.abc.tune import Tune

WRITTEN = {alteration: sign for sign, alteration in SIGNS.items()}
SHARPS = {1: "#", 0: "", -1: "b"}
ROOT = re.compile(r'(?<=["/])([A-G])([#b]?)')  # of a chord symbol, and its bass
# Keys without a tonic, and the one that has their signature.
TONICS = {"": "C", "none": "C", "hp": "D"}


@dataclass(frozen=True)
class Shift:
    """So many steps of the staff, and so many semitones, up."""

    steps: int
    semitones: int

    def moved(self, letter: str, alteration: int) -> tuple[str, int, int]:
        """What an altered letter becomes: its letter, its alteration, and how many octaves higher
        that letter stands."""
        octaves, place = divmod(LETTERS.index(letter) + self.steps, 7)
        found = LETTERS[place]
        height = NATURAL[letter] + alteration + self.semitones
        return found, height - NATURAL[found] - 12 * octaves, octaves


def transposed(tune: Tune, semitones: int) -> Tune:
    """A tune so many semitones higher, in the key with the fewest accidentals.

    Raises:
        CatenaError: as `read` does, and where a note would have no name or no number.

    >>> print(transposed(Tune('X:1\\nT:Air\\nK:D\\n"D"d^e f=c|'), 3).text)
    X:1
    T:Air
    K:F
    "F"f^g a_e|
    """
    read(tune)
    shift = Shift(0, semitones)
    texts: list[str] = []
    for token in tokens(tune):
        if token.kind in ("field", "inline") and token.text.strip("[").startswith("K:"):
            key = _key(token.text.strip("[]")[2:].strip())
            shift = _shift(key, semitones)
            named = f"K:{_named(key, shift)}"
            texts.append(f"[{named}]" if token.kind == "inline" else named)
        else:
            texts.append(_moved(token, shift, tune))
    return Tune("".join(texts), tune.name, tune.line)


def _moved(token: Token, shift: Shift, tune: Tune) -> str:
    if token.kind == "note":
        return _note(token, shift, tune)
    if token.kind == "quoted" and CHORD_SYMBOL.fullmatch(token.text):
        return ROOT.sub(lambda found: _root(found[1], found[2], shift), token.text)
    return token.text


def _note(token: Token, shift: Shift, tune: Tune) -> str:
    note, found = written(token.text), NOTE.fullmatch(token.text)
    assert found is not None
    letter, alteration, octaves = shift.moved(note.letter, note.alteration or 0)
    sign = "" if note.alteration is None else WRITTEN.get(alteration)
    if sign is None:
        place = tune.place(token.line, token.column)
        raise CatenaError(
            f"{place}: {token.text!r}, {shift.semitones} semitones higher, would need three "
            "accidentals; transpose by another number"
        )
    octave = note.octave + octaves - MIDDLE
    name = letter + "," * -octave if octave < 1 else letter.lower() + "'" * (octave - 1)
    return f"{sign}{name}{found['length']}"


def _key(text: str) -> Key:
    """A key that has a tonic."""
    key = key_of(text)
    if key.letter:
        return key
    named = key_of(TONICS[key.mode.lower()])
    return Key(named.letter, 0, "", key.signature, key.explicit, key.shift, key.further)


def _shift(key: Key, semitones: int) -> Shift:
    """By how many steps: so that the new key has the fewest accidentals."""
    choices: list[tuple[int, int, Shift]] = []
    tonic = NATURAL[key.letter] + key.sign
    for place, letter in enumerate(LETTERS):
        for sign in SHARPS:
            octaves, rest = divmod(tonic + semitones - NATURAL[letter] - sign, 12)
            if rest == 0:
                steps = place - LETTERS.index(key.letter) + 7 * octaves
                mode = "" if key.mode.lower() == "exp" else key.mode
                named = key_of(f"{letter}{SHARPS[sign]} {mode}")
                count = sum(map(abs, named.signature.values()))
                choices.append((count, abs(sign), Shift(steps, semitones)))
    return min(choices, key=lambda choice: choice[:2])[2]


def _named(key: Key, shift: Shift) -> str:
    letter, sign, _ = shift.moved(key.letter, key.sign)
    mode = f" {key.mode}" if key.mode.lower() == "exp" else key.mode
    explicit = []
    for alteration, name in key.explicit:
        new, altered, _ = shift.moved(name, alteration)
        explicit.append(f"{WRITTEN[altered]}{new.lower()}")
    return " ".join([f"{letter}{SHARPS[sign]}{mode}", *explicit, *key.further])


def _root(letter: str, sign: str, shift: Shift) -> str:
    """The root of a chord; one that would be altered twice by its other name."""
    new, altered, _ = shift.moved(letter, {"#": 1, "b": -1, "": 0}[sign])
    if altered in SHARPS:
        return new + SHARPS[altered]
    height = (NATURAL[new] + altered) % 12
    return next(
        name + SHARPS[other]
        for other in (0, 1, -1)
        for name in LETTERS
        if (NATURAL[name] + other) % 12 == height
    )
