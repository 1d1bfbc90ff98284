"""Shapes and affixes of words in several scripts."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catena.words import characters, prefixes, shape, suffixes

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("word", "longest", "expected"),
    [
        ("", None, ""),
        ("McDonald's", None, "XxXxxxxx'x"),
        ("McDonald's", 2, "XxXxx'x"),
        ("1,000.50", None, "0,000.00"),
        ("1,000.50", 1, "0,0.0"),
        ("...", 1, "."),
        ("ÀÉîß", None, "XXxx"),
        ("ǅemal", None, "Xxxxx"),
        ("Москва", 3, "Xxxx"),
        ("東京", None, "aa"),
        ("カー", None, "aa"),
        ("ไทย", None, "aaa"),
        ("٣٤", None, "00"),
        ("e\u0301cole", None, "xxxxx"),
        ("हिन्दी", None, "aaa"),
        ("½€", None, "½€"),
    ],
)
def test_shape(word, longest, expected):
    assert shape(word, longest) == expected


@pytest.mark.parametrize("word", ["école", "Ångström", "niño", "Đặng"])
def test_composed_and_decomposed_letters_are_one_character(word):
    apart = unicodedata.normalize("NFD", word)
    assert len(apart) > len(word)
    assert shape(apart) == shape(word)
    assert [unicodedata.normalize("NFC", part) for part in suffixes(apart, 3)] == suffixes(word, 3)
    assert [unicodedata.normalize("NFC", part) for part in prefixes(apart, 3)] == prefixes(word, 3)


def test_what_is_joined_is_not_cut():
    assert characters(FAMILY + "!") == [FAMILY, "!"]
    assert characters("\u0301e") == ["\u0301", "e"]


@given(st.text(max_size=12), st.integers(0, 5))
def test_affixes_are_proper_ones_of_growing_length(word, longest):
    parts = characters(word)
    assert "".join(parts) == word
    expected = min(longest, max(len(parts) - 1, 0))
    for found, fits in (
        (prefixes(word, longest), str.startswith),
        (suffixes(word, longest), str.endswith),
    ):
        assert [len(characters(affix)) for affix in found] == list(range(1, expected + 1))
        assert all(fits(word, affix) for affix in found)
