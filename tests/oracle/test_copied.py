"""The longest copied span beside the one found by trying all of them."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from catena.metrics import CopiedSpan, copied

texts = st.lists(st.text("ab", max_size=9), min_size=1, max_size=5)


def longest(text: str, training: list[str]) -> int:
    """By definition."""
    return max(
        (
            stop - start
            for start in range(len(text) + 1)
            for stop in range(start, len(text) + 1)
            if any(text[start:stop] in other for other in training)
        ),
        default=0,
    )


@settings(max_examples=150)
@given(texts, texts)
def test_as_by_trying_all_spans(generated: list[str], training: list[str]):
    for text, span in zip(generated, copied(generated, training).spans, strict=True):
        assert span.length == longest(text, training)
        there = training[span.source][span.source_start :][: span.length]
        assert text[span.start :][: span.length] == there
        assert span.whole == (text != "" and any(text in other for other in training))


def test_symbols_of_any_kind_and_their_distribution():
    found = copied([["c2", "|", "d"], ["e"], []], [["c2", "|"], ["x", "e"]])
    assert found.spans[0] == CopiedSpan(2, 0, 0, 0, False)
    assert found.spans[1] == CopiedSpan(1, 0, 1, 1, True)
    assert found.spans[2] == CopiedSpan(0, 0, 0, 0, False)
    assert found.whole == 1
    assert found.lengths()[50] == 1.0
    assert found.describe()["percentiles"]["100"] == 2.0
    assert copied([], ["a"]).lengths() == {}


def test_the_first_training_sequence_that_has_it_is_named():
    assert copied(["abc"], ["zab", "abc", "abc"]).spans[0].source == 1


def lines_run(action) -> int:
    """How many lines of Python the action runs: a measure of time that no other process moves."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def test_time_grows_with_the_length_alone():
    """A text of one letter is the worst for methods that compare span with span."""
    short, long = (
        lines_run(lambda n=n: copied(["a" * n], ["a" * (n // 2) + "b"] * 4)) for n in (250, 1000)
    )
    assert long < 4.5 * short
