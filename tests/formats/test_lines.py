"""Lines as they come in: the same ones whatever the blocks, and never more than a block of them."""

import gzip
import io
import lzma
from itertools import chain, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import lines
from catena.formats.lines import blocks_of_lines


def read(*given, **how):
    return list(chain.from_iterable(blocks_of_lines(*given, **how)))


@given(
    st.text(st.sampled_from("ab\n\r ü汉\u2028")),
    st.integers(1, 7),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "gb18030"]),
)
def test_blocks_change_nothing(text, block, encoding):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK", block)
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode(encoding, "replace"))))
        found = read("-", encoding=encoding)
    kept = text.encode(encoding, "replace").decode(encoding)
    wanted = kept.replace("\r\n", "\n").removesuffix("\n").split("\n") if kept else []
    assert found == wanted


class Endless(io.RawIOBase):
    """A file that never ends, and counts what was taken of it."""

    taken = 0

    def readable(self):
        return True

    def read1(self, size):
        self.taken += size
        return b"line\n" * (size // 5)


def test_no_more_is_read_than_is_asked_for(monkeypatch):
    endless = Endless()
    monkeypatch.setattr(lines, "BLOCK", 50)
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": endless}))
    first = list(islice(blocks_of_lines("-"), 3))
    assert {line for block in first for line in block} == {"line"}
    assert endless.taken == 3 * 50


def test_compressed(write, monkeypatch):
    text = "ä\n\nlast\r\n"
    for name, content in {
        "a.txt": text.encode(), "a.gz": gzip.compress(text.encode()), "a.de.xz": lzma.compress(
            text.encode()),
    }.items():  # fmt: skip
        assert read(write(content, name)) == ["ä", "", "last"]
        piped = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))  # type: ignore[arg-type]
        monkeypatch.setattr("sys.stdin", piped)
        assert read("-") == ["ä", "", "last"]
    assert read(write(b"", "none.txt")) == []


@pytest.mark.parametrize(
    ("content", "how", "before", "told"),
    [
        (b"one\ntwo\nth\xffree\nfour\n", {}, 2, "l.txt, line 3, byte 11 of the file: 0xff is not"),
        (b"one\n\xe6\xb1", {}, 1, "l.txt, line 2, byte 5 of the file: 0xe6 is not valid utf-8"),
        ("a\nü\n".encode("latin-1"), {}, 1, "name the right encoding with --encoding"),
        (b"a\n", {"encoding": "hex"}, 0, "--encoding hex: there is no such encoding"),
        ("a\nü\n".encode(), {"encoding": "ascii"}, 1, "line 2, byte 3 of the file: 0xc3 is not"),
        (b"a\n", {"encoding": "morse"}, 0, "--encoding morse: there is no such encoding"),
        (b"a\n", {"errors": "shrug"}, 0, "--errors must be one of strict"),
    ],
)
@pytest.mark.parametrize("block", [3, 1 << 16])
def test_what_cannot_be_decoded(write, monkeypatch, content, how, before, told, block):
    monkeypatch.setattr(lines, "BLOCK", block)
    found = blocks_of_lines(write(content, "l.txt"), **how)
    given_before = []
    with pytest.raises(CatenaError) as refused:
        given_before.extend(chain.from_iterable(found))
    assert told in str(refused.value)
    assert len(given_before) == before


def test_read_on_past_invalid_bytes(write):
    path = write(b"a\n\xffb\n")
    assert read(path, errors="replace") == ["a", "\ufffdb"]
    assert read(path, encoding="latin-1") == ["a", "ÿb"]


def test_files_that_cannot_be_read(write, tmp_path):
    with pytest.raises(CatenaError, match="there is no such file"):
        read(tmp_path / "nowhere")
    with pytest.raises(CatenaError, match="a folder, not a file"):
        read(tmp_path)
    whole = gzip.compress(b"".join(b"%d\n" % i for i in range(10**5)))
    for spoiled in (whole[:-500], b"no gzip at all"):
        with pytest.raises(CatenaError, match="damaged or cut short"):
            read(write(spoiled, "l.gz"))
