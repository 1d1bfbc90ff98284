"""MIDI files: what is read of them, a round trip of anything, and damage, which has a name."""

import os
import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catena import CatenaError
from catena.formats.midi import read_midi, write_midi
from catena.music.piece import Metre, Note, Piece, Tempo

mido = pytest.importorskip("mido")


def chunk(body):
    return b"MTrk" + struct.pack(">L", len(body)) + body


def midi(*bodies, kind=1, resolution=480, count=None):
    head = struct.pack(">4sLHHH", b"MThd", 6, kind, len(bodies) if count is None else count, 0)
    return head[:-2] + struct.pack(">H", resolution) + b"".join(map(chunk, bodies))


@pytest.fixture
def played(write):
    """The notes read from tracks, each given as (time since the one before, message, fields)."""

    def read(*tracks):
        bodies = []
        for track in tracks:
            messages = [mido.Message(kind, time=time, **more) for time, kind, more in track]
            bodies.append(mido.MidiTrack(messages))
        path = write(b"", "tune.mid")
        mido.MidiFile(type=1, tracks=bodies).save(path)
        return list(read_midi(path).notes)

    return read


def on(time, pitch=60, velocity=80, channel=0):
    return time, "note_on", {"note": pitch, "velocity": velocity, "channel": channel}


def off(time, pitch=60, channel=0):
    return time, "note_off", {"note": pitch, "channel": channel}


def control(time, number, value=0, channel=0):
    return time, "control_change", {"control": number, "value": value, "channel": channel}


# -- what is read ---------------------------------------------------------------------------------


def test_running_status_and_a_note_on_of_velocity_0(write):
    # 90 3C 50, then two events without a status: another note, and the end of the first.
    body = bytes.fromhex("00 90 3C 50 10 40 51 10 3C 00 10 40 00 00 FF 2F 00")
    piece = read_midi(write(midi(body, kind=0, resolution=96), "tune.mid"))
    assert piece.notes == (Note(0, 60, 32, 80), Note(16, 64, 32, 81))
    assert (piece.resolution, piece.tempos, piece.metres) == (96, (), ())


def test_tempo_metre_and_alien_chunks(write):
    body = bytes.fromhex("00 FF 51 03 07 A1 20 00 FF 58 04 06 03 18 08 10 FF 51 03 0F 42 40")
    raw = midi(body, resolution=24)
    raw = raw[:14] + b"XXXX\0\0\0\3abc" + raw[14:]
    piece = read_midi(write(raw, "tune.mid"))
    assert piece.tempos == (Tempo(0, 120.0), Tempo(16, 60.0))
    assert piece.metres == (Metre(0, 6, 8),)


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        ("00 C0 05 00 90 3C 50 10 80 3C 40", [Note(0, 60, 16, 80)]),  # an instrument
        ("00 90 3C 50 04 F0 02 01 F7 04 3C 00", [Note(0, 60, 8, 80)]),  # something of the maker's
        ("00 90 3C 50 04 FF 01 02 61 62 04 3C 00", [Note(0, 60, 8, 80)]),  # words
        ("00 99 24 50 10 24 00", [Note(0, 36, 16, 80, 9)]),  # a drum
        ("80 80 00 90 3C 50 81 00 3C 00", [Note(0, 60, 128, 80)]),  # times of several bytes
        ("00 90 3C 50 00 90 3C 51 10 80 3C 00 10 80 3C 00", [Note(0, 60, 16), Note(0, 60, 32, 81)]),
        ("00 B0 40 7F 00 90 3C 50 10 3C 00 10 FF 01 00", [Note(0, 60, 32, 80)]),  # pedal to the end
        ("00 90 3C 50 00 3C 00 08 3C 51 00 80 3C 00", [Note(0, 60, 1), Note(8, 60, 1, 81)]),
        ("00 90 3C 50 10 FF 01 00", [Note(0, 60, 16, 80)]),  # never let go
        ("", []),
    ],
)
@pytest.mark.parametrize("end", ["", "00 FF 2F 00"])
@pytest.mark.parametrize("kind", [0, 1])
def test_files_of_plain_bytes(write, body, notes, end, kind):
    raw = midi(bytes.fromhex(body + end), kind=kind, resolution=96)
    assert read_midi(write(raw, "tune.mid")).notes == tuple(notes)
    assert read_midi(write(raw + b"and more", "tune.mid")).notes == tuple(notes)


def test_a_note_off_ends_the_note_that_began_first(played):
    assert played([on(0), on(4), off(3), off(5)]) == [Note(0, 60, 7), Note(4, 60, 8)]
    assert played([on(0, 60), off(5, 61), off(1, 60), off(1, 60)]) == [Note(0, 60, 6)]


def test_notes_that_nothing_ends_sound_to_the_next_and_to_the_end_of_their_track(played):
    assert played([on(0), on(4), control(6, 1)], [on(0, 62), control(90, 1)]) == [
        Note(0, 60, 4), Note(0, 62, 90), Note(4, 60, 6),
    ]  # fmt: skip
    assert played([on(7)]) == [Note(7, 60, 1)]


def test_tracks_and_channels_are_kept_apart(played):
    tracks = [on(0), off(9)], [on(2), off(1)], [on(5, channel=3), off(5, channel=3)]
    assert played(*tracks) == [Note(0, 60, 9), Note(2, 60, 1), Note(5, 60, 5, channel=3)]


def test_the_pedal_holds_what_is_let_go(played):
    pressed = [control(0, 64, 127), on(0), on(0, 64), off(4), off(0, 64)]
    lifted = [*pressed, control(6, 64, 63)]
    assert played(lifted) == [Note(0, 60, 10), Note(0, 64, 10)]
    again = [*pressed, on(2), off(1), control(3, 64, 0)]
    assert played(again) == [Note(0, 60, 6), Note(0, 64, 10), Note(6, 60, 4)]
    assert played(pressed, [control(20, 1)])[0].length == 20
    soft = [control(0, 64, 63), on(0), off(4), control(9, 1)]
    assert played(soft) == [Note(0, 60, 4)]
    assert (
        played([control(0, 64, 64), *soft[1:], control(5, 64, 63), control(5, 1)])[0].length == 18
    )
    assert played([control(0, 64, 127, channel=1), on(0), off(4), control(9, 1)])[0].length == 4


def test_the_pedal_of_one_track_holds_the_notes_of_another(played):
    pedal = [control(0, 64, 64), control(9, 64, 0)]
    assert played(pedal, [on(0), off(3)]) == [Note(0, 60, 9)]


@pytest.mark.parametrize(("number", "length"), [(120, 5), (121, 9), (123, 12), (127, 12), (7, 12)])
def test_messages_of_the_channel_mode(played, number, length):
    held = [control(0, 64, 127), on(0), off(1), control(4, number), control(7, 64, 0)]
    found = played(held)
    assert found[0].length == {120: 5, 121: 5}.get(number, 12)
    let_go = played([on(0), control(5, number), off(4)])
    assert let_go[0].length == (5 if number in (120, 123, 127) else 9)


def test_a_note_of_no_length_lasts_a_tick(played):
    assert played([on(3), off(0)]) == [Note(3, 60, 1)]


def test_compressed_files_are_read(write):
    import gzip

    body = bytes.fromhex("00 90 3C 50 10 3C 00")
    assert len(read_midi(write(gzip.compress(midi(body)), "tune.mid.gz")).notes) == 1


# -- round trips ----------------------------------------------------------------------------------

NOTES = st.builds(
    Note,
    start=st.integers(0, 40),
    pitch=st.integers(58, 62) | st.integers(0, 127),
    length=st.integers(1, 20) | st.integers(1, 10**6),
    velocity=st.integers(1, 127),
    channel=st.integers(0, 1) | st.integers(0, 15),
)
OVERLAPPING = st.builds(Note, st.integers(0, 12), st.just(60), st.integers(1, 12))
TEMPOS = st.builds(
    lambda start, length: Tempo(start, 60_000_000 / length),
    st.integers(0, 1000),
    st.integers(1, 0xFFFFFF),
)
METRES = st.builds(
    lambda start, beats, power: Metre(start, beats, 2**power),
    st.integers(0, 1000),
    st.integers(1, 255),
    st.integers(0, 7),
)


def in_time(strategy):
    return st.lists(strategy, max_size=3).map(lambda told: sorted(told, key=lambda one: one.start))


PIECES = st.builds(
    Piece,
    notes=st.lists(NOTES | OVERLAPPING, max_size=12),
    resolution=st.integers(1, 0x7FFF),
    tempos=in_time(TEMPOS).map(tuple),
    metres=in_time(METRES).map(tuple),
)


@settings(max_examples=40)
@given(PIECES)
def test_what_is_written_is_read_again_to_the_last_note(tmp_path, piece):
    path = tmp_path / "tune.mid"
    write_midi(piece, path)
    assert read_midi(path) == piece
    strokes = [
        (message.type, message.note, message.channel)
        for track in mido.MidiFile(path).tracks
        for message in track
        if not message.is_meta
    ]
    assert sum(kind == "note_on" for kind, *_ in strokes) == len(piece.notes)
    assert sum(kind == "note_off" for kind, *_ in strokes) == len(piece.notes)


def test_a_note_that_is_struck_again_at_once_ends_first_in_the_file(tmp_path):
    write_midi(Piece((Note(0, 60, 4), Note(4, 60, 4))), tmp_path / "a.mid")
    kinds = [message.type for message in mido.MidiFile(tmp_path / "a.mid").tracks[1]]
    assert kinds == ["note_on", "note_off", "note_on", "note_off", "end_of_track"]


def test_writing_twice_gives_the_same_bytes_and_replaces_the_file(tmp_path):
    piece = Piece((Note(0, 60, 4), Note(2, 60, 4)))
    write_midi(piece, tmp_path / "a.mid")
    first = (tmp_path / "a.mid").read_bytes()
    write_midi(piece, tmp_path / "a.mid")
    assert (tmp_path / "a.mid").read_bytes() == first
    assert os.listdir(tmp_path) == ["a.mid"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"resolution": 40000}, "from 1 to 32767 ticks a quarter note, not 40000"),
        ({"tempos": (Tempo(0, 0.0),)}, "no tempo of 0.0 quarter notes a minute"),
        ({"tempos": (Tempo(0, 1.0),)}, "no tempo of 1.0"),
        ({"metres": (Metre(0, 3, 6),)}, "no metre of 3/6: units are powers of two"),
        ({"notes": (Note(2**29, 60, 1),)}, "lies too far from tick 0"),
    ],
)
def test_what_midi_cannot_say_is_refused(tmp_path, change, told):
    piece = replace(Piece((Note(0, 60, 4),)), **change)
    with pytest.raises(CatenaError, match=told) as refused:
        write_midi(piece, tmp_path / "a.mid")
    assert str(refused.value).startswith(f"{tmp_path}/a.mid: ")
    assert not os.listdir(tmp_path)


# -- damage ---------------------------------------------------------------------------------------

GOOD = bytes.fromhex("00 90 3C 50 10 3C 00 00 FF 2F 00")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "empty"),
        (b"no music", "not a MIDI file: it does not begin with MThd"),
        (midi(GOOD)[:10], "cut short in its first 14 bytes"),
        (midi(GOOD)[:-6], "cut short in track 1 of 1"),
        (midi(GOOD, GOOD)[:-12], "cut short in track 2 of 2"),
        (midi(GOOD, count=3), "cut short in track 2 of 3"),
        (midi(GOOD, kind=2), "of type 2; types 0 and 1 are read: save each of its patterns"),
        (midi(GOOD, kind=9), "of type 9"),
        (midi(GOOD, resolution=0xE728), "SMPTE"),
        (midi(GOOD, resolution=0), "SMPTE frames or not at all"),
        (midi(b"\x00\x3c\x50"), "track 1: damaged: running status"),
        (midi(GOOD, b"\x00\x90\x3c"), "track 2: damaged: ends within a message"),
        (midi(b"\x00\x90\x3c\xff"), "track 1: damaged: data byte"),
        (midi(b"\x00\xff\x51\x03\0\0\0"), "a tempo of no time"),
        (midi(b"\x00\xff\x58\x04\0\2\x18\x08"), "a metre of no beats"),
        (midi(b"\x00\xff\x59\x02\x20\x07"), "track 1: damaged: "),
        (midi(b"\x00\xff\x51\x00"), "track 1: damaged: "),
        (midi(b"\xff\xff\xff\xff\x7f\x90\x3c\x50"), "a time longer than four bytes"),
        (midi(GOOD) + chunk(GOOD), "more tracks than the 1 that its header says"),
        (b"MThd\0\0\0\4\0\1\0\1" + chunk(GOOD), "a header of 4 bytes, where 6 are needed"),
    ],
)
def test_damage_is_named(write, raw, told):
    path = write(raw, "bad.mid")
    with pytest.raises(CatenaError, match=told) as refused:
        read_midi(path)
    assert str(refused.value).startswith(f"{path}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CatenaError, match=r"none\.mid: there is no such file"):
        read_midi(tmp_path / "none.mid")


def what_is_said_of(path):
    """Of its damage; nothing where it is read."""
    try:
        read_midi(path)
    except CatenaError as error:
        return str(error)


def test_no_bytes_whatever_end_in_anything_but_a_piece_or_a_named_error(write):
    draw = random.Random(0)
    good = midi(GOOD, bytes.fromhex("00 B0 40 7F 00 FF 51 03 07 A1 20 10 80 3C 00 10 99 24 64"))
    path, told = write(good, "odd.mid"), []
    for _ in range(400):
        raw = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            raw[draw.randrange(len(raw))] = draw.choice([draw.randrange(256), 0xFF, 0x00, 0x80])
        cut = draw.choice([len(raw), draw.randint(1, len(raw))])
        path.write_bytes(raw[:cut])
        told.append(what_is_said_of(path))
    assert all(error.startswith(str(path)) for error in told if error)
    assert 0 < told.count(None) < len(told)


def test_without_mido_the_error_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mido", None)
    with pytest.raises(CatenaError, match=r"pip install 'catena\[music\]'"):
        read_midi(write(midi(GOOD), "a.mid"))
    with pytest.raises(CatenaError, match=r"pip install 'catena\[music\]'"):
        write_midi(Piece(()), "a.mid")
