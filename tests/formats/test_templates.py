"""Template files: what they mean, and what is refused."""

from __future__ import annotations

import pytest

from catena.errors import CatenaError
from catena.features.attributes import Attributes
from catena.features.extract import extract
from catena.features.patterns import compile_pattern
from catena.features.templates import parse_templates, templates_of_fields
from catena.formats.templates import read_templates

WORDS = ["The", "dog", "barks", "Hi", "x7"]
TAGS = ["DT", "NN", "VB", "UH", "NN"]
LENGTHS = [3, 0, 1, 1]


def read(text, lengths=LENGTHS):
    found = extract(parse_templates(text, "t"), [WORDS, TAGS], lengths)
    names = found.names.to_pylist()
    return [
        [names[code] for code in found.codes[first:last]]
        for first, last in zip(found.offsets, found.offsets[1:], strict=False)
    ]


def one_by_one(templates, columns, lengths):
    """The same, cell by cell."""
    steps, start = [], 0
    for length in lengths:
        for t in range(length):
            names = []
            for template in templates.items:
                text, whole = (
                    "",
                    template.at == "all" or t == (template.at == "last") * (length - 1),
                )
                for piece in template.pieces:
                    if isinstance(piece, str):
                        text += piece
                        continue
                    there = t + piece.row
                    if piece.fixed:
                        there = piece.row - 1 if piece.row > 0 else length + piece.row
                    if 0 <= there < length:
                        text += columns[piece.column][start + there]
                    elif templates.edges == "mark":
                        text += f"_B{there}" if there < 0 else f"_B+{there - length + 1}"
                    else:
                        whole = False
                names += [text] * whole
            steps.append(names)
        start += length
    return steps


def test_words_around_and_marks_beyond_the_ends():
    assert read("U0:%x[-2,0]/%x[1,1]\n# no\n\nB\n") == [
        ["U0:_B-2/NN"],
        ["U0:_B-1/VB"],
        ["U0:The/_B+1"],
        ["U0:_B-2/_B+1"],
        ["U0:_B-2/_B+1"],
    ]


def test_wapitis_macros():
    text = 'u:%X[0,0] %t[0,0,"\\d"] %m[0,0,"^.?"] %M[0,0,"\\u\\l*"]\n*:all\n'
    assert read(text)[0] == ["u:the false T the", "*:all"]
    assert read(text)[4] == ["u:x7 true x ", "*:all"]
    assert parse_templates(text, "t").pairs


def test_rows_of_the_whole_sequence():
    assert read("U:%x[@1,0]/%x[@-1,1]/%x[0,0]\n")[:3] == [
        ["U:The/VB/The"],
        ["U:The/VB/dog"],
        ["U:The/VB/barks"],
    ]
    assert read('U:%X[@2,0]/%t[@-2,1,"V"]/%x[@4,1]/%x[@-5,0]\n') == [
        *[["U:dog/false/_B+1/_B-2"]] * 3,
        *[["U:_B+1/_B-1/_B+3/_B-4"]] * 2,
    ]


def test_pairs_of_labels():
    assert parse_templates("U:%x[0,0]\nB\n", "t").pairs
    assert not parse_templates("U:%x[0,0]\n", "t").pairs
    assert parse_templates("b\n", "t").items == ()
    assert read("B\n") == [[]] * 5


def test_fields_as_crfsuite_writes_them():
    templates = templates_of_fields([(("w", -1), ("w", 0)), (("pos", 1),)], ("w", "pos"))
    found = extract(templates, [WORDS, TAGS], LENGTHS)
    names = found.names.to_pylist()
    rows = [
        [names[c] for c in found.codes[a:b]]
        for a, b in zip(found.offsets, found.offsets[1:], strict=False)
    ]
    assert rows == [
        ["pos[1]=NN", "__BOS__"],
        ["w[-1]|w[0]=The|dog", "pos[1]=VB"],
        ["w[-1]|w[0]=dog|barks", "__EOS__"],
        ["__BOS__", "__EOS__"],
        ["__BOS__", "__EOS__"],
    ]
    with pytest.raises(CatenaError, match="no field lemma; the fields are w, pos"):
        templates_of_fields([(("lemma", 0),)], ("w", "pos"))


@pytest.mark.parametrize("edges", ["mark", "skip"])
def test_columns_at_once_as_cell_by_cell(edges):
    import random
    from dataclasses import replace

    draw = random.Random(3)
    lengths = [draw.choice([0, 1, 2, 3, 9]) for _ in range(30)]
    total = sum(lengths)
    columns = [[draw.choice(["a", "b", "猫", "", "_B-1"]) for _ in range(total)] for _ in range(2)]
    text = "U:%x[-3,0]%x[0,1]\nU:%x[2,1]\nU1:%x[-1,0]/%x[1,0]/%x[0,0]/%x[5,1]\nUx\nU:%x[0,0]\n"
    text += "U:%x[@1,0]%x[@-2,1]%x[@3,0]\n"
    templates = replace(parse_templates(text, "t"), edges=edges)
    found = extract(templates, columns, lengths)
    expected = one_by_one(templates, columns, lengths)
    plain = Attributes.from_steps(expected)
    assert found.offsets.tolist() == plain.offsets.tolist()
    names, theirs = found.names.to_pylist(), plain.names.to_pylist()
    assert len(set(names)) == len(names)
    assert set(names) == set(theirs)
    assert [names[c] for c in found.codes] == [theirs[c] for c in plain.codes]


def test_many_cells_with_many_words_are_told_apart():
    """256 words in each of 9 cells: a product modulo 2^64 would forget the first cell."""
    words = [str(i) for i in range(256)]
    line = "U:%x[0,0]" + "/%x[0,1]" * 8
    columns = [[*words, "1"], [*words, "0"]]
    found = extract(parse_templates(line, "t"), columns, [257])
    assert len(found.names) == 257
    assert found.names[int(found.codes[256])].as_py() == "U:1" + "/0" * 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("U:%x[0,0]\nX:%x[0,0]\n", "line 2: 'X:%x.*' is no template"),
        ("U:%x[0]\n", "line 1: '%x.*' is no macro"),
        ("U:%y[0,0]\n", "is no macro"),
        ("\nB:%x[0,0]\n", "line 2: .* a weight of its own"),
        ("*:%x[0,0]\n", "line 1: .* write 'U:%x.0,0.' for labels beside the word, and 'B'"),
        ("U:%x[*0,1]\n", "line 1: '%x.*' is no macro; .* a row is a number"),
        ("U:%x[@0,1]\n", "line 1: .*: rows after @ count from 1"),
        ("U:%x[99999999,0]\n", "at most 10000 steps"),
        ('U:%x[0,0,"a"]\n', "%t and %m have a pattern"),
        ("U:%t[0,0]\n", "%t and %m have a pattern"),
        ('U:%t[0,0,"*a"]\n', "the pattern .* cannot be read"),
        ("# nothing\n\n", "there is no template"),
    ],
)
def test_bad_templates_name_file_and_line(write, text, message):
    path = write(text, "template")
    with pytest.raises(CatenaError, match=message) as error:
        read_templates(path)
    assert str(error.value).startswith(str(path))


def test_an_impossible_column_names_file_and_line(write):
    templates = read_templates(write("U:%x[0,1]\nU:%x[0,2]\n", "template"))
    with pytest.raises(CatenaError, match="template, line 2: there is no column 2"):
        extract(templates, [WORDS, TAGS], LENGTHS)


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(CatenaError, match="column 1 has 4 entries"):
        extract(parse_templates("U:%x[0,0]", "t"), [WORDS, TAGS[:4]], LENGTHS)
    with pytest.raises(CatenaError, match="column 0 has a missing entry"):
        extract(parse_templates("U:%x[0,0]", "t"), [[*WORDS[:4], None]], LENGTHS)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("\\d", "a1", "1"),
        ("^\\d", "a1", None),
        ("\\a*$", "12ab", "ab"),
        ("\\L", "abC", "C"),
        ("a.?c", "ac", "ac"),
        ("\\.\\$", "x.$", ".$"),
        ("a\\\\", "a\\", "a\\"),
        ("(\\p", "a(.", "(."),
    ],
)
def test_patterns(pattern, text, found):
    match = compile_pattern(pattern, "here").search(text)
    assert (match and match[0]) == found
