"""Plain text: lines and streams, characters, words and bytes, and how it arrives."""

import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import read

# A carriage return before the line break belongs to it, and a mark at the start is no text.
LINE = st.text(st.characters(exclude_characters="\n\r\ufeff", exclude_categories=["Cs"]))

PACKED = gzip.compress(b"abc" * 99, mtime=0)  # the time would be part of a test's name


@given(lines=st.lists(LINE, min_size=1), end=st.sampled_from(["\n", "\r\n"]))
def test_any_lines_come_back(lines, end, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "lines-lines.txt"
    path.write_bytes("".join(line + end for line in lines).encode())
    assert read([path]).sequences == lines


@given(
    lines=st.lists(
        st.binary().map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b"")), min_size=1
    )
)
def test_any_lines_of_bytes_come_back(lines, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "bytes-lines.bin"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    assert read([path], unit="byte").sequences == lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\n\n", ["a", ""]),
        ("\n", [""]),
        ("\ufeffa\nb", ["a", "b"]),
        ("a\u2028b\x0bc\x85d\re\n", ["a\u2028b\x0bc\x85d\re"]),
    ],
)
def test_what_a_line_is(write, content, lines):
    data = read([write(content)])
    assert data.sequences == lines
    assert (data.unit, data.space, data.stream) == ("char", "symbols", False)


def test_places_count_lines_through_all_files(write):
    one, two = write("a\nb\n", "one.txt"), write("c\n", "two.txt")
    data = read([one, two])
    assert data.sequences == ["a", "b", "c"]
    places = [data.place(i) for i in range(3)]
    assert places == [f"{one}, line 1", f"{one}, line 2", f"{two}, line 1"]
    with pytest.raises(IndexError):
        data.place(3)


def test_a_stream_is_one_sequence_a_file_with_its_line_breaks(write):
    one, two = write("a\r\nb\n", "one.txt"), write("c", "two.txt")
    data = read([one, two], stream=True)
    assert (data.sequences, data.stream) == (["a\nb\n", "c"], True)
    assert data.place(1) == str(two)


def test_the_line_break_is_a_word_of_a_stream(write):
    data = read([write("to be\nor  not\n\nto\n")], stream=True, unit="word")
    assert data.sequences == [["to", "be", "\n", "or", "not", "\n", "\n", "to", "\n"]]
    assert data.unit == "word"


def test_bytes_are_taken_as_they_are(write):
    path = write(b"\xff\xfe\r\n\x00")
    assert read([path], unit="byte").sequences == [b"\xff\xfe", b"\x00"]
    assert read([path], unit="byte", stream=True).sequences == [b"\xff\xfe\r\n\x00"]


def test_other_encodings_and_policies(write):
    assert read([write("詩\n經".encode("utf-16"))], encoding="utf-16").sequences == ["詩", "經"]
    assert read([write("詩".encode("gb18030"))], encoding="gb18030").sequences == ["詩"]
    assert read([write(b"a\xffb")], errors="replace").sequences == ["a\ufffdb"]
    assert read([write(b"a\xffb")], errors="ignore").sequences == ["ab"]


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_compressed_files_and_pipes_are_read_as_they_are(write, pipe, suffix, pack):
    assert read([write(pack(b"a\nb\n"), "t.txt" + suffix)]).sequences == ["a", "b"]
    assert read([write(pack(b"1,2\n3,4\n"), "T.CSV" + suffix.upper())]).space == "vectors"
    assert read([pipe(pack(b"a\nb\n"))]).sequences == ["a", "b"]


def test_standard_input_is_text(pipe):
    data = read([pipe("詩\n經\n".encode())])
    assert (data.sequences, data.place(1)) == (["詩", "經"], "standard input, line 2")


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("e.txt", b"", {}, r"e\.txt: empty; there is nothing to read"),
        ("e.txt", b"\xef\xbb\xbf", {}, r"e\.txt: empty"),
        ("e.txt.xz", lzma.compress(b""), {}, r"e\.txt\.xz: empty"),
        ("e.txt.gz", b"", {}, r"e\.txt\.gz: empty"),
        ("u.txt", b"ab\ncd\xff", {},
         r"u\.txt, line 2, byte 6 of the file: 0xff is not valid utf-8; .*--encoding.*--errors"),
        ("u.txt", b"ab\n\xe8\xa9", {}, r"u\.txt, line 2, byte 4 of the file"),
        ("u.txt", b"a", {"encoding": "klingon"}, r"--encoding klingon: there is no such encoding"),
        ("u.txt", b"a", {"encoding": "hex"}, r"--encoding hex: there is no such encoding"),
        ("u.txt", b"a", {"errors": "shrug"}, r"--errors must be one of strict, replace"),
        ("d.txt.xz", b"plain", {}, r"d\.txt\.xz: damaged or cut short, or not a \.xz file"),
        ("d.txt.xz", lzma.compress(b"abc" * 99)[:-9], {}, r"d\.txt\.xz: damaged or cut short"),
        ("d.txt.gz", b"plain", {}, r"d\.txt\.gz: damaged or cut short, or not a \.gz file"),
        ("d.txt.gz", PACKED[:-9], {}, r"d\.txt\.gz: damaged or cut short"),
        ("d.txt.gz", PACKED[:-8] + b"\0" * 8, {}, r"d\.txt\.gz: damaged"),
        ("p.txt", b"a", {"group_by": "user"},
         r"p\.txt: --group-by is for tables \(.*\), and this is plain text; leave it out"),
        ("p.txt", b"a", {"order_by": "time"}, r"p\.txt: --order-by is for tables"),
        ("p.txt", b"a", {"item": "song"}, r"p\.txt: --item is for tables"),
        ("p.txt", b"a", {"space": "vectors"}, r"p\.txt: --space is for numbers"),
        ("p.txt", b"a", {"unit": "item"}, r"p\.txt: --unit is for texts, and this is plain text"),
        ("p.txt", b"a", {"unit": "byte", "encoding": "latin-1"}, r"--encoding is for files of"),
        ("p.txt", b"a", {"unit": "rune"}, r"--unit must be one of char, word, byte, item"),
        ("p.txt", b"a", {"space": "hyper"}, r"--space must be one of symbols, vectors"),
    ],
)  # fmt: skip
def test_bad_text_is_refused_in_one_line(write, name, content, options, message):
    path = write(content, name)
    with pytest.raises(CatenaError, match=message) as caught:
        read([path], **options)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told_from_a_misspelt_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "novel.txt").write_text("a")
    with pytest.raises(CatenaError, match=r"^shakespere: there is no such .* set shakespeare\?"):
        read(["shakespere"])
    with pytest.raises(CatenaError, match=r"did you mean novel\.txt\?"):
        read(["novell.txt"])
    with pytest.raises(CatenaError, match=r"^xyzzy: there is no .*shakespeare, tang, faithful"):
        read(["xyzzy"])
    with pytest.raises(CatenaError, match=r"nowhere/data\.txt: there is no such file; check"):
        read(["nowhere/data.txt"])
    with pytest.raises(CatenaError, match=r"there is no such file; check"):
        read(["novel.txt/data.txt"])
    with pytest.raises(CatenaError, match=r"cannot be read: embedded null"):
        read(["a\0b"])


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(CatenaError, match=r"a folder, not a file; name the files in it, such as"):
        read([tmp_path])


def test_permission_denied(write, monkeypatch):
    path = write("a")

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(CatenaError, match=r"data\.txt: permission denied; make it readable"):
        read([path])


def test_nothing_to_read_and_standard_input_twice():
    with pytest.raises(CatenaError, match=r"no data: name a file, - for standard input, or a bund"):
        read([])
    with pytest.raises(CatenaError, match=r"standard input \(-\) can be read only once"):
        read(["-", "-"])


def test_files_of_different_kinds_are_not_mixed(write):
    text, table = write("a\n"), write("1,2\n", "t.csv")
    with pytest.raises(CatenaError, match=r"data\.txt holds symbols \(char\), .*t\.csv vectors"):
        read([text, table])
    with pytest.raises(CatenaError, match=r"is one long sequence, the other holds many"):
        read(["shakespeare", text])
