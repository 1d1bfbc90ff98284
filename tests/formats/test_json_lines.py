"""JSON lines: texts, lists of items, measurements, objects."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import read


def lines(*values):
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


@given(texts=st.lists(st.text(), min_size=1))
def test_any_texts_come_back(texts, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "json-texts.jsonl"
    path.write_text("".join(json.dumps(text) + "\n" for text in texts))
    assert read([path]).sequences == texts


@given(rows=st.lists(st.lists(st.text() | st.integers()), min_size=1))
def test_any_items_come_back(rows, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "json-items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = read([path])
    assert (data.sequences, data.unit, data.space) == (rows, "item", "symbols")


def test_texts_in_every_unit_and_suffix(write):
    content = lines("a b", {"text": "c\nd"}, {"paragraphs": ["e", "f"], "title": "t"}, "")
    data = read([write(content, "t.jsonl")])
    assert (data.sequences, data.unit) == (["a b", "c\nd", "e\nf", ""], "char")
    assert read([write(content, "t.ndjson")], unit="word").unit == "word"
    raw = read([write(content, "t.json")], unit="byte").sequences
    assert raw == [b"a b", b"c\nd", b"e\nf", b""]


def test_the_named_field_goes_first(write):
    path = write(lines({"text": "no", "tags": ["a", 1]}, {"tags": []}), "t.jsonl")
    assert read([path], item="tags").sequences == [["a", 1], []]


def test_places_count_empty_lines(write):
    path = write('"a"\n\n  \n"b"\n', "t.jsonl")
    assert read([path]).place(1) == f"{path}, line 4"


def test_a_fraction_makes_all_numbers_measurements(write):
    data = read([write(lines([1, 2], [], [0.5, True]), "n.jsonl")])
    assert (data.space, data.unit, data.stream) == ("vectors", None, False)
    assert data.sequences.values.tolist() == [[1.0], [2.0], [0.5], [1.0]]
    assert data.sequences.lengths.tolist() == [2, 0, 2]
    assert read([write(lines([1, 2], [3]), "n.jsonl")]).sequences == [[1, 2], [3]]


def test_steps_of_several_numbers(write):
    path = write(lines([[0, 1], [1, 1]], [], [[1, 0]]), "n.jsonl")
    assert read([path]).sequences.values.tolist() == [[0, 1], [1, 1], [1, 0]]
    data = read([path], space="bits")
    assert (data.space, data.sequences.lengths.tolist()) == ("bits", [2, 0, 1])
    counts = read([write(lines([1, 2], []), "n.jsonl")], space="counts")
    assert (counts.space, counts.sequences.values.tolist()) == ("counts", [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ('"a"\n{"text": \n', {}, r"line 2, column 10: not JSON: Expecting value; every line must"),
        ('"a"\n["b"]]\n', {}, r"line 2, column 6: not JSON: Extra data"),
        ('[1\n2]\n1,2\n', {}, r"line 1, column 3: not JSON: Expecting ',' del"),
        ("[1\n2]\n1,2,3\n", {}, r"line 1, column 3: not JSON: Expecting ',' del"),
        ("1" * 5000 + "\n", {}, r"line 1: JSON that cannot be read"),
        ("[" * 99999 + "\n", {}, r"line 1: JSON that cannot be read"),
        ("\n \n", {}, r"only empty lines"),
        ('{"txt": "a"}\n', {}, r"line 1: no field text or sequence or paragraphs; .*are: txt\)"),
        ('{"text": "a"}\n', {"item": "tags"}, r"no field tags; .*\(there are: text\)"),
        ('"a"\n', {"item": "tags"}, r"line 1: not an object with a field tags; leave out --item"),
        ('"a"\nnull\n', {}, r"line 2: null is not a sequence; give a text or a list, or read ev"),
        ('{"text": 3}\n', {}, r"line 1: 3 is not a sequence"),
        ('{"paragraphs": ["a", 1]}\n', {}, r"line 1: paragraphs must all be strings"),
        ('["a"]\n["b", null]\n', {}, r"line 2, item 2: null among other items; .*mend it"),
        ('["b", 0.5]\n', {}, r"line 1, item 2: 0.5 among other items"),
        ('["b", {"c": 1}]\n', {}, r'line 1, item 2: \{"c": 1\} among other items'),
        ('"a"\n["b"]\n', {}, r"line 2 holds a list of items, but .*line 1 a text; every line"),
        ('["b"]\n[0.5]\n', {}, r"line 1 holds a list of items, but .*line 2 a list of measur"),
        ('["b"]\n', {"space": "counts"}, r"line 1 holds a list of items, but --space counts was"),
        ("[0.5]\n", {"space": "symbols"}, r"line 1 holds a list of measurements, but --space sym"),
        ("[0.5, NaN]\n", {}, r"line 1, step 2, number 1: nan is not a finite number; mend it"),
        ("[0.5]\n[]\n[1, NaN]\n", {}, r"line 3, step 2, number 1: nan is not a finite number"),
        ("[[1, 2], [3, -Infinity]]\n", {}, r"step 2, number 2: -inf is not a finite number"),
        ("[[1, 2], [3]]\n", {}, r"line 1, step 2: 1 numbers, where the first step has 2"),
        ("[[]]\n", {}, r"line 1, step 1: 0 numbers"),
        ("[[1, 2]]\n[[1]]\n", {}, r"line 2: steps of 1 numbers, where the lines before it have 2"),
        ('[[1, "a"]]\n', {}, r'line 1: "a" is not a number; mend it or leave it out'),
        ("[[1, null]]\n", {}, r"line 1: null is not a number"),
        ("[1, 2]\n", {"space": "bits"}, r"line 1, step 2, number 1: 2 is not 0 or 1"),
        ("[1, -2]\n", {"space": "counts"}, r"step 2, number 1: -2 is not a whole number from 0 up"),
        ('"a"\n', {"stream": True}, r"--stream is for plain text, and this is JSON lines"),
        ('"a"\n', {"unit": "item"}, r"line 1: --unit item does not fit a text"),
        ('["a"]\n', {"unit": "word"}, r"line 1: --unit word does not fit a list of items"),
        ("[0.5]\n", {"unit": "word"}, r"--unit is for texts, and this is measurements"),
        ("[[1e999]]\n", {}, r"inf is not a finite number"),
        ("[[" + "9" * 400 + "]]\n", {}, r"line 1: a number is too large; mend"),
    ],
)  # fmt: skip
def test_bad_lines_are_named(write, content, options, message):
    path = write(content, "bad.jsonl")
    with pytest.raises(CatenaError, match=r"bad\.jsonl.*" + message) as caught:
        read([path], **options)
    assert "\n" not in str(caught.value)
