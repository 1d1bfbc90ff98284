"""Dialogues: plain text, tabs and JSON lines; and what each refuses, with file and line."""

import gzip
import json

import pytest

from catena import CatenaError
from catena.formats import read_dialogues
from catena.tasks.turns import Turn


def texts(dialogues):
    return [[turn.text for turn in turns] for turns in dialogues.turns]


TALK = [["Hello", "Hi!"], ["Who?", "Me.", "Why?"]]
FORMS = {
    "a.txt": "\n\nHello\r\n Hi! \n \n\nWho?\nMe.\nWhy?",
    "a": "Hello\nHi!\n\nWho?\nMe.\nWhy?\n\n",
    "a.tsv": "Hello\tHi!\n\nWho?\tMe.\tWhy?\n",
    "a.jsonl": '["Hello", "Hi!"]\n\n{"id": 7, "turns": ["Who?", "Me.", {"text": "Why?"}]}\n',
    "a.ndjson": '{"turns": ["Hello", "Hi!"]}\n["Who?", "Me.", "Why?"]\n',
    "a.json": '{"dialogue": ["Hello", "Hi!"]}\n["Who?", "Me.", "Why?"]\n',
    "a.txt.gz": gzip.compress(b"Hello\nHi!\n\nWho?\nMe.\nWhy?\n"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same(write, name):
    assert texts(read_dialogues(write(FORMS[name], name))) == TALK


def test_speakers_come_from_json(write):
    turns = [{"speaker": "me", "text": "a"}, {"text": "b", "speaker": "you"}, "c"]
    path = write(json.dumps(turns), "a.jsonl")
    assert read_dialogues(path).turns == [[Turn("a", "me"), Turn("b", "you"), Turn("c")]]


def test_files_follow_one_another_and_places_name_lines(write):
    one = write(FORMS["a.txt"], "a.txt")
    other = write(FORMS["a.jsonl"], "b.jsonl")
    found = read_dialogues([one, other])
    assert texts(found) == TALK + TALK
    places = [found.place(i) for i in range(len(found))]
    assert places == [f"{one}, line 3", f"{one}, line 7", f"{other}, line 1", f"{other}, line 3"]
    tabs = write(FORMS["a.tsv"], "a.tsv")
    assert [read_dialogues(tabs).place(i) for i in (0, 1)] == [f"{tabs}, line 1", f"{tabs}, line 3"]


@pytest.mark.parametrize("name", ["a", "a.jsonl", "a.ndjson"])
def test_standard_input_is_known_by_its_first_byte(pipe, name):
    assert texts(read_dialogues(pipe(FORMS[name].encode()))) == TALK


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "\n \n", "only empty lines"),
        ("a.txt", b"a\nb\n\nc\xff\n", "line 4, byte 7"),
        ("a.tsv", "a\tb\n\nc\n", "line 3: no tab"),
        ("a.tsv", "a\tb\nc\t \n", "line 2, field 2: empty"),
        ("a.jsonl", '["a", "b"]\n["c", 3]\n', "line 2, turn 2: 3 is not a text"),
        ("a.jsonl", '["a", "b"]\n["c", ""]\n', "line 2, turn 2: empty"),
        ("a.jsonl", '\n"a b"\n', "line 2: not a list of turns"),
        ("a.jsonl", '{"talk": []}\n', "line 1: not a list of turns, nor an object with one under"),
        ("a.jsonl", '[{"words": "a"}]\n', r"line 1, turn 1: no field text \(there are: words\)"),
        ("a.jsonl", '[{"text": "a", "speaker": 1}]\n', "the speaker 1 is not a text"),
        ("a.jsonl", '["a", "\\ud800"]\n', "line 1, turn 2: .* is half a character"),
        ("a.jsonl", '["a", "b"]\n["c"\n', "line 2, column"),
        ("a.yml", "- - a\n  - b\n", "no dialogues are read from .yml"),
        ("a.csv", "a,b\n", "no dialogues are read from .csv"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(write, name, content, message):
    path = write(content, name)
    with pytest.raises(CatenaError, match=message) as error:
        read_dialogues(path)
    assert str(error.value).startswith(str(path))
