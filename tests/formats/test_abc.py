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


def test_files_without_a_tune(tmp_path):
    with pytest.raises(CatenaError, match="no tune; a tune of ABC begins with a line X:"):
        read_tunes(write(tmp_path, "words\n"))
    with pytest.raises(CatenaError, match="means nothing in ABC; no other tune is left"):
        read_tunes(write(tmp_path, GOOD.format(1, 1).replace("d4", "?")), skip_bad=True)
    with pytest.raises(CatenaError, match="there is no such file"):
        read_tunes(tmp_path / "missing.abc")
