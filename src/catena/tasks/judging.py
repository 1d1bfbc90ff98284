"""How good predicted labels are: of tokens, and of the spans that they mark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from catena.metrics import Score, Scores, accuracy, label_scores, span_scores
from catena.schemes import OUTSIDE, as_tags, detect, mark_spans, odd_labels

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TagEvaluation:
    """How well a tagger labels some data.

    Args:
        accuracy: the share of tokens with the right label; 0 where there are none.
        span_f1: micro-averaged over spans, as conlleval counts them; None where labels mark none.
        strict_span_f1: the same of those spans alone that are written as the scheme demands, as
            seqeval counts them in its strict mode.
        scheme: of the strict reading: the tagger's own, otherwise that of the right labels.
        tokens, sentences: how many were labelled.
        per_label: precision, recall, F1 and support of every label, token by token.
        per_span: the same of every kind of span, as conlleval counts; None where labels mark none.
        unseen: how often each label occurs that training did not show, and that counts as wrong.
        odd: labels, right or predicted, that are no tags where the others are. Spans are counted
            as if they were `O`.
    """

    accuracy: float
    span_f1: float | None
    strict_span_f1: float | None
    scheme: str | None
    tokens: int
    sentences: int
    per_label: dict[str, Score]
    per_span: dict[str, Score] | None
    unseen: dict[str, int]
    odd: list[str]

    def describe(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        named = {
            name: None if found is None else {key: one._asdict() for key, one in found.items()}
            for name, found in (("per_label", self.per_label), ("per_span", self.per_span))
        }
        return {**vars(self), **named}


class SpanFigures(NamedTuple):
    """What spans are judged by; all None or empty where labels mark none."""

    lenient: Scores | None = None
    strict: Scores | None = None
    scheme: str | None = None
    odd: Sequence[str] = ()


def judge(
    gold: Rows, predicted: Rows, known: Collection[str], scheme: str | None = None
) -> TagEvaluation:
    """Labels beside the right ones.

    Args:
        known: the labels that training showed.
        scheme: in which spans are read strictly; that of the right labels unless given.

    Raises:
        CatenaError: when the two sides differ in length.
    """
    found = _span_figures(gold, predicted, known, scheme)
    counts = Counter(chain.from_iterable(gold))
    return TagEvaluation(
        accuracy=accuracy(gold, predicted),
        span_f1=None if found.lenient is None else found.lenient.micro.f1,
        strict_span_f1=None if found.strict is None else found.strict.micro.f1,
        scheme=found.scheme,
        tokens=counts.total(),
        sentences=len(gold),
        per_label=label_scores(gold, predicted).per_label,
        per_span=None if found.lenient is None else found.lenient.per_label,
        unseen={label: times for label, times in sorted(counts.items()) if label not in known},
        odd=list(found.odd),
    )


def measured(gold: Rows, known: Collection[str]) -> tuple[str, Callable[[Rows], float]]:
    """The one number that says how good predicted labels are, and its name: span F1 where the right
    labels and those that may be predicted mark spans, otherwise accuracy.

    Args:
        known: the labels that may be predicted.
    """
    if not _spanned(known, gold):
        return "accuracy", lambda predicted: accuracy(gold, predicted)
    tags = as_tags(gold)
    return "span F1", lambda predicted: span_scores(tags, as_tags(predicted)).micro.f1


def _span_figures(
    gold: Rows, predicted: Rows, known: Collection[str], scheme: str | None
) -> SpanFigures:
    tags, found = as_tags(gold), as_tags(predicted)
    written = detect(tags) or detect(found)
    if not _spanned(known, gold) or written is None:
        return SpanFigures()
    strict = scheme or written
    return SpanFigures(
        lenient=span_scores(tags, found),
        strict=span_scores(as_tags(gold, strict), as_tags(predicted, strict), strict),
        scheme=strict,
        odd=odd_labels(chain.from_iterable([*gold, *predicted])),
    )


def _spanned(known: Collection[str], gold: Rows) -> bool:
    """Whether the labels of training, or where these are all `O`, the right ones, mark spans."""
    return mark_spans(known if {*known} - {OUTSIDE} else chain.from_iterable(gold))
