"""The sets that come with catena."""

from importlib.resources import files

import pytest

from catena.data import SETS, bundled
from catena.formats import read


def test_shakespeare_is_one_stream_of_characters():
    data = read(["shakespeare"])
    (text,) = data.sequences
    assert (len(text), text.count("\n")) == (1_115_394, 40_000)
    assert (data.stream, data.unit) == (True, "char")
    assert text.startswith("First Citizen:\nBefore we proceed")
    assert len(read(["shakespeare"], stream=False)) == 40_000


def test_tang_is_a_poem_a_sequence():
    data = read(["tang"])
    assert (len(data), data.stream, data.unit) == (366, False, "char")
    assert data.sequences[1].split("\n")[1].startswith("念天地之悠悠")
    assert not any("陳子昂" in poem for poem in data.sequences[:3])
    assert data.place(1) == "tang, line 2"


def test_faithful_is_272_eruptions():
    data = read(["faithful"])
    assert (data.space, data.columns, len(data)) == ("vectors", ("eruptions", "waiting"), 1)
    assert data.sequences.lengths.tolist() == [272]
    assert data.sequences.values[0].tolist() == [3.6, 79.0]
    assert data.sequences.values.mean(0).tolist() == pytest.approx([3.4877831, 70.8970588])


def test_every_set_is_listed_with_its_source_and_licence():
    sources = (files("catena.data") / "SOURCES.md").read_text(encoding="utf-8")
    assert list(bundled()) == list(SETS)
    for name in bundled():
        assert f"| `{name}` |" in sources
    licence = (files("catena.data") / "LICENSE-chinese-poetry").read_text(encoding="utf-8")
    assert licence.startswith("The MIT License (MIT)")


def test_a_set_wins_over_a_file_of_its_name_which_a_path_still_reaches(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tang").write_text("mine\n")
    assert len(read(["tang"])) == 366
    assert read(["./tang"]).sequences == ["mine"]
