"""The table of names finds what a dictionary finds."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from catena.errors import CatenaError
from catena.features.attributes import TEXT, Attributes
from catena.features.names import NameTable
from catena.features.vocabulary import AttributeVocabulary

NAMES = some.text(max_size=20)


def arrow(names):
    return pa.array(names, TEXT)


def in_lists(table, lists):
    """What the table finds in each of the lists."""
    numbers, offsets = table.find_in_lists(lists)
    assert (offsets[0], offsets[-1]) == (0, len(numbers))
    return [numbers[a:b].tolist() for a, b in pairwise(offsets)]


@settings(max_examples=60, deadline=None)
@given(some.lists(NAMES, unique=True), some.lists(some.lists(NAMES)))
def test_it_finds_what_a_dictionary_finds(names, wanted):
    table, numbers = NameTable(arrow(names)), {name: i for i, name in enumerate(names)}
    wanted = [*wanted, names]
    flat = [name for row in wanted for name in row]
    found = [numbers.get(name, -1) for name in flat]
    assert table.distinct
    assert table.find(arrow(flat)).tolist() == found
    assert in_lists(table, wanted) == [[numbers[x] for x in row if x in numbers] for row in wanted]


def test_many_names_that_are_alike():
    names = [f"w[{i % 7}]={i}" for i in range(20_000)]
    table = NameTable(arrow(names))
    assert table.find(arrow(names)).tolist() == list(range(20_000))
    assert set(table.find(arrow([name + "0" * 9 for name in names])).tolist()) == {-1}
    assert in_lists(table, [[x, x + "."] * (i % 3) for i, x in enumerate(names)]) == [
        [i] * (i % 3) for i in range(20_000)
    ]
    assert not NameTable(arrow([*names, names[17]])).distinct


def test_a_part_of_an_array_is_read_where_it_lies():
    names = arrow(["a", "b", "c", "d"])
    table = NameTable(names[1:3])
    assert table.find(names[2:]).tolist() == [1, -1]
    assert table.find(arrow([])).tolist() == []
    assert NameTable(arrow([])).find(names).tolist() == [-1] * 4


@pytest.mark.parametrize("odd", [["a", 1], ["a", None], ["\ud800"], ("a",), {"a": 1}, "a", None])
def test_anything_but_lists_of_strings_is_left_to_others(odd):
    assert NameTable(arrow(["a"])).find_in_lists([["a"], odd]) is None


def test_a_vocabulary_encodes_lists_as_it_encodes_attributes():
    steps = [["b", "a", "x"], [], ["y"], ["c", "c"]]
    vocabulary = AttributeVocabulary(arrow(["c", "b", "a"]))
    quick, plain = vocabulary.encode_lists(steps), vocabulary.encode(Attributes.from_steps(steps))
    assert quick is not None
    assert quick.ids.tolist() == plain.ids.tolist() == [1, 2, 0, 0]
    assert quick.offsets.tolist() == plain.offsets.tolist() == [0, 2, 2, 2, 4]
    assert vocabulary.encode_lists([{"a": 1.0}]) is None
    with pytest.raises(CatenaError, match="distinct"):
        AttributeVocabulary(arrow(["a", "a"]))
