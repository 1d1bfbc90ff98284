"""What one observation is: vocabularies, encodings, and what is refused."""

import json

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catena import Bits, CatenaError, Counts, Sequences, Symbols, Vectors
from catena.space import END, SPACES, UNKNOWN

ANY_TEXT = st.text(st.characters(), max_size=12)  # surrogates, emoji, combining marks: all


@given(st.lists(ANY_TEXT, max_size=5))
@settings(max_examples=80)
def test_characters_come_back(texts):
    assume(any(set(text) for text in texts))
    space = Symbols.learn(texts)
    encoded = space.encode(texts)
    assert [space.decode(numbers) for numbers in encoded] == texts
    assert encoded.lengths.tolist() == [len(text) for text in texts]
    assert not bool((encoded.values == space.unknown_number).any())


@pytest.mark.parametrize(
    "text",
    [
        "床前明月光",
        "👩‍🚀🏳️‍🌈",
        "e\u0301é",
        "\U0001f600\U00010348",
        "a\ud800b",
        "\x00\uffff",
        "नमस्ते",
        "\u202eabc",
    ],
)
def test_a_character_is_a_code_point(text):
    space = Symbols.learn([text], unknown="error")
    assert len(space.items) == len(set(text))
    assert space.encode([text]).total == len(text)
    assert space.decode(space.encode([text])[0]) == text


@given(st.lists(st.binary(max_size=8), max_size=4))
def test_bytes_come_back(rows):
    space = Symbols.learn(rows, "byte")
    assert (len(space.items), space.outcomes, space.unknown_number) == (256, 257, None)
    assert [space.decode(numbers) for numbers in space.encode(rows)] == rows


def test_bytes_from_every_kind_of_row():
    space = Symbols.learn([], "byte")
    rows = ["é", b"\xc3\xa9", [0xC3, 0xA9], np.array([0xC3, 0xA9]), torch.tensor([0xC3, 0xA9])]
    assert {tuple(numbers.tolist()) for numbers in space.encode([*rows, "\udcc3\udca9"])} == {
        (195, 169)
    }
    assert space.show([0xC3]) == "\ufffd"
    assert space.name(10) == "0a"
    for row in ([256], [-1], ["a"], 5, "\ud800"):
        with pytest.raises(CatenaError, match="sequence 2: unit='byte'"):
            space.encode(["", row])


def test_words_are_split_at_white_space():
    space = Symbols.learn(["the cat\tthe\n dog ", ""], "word", unknown="error")
    assert space.items == ("the", "cat", "dog")
    assert space.encode(["  dog the"])[0].tolist() == [2, 0]
    assert space.decode([0, 1, 3]) == "the cat"


def test_items_are_strings_and_integers():
    space = Symbols.learn([["x", 7, "7"], [7]], "item")
    assert space.items == (UNKNOWN, 7, "7", "x")
    assert space.decode(space.encode([["7", 7, "x", 8]])[0]) == ["7", 7, "x", UNKNOWN]
    for row in (np.array([7, 7]), torch.tensor([7, 7]), [np.int64(7), np.int64(7)], (7, 7)):
        assert space.encode([row])[0].tolist() == [1, 1]
    assert space.encode([np.array(["x"])])[0].tolist() == [3]
    learned = Symbols.learn([[np.int64(3), np.str_("a")]], "item")
    assert [type(item) for item in learned.items[1:]] == [int, str]


def test_ties_do_not_depend_on_the_order_of_the_data():
    assert Symbols.learn(["bca"]).items == Symbols.learn(["acb"]).items == (UNKNOWN, "a", "b", "c")
    assert Symbols.learn([[10, 9, 2]], "item").items == Symbols.learn([[2, 9, 10]], "item").items


def test_the_frequent_come_first_and_the_rare_are_left_out():
    assert Symbols.learn(["abbccc"]).items == (UNKNOWN, "c", "b", "a")
    space = Symbols.learn(["abbccc"], minimum=2)
    assert space.items == (UNKNOWN, "c", "b")
    assert space.encode(["abc"])[0].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("data", "unit", "bad", "message"),
    [
        (["ab"], "char", ["a", "abxb"], "sequence 2, position 3: the symbol 'x'"),
        (["ab"], "char", ["a\U0001f600"], "sequence 1, position 2: the symbol '\U0001f600'"),
        (["a b"], "word", ["a b", "a  cc b"], "sequence 2, position 2: the symbol 'cc'"),
        ([[1, 2]], "item", [[], [2, 3]], "sequence 2, position 2: the symbol 3"),
        (["ab"], "char", [["a", "ab"]], "sequence 1, position 2: the symbol 'ab'"),
    ],
)
def test_an_unknown_symbol_is_named_with_its_place(data, unit, bad, message):
    with pytest.raises(CatenaError, match=message):
        Symbols.learn(data, unit, unknown="error").encode(bad)
    found = Symbols.learn(data, unit).encode(bad)
    assert int((found.values == 0).sum()) == 1


def test_the_end_has_the_number_after_the_last_item():
    space = Symbols(("a", "b"), unknown="error")
    assert (space.end_number, space.outcomes, space.name(2)) == (2, 3, END)
    assert space.decode([0, 1, 2]) == ["a", "b"]
    stream = Symbols(("a", "b"), unknown="error", end=False)
    assert (stream.end_number, stream.outcomes) == (None, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Symbols(()), "vocabulary is empty"),
        (lambda: Symbols.learn([], unknown="error"), "nothing to learn from"),
        (lambda: Symbols.learn([]), "nothing to learn from; give data"),
        (lambda: Symbols.learn([""], "word"), "nothing to learn from; give data"),
        (lambda: Symbols.learn([[]], "item"), "nothing to learn from; give data"),
        (lambda: Symbols.learn(["aab"], minimum=3), "lower the minimum to 2 or less"),
        (lambda: Symbols.learn([1, 2], "item"), "wrap one sequence in a list"),
        (lambda: Symbols(("a", "b", "a"), unknown="error"), "'a' twice"),
        (lambda: Symbols(("a",)), "needs ⟨unk⟩"),
        (lambda: Symbols(("a",), "letter", "error"), "unit must be one of char"),
        (lambda: Symbols(("a",), unknown="ignore"), "unknown must be one of replace"),
        (lambda: Symbols.learn(["a"], minimum=0), "at least 1"),
        (lambda: Symbols.learn(["a"], "item"), "lists of items"),
        (lambda: Symbols.learn([b"a"]), "unit='byte'"),
        (lambda: Symbols.learn([[1.5]], "item"), "1.5"),
        (lambda: Symbols.learn([[True]], "item"), "Bits"),
        (lambda: Symbols.learn([[None]], "item"), "None"),
        (lambda: Vectors(0), "at least 1"),
        (lambda: Vectors(2, (0.0,), (1.0, 1.0)), "2 numbers each"),
        (lambda: Vectors(1, (0.0,), (0.0,)), "above 0"),
        (lambda: Counts(1, (0.0,)), "above 0"),
        (lambda: Bits(-1), "at least 1"),
        (lambda: Bits(2.5), "whole number of at least 1, not 2.5"),
        (lambda: Bits(True), "whole number"),
        (lambda: Counts(2.0), "whole number"),
        (lambda: Vectors("2"), "whole number"),
        (lambda: Vectors(1, scale=(np.nan,)), "scale must be finite"),
        (lambda: Vectors(2, scale=(1.0, np.inf)), "scale must be finite"),
        (lambda: Vectors(1, shift=(np.inf,)), "shift must be finite"),
        (lambda: Counts(1, (np.nan,)), "mean must be finite"),
        (
            lambda: Vectors.learn(Sequences.from_list([[[1, 1e300], [2, -1e300], [3, 1e308]]])),
            "column 2: .* spread overflows",
        ),
        (lambda: Vectors.learn(Sequences.from_list([[0.0], [np.inf]])), "sequence 2, step 1"),
    ],
)
def test_what_is_not_a_space_is_refused(make, message):
    with pytest.raises(CatenaError, match=message):
        make()


@pytest.mark.parametrize(
    ("space", "bad", "message"),
    [
        (
            Vectors(2),
            [np.zeros((2, 2)), [[0, 1], [2, np.nan]]],
            "sequence 2, step 2, column 2: nan",
        ),
        (Vectors(1), [[], [1.0, np.inf]], "sequence 2, step 2, column 1: inf"),
        (Vectors(2), [np.zeros((2, 3))], r"shape \(3,\), but the space has dim=2"),
        (Bits(2), [[[0, 1], [2, 0]]], "sequence 1, step 2, column 1: 2.0 is not 0 or 1"),
        (Bits(1), [[np.nan]], "nan is not a finite"),
        (Counts(1), [[0, 1], [], [-1]], "sequence 3, step 1, column 1: -1.0 is not a whole"),
        (Counts(1), [[0.5]], "0.5 is not a whole"),
    ],
)
def test_numbers_that_do_not_fit_are_named_with_their_place(space, bad, message):
    with pytest.raises(CatenaError, match=message):
        space.encode(bad)


@pytest.mark.parametrize(
    "data",
    [
        [[1.0, 2.0], [], [3.0]],
        (np.array([1.0, 2.0, 3.0]), [2, 0, 1]),
        Sequences.from_list([[1.0, 2.0], [], [3.0]]),
        [np.array([[1.0], [2.0]]), np.zeros((0, 1)), torch.tensor([[3.0]])],
        ([1, 2], [], [3]),
    ],
    ids=["lists", "pair", "sequences", "arrays", "tuple"],
)
def test_numbers_in_every_form(data):
    found = Vectors(1).encode(data)
    assert found.values.tolist() == [[1.0], [2.0], [3.0]]
    assert found.values.dtype == torch.float64
    assert found.lengths.tolist() == [2, 0, 1]


@pytest.mark.parametrize("array", [np.zeros((5, 2)), torch.zeros(5, 2)], ids=["numpy", "torch"])
def test_one_array_alone_is_one_sequence_or_many(array):
    with pytest.raises(CatenaError, match=r"give \[X\] for one, or \(X, lengths\)"):
        Vectors(2).encode(array)
    assert Vectors(2).encode([array]).lengths.tolist() == [5]
    assert Vectors(2).encode((array, [2, 3])).lengths.tolist() == [2, 3]


def test_a_prompt_is_continued_as_it_was_given():
    for data, unit, prompt, wanted in (
        (["ab"], "char", "axb", "axba"),
        (["a b"], "word", " a  x ", "a x a"),
        ([["a", 5]], "item", ["x", 5], ["x", 5, "a"]),
        ([""], "byte", "a", b"aa"),
    ):
        space = Symbols.learn(data, unit)
        assert (
            space.continued(prompt, space.encode([["a"] if unit != "byte" else "a"])[0]) == wanted
        )


def test_no_observations_have_the_shape_of_the_space():
    assert Vectors(3).encode([[], []]).event == (3,)
    assert Bits(2).encode([]).event == (2,)


def test_units_are_learned_from_the_data():
    space = Vectors.learn(Sequences.from_list([[[1.0, 5.0]], [[3.0, 5.0]]]))
    assert (space.shift, space.scale) == ((2.0, 5.0), (1.0, 1.0))
    assert Vectors.learn(Sequences.from_list([np.zeros((0, 2))])) == Vectors(2)
    assert Counts.learn(Sequences.from_list([[[2, 0]], [[4, 0]]])).mean == (3.0, 1e-3)


@pytest.mark.parametrize(
    "space",
    [
        Symbols.learn(["ab\U0001f600床"]),
        Symbols.learn(["a\ud800"], unknown="error", end=False),
        Symbols.learn([], "byte"),
        Symbols.learn([["x", 7, "7"]], "item"),
        Symbols.learn(["the cat"], "word"),
        Vectors(2, (0.1, 1e300), (1 / 3, 1e-300)),
        Bits(5),
        Counts(2, (0.1, 3.0)),
    ],
    ids=repr,
)
def test_a_description_makes_the_same_space(space):
    described = json.loads(json.dumps(space.describe()))
    assert SPACES[space.kind].from_description(described) == space
