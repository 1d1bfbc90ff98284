"""Tags of spans against the definition of each scheme, by enumeration."""

from itertools import pairwise, product

import pytest
import torch

from catena.errors import CatenaError
from catena.schemes import (
    SCHEMES,
    Span,
    as_tags,
    check,
    constraints,
    convert,
    detect,
    first_invalid,
    mark_spans,
    repair,
    spans,
    strict_spans,
    tags_of,
)

STRICT = ["IOB2", "IOBES", "BILOU"]  # where not every sequence is valid
# Two spans of one label that touch, one of another label beside them, and a single one.
FOUND = [Span(0, 2, "A"), Span(2, 3, "A"), Span(3, 6, "B"), Span(7, 8, "B")]
WRITTEN = {
    "IOB1": "I-A I-A B-A I-B I-B I-B O I-B",
    "IOB2": "B-A I-A B-A B-B I-B I-B O B-B",
    "IOBES": "B-A E-A S-A B-B I-B E-B O S-B",
    "BILOU": "B-A L-A U-A B-B I-B L-B O U-B",
}


def tags_in(scheme, labels="AB"):
    return ["O", *(f"{p}-{label}" for p in sorted(SCHEMES[scheme].prefixes) for label in labels)]


def segmentations(length, labels="AB", start=0):
    """Every set of spans over so many tokens."""
    if start == length:
        yield []
        return
    for rest in segmentations(length, labels, start + 1):
        yield rest
    for end in range(start + 1, length + 1):
        for label in labels:
            for rest in segmentations(length, labels, end):
                yield [Span(start, end, label), *rest]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_four_schemes_as_they_are_written(scheme):
    assert tags_of(FOUND, 8, scheme) == WRITTEN[scheme].split()
    assert spans(WRITTEN[scheme].split()) == FOUND


@pytest.mark.parametrize(("source", "target"), [*product(SCHEMES, SCHEMES)])
def test_no_conversion_loses_a_span(source, target):
    for length in range(5):
        for found in segmentations(length):
            tags = tags_of(found, length, source)
            assert spans(tags) == found
            there = convert(tags, source, target)
            assert there == tags_of(found, length, target)
            assert convert(there, target, source) == tags


@pytest.mark.parametrize("scheme", STRICT)
def test_valid_are_exactly_the_sequences_that_spans_can_be_written_as(scheme):
    for length in range(5):
        valid = {tuple(tags_of(found, length, scheme)) for found in segmentations(length)}
        for tags in product(tags_in(scheme), repeat=length):
            assert (first_invalid(tags, scheme) is None) == (tags in valid), tags


def test_in_iob1_everything_is_valid_and_reads_the_same_without_needless_b():
    for tags in product(tags_in("IOB1"), repeat=4):
        assert first_invalid(tags, "IOB1") is None
        plain = convert(tags, "IOB1", "IOB1")
        assert spans(plain) == spans(tags)
        for step, tag in enumerate(plain):
            before = plain[step - 1] if step else "O"
            assert tag[0] != "B" or before[1:] == tag[1:]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constraints_allow_exactly_the_valid_sequences(scheme):
    labels = tags_in(scheme)
    allowed, start, end = constraints(labels, scheme)
    assert (allowed.dtype, allowed.shape, start.shape) == (
        torch.bool,
        (len(labels),) * 2,
        end.shape,
    )
    for length in range(1, 4):
        for path in product(range(len(labels)), repeat=length):
            inner = all(bool(allowed[i, j]) for i, j in pairwise(path))
            admitted = bool(start[path[0]]) and inner and bool(end[path[-1]])
            assert admitted == (first_invalid([labels[i] for i in path], scheme) is None)


def test_constraints_of_no_labels():
    assert [tuple(part.shape) for part in constraints([], "IOB2")] == [(0, 0), (0,), (0,)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_strict_and_lenient_readings_agree_on_valid_tags(scheme):
    for found in segmentations(4):
        assert strict_spans(tags_of(found, 4, scheme), scheme) == found


@pytest.mark.parametrize(
    ("scheme", "tags", "found"),
    [
        ("IOB1", "B-A I-A B-A B-B I-B", [(1, 2, "A"), (4, 5, "B")]),
        ("IOB1", "B O I-B B-B O B", [(2, 3, "B"), (3, 4, "B")]),
        ("IOB2", "I-A B-A I-B I-B", [(1, 2, "A")]),
        ("IOBES", "B-A I-A O S-A I-A E-B", [(3, 4, "A")]),
        ("IOBES", "B-A B-A E-A E-A B-A", [(1, 3, "A")]),
        ("BILOU", "I-A L-A B-A I-A L-A U-B L-B", [(2, 5, "A"), (5, 6, "B")]),
    ],
)
def test_strict_reading_drops_what_is_not_written_in_full(scheme, tags, found):
    assert strict_spans(tags.split(), scheme) == found


@pytest.mark.parametrize(
    ("tags", "scheme", "mended"),
    [
        ("I-A I-A O I-B", "IOB2", "B-A I-A O B-B"),
        ("B-A I-B E-B O", "IOBES", "S-A B-B E-B O"),
        ("B-A O B-A I-A", "IOB1", "I-A O I-A I-A"),
        ("I-A O L-A B-B", "BILOU", "U-A O U-A U-B"),
    ],
)
def test_repair_writes_validly_what_conlleval_reads(tags, scheme, mended):
    assert repair(tags.split(), scheme) == mended.split()
    assert repair(mended.split(), scheme) == mended.split()
    assert first_invalid(mended.split(), scheme) is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_repair_keeps_every_span_of_every_sequence(scheme):
    for tags in product(tags_in(scheme), repeat=3):
        mended = repair(tags, scheme)
        assert spans(mended) == spans(tags)
        assert first_invalid(mended, scheme) is None


@pytest.mark.parametrize(
    ("tags", "scheme", "step", "reason"),
    [
        ("O I-A", "IOB2", 1, "'I-A' cannot follow 'O' in IOB2"),
        ("I-A", "IOB2", 0, "'I-A' cannot follow the beginning in IOB2"),
        ("O B-A E-A", "IOB1", 2, "IOB1 has no tag 'E-A'"),
        ("B-A E-B", "IOBES", 1, "'E-B' cannot follow 'B-A' in IOBES"),
        ("S-A B-A", "IOBES", 2, "'B-A' cannot be the last tag in IOBES"),
        ("O S-A", "BILOU", 1, "BILOU has no tag 'S-A'"),
        ("O NN", "BILOU", 1, "'NN' is no tag of a span"),
    ],
)
def test_the_first_invalid_tag_is_named(tags, scheme, step, reason):
    found = first_invalid(tags.split(), scheme)
    assert found is not None
    assert found.step == step
    assert found.reason.startswith(reason)
    with pytest.raises(CatenaError, match=reason.replace("(", r"\(")) as caught:
        check([["O"], tags.split()], scheme, lambda i, j: f"f.txt, line {2 * i + j + 1}")
    assert str(caught.value).startswith("f.txt, line ")
    assert (caught.value.sequence, caught.value.step) == (1, min(step, len(tags.split()) - 1))


@pytest.mark.parametrize(
    ("rows", "scheme"),
    [
        (["B-A I-A O", "B-A B-A"], "IOB2"),
        (["I-A I-A O", "I-A B-A"], "IOB1"),
        (["I-A I-A O", "I-A", "B-A"], "IOB1"),
        (["B-A E-A O"], "IOBES"),
        (["B-A", "I-A"], "IOB2"),
        (["B-A L-A O", "U-A"], "BILOU"),
        (["DET NOUN"], None),
        (["O O", ""], None),
    ],
)
def test_the_scheme_is_recognised(rows, scheme):
    assert detect([row.split() for row in rows]) == scheme


@pytest.mark.parametrize(
    ("labels", "marked"),
    [
        ("B-A I-A O", True),
        ("B-A I-A O A", True),
        ("B-A O A", False),
        ("B I", True),
        ("B I X", False),
        ("O", False),
        ("", False),
    ],
)
def test_a_slip_among_tags_leaves_them_tags(labels, marked):
    assert mark_spans(labels.split()) == marked
    assert as_tags([["A", "S-A", "B-A", "O"]]) == [["O", "S-A", "B-A", "O"]]
    assert as_tags([["A", "S-A", "B-A", "O"]], "IOB2") == [["O", "O", "B-A", "O"]]


def test_labels_with_hyphens_and_without_a_name():
    tags = ["B-X-Y", "I-X-Y", "B", "I"]
    assert spans(tags) == [(0, 2, "X-Y"), (2, 4, "")]
    assert convert(tags, "IOB2", "BILOU") == ["B-X-Y", "L-X-Y", "B", "L"]


def test_what_cannot_be_done_is_refused():
    with pytest.raises(CatenaError, match="scheme must be one of IOB1, IOB2, IOBES, BILOU"):
        convert([], "IOB2", "IOB3")
    with pytest.raises(CatenaError, match="sequence 1, token 1: 'I-A' cannot follow"):
        convert(["I-A"], "IOB2", "IOB1")
    with pytest.raises(CatenaError, match="IOB2 has no tag 'E-A'"):
        constraints(["O", "E-A"], "IOB2")
    for wrong in ([Span(0, 2, "A"), Span(1, 3, "A")], [Span(1, 1, "A")], [Span(2, 4, "A")]):
        with pytest.raises(CatenaError, match="is empty, overlaps"):
            tags_of(wrong, 3, "IOB2")
