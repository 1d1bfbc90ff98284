"""Composers: every rung that a form fits, exact lengths, primers, figures by hand, files."""

import math
import pickle
from unittest.mock import patch

import numpy as np
import pytest
import torch

from catena import (
    EM,
    GRU,
    HMM,
    LSTM,
    RNN,
    CatenaError,
    Composer,
    Generator,
    Gradient,
    Markov,
    Window,
    container,
    load,
)
from catena.music import Metre, Note, Piece, Tempo
from catena.music.abc import Tune, transposed
from catena.music.abc import piece as played
from catena.music.events import to_events
from catena.music.frames import to_frames
from catena.music.grid import to_grid
from catena.tasks.music_forms import Abc, is_tune

QUICK = Gradient(epochs=1, batch=2, span=16)
NEURAL = [Window(width=2, units=8), RNN(units=8), GRU(units=8), LSTM(units=8)]


def melody(*pitches, length=480, **more):
    return Piece(tuple(Note(i * length, p, length) for i, p in enumerate(pitches)), **more)


WALTZES = [
    melody(60, 64, 67, 60, 65, 69, metres=(Metre(0, 3, 4),), tempos=(Tempo(0, 90.0),)),
    melody(60, 64, 67, 59, 62, 67, metres=(Metre(0, 3, 4),), tempos=(Tempo(0, 100.0),)),
    melody(72, 67, 64, 60, name="finale"),
]


def fitted(rung, form, learner=None, **more):
    return Composer(rung, form=form, step=8, learner=learner, **more).fit(WALTZES)


@pytest.fixture(scope="module")
def everyone():
    hmm = HMM(states=3), EM(iterations=2)
    models = [fitted(*hmm[:1], form, hmm[1]) for form in ("events", "frames")]
    models += [fitted(rung, form, QUICK) for rung in NEURAL for form in ("events", "frames")]
    return [fitted(Markov(order=2), "events"), *models]


def test_every_rung_writes_pieces_of_the_length_that_was_asked_for(everyone):
    primer = WALTZES[0]
    for model in everyone:
        for piece in model.compose(bars=2, n=2, seed=1):
            assert (piece.tempos, piece.metres) == ((Tempo(0, 100.0),), (Metre(0, 3, 4),))
            assert piece.end <= 2 * 3 * 480
            assert all(note.start % 240 == 0 for note in piece.notes)
        (longer,) = model.compose(primer, bars=1, seed=1)
        known = to_grid(primer, 8)
        if model.form == "events":
            assert to_grid(longer, 8)[: len(known)] == known
        assert longer.tempos == primer.tempos
        assert primer.end <= longer.end <= primer.end + 3 * 480


def test_events_fill_the_bars_exactly(everyone):
    for model in everyone:
        if model.form == "events":
            form = model._form()
            how = {"temperature": 1.0, "seed": 3}
            (drawn,) = form.sample(model.generator_, 1, None, 24, how)
            assert sum(int(e.split(":")[1]) for e in drawn if e.startswith("shift")) == 24


def test_thick_chords_fill_their_bars_too():
    chords = Piece(tuple(Note(480 * i, 60 + 2 * key, 480) for i in range(16) for key in range(6)))
    (found,) = Composer(Markov(order=14, smoothing="none"), step=4).fit([chords]).compose(bars=4)
    assert (len(found.notes), found.end) == (16 * 6, 16 * 480)


def test_the_same_seed_gives_the_same_piece_and_another_another():
    model = fitted(Markov(order=1), "events")
    assert model.compose(bars=2, n=2, seed=5) == model.compose(bars=2, n=2, seed=5)
    assert model.compose(bars=2, seed=5) != model.compose(bars=2, seed=6)


def test_frames_begin_with_those_of_the_primer():
    model = fitted(LSTM(units=8), "frames", QUICK)
    (piece,) = model.compose(WALTZES[2], bars=1, temperature=0.0)
    frames = to_frames(piece, 8)
    assert np.array_equal(frames[: 4 * 2], to_frames(WALTZES[2], 8)[:8])


def test_the_metre_of_the_primer_counts_bars():
    model = fitted(Markov(order=1), "events")
    primer = melody(60, 62, metres=(Metre(0, 3, 4), Metre(960, 2, 4)), resolution=960)
    (piece,) = model.compose(primer, bars=3)
    assert piece.metres == (Metre(0, 3, 4), Metre(480, 2, 4))
    assert piece.resolution == 480
    assert piece.end <= 480 + 3 * 960
    with pytest.raises(CatenaError, match="no whole number of 1/8 notes"):
        model.compose(melody(60, metres=(Metre(0, 5, 16),)))


# -- figures --------------------------------------------------------------------------------------


def test_nats_an_event_by_hand():
    model = Composer(Markov(order=1, smoothing="none"), step=4).fit([melody(60), melody(62)])
    found = model.evaluate([melody(60)])
    # on:60 (of two), shift:1, off:60 (after the shift either may end), the end.
    assert found.log_likelihood == pytest.approx(2 * math.log(0.5))
    assert (found.steps, found.pieces, found.unit) == (4, 1, "event")
    assert found.nats == pytest.approx(2 * math.log(2) / 4)
    assert model.score([melody(60)]) == pytest.approx(-found.nats)


def test_nats_a_frame_by_hand():
    learner = EM(pseudocount=0.0)
    model = Composer(HMM(states=1), form="frames", step=4, learner=learner)
    model.fit([melody(60, 62), melody(60, 64)])
    found = model.evaluate([melody(60, 62)])
    # One state: middle C is down in a half of the frames, D and E in a quarter each.
    c, d, e = (math.log(p) for p in (1 / 2, 1 / 4, 3 / 4))
    assert found.log_likelihood == pytest.approx((c + e + e) + (c + d + e))
    assert (found.steps, found.pieces, found.unit) == (2, 1, "frame")


def test_transposed_pieces_are_learned_and_held_out_ones_are_not():
    model = Composer(Markov(order=1), transpose=2)
    model.fit([melody(60, 62)], valid=[melody(90)])
    assert np.isfinite(model.evaluate([melody(62, 64), melody(58, 60)]).nats)
    plain = Generator(Markov(order=1), space=model.generator_.space_)
    keys = [to_events(melody(60 + by, 62 + by)) for by in (0, -2, -1, 1, 2)]
    (one,) = [to_events(melody(62, 64))]
    assert plain.fit(keys).score([one]) == pytest.approx(model.score([melody(62, 64)]))


def test_held_out_pieces_are_taken_as_they_are():
    seen = {}

    def fit(generator, train, valid=None, **more):
        seen.update(train=len(train), valid=len(valid))
        raise CatenaError("enough")

    with patch.object(Generator, "fit", fit), pytest.raises(CatenaError, match="enough"):
        Composer(Markov(order=1), transpose=2).fit(WALTZES, valid=WALTZES[:2])
    assert seen == {"train": 3 * 5, "valid": 2}


def test_tempo_and_metre_are_those_of_the_pieces():
    model = fitted(Markov(), "events")
    assert (model.metre_, model.tempo_) == (Metre(0, 3, 4), 100.0)


# -- tunes of ABC ---------------------------------------------------------------------------------

TUNES = [
    Tune("X:1\nT:One\nM:3/4\nL:1/4\nQ:1/4=90\nK:C\nCEG|c2G|EDC|]\n"),
    Tune("X:2\nT:Two\nM:3/4\nL:1/4\nK:C\nCEG|B2G|EDC|]\n"),
]


def test_tunes_are_written_as_they_are_learned():
    model = Composer(Markov(order=4), form="abc").fit(TUNES, TUNES[:1])
    assert (model.metre_, model.tempo_) == (Metre(0, 3, 4), 105.0)
    found = model.compose(n=5, temperature=0.7, seed=1)
    assert [tune.text.split("\n")[0] for tune in found] == [f"X:{i}" for i in range(1, 6)]
    assert all(played(tune).notes for tune in found)
    assert model.compose(n=5, temperature=0.7, seed=1) == found
    begun = model.compose(Tune("X:1\nT:Begun\nM:3/4\nL:1/4\nK:C\nCEG|B2"), seed=2)
    assert begun[0].text.startswith("X:1\nT:Untitled\nM:3/4\nL:1/4\nK:C\nCEG|B2")
    with pytest.raises(CatenaError, match="a tune of ABC ends where the model ends it"):
        model.compose(bars=4)


def test_nats_a_symbol_by_hand():
    model = Composer(Markov(order=1, smoothing="none"), form="abc").fit(TUNES)
    found = model.evaluate(TUNES[1:])
    symbols = model.encode(TUNES[1])
    assert (found.steps, found.unit, found.unknown) == (len(symbols) + 1, "symbol", 0)
    plain = Generator(Markov(order=1, smoothing="none")).fit([model.encode(t) for t in TUNES])
    assert found.log_likelihood == pytest.approx(plain.evaluate([symbols]).log_likelihood)
    assert model.evaluate([Tune("X:1\nT:G\nK:G\ng'|]\n")]).unknown == 2


def test_what_is_no_tune_is_drawn_again_and_not_for_ever():
    broken = ["X:1", "\n"]
    assert not is_tune(Tune("X:1\nT:no notes\nK:C\nz4|]\n"))
    assert not is_tune(Tune("".join(broken)))
    model = Composer(Markov(order=1), form="abc").fit(TUNES)
    good = model.encode(TUNES[0])
    rows, seeds = iter([[good, broken, broken], [broken, good], [good]]), []

    def sample(*given, seed, **more):
        seeds.append(seed)
        return next(rows)

    with patch.object(Generator, "sample", sample):
        assert [tune.text[:3] for tune in model.compose(n=3)] == ["X:1", "X:2", "X:3"]
    assert len(set(seeds)) == 3
    with (
        patch.object(Generator, "sample", lambda self, n, *given, **more: [broken] * n),
        pytest.raises(CatenaError, match="only 0 of 2 tunes are valid ABC after 20 rounds"),
    ):
        model.compose(n=2)


def test_tunes_in_all_keys_and_from_a_file(tmp_path):
    model = Composer(Markov(order=4), form="abc", transpose=1).fit(TUNES)
    assert model.evaluate([transposed(TUNES[0], 1)]).unknown == 0
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.compose(temperature=0.7) == model.compose(temperature=0.7)
    model.draw(tmp_path / "tune.svg", TUNES[0], TUNES[1])
    assert "C4" in (tmp_path / "tune.svg").read_text()


def test_keys_in_which_a_note_has_no_name_are_left_out():
    tune = Tune("X:1\nT:High\nK:C\n^^B|]\n")
    by = [0, -4, -2, 1, 3, 5]  # in the other keys it would need three sharps
    assert Abc().in_keys(tune, 5) == [transposed(tune, n) if n else tune for n in by]


def test_pieces_are_no_tunes_and_tunes_no_pieces():
    with pytest.raises(CatenaError, match="piece 1 is a Piece, not a Tune of catena"):
        Composer(Markov(), form="abc").fit(WALTZES)
    with pytest.raises(CatenaError, match="piece 1 is a Tune, not a Piece of catena"):
        Composer(Markov()).fit(TUNES)
    with pytest.raises(CatenaError, match=r"the tune, line 3"):
        Composer(Markov(), form="abc").fit([Tune("X:1\nT:Bad\nK:nothing\nCEG|]\n")])


# -- files ----------------------------------------------------------------------------------------


def test_every_composer_comes_back_from_its_file_to_the_bit(everyone, tmp_path):
    for model in everyone:
        model.save(tmp_path / "m")
        again = load(tmp_path / "m")
        ours, theirs = (one.generator_.model_.state_dict() for one in (model, again))
        assert all(container.same(ours[name], theirs[name]) for name in ours)
        assert again.evaluate(WALTZES) == model.evaluate(WALTZES)
        assert again.compose(WALTZES[1], 1, seed=3) == model.compose(WALTZES[1], 1, seed=3)
        assert (again.form, again.step, again.metre_) == (model.form, 8, Metre(0, 3, 4))
        again.save(tmp_path / "n")
        assert container.read_facts(tmp_path / "n") == container.read_facts(tmp_path / "m")
    copy = pickle.loads(pickle.dumps(everyone[-1]))
    assert copy.evaluate(WALTZES) == everyone[-1].evaluate(WALTZES)


@pytest.mark.parametrize(
    "damage",
    [
        {"form": "songs"}, {"step": 0}, {"step": 4}, {"metre": [3]}, {"tempo": "fast"},
        {"generator": {}}, {"transpose": None, "form": "frames"},
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "m"
    fitted(Markov(), "events").save(path)
    tensors, facts = container.read(path)
    facts["task"] |= damage
    container.write(path, tensors, facts)
    with pytest.raises(CatenaError) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_fitting_changes_nothing_of_the_random_numbers():
    before = torch.get_rng_state()
    fitted(GRU(units=4), "frames", QUICK).compose(bars=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_scikit_learn_clones_it():
    model = Composer(LSTM(units=8), form="frames", step=8, transpose=3)
    again = Composer(**model.get_params(deep=False))
    assert repr(again) == repr(model)
    assert again.set_params(rung__units=4).rung.units == 4


# -- pictures -------------------------------------------------------------------------------------


def test_a_piano_roll_is_drawn(tmp_path):
    model = fitted(Markov(), "events")
    (piece,) = model.compose(WALTZES[0], 2)
    model.draw(tmp_path / "roll.svg", piece, WALTZES[0])
    svg = (tmp_path / "roll.svg").read_text()
    assert "C4" in svg
    # The notes of the primer are grey, those that are new are not.
    assert svg.count("fill: #555e69") >= 6
    assert "fill: #0060a0" in svg
    model.draw(tmp_path / "empty.png", Piece(()))
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(CatenaError, match="a picture's name ends in one of"):
        model.draw(tmp_path / "roll.gif", piece)


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "data", "told"),
    [
        ({"form": "songs"}, WALTZES, "form must be one of events, frames, abc, not 'songs'"),
        ({"step": 0}, WALTZES, "step must be a whole number from 1 to 960"),
        ({"transpose": -1}, WALTZES, "whole number of semitones"),
        ({}, [], "no piece has a note"),
        ({}, [Piece(())], "no piece has a note"),
        ({}, WALTZES[0], "give a list of pieces, not Piece"),
        ({}, ["tune.mid"], "piece 1 is a str, not a Piece"),
        ({"form": "frames"}, [melody(60), melody(10)], "piece 2: the pitch 10 is outside"),
        ({"form": "frames"}, [melody(110, name="high.mid")], "high.mid: the pitch 110"),
    ],
)
def test_what_cannot_be_learned_from(options, data, told):
    rung = HMM(states=1) if options.get("form") == "frames" else Markov()
    with pytest.raises(CatenaError, match=told):
        Composer(rung, **options).fit(data)


def test_what_cannot_be_composed():
    model = Composer(HMM(states=2), form="frames", learner=EM(iterations=1))
    with pytest.raises(CatenaError, match="not fitted yet"):
        model.compose()
    model.fit(WALTZES)
    with pytest.raises(CatenaError, match="bits that a network predicts"):
        model.compose(temperature=0.5)
    with pytest.raises(CatenaError, match="bars must be at least 1"):
        model.compose(bars=0)
    with pytest.raises(CatenaError, match="Markov"):
        Composer(Markov(), form="frames").fit(WALTZES)
