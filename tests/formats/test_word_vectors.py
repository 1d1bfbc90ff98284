"""Word vectors from the text files of GloVe, word2vec and fastText."""

import gzip
import lzma

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catena import word_vectors
from catena.errors import CatenaError
from catena.word_vectors import lookup, read_vectors

GLOVE = "the 0.5 -1 2e-1\nof 1 2 3\nThe 4 5 6\n"
WANTED = {"the": [0.5, -1, 0.2], "of": [1, 2, 3], "The": [4, 5, 6]}


def as_dict(vectors):
    assert vectors.values.dtype == torch.float32
    rows = vectors.values.tolist()
    return dict(zip(vectors.words, [np.round(row, 6).tolist() for row in rows], strict=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("glove.txt", GLOVE.encode()),
        ("word2vec.txt", b"3 3\n" + GLOVE.encode()),
        ("word2vec.txt", b"3 3\r\n" + GLOVE.replace("\n", " \r\n").encode()),
        ("fasttext.vec", b"3 3\n" + GLOVE.replace("\n", " \n").encode()),
        ("no end.vec", GLOVE.rstrip("\n").encode()),
        ("mark.txt", b"\xef\xbb\xbf" + GLOVE.encode()),
        ("glove.txt.gz", gzip.compress(GLOVE.encode(), mtime=0)),
        ("glove.txt.xz", lzma.compress(GLOVE.encode())),
    ],
)
def test_every_format_is_the_same_vectors(write, name, content):
    assert as_dict(read_vectors(write(content, name))) == WANTED


@pytest.mark.parametrize("block", [1, 7, 16])
def test_where_blocks_end_does_not_matter(write, monkeypatch, block):
    monkeypatch.setattr(word_vectors, "BLOCK", block)
    assert as_dict(read_vectors(write("3 3\n" + GLOVE))) == WANTED


def test_words_that_are_wanted_and_their_small_letters(write):
    vectors = read_vectors(write(GLOVE), {"THE", "Of", "\ud800", "unheard"})
    assert as_dict(vectors) == {"the": WANTED["the"], "of": WANTED["of"]}
    values, found = lookup(vectors, ["Of", "unheard", "THE", "THE"])
    assert found.tolist() == [True, False, True, True]
    assert torch.equal(values, torch.tensor([[1, 2, 3], [0, 0, 0], [0.5, -1, 0.2], [0.5, -1, 0.2]]))


def test_nothing_wanted_and_nothing_found(write):
    vectors = read_vectors(write(GLOVE), ["unheard"])
    assert (len(vectors), vectors.dim) == (0, 3)
    values, found = lookup(vectors, ["of"])
    assert (values.tolist(), found.tolist()) == ([[0, 0, 0]], [False])
    assert lookup(vectors, [])[0].shape == (0, 3)
    assert len(read_vectors(write("0 5\n"))) == 0


def test_the_first_of_several_counts(write):
    path = write("a 1\nb 2\na 3\n\nb 4")
    assert as_dict(read_vectors(path)) == {"a": [1], "b": [2]}
    assert as_dict(read_vectors(path, ["b"])) == {"b": [2]}


def test_blanks_in_words(write):
    path = write("at 1 2\n. 3 4\n. . . 5 6\n10 000 7 8\nat me@home.org 9 10\n 11 12\n")
    vectors = read_vectors(path, [".", ". . .", "at me@home.org", "10 000", ""])
    wanted = {".": [3, 4], ". . .": [5, 6], "10 000": [7, 8], "at me@home.org": [9, 10]}
    assert as_dict(vectors) == {**wanted, "": [11, 12]}
    assert as_dict(read_vectors(path, ["at"])) == {"at": [1, 2]}


def test_bytes_that_are_not_utf8(write):
    path = write(b"caf\xe9 1 2\ncaf\xc3\xa9 3 4\nx\xc2\x85y 5 6\n")
    assert as_dict(read_vectors(path)) == {"caf\udce9": [1, 2], "café": [3, 4], "x\x85y": [5, 6]}
    assert as_dict(read_vectors(path, ["café", "caf\udce9"])) == {
        "caf\udce9": [1, 2],
        "café": [3, 4],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("word\n", "line 1: neither a word and its values nor two counts"),
        ("5 0\n", "line 1: neither"),
        ("5 99999999999999999999\n", "line 1: neither"),
        ("a 1 2\nb 1\n", "line 2: 1 values, but 2 are expected"),
        ("a 1 2\nb\n", "line 2: 0 values, but 2 are expected"),
        ("a 1 2\nb 1 2 3\n", "line 2: 3 values, but 2 are expected"),
        ("2 3\na 1 2 3\nb 1 2\n", "line 3: 2 values, but 3 are expected"),
        ("a 1 2\nb 1 x\n", "line 2: value 2, 'x', is no number"),
        ("a 1 2\nb 1 1_0\n", "line 2: value 2, '1_0', is no number"),
        ("a 1 2\nb 1\r 2\n", r"line 2: value 1, '1\\r', is no number"),
        ("a 1 2\nb  1\n", "line 2: value 1, '', is no number"),
        ("a 1 2\nb 1 nan\n", "line 2: value 2, 'nan', is no finite float32"),
        ("a 1 2\nb c -inf 2\n", "line 2: value 1, '-inf', is no finite float32"),
        ("a 1 2\n\nb 1e39 2\n", "line 3: value 1, '1e39', is no finite float32"),
        ("a 1 2\nb c 1 1e39\n", "line 2: value 2, '1e39', is no finite float32"),
        ("1 4\na \0\0\x80\x3f\n", "line 2: 1 values, but 4 are expected"),
        ("3 1\na 1\nb 2\n", "cut short: it announces 3 words and has 2"),
        ("a 1 2\n" + "x" * 3_000_000, "line 2: more than 1048576 bytes"),
    ],
)
@pytest.mark.parametrize("words", [None, ["b"]])
def test_what_is_wrong_is_named(write, content, message, words):
    path = write(content)
    with pytest.raises(CatenaError, match=message) as raised:
        read_vectors(path, words)
    assert str(raised.value).startswith(str(path))


def test_files_that_cannot_be_read(write, tmp_path):
    whole = gzip.compress(GLOVE.encode() * 100)
    cut, text = write(whole[:-20], "cut.gz"), write(GLOVE, "text.gz")
    no_xz, missing = write(GLOVE, "text.xz"), tmp_path / "no.vec"
    for path, message in [
        (cut, "damaged or cut short"),
        (text, "damaged or cut short"),
        (no_xz, "damaged or cut short"),
        (missing, "there is no such file"),
        (tmp_path, "cannot be read"),
    ]:
        with pytest.raises(CatenaError, match=message) as raised:
            read_vectors(path)
        assert str(raised.value).startswith(str(path))


@settings(max_examples=100)
@given(st.text("12.ab -en\n\r", max_size=30), st.sampled_from([None, ["a", "b"]]))
def test_whatever_is_in_a_file_it_is_read_or_refused(write, text, words):
    path = write(text)
    try:
        vectors = read_vectors(path, words)
    except CatenaError:
        return
    assert vectors.values.shape == (len(set(vectors.words)), vectors.dim)
    assert bool(vectors.values.isfinite().all())
