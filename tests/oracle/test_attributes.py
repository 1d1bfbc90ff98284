"""Attributes as people write them, and as numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch

from catena.errors import CatenaError
from catena.features.attributes import Attributes
from catena.features.vocabulary import AttributeVocabulary, Encoded


def pairs_of(attributes):
    names = attributes.names.to_pylist()
    values = np.ones(len(attributes.codes)) if attributes.values is None else attributes.values
    pairs = [(names[code], value) for code, value in zip(attributes.codes, values, strict=True)]
    ends = attributes.offsets.tolist()
    return [pairs[a:b] for a, b in pairwise(ends)]


def test_every_kind_of_step():
    steps = [
        ["a", "b", "a"],
        ("c",),
        {"z", "y"},
        {"w": "x", "n": 2.5, "t": True, "f": False, "i": 3},
        {"l": ["p", "q"], "s": {"v", "u"}, "m": {"w": "x", "deep": {"n": 0.5, "l": ("k",)}}},
        [],
        {},
    ]
    expected = [
        [("a", 1), ("b", 1), ("a", 1)],
        [("c", 1)],
        [("y", 1), ("z", 1)],
        [("w:x", 1), ("n", 2.5), ("t", 1), ("f", 0), ("i", 3)],
        [
            *[("l:p", 1), ("l:q", 1), ("s:u", 1), ("s:v", 1)],
            *[("m:w:x", 1), ("m:deep:n", 0.5), ("m:deep:l:k", 1)],
        ],
        [],
        [],
    ]
    assert pairs_of(Attributes.from_steps(steps)) == expected
    for step, pairs in zip(steps, expected, strict=True):
        assert pairs_of(Attributes.from_steps([step])) == [pairs]


def test_mappings_without_nesting_take_a_shorter_way_to_the_same():
    plain = [{"w": "x", "n": 2.0}, {"t": True}, {}, {"w": "y"}]
    nested = [*plain, {"l": ["p"]}]
    assert pairs_of(Attributes.from_steps(plain)) == pairs_of(Attributes.from_steps(nested))[:-1]
    assert Attributes.from_steps([{"a": "b"}, {"c": "d"}]).values is None
    assert Attributes.from_steps([{"a": 1}, {"c": True}]).values is None
    assert Attributes.from_steps([{"a": 1}, {"c": 0}]).values.tolist() == [1.0, 0.0]


def test_numbers_of_numpy():
    step = {"a": np.float32(0.5), "b": np.int64(2), "c": np.bool_(True)}
    assert pairs_of(Attributes.from_steps([step])) == [[("a", 0.5), ("b", 2), ("c", 1)]]


def test_a_function_of_tokens_and_place():
    def shape(tokens, i):
        return {"w": tokens[i], "last": i == len(tokens) - 1}

    found = Attributes.from_function(shape, [["a", "b"], [], ["c"]])
    assert pairs_of(found)[1:] == [[("w:b", 1), ("last", 1)], [("w:c", 1), ("last", 1)]]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["text"], "step 0: 'text' is not the attributes"),
        ([["a"], 5], "step 1: 5 is not the attributes"),
        ([["a"], ["b", 5]], "step 1: the attribute 5 is not a string"),
        ([["a"], ["b", None]], "attribute is None"),
        ([{"a": None}], "step 0: attribute a has the value None"),
        ([{"a": "b"}, {"c": {"d": [1]}}], "step 1: attribute c:d has the value 1"),
        ([{"a": float("nan")}], "attribute a has the value nan"),
        ([{"a": "b"}, {"a": float("inf")}], "attribute a has the value inf"),
        ([{"a": 10**400}], "too large"),
        ([["\ud800"]], "step 0: .* not valid Unicode"),
    ],
)
def test_what_is_no_attribute_is_refused(steps, message):
    with pytest.raises(CatenaError, match=message):
        Attributes.from_steps(steps)


def test_the_most_frequent_come_first_and_rare_ones_may_go():
    train = Attributes.from_steps([["a", "b"], ["b", "c"], ["b", "c", "d"]])
    assert AttributeVocabulary.learn(train).names.to_pylist() == ["b", "c", "a", "d"]
    assert AttributeVocabulary.learn(train, 2).names.to_pylist() == ["b", "c"]


def test_unknown_attributes_leave_their_steps_and_take_their_values_along():
    vocabulary = AttributeVocabulary(pa.array(["a", "b"]))
    data = vocabulary.encode(Attributes.from_steps([{"x": 9, "b": 2}, ["y"], {"a": 3, "b": 4}]))
    assert data.offsets.tolist() == [0, 1, 1, 3]
    assert data.ids.tolist() == [1, 0, 1]
    assert data.values.tolist() == [2, 3, 4]
    part = data.steps(1, 3)
    assert part.offsets.tolist() == [0, 0, 2]
    assert part.values.tolist() == [3, 4]


def test_few_names_are_looked_up_as_many_are():
    names = [f"n{i}" for i in range(5000)]
    vocabulary = AttributeVocabulary(pa.array(names))
    asked = ["n3", "n", "n4999", "n0"]
    assert vocabulary.places(pa.array(asked)).tolist() == [3, -1, 4999, 0]
    many = pa.array(["n", *names[::-1]], pa.large_string())
    assert vocabulary.places(many).tolist() == [-1, *range(4999, -1, -1)]


def test_a_vocabulary_must_be_distinct():
    for names in (["a", "a"], ["a", None]):
        with pytest.raises(CatenaError, match="distinct"):
            AttributeVocabulary(pa.array(names))


@pytest.mark.parametrize(
    ("offsets", "ids", "values", "message"),
    [
        ([0, 2], [0, 3], None, "ids must lie from 0 to 2"),
        ([0, 2], [0, -1], None, "ids must lie from 0 to 2"),
        ([0, 3], [0, 1], None, "offsets must grow"),
        ([0, 2, 1, 2], [0, 1], None, "offsets must grow"),
        ([], [0], None, "offsets must grow"),
        ([0, 2], [0, 1], [1.0], "1 values for 2 ids"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(offsets, ids, values, message):
    numbers = None if values is None else torch.tensor(values, dtype=torch.float64)
    with pytest.raises(CatenaError, match=message):
        Encoded(
            torch.tensor(offsets, dtype=torch.int64),
            torch.tensor(ids, dtype=torch.int32),
            numbers,
            3,
        )
    with pytest.raises(CatenaError, match="int64 offsets"):
        Encoded(torch.tensor([0, 1]), torch.tensor([0]), None, 3)
