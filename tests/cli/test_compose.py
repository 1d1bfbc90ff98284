"""Composers on the command line: learned from files and folders, used, measured; and refused."""

import errno
import json
import os

import pytest

from catena import Composer, load
from catena.formats import read_midi, read_music, read_tunes, write_midi
from catena.music import Metre, Note, Piece, Tempo
from catena.music.events import to_events

pytest.importorskip("mido")

TASK = ["--task", "compose"]
MARKOV = [*TASK, "--model", "markov", "--order", "2", "--step", "8"]
FRAMES = [*TASK, "--model", "gru", "--units", "4", "--epochs", "1", "--form", "frames"]


def melody(*pitches):
    notes = tuple(Note(i * 480, pitch, 480) for i, pitch in enumerate(pitches))
    return Piece(notes, tempos=(Tempo(0, 100.0),), metres=(Metre(0, 3, 4),))


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    """A folder of MIDI files and a file of its own."""
    folder = tmp_path_factory.mktemp("tunes")
    (folder / "deep").mkdir()
    write_midi(melody(60, 64, 67, 72, 67, 64), folder / "a.mid")
    write_midi(melody(60, 64, 67, 65, 62, 59), folder / "deep" / "b.MIDI")
    (folder / "read.me").write_text("no music")
    return folder


@pytest.fixture
def composer(catena, tunes):
    """A file of a Markov chain over events."""
    path = tunes / "composer.safetensors"
    if not path.exists():
        result = catena("fit", tunes, *MARKOV, "--transpose", 1, "-o", path)
        assert (result.status, result.out) == (0, "")
        assert result.err.endswith("events of 1/8 notes, 2 pieces\n")
    return path


@pytest.fixture
def bad(tunes, tmp_path):
    """A folder with a good file, and three that are not."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    good = (tunes / "a.mid").read_bytes()
    (folder / "good.mid").write_bytes(good)
    (folder / "cut.mid").write_bytes(good[:-9])
    write_midi(Piece(()), folder / "silent.mid")
    write_midi(melody(120), folder / "high.mid")
    return folder


def test_a_piece_is_written_with_its_picture(catena, composer, tunes, tmp_path):
    new = tmp_path / "new.mid"
    result = catena("compose", composer, "-o", new, "--bars", 4, "--seed", 1)
    assert (result.status, result.out) == (0, "")
    assert result.err == f"wrote {new} and {tmp_path / 'new.png'}\n"
    (own,) = load(composer).compose(bars=4, seed=1)
    assert read_midi(new) == own
    assert (own.tempos, own.metres) == ((Tempo(0, 100.0),), (Metre(0, 3, 4),))
    assert (tmp_path / "new.png").read_bytes().startswith(b"\x89PNG")


def test_several_pieces_go_on_from_a_primer(catena, composer, tunes, tmp_path):
    given = ["--primer", tunes / "a.mid", "--bars", 2, "--n", 2, "--top-p", "0.9"]
    assert catena("compose", composer, "-o", tmp_path / "new.mid", *given).status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "new-1.mid", "new-1.png", "new-2.mid", "new-2.png",
    ]  # fmt: skip
    primer = read_midi(tunes / "a.mid")
    for number in (1, 2):
        piece = read_midi(tmp_path / f"new-{number}.mid")
        assert piece.notes[:6] == primer.notes
        assert primer.end < piece.end <= primer.end + 2 * 3 * 480


def test_the_picture_shows_where_the_primer_ends(catena, composer, tunes, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(Composer, "draw", lambda self, *given: shown.append(given))
    given = ["-o", tmp_path / "new.mid", "--primer", tunes / "a.mid", "--bars", 1]
    assert catena("compose", composer, *given).status == 0
    ((path, new, begun),) = shown
    assert (path, begun) == (tmp_path / "new.png", read_midi(tunes / "a.mid"))
    assert new == read_midi(tmp_path / "new.mid")


def test_nothing_is_composed_where_a_picture_cannot_be_written(refused, composer, tmp_path):
    (tmp_path / "new-2.png").mkdir()
    told = refused("compose", composer, "-o", tmp_path / "new.mid", "-n", 2, "--bars", 1)
    assert f"{tmp_path / 'new-2.png'}: is a folder" in told


def test_a_full_disk_leaves_no_half_of_a_piece(catena, composer, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = catena("compose", composer, "-o", tmp_path / "new.mid", "--bars", 1)
    assert result.status == 2
    assert "cannot be written: No space left on device" in result.err
    assert not list(tmp_path.iterdir())


def test_frames_are_learned_and_measured(catena, tunes, tmp_path):
    model = tmp_path / "m"
    data = [tunes / "a.mid", tunes / "deep" / "b.MIDI"]
    assert catena("fit", *data, "--valid", data[0], *FRAMES, "-o", model).status == 0
    found = json.loads(catena("evaluate", model, tunes, "--json").out)
    own = load(model).evaluate([read_midi(file) for file in data])
    assert (found["unit"], found["steps"], found["nats"]) == ("frame", 48, own.nats)
    shown = catena("evaluate", model, tunes).out
    assert f"nats per frame {own.nats:.4f}" in " ".join(shown.split())
    facts = json.loads(catena("info", model, "--json").out)
    assert (facts["form"], facts["step"], facts["metre"]) == ("frames", "1/16", "3/4")
    assert catena("compose", model, "-o", tmp_path / "x.mid", "--bars", 1).status == 0


def test_info_in_words(catena, composer):
    assert "Markov" in catena("info", composer).out or "markov" in catena("info", composer).out


def test_bad_files_are_skipped_only_where_that_was_asked_for(catena, refused, bad, tmp_path):
    told = refused("fit", bad, *FRAMES, "-o", tmp_path / "m")
    assert f"{bad / 'cut.mid'}: cut short in track 2 of 2" in told
    (bad / "cut.mid").unlink()
    told = refused("fit", bad / "high.mid", *FRAMES, "-o", tmp_path / "m")
    assert "high.mid: the pitch 120 is outside 21 to 108" in told
    assert "--skip-bad leaves such pieces out" in told
    assert "silent.mid: there is no note in it" in refused(
        "fit", bad / "silent.mid", *FRAMES, "-o", tmp_path / "m"
    )
    result = catena("fit", bad, *FRAMES, "--skip-bad", "-o", tmp_path / "m")
    assert result.status == 0
    assert f"skipped: {bad / 'silent.mid'}: there is no note in it\n" in result.err
    assert f"skipped: {bad / 'high.mid'}: the pitch 120" in result.err
    assert "skipped 2 of 3\n" in result.err
    assert "1 piece\n" in result.err
    result = catena("evaluate", tmp_path / "m", bad, "--skip-bad")
    assert (result.status, "skipped 2 of 3\n" in result.err) == (0, True)
    told = refused("fit", bad / "silent.mid", *FRAMES, "--skip-bad", "-o", tmp_path / "n")
    assert "no piece is left; the first: " in told


def test_a_piece_of_drums_alone_is_named(catena, refused, tunes, tmp_path):
    (tmp_path / "both").mkdir()
    write_midi(Piece((Note(0, 36, 480, channel=9),)), tmp_path / "both" / "drums.mid")
    write_midi(melody(60, 62), tmp_path / "both" / "tune.mid")
    told = refused("fit", tmp_path / "both", *MARKOV, "-o", tmp_path / "m")
    assert "drums.mid: there is no note in it but drums, which are left out" in told
    result = catena("fit", tmp_path / "both", *MARKOV, "--skip-bad", "-o", tmp_path / "m")
    assert (result.status, "skipped 1 of 2\n" in result.err) == (0, True)


# -- tunes of ABC ---------------------------------------------------------------------------------

WALTZ = "X:{0}\nT:Waltz {0}\nM:3/4\nL:1/4\nK:C\nCEG|{1}2G|EDC|]\n\n"


@pytest.fixture
def written(catena, tunes):
    """A file of tunes, one of them bad, and one that composes tunes."""
    data, model = tunes.parent / "waltzes.abc", tunes.parent / "abc.safetensors"
    if not model.exists():
        data.write_text("".join(WALTZ.format(i, "cBAx"[i]) for i in range(3)))
        given = [*TASK, "--model", "markov", "--order", "3", "-o", model]
        result = catena("fit", data, *given)
        assert (result.status, result.out) == (0, "")
        assert result.err.endswith(", tunes of ABC, 3 pieces\n")
    return data, model


def test_tunes_are_learned_and_written(catena, written, tmp_path):
    data, model = written
    new = tmp_path / "new.abc"
    assert catena("compose", model, "-o", new, "-n", 3, "--temperature", "0.8").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "new-1.png", "new-2.png", "new-3.png", "new.abc",
    ]  # fmt: skip
    assert read_tunes(new).tunes == load(model).compose(n=3, temperature=0.8)
    given = ["--temperature", "0.8", "-o", tmp_path / "new.mid"]
    assert catena("compose", model, *given).status == 0
    assert len(read_midi(tmp_path / "new.mid").notes) > 0
    found = json.loads(catena("evaluate", model, data, "--json").out)
    assert (found["unit"], found["pieces"]) == ("symbol", 3)
    assert json.loads(catena("info", model, "--json").out)["form"] == "abc"


def test_a_primer_of_abc(catena, refused, written, tmp_path):
    data, model = written
    (tmp_path / "begin.abc").write_text("X:9\nT:Begin\nM:3/4\nL:1/4\nK:C\nCEG|A2")
    given = ["--primer", tmp_path / "begin.abc", "-o", tmp_path / "new.abc"]
    assert catena("compose", model, *given).status == 0
    assert "K:C\nCEG|A2" in (tmp_path / "new.abc").read_text()
    assert "leave bars out" in refused("compose", model, *given, "--bars", 4)
    told = refused("compose", model, "--primer", data, "-o", tmp_path / "new.abc")
    assert "waltzes.abc: 3 tunes; a primer is one" in told


def test_bad_tunes_are_skipped_only_where_that_was_asked_for(catena, refused, tmp_path):
    data, output = tmp_path / "some.abc", ["-o", tmp_path / "m"]
    data.write_text(WALTZ.format(1, "c") + WALTZ.format(2, "[c") + WALTZ.format(3, "B"))
    told = refused("fit", data, *MARKOV[:4], *output)
    assert f"{data}, line 13" in told
    result = catena("fit", data, *MARKOV[:4], "--skip-bad", *output)
    assert result.status == 0
    assert f"skipped: {data}, line 13" in result.err
    assert "skipped 1 of 3\n" in result.err
    assert "tunes of ABC, 2 pieces" in result.err
    told = refused("fit", data, *MARKOV, *output)
    assert "--step is for events and frames" in told


def test_tunes_of_another_encoding(catena, refused, tmp_path):
    data, output = tmp_path / "some.abc", ["-o", tmp_path / "m"]
    data.write_bytes(WALTZ.format(1, "c").replace("Waltz", "Valse \xe9").encode("latin-1"))
    (tmp_path / "good.abc").write_text(WALTZ.format(2, "B"))
    assert "some.abc, line 2, byte" in refused("fit", data, *MARKOV[:4], *output)
    given = [data, tmp_path / "good.abc", *MARKOV[:4]]
    for form in "abc", "events":
        told = catena("fit", *given, "--form", form, "--encoding", "latin-1", *output).err
        assert told.endswith("2 pieces\n")
        told = catena("fit", *given, "--form", form, "--skip-bad", *output).err
        assert "skipped 1 of 2\n" in told
    assert catena("evaluate", tmp_path / "m", data, "--encoding", "latin-1").status == 0


def test_tunes_are_learned_as_events_too(catena, written, tunes, tmp_path):
    data, _ = written
    result = catena("fit", data, tunes, *MARKOV, "--form", "events", "-o", tmp_path / "m")
    assert result.err.endswith("events of 1/8 notes, 5 pieces\n")
    assert catena("fit", data, tunes, *MARKOV, "-o", tmp_path / "n").err.endswith("5 pieces\n")


# -- compared -------------------------------------------------------------------------------------


def test_the_ladder_is_compared(catena, refused, written, tunes, tmp_path):
    data, _ = written
    waltzes = tmp_path / "many.abc"
    waltzes.write_text("".join(WALTZ.format(i, "cBAG"[i % 4]) for i in range(20)))
    few = ["--task", "compose", "--models", "markov", "--json"]
    found = json.loads(catena("compare", waltzes, *few).out)
    assert (found["task"], found["unit"], found["left_out"]) == ("compose", "symbol", "")
    assert {row["name"] for row in found["rows"]} >= {"markov-1", "markov-2"}
    parts = ["--valid", data, "--test", data]
    shown = json.loads(catena("compare", waltzes, *few, "--form", "events", *parts).out)
    own = read_music([data]).pieces
    assert shown["sizes"][2] == sum(len(to_events(piece)) for piece in own)
    assert shown["unit"] == "event"
    assert "give --valid and --test, or none" in refused("compare", waltzes, *few, *parts[:2])
    told = refused("compare", waltzes, *few, "--unit", "word")
    assert "--unit is not for --task compose" in told
    told = refused("compare", waltzes, "--form", "events")
    assert "--form is not for --task generate" in told
    told = refused("compare", waltzes, *few, "--form", "frames")
    assert "many.abc: markov cannot model Bits: a Markov chain needs symbols" in told


def test_what_is_left_out_of_a_comparison_is_said(catena, written, tmp_path):
    data, _ = written
    given = ["--form", "frames", "--models", "markov,hmm", "--minutes", "0.01"]
    parts = ["--valid", data, "--test", data, "--report", tmp_path / "r.html"]
    result = catena("compare", data, *TASK, *given, *parts)
    assert result.status == 0
    assert "bits/frame" in result.out
    said = "Left out: markov, which cannot model Bits: a Markov chain needs symbols."
    assert result.out.endswith(f"{said}\n")
    report = (tmp_path / "r.html").read_text()
    assert said in report
    assert "of the density" not in report


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--bars", "0"], "bars must be at least 1"),
        (["-n", "0"], "-n must be at least 1"),
        (["--temperature", "-1"], "temperature must be"),
        (["--primer", "none.mid"], "none.mid: there is no such file"),
    ],
)
def test_what_cannot_be_composed(refused, composer, tmp_path, given, told):
    assert told in refused("compose", composer, "-o", tmp_path / "new.mid", *given)


def test_names_that_cannot_be_written(refused, composer, tmp_path):
    told = refused("compose", composer, "-o", tmp_path / "new.wav")
    assert "the name of what is composed ends in .mid" in told
    assert "there is no such folder" in refused("compose", composer, "-o", tmp_path / "x" / "n.mid")


def test_models_options_and_commands_that_do_not_go_together(
    refused, composer, tunes, model, tmp_path
):
    output = ["-o", tmp_path / "m"]
    told = refused("compose", model("markov"), "-o", tmp_path / "new.mid")
    assert "for the task 'generate', not 'compose'" in told
    assert "for the task 'compose', not 'generate'" in refused("generate", composer)
    told = refused("fit", tunes, *MARKOV, "--unit", "word", *output)
    assert "--unit is for --task generate, classify, caption, translate or chat, not for" in told
    told = refused("fit", tunes / "a.mid", "--model", "markov", "--form", "frames", *output)
    assert "--form is for --task compose, not for generate" in told
    told = refused("fit", tunes, *MARKOV, "--form", "frames", *output)
    assert "a Markov chain counts symbols" in told
    told = refused("fit", tunes, *MARKOV, "--form", "songs", *output)
    assert "form must be one of" in told
    (tmp_path / "empty").mkdir()
    told = refused("fit", tmp_path / "empty", *MARKOV, *output)
    assert "empty: a folder without .mid or .midi or .abc files" in told
