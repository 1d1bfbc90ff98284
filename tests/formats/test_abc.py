"""Files of tunes."""

import lzma

import pytest

from catena.errors import CatenaError
from catena.formats import read_tunes

GOOD = "X:{}\nT:Air {}\nM:2/4\nL:1/8\nK:G\nGABc|d4|]\n"
FILE = (
    "%abc-2.1\nH:of the whole file\n\n"
    + GOOD.format(1, 1)
    + "\nwords between tunes\n\n"
    + GOOD.format(2, 2).replace("d4", "d?4")
    + "\n\n"
    + GOOD.format(3, 3)
)


def write(folder, text, name="airs.abc"):
    (folder / name).write_text(text, "utf-8", newline="")
    return folder / name


def test_tunes_and_where_they_stand(tmp_path):
    path = write(tmp_path, FILE.replace("?", ""))
    found = read_tunes(path)
    assert [tune.title for tune in found.tunes] == ["Air 1", "Air 2", "Air 3"]
    assert [tune.line for tune in found.tunes] == [4, 13, 21]
    assert found.tunes[0].text == GOOD.format(1, 1)
    assert (len(found), found.name, found.skipped) == (3, str(path), [])


def test_an_error_is_named_or_skipped_and_counted(tmp_path):
    path = write(tmp_path, FILE)
    message = f"{path}, line 18, column 7: '?': a character that means nothing in ABC"
    with pytest.raises(CatenaError) as caught:
        read_tunes(path)
    assert str(caught.value) == message
    found = read_tunes(path, skip_bad=True)
    assert [tune.title for tune in found.tunes] == ["Air 1", "Air 3"]
    assert found.skipped == [message]


def test_several_files_other_line_ends_and_compression(tmp_path):
    first = write(tmp_path, FILE.replace("?", "").replace("\n", "\r\n"))
    second = tmp_path / "more.abc.xz"
    second.write_bytes(lzma.compress(GOOD.format(9, 9).encode()))
    found = read_tunes([first, second])
    assert [tune.title for tune in found.tunes] == ["Air 1", "Air 2", "Air 3", "Air 9"]
    assert found.tunes[0].text == GOOD.format(1, 1)


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_lines_end_in_any_way(tmp_path, end):
    path = write(tmp_path, FILE.replace("\n", end))
    with pytest.raises(CatenaError, match=r"airs.abc, line 18, column 7: '\?'"):
        read_tunes(path)
    found = read_tunes(path, skip_bad=True)
    assert [(tune.title, tune.line) for tune in found.tunes] == [("Air 1", 4), ("Air 3", 21)]
    assert found.tunes[0].text == GOOD.format(1, 1)


def test_the_last_tune_needs_no_line_after_it(tmp_path):
    path = write(tmp_path, GOOD.format(1, 1) + "\n" + GOOD.format(2, 2).rstrip("\n"))
    assert [tune.text for tune in read_tunes(path).tunes] == [GOOD.format(i, i) for i in (1, 2)]


def test_bytes_of_another_encoding(tmp_path):
    good, empty, path = write(tmp_path, GOOD.format(1, 1)), tmp_path / "e.abc", tmp_path / "l.abc"
    empty.write_bytes(b"")
    path.write_bytes(GOOD.format(2, "é").encode("latin-1"))
    said = r"l\.abc, line 2, byte 11 of the file: 0xe9 is not valid utf-8"
    with pytest.raises(CatenaError, match=said):
        read_tunes(path)
    assert read_tunes(path, encoding="latin-1").tunes[0].title == "Air é"
    assert read_tunes(path, errors="replace").tunes[0].title == "Air \ufffd"
    found = read_tunes([path, empty, tmp_path / "none.abc", good], skip_bad=True)
    assert (len(found), len(found.skipped)) == (1, 3)
    assert [said.split(": ")[1][:5] for said in found.skipped[1:]] == ["empty", "there"]


def test_files_without_a_tune(tmp_path):
    with pytest.raises(CatenaError, match="no tune; a tune of ABC begins with a line X:"):
        read_tunes(write(tmp_path, "words\n"))
    with pytest.raises(CatenaError, match="means nothing in ABC; no other tune is left"):
        read_tunes(write(tmp_path, GOOD.format(1, 1).replace("d4", "?")), skip_bad=True)
    with pytest.raises(CatenaError, match="there is no such file"):
        read_tunes(tmp_path / "missing.abc")
