"""Pieces as frames and as events, by hand and for any piece; other keys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catena import CatenaError
from catena.music.events import duration, from_events, to_events, vocabulary
from catena.music.frames import from_frames, to_frames
from catena.music.grid import Stroke, bar, from_grid, resolution_of, to_grid
from catena.music.piece import Metre, Note, Piece, Tempo
from catena.music.transpose import in_all_keys, transpose

STEPS = st.sampled_from([1, 4, 7, 12, 16, 960])
NOTES = st.builds(
    Note,
    start=st.integers(0, 2000),
    pitch=st.integers(59, 61) | st.integers(21, 108),
    length=st.integers(1, 2000),
    velocity=st.integers(1, 127),
    channel=st.sampled_from([0, 0, 0, 3, 9]),
)
PIECES = st.builds(
    Piece,
    notes=st.lists(NOTES, max_size=10).map(tuple),
    resolution=st.sampled_from([1, 96, 480, 1000]),
)


# -- the grid -------------------------------------------------------------------------------------


def test_times_go_to_the_nearest_step():
    notes = (Note(59, 60, 120), Note(60, 62, 1), Note(0, 64, 480), Note(0, 36, 10, channel=9))
    assert to_grid(Piece(notes), 16) == [
        Stroke(0, 60, 1), Stroke(0, 64, 4), Stroke(1, 62, 2),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 127), st.integers(1, 50))), STEPS)
def test_what_is_on_the_grid_stays_there(notes, step):
    strokes = sorted(Stroke(start, pitch, start + length) for start, pitch, length in notes)
    assert to_grid(from_grid(strokes, step), step) == strokes


def test_bars():
    assert [bar(Metre(0, 6, 8), step) for step in (8, 16, 24)] == [6, 12, 18]
    assert resolution_of(16) == 480
    assert resolution_of(7) == 7
    with pytest.raises(CatenaError, match="a bar of 3/4 is no whole number of 1/2 notes"):
        bar(Metre(0, 3, 4), 2)


@pytest.mark.parametrize("step", [0, 961, 4.0, True])
def test_a_step_that_there_is_not(step):
    with pytest.raises(CatenaError, match="step must be a whole number from 1 to 960"):
        to_grid(Piece(()), step)


# -- frames ---------------------------------------------------------------------------------------


@given(PIECES, STEPS)
def test_a_key_is_down_where_a_note_sounds(piece, step):
    strokes, frames = to_grid(piece, step), to_frames(piece, step)
    assert len(frames) == max((stroke.end for stroke in strokes), default=0)
    down = {(t, stroke.pitch - 21) for stroke in strokes for t in range(stroke.start, stroke.end)}
    assert set(zip(*map(np.ndarray.tolist, frames.nonzero()), strict=True)) == down


@given(PIECES, STEPS)
def test_frames_are_the_frames_of_their_piece(piece, step):
    frames = to_frames(piece, step)
    assert np.array_equal(to_frames(from_frames(frames, step), step), frames)


def test_a_note_struck_again_is_read_back_as_held():
    piece = from_grid([Stroke(0, 60, 2), Stroke(2, 60, 4), Stroke(5, 60, 6)], 16)
    found = from_frames(to_frames(piece, 16), 16, (Tempo(0, 90.0),), (Metre(0, 3, 4),))
    assert to_grid(found, 16) == [Stroke(0, 60, 4), Stroke(5, 60, 6)]
    assert (found.tempos, found.metres) == ((Tempo(0, 90.0),), (Metre(0, 3, 4),))


def test_a_pitch_that_no_piano_has():
    with pytest.raises(CatenaError, match="the pitch 20 is outside 21 to 108"):
        to_frames(Piece((Note(0, 20, 480),)))


# -- events ---------------------------------------------------------------------------------------


def test_events_by_hand():
    notes = (Note(240, 60, 240, 80), Note(480, 60, 240, 80), Note(480, 55, 2040, 97))
    assert to_events(Piece(notes), 16) == [
        "shift:2", "on:60", "shift:2", "off:60", "velocity:25", "on:55", "velocity:20", "on:60",
        "shift:2", "off:60", "shift:15", "off:55",
    ]  # fmt: skip
    assert to_events(Piece((Note(1920 * 2 + 480, 60, 480),)), 4) == [
        "shift:4", "shift:4", "shift:1", "on:60", "shift:1", "off:60",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "strokes"),
    [
        (["off:60", "on:60", "shift:1", "off:61"], [Stroke(0, 60, 1)]),
        (["on:60"], [Stroke(0, 60, 1)]),
        (["on:60", "off:60", "shift:3"], []),
        (["on:60", "shift:2", "on:60", "shift:1"], [Stroke(0, 60, 2), Stroke(2, 60, 3)]),
        (["on:60", "velocity:32", "on:60", "shift:1"], [Stroke(0, 60, 1, 127)]),
        (["velocity:1", "shift:2"], []),
    ],
)
def test_events_that_no_piece_has_are_a_piece_too(events, strokes):
    assert to_grid(from_events(events, 16), 16) == strokes


def sounds(piece, step):
    """What is heard, step by step: which pitches, and what is struck, in levels of velocity."""
    heard, struck = set(), {}
    for stroke in to_grid(piece, step):
        heard |= {(stroke.pitch, time) for time in range(stroke.start, stroke.end)}
        struck[stroke.start, stroke.pitch] = -(-stroke.velocity // 4)
    return heard, struck


@settings(max_examples=40)
@given(PIECES, st.sampled_from([1, 4, 7, 16]))
def test_events_keep_a_piece_up_to_the_grid(piece, step):
    events = to_events(piece, step)
    assert set(events) <= set(vocabulary(step))
    found = from_events(events, step)
    heard, struck = sounds(piece, step)
    found_heard, found_struck = sounds(found, step)
    assert found_struck == struck
    assert found_heard <= heard
    assert len(found_heard) == sum(stroke.end - stroke.start for stroke in to_grid(found, step))
    assert to_events(found, step) == events


@settings(max_examples=60)
@given(st.lists(st.sampled_from(vocabulary(4)) | st.sampled_from(["on:60", "off:60", "shift:1"])))
def test_any_events_are_a_piece_whose_events_are_it_again(events):
    piece = from_events(events, 4)
    assert from_events(to_events(piece, 4), 4) == piece
    passed = sum(map(duration, events))
    late = 1 if any(event.startswith("on") for event in events) else 0
    assert max((stroke.end for stroke in to_grid(piece, 4)), default=0) <= passed + late


def test_the_vocabulary_is_fixed():
    assert len(vocabulary(16)) == len(set(vocabulary(16))) == 128 + 128 + 16 + 32


@pytest.mark.parametrize("event", ["bang", "on", "on:x", "up:3", "on:-1"])
def test_what_is_no_event(event):
    with pytest.raises(CatenaError, match="is no event of music"):
        from_events([event])


# -- keys -----------------------------------------------------------------------------------------

CHORD = Piece((Note(0, 60, 480), Note(0, 64, 480), Note(0, 36, 480, channel=9)), name="chord")


def test_drums_are_not_transposed():
    assert [note.pitch for note in transpose(CHORD, 5).notes] == [36, 65, 69]
    assert transpose(transpose(CHORD, 5), -5) == CHORD


def test_all_keys_that_stay_within_range():
    found = in_all_keys([CHORD, Piece(())], 2, low=59, high=64)
    assert [[note.pitch for note in piece.notes][1:] for piece in found[:2]] == [[60, 64], [59, 63]]
    assert len(found) == 3
    assert in_all_keys([CHORD], 0) == [CHORD]


def test_keys_that_there_are_not():
    with pytest.raises(CatenaError, match="the pitches 60 to 64, moved by 64 semitones"):
        transpose(CHORD, 64)
    with pytest.raises(CatenaError, match="whole number of semitones"):
        in_all_keys([CHORD], -1)
