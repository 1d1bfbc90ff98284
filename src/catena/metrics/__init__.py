"""How good labels are: accuracy, precision, recall and F1, confusion, and what went wrong; and how
high next items are ranked; and how much of what was generated is copied."""

from catena.metrics.copied import Copied, CopiedSpan, copied
from catena.metrics.labels import (
    Confusion,
    LabelError,
    accuracy,
    confusion,
    label_errors,
    label_scores,
)
from catena.metrics.ranking import RankingScores, RankTally, ranks
from catena.metrics.scores import Score, Scores
from catena.metrics.spans import SpanError, span_errors, span_scores

__all__ = [
    "Confusion",
    "Copied",
    "CopiedSpan",
    "LabelError",
    "RankTally",
    "RankingScores",
    "Score",
    "Scores",
    "SpanError",
    "accuracy",
    "confusion",
    "copied",
    "label_errors",
    "label_scores",
    "ranks",
    "span_errors",
    "span_scores",
]
