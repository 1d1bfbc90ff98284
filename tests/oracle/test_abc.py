"""Tunes in ABC: what they say, what is wrong with them, and what becomes of them."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

from catena.errors import CatenaError
from catena.music.abc import Tune, piece, read, symbols, tokens, transposed, tune_of
from catena.music.abc.keys import key_of
from catena.music.piece import Metre, Tempo

HEAD = "X:1\nT:Air\nM:4/4\nL:1/4\nK:C\n"


def sounds(music: str, head: str = HEAD) -> list[tuple[tuple[int, ...], Fraction]]:
    """Pitches and lengths in quarter notes, as written, of one voice."""
    (bars,) = read(Tune(head + music)).voices.values()
    return [(sound.pitches, 4 * sound.length) for bar in bars for sound in bar.sounds]


def pitches(music: str, head: str = HEAD) -> list[int]:
    return [pitch for found, _ in sounds(music, head) for pitch in found]


def lengths(music: str) -> list[Fraction]:
    return [length for _, length in sounds(music)]


def refused(text: str) -> str:
    with pytest.raises(CatenaError) as caught:
        read(Tune(text, "airs.abc", 10))
    return str(caught.value)


# -- what it says ---------------------------------------------------------------------------


def test_octaves_and_accidentals():
    assert pitches("C,Ccc'") == [48, 60, 72, 84]
    assert pitches("^F__B=F_e^^c") == [66, 69, 65, 75, 74]


def test_an_accidental_holds_to_the_end_of_its_bar_in_all_octaves():
    assert pitches("^FFf|F") == [66, 66, 78, 65]
    assert pitches("=FF|F", HEAD.replace("K:C", "K:D")) == [65, 65, 66]


def test_a_tie_carries_its_accidental_over_the_bar_line():
    assert pitches("^f-|ff") == [78, 78, 77]


def test_grace_notes_take_no_time_and_leave_no_accidental():
    assert sounds("{^f}f") == [((77,), 1)]


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        ("C", ""), ("G", "F"), ("Am", ""), ("A minor", ""), ("Ador", "F"), ("Dmix", "F"),
        ("EMin", "F"), ("D Phr", "BE"), ("F#m", "FCG"), ("Bb", "BE"), ("Gb", "BEADGC"),
        ("C Lydian", "F"), ("B loc", ""), ("HP", "FC"), ("none", ""), ("", ""),
    ],
)  # fmt: skip
def test_keys(key: str, signature: str):
    assert {*key_of(key).signature} == {*signature}


def test_accidentals_and_clefs_of_a_key():
    assert key_of("D =c ^g clef=treble").signature == {"F": 1, "C": 0, "G": 1}
    assert key_of("Dmix=c").signature == {"F": 1, "C": 0}
    assert key_of("D exp _b").signature == {"B": -1}
    assert key_of("C treble-8").shift == -12
    assert key_of("C octave=1").shift == 12


def test_lengths():
    quarter = [1, 2, Fraction(1, 2), Fraction(1, 4), Fraction(3, 2), Fraction(1, 4), 3]
    assert lengths("c c2 c/ c// c3/2 c/4 z3") == quarter
    unit = HEAD.replace("L:1/4\n", "")
    assert sounds("c", unit) == [((72,), Fraction(1, 2))]
    assert sounds("c", unit.replace("4/4", "2/4")) == [((72,), Fraction(1, 4))]


def test_broken_rhythms():
    half = Fraction(1, 2)
    assert lengths("c>d e<f") == [3 * half, half, half, 3 * half]
    assert lengths("c>>d") == [Fraction(7, 4), Fraction(1, 4)]


def test_tuplets():
    assert lengths("(3ccc c") == [Fraction(2, 3)] * 3 + [1]
    assert lengths("(3:2:2c2c") == [Fraction(4, 3), Fraction(2, 3)]
    assert lengths("(2cc") == [Fraction(3, 2)] * 2
    compound = HEAD.replace("4/4", "6/8")
    assert sounds("(5ccccc", compound)[0][1] == Fraction(3, 5)


def test_chords():
    assert sounds("[CEG]2 [c2e2]") == [((60, 64, 67), 2), ((72, 76), 2)]


def test_notes_in_time():
    found = piece(Tune(HEAD.replace("K:", "Q:1/4=90\nK:") + "c-c|[ce-]e|\nM:3/4\nz[Q:60]d2|"))
    assert [(n.start, n.pitch, n.length) for n in found.notes] == [
        (0, 72, 960), (960, 72, 480), (960, 76, 960), (2400, 74, 960),
    ]  # fmt: skip
    assert found.tempos == (Tempo(0, 90.0), Tempo(2400, 60.0))
    assert found.metres == (Metre(0, 4, 4), Metre(1920, 3, 4))
    assert found.name == "Air"


@pytest.mark.parametrize(
    ("music", "played"),
    [
        ("|:C:|D", "CCD"),
        ("C:|D:|E", "CCDDE"),
        ("C|:D::E:|", "CDDEE"),
        ("C||D:|", "CDD"),
        ("|:C|1D:|2E||F", "CDCEF"),
        ("|:C [1 D :|[2 E |] F", "CDCEF"),
        ("|:C|1D|E:|2F|C||", "CDECFC"),
        ("|:C|[1,3D:|[2E:|", "CDCECD"),
        ("C|\nP:B\nD:|", "CDD"),
        ("|:C::|", "CCC"),
        ("|:C::D:|", "CCDD"),
    ],
)
def test_repeats_are_played(music: str, played: str):
    names = {60: "C", 62: "D", 64: "E", 65: "F"}
    assert "".join(names[note.pitch] for note in piece(Tune(HEAD + music)).notes) == played
    once = piece(Tune(HEAD + music), repeats=False)
    assert len(once.notes) == sum(letter in "CDEF" for letter in music)


def test_voices_sound_together():
    found = piece(Tune(HEAD + "[V:1]CD|\n[V:2]EF|\n[V:1]G2|\n"))
    assert [(n.start, n.pitch, n.channel) for n in found.notes] == [
        (0, 60, 0), (0, 64, 1), (480, 62, 0), (480, 65, 1), (960, 67, 0),
    ]  # fmt: skip


def test_what_players_put_up_with_is_a_warning():
    score = read(Tune(HEAD + "C|DEFG|AB|cdef|g-|c4|]", "airs.abc", 10))
    assert not score.even
    assert score.warnings == [
        "airs.abc, line 15, column 19: the tie before it leads from G to no note",
        "airs.abc, line 15: a bar of 1/2 where the metre has 1",
        "airs.abc, line 15: a bar of 1/4 where the metre has 1",
    ]
    assert read(Tune(HEAD + "C|DEFG|ABc:|\n|:d|efga|b3|]")).even


# -- what is wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("music", "said"),
    [
        ("c(d", "column 2: '(': a slur that is not complete"),
        ("cd)", "column 3: ')': a parenthesis that closes no slur"),
        ("[ce|", "column 1: '[': a chord that is not closed before '|'"),
        ("ce]", "column 3: ']': a bracket that closes no chord"),
        ("c[]", "column 3: ']': a chord without a note"),
        ("{cd", "column 1: '{': a group of grace notes that is not closed"),
        ("cd}", "column 3: '}': a brace that closes no grace notes"),
        ('"Am c', "column 1: '\"': a quote that is not closed on its line"),
        ("c?d", "column 2: '?': a character that means nothing in ABC"),
        ("ckd", "column 2: 'k': a letter that is no note"),
        ("(3cd|", "column 5: '|': a tuplet that lacks its last 1 notes"),
        ("(3cd", "column 1: '(3': a tuplet that is not complete"),
        ("(1c", "column 1: '(1': (1 is no tuplet"),
        ("(3c(3ddd", "column 4: '(3': a tuplet within a tuplet"),
        ("|>c", "column 2: '>': a broken rhythm needs a note before it"),
        ("c>|c", "column 3: '|': a broken rhythm needs a note after it"),
        ("c>", "column 2: '>': a broken rhythm that is not complete"),
        ("|-c", "column 2: '-': a tie needs a note before it"),
        ("c0", "column 1: 'c0': the length 0 is nothing"),
        ("c" + "9" * 9, "is beyond what is played"),
        ("c''''''", "beyond the notes that MIDI has"),
        ("K:H", "column 1: 'K:H': 'H' is no key"),
        ("[K:Dxyz]", "is no key"),
        ("[M:4/3]", "'4/3' is no metre"),
        ("[L:2/8]", "'2/8' is no length"),
        ("[Q:fast]", "'fast' is no tempo"),
        ("C:Trad.", "the field C: belongs into the header"),
        ("+CEG+", "a sign of ABC 1"),
        ("[0 c", "endings are numbered from 1"),
        ("M:none\nZ2|", "bars of rest need a metre"),
        ("Z0", "from 1 to 999 bars"),
    ],
)
def test_an_error_is_named_with_its_place(music: str, said: str):
    found = refused(HEAD + music)
    assert found.startswith("airs.abc, line 1")
    assert said in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("T:Air\nK:C\nc", "airs.abc, line 10, column 1: 'T:Air': a tune begins with the field X:"),
        ("X:1\nT:Air\nc2", "line 12, column 1: 'c2': music before K:, the key"),
        ("X:1\nT:Air\nM:C", "line 12: no K:, the key"),
        ("X:1\nK:C\nc", "line 11, column 1: 'K:C': no title before the key"),
        ("X:1\nT:Air\nK:C\n", "line 10: a tune without a note"),
        ("X:1\nT:Air\nM:5\nK:C\nc", "line 12, column 1: 'M:5': '5' is no metre"),
    ],
)
def test_a_header_is_checked(text: str, said: str):
    assert said in refused(text)


def test_lengths_that_midi_cannot_count():
    with pytest.raises(CatenaError, match="no common tick"):
        piece(Tune(HEAD + "c/1021 c/1019"))


# -- what becomes of it ---------------------------------------------------------------------

AIR = """X:7
T:A made-up air
Q:1/4=100
M:3/4
L:1/8
K:Gm % the key
"Gm"G>^F G2 (.d2|"Cm7/G"~c{de}d _e4)|\\
"^slowly"(3BAG [FA]2 z2:|
w: not to be sung
K:Dmix
|:f>^e  fg a2|!trill!=f6|1 c4 c2:|2 d6|]
"""


def test_tokens_lose_nothing():
    assert "".join(token.text for token in tokens(Tune(AIR))) == AIR
    odd = 'X:1\r\n"unclosed [ { ?é|:|::||]'
    assert "".join(token.text for token in tokens(Tune(odd))) == odd


def test_symbols_and_back():
    found = symbols(Tune(AIR))
    assert found[:7] == ["M:3/4", "\n", "L:1/8", "\n", "K:Gm", "\n", '"Gm"']
    again = tune_of(found, 7, "A made-up air")
    assert symbols(again) == found
    assert piece(again).notes == piece(Tune(AIR)).notes
    for left_out in ("(.", "~", "trill", "slowly", "sung", "%", "\\"):
        assert left_out not in again.text


def test_fields_and_lines_that_a_model_runs_together_are_parted():
    made = tune_of(["K:D", "A", "B", "M:6/8", "\n", "\n", "d", "|]"])
    assert made.text.splitlines()[2:] == ["K:D", "AB", "M:6/8", "d|]"]
    assert symbols(made) == ["K:D", "\n", "A", "B", "\n", "M:6/8", "\n", "d", "|]"]


@pytest.mark.parametrize("semitones", range(-7, 8))
def test_transposed(semitones: int):
    moved = transposed(Tune(AIR), semitones)
    there = [(n.start, n.pitch + semitones, n.length) for n in piece(Tune(AIR)).notes]
    assert [(n.start, n.pitch, n.length) for n in piece(moved).notes] == there


def test_transposed_keys_and_chord_symbols():
    up = transposed(Tune(AIR), 2).text
    assert "K:Am" in up
    assert "K:Emix" in up
    assert '"Dm7/A"' in up
    assert "A>^G" in up
    assert "K:none" not in transposed(Tune(HEAD.replace("K:C", "K:none") + "c"), 1).text


# -- real tunes -----------------------------------------------------------------------------


def test_real_tunes_keep_their_notes_as_symbols_and_in_other_keys():
    folder = Path(os.environ.get("CATENA_DATA", "")) / "music21_abc"
    if not folder.is_dir():
        pytest.skip("needs music21_abc in the folder that CATENA_DATA names")
    for tune in islice(real(folder / "airdsAirs.tar.xz"), 40):
        notes = piece(tune).notes
        assert piece(tune_of(symbols(tune))).notes == notes
        moved = [(n.start, n.pitch, n.length) for n in piece(transposed(tune, -4)).notes]
        assert moved == [(n.start, n.pitch - 4, n.length) for n in notes]


def real(archive: Path):
    """The tunes of an archive that have no errors."""
    import lzma
    import tarfile

    with lzma.open(archive) as file, tarfile.open(fileobj=file) as tar:
        for member in tar:
            content = tar.extractfile(member)
            text = content.read().decode("utf-8", "replace") if content else ""
            for chunk in text.split("\n\n"):
                tune = Tune(chunk[chunk.find("X:") :] + "\n")
                try:
                    read(tune)
                except CatenaError:
                    continue
                yield tune
