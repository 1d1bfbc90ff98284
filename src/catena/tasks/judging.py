"""How good predicted labels are: of tokens, and of the spans that they mark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from catena.metrics import Score, accuracy, label_scores, span_scores
from catena.schemes import OUTSIDE, detect, is_tag

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TagEvaluation:
    """How well a tagger labels some data.

    Args:
        accuracy: the share of tokens with the right label; 0 where there are none.
        span_f1: micro-averaged over spans, as conlleval counts them; None where labels mark none.
            A label that is no tag, where the model's are, is read as outside of all spans.
        tokens, sentences: how many were labelled.
        per_label: precision, recall, F1 and support of every label, token by token.
        per_span: the same of every kind of span; None where labels mark none.
        unseen: how often each label occurs that training did not show, and that counts as wrong.
    """

    accuracy: float
    span_f1: float | None
    tokens: int
    sentences: int
    per_label: dict[str, Score]
    per_span: dict[str, Score] | None
    unseen: dict[str, int]

    def describe(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        named = {
            name: None if found is None else {key: one._asdict() for key, one in found.items()}
            for name, found in (("per_label", self.per_label), ("per_span", self.per_span))
        }
        return {**vars(self), **named}


def judge(gold: Rows, predicted: Rows, known: Collection[str]) -> TagEvaluation:
    """Labels beside the right ones.

    Args:
        known: the labels that training showed.

    Raises:
        CatenaError: when the two sides differ in length.
    """
    tags = _as_tags(gold, known)
    spans = span_scores(tags, predicted) if detect([*tags, *predicted]) else None
    counts = Counter(chain.from_iterable(gold))
    return TagEvaluation(
        accuracy=accuracy(gold, predicted),
        span_f1=None if spans is None else spans.micro.f1,
        tokens=counts.total(),
        sentences=len(gold),
        per_label=label_scores(gold, predicted).per_label,
        per_span=None if spans is None else spans.per_label,
        unseen={label: times for label, times in sorted(counts.items()) if label not in known},
    )


def measured(gold: Rows, known: Collection[str]) -> tuple[str, Callable[[Rows], float]]:
    """The one number that says how good predicted labels are, and its name: span F1 where the right
    labels and those that may be predicted mark spans, otherwise accuracy.

    Args:
        known: the labels that may be predicted.
    """
    tags = _as_tags(gold, known)
    if detect([*tags, list(known)]):
        return "span F1", lambda predicted: span_scores(tags, predicted).micro.f1
    return "accuracy", lambda predicted: accuracy(gold, predicted)


def _as_tags(gold: Rows, known: Collection[str]) -> Rows:
    """The labels with what is no tag outside of all spans, where the model's labels mark spans: a
    slip in the data does not make another task of it."""
    if not detect([list(known)]):
        return gold
    return [[label if is_tag(label) else OUTSIDE for label in row] for row in gold]
