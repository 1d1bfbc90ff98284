"""Spans beside spans: right is what has the same label, the same first and the same last token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from catena.errors import CatenaError
from catena.metrics.scores import Scores, check_alike, scores_of
from catena.schemes import Span, spans, strict_spans


class SpanError(NamedTuple):
    """A span that one side has and the other has not, or has with another label.

    `predicted` is None where nothing was predicted for exactly these tokens, `gold` where there
    is nothing.
    """

    sequence: int
    start: int
    end: int
    gold: str | None
    predicted: str | None


def span_scores(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None = None
) -> Scores:
    """Precision, recall and F1 of spans, as conlleval counts, or as seqeval does in strict mode.

    Args:
        gold, predicted: the tags of every sequence.
        scheme: `IOB1`, `IOB2`, `IOBES` or `BILOU` is strict: a span that is not written as the
            scheme demands does not count. None reads every sequence as conlleval does.

    Raises:
        CatenaError: when the two sides differ in length, or at something that is no tag (of the
            scheme).

    >>> span_scores([["B-NP", "I-NP"]], [["I-NP", "I-NP"]]).micro.f1
    1.0
    >>> span_scores([["B-NP", "I-NP"]], [["I-NP", "I-NP"]], scheme="IOB2").micro.f1
    0.0
    """
    sides = _read(gold, predicted, scheme)
    return scores_of(
        (span.label for real, found in sides for span in {*real} & {*found}),
        (span.label for _, found in sides for span in found),
        (span.label for real, _ in sides for span in real),
    )


def span_errors(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None = None
) -> list[SpanError]:
    """Every span that counts as wrong in `span_scores`, in order.

    >>> span_errors([["B-NP", "I-NP"]], [["B-NP", "B-VP"]])
    [SpanError(sequence=0, start=0, end=1, gold=None, predicted='NP'),
     SpanError(sequence=0, start=0, end=2, gold='NP', predicted=None),
     SpanError(sequence=0, start=1, end=2, gold=None, predicted='VP')]
    """
    wrong = []
    for i, sides in enumerate(_read(gold, predicted, scheme)):
        real, found = ({span[:2]: span.label for span in side} for side in sides)
        wrong += [
            SpanError(i, *place, real.get(place), found.get(place))
            for place in sorted({*real, *found})
            if real.get(place) != found.get(place)
        ]
    return wrong


def _read(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: str | None
) -> list[tuple[list[Span], list[Span]]]:
    """The spans of every sequence, gold and predicted."""
    check_alike(gold, predicted)
    return [
        (_spans(one, scheme, i, "gold"), _spans(other, scheme, i, "predicted"))
        for i, (one, other) in enumerate(zip(gold, predicted, strict=True))
    ]


def _spans(tags: Sequence[str], scheme: str | None, i: int, side: str) -> list[Span]:
    try:
        return spans(tags) if scheme is None else strict_spans(tags, scheme)
    except CatenaError as error:
        raise CatenaError(f"sequence {i + 1}, {side} tags: {error}", i, error.step) from error
