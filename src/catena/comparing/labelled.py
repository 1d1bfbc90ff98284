"""The figures of labels, of sequences and of steps, in parts that can be resampled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from catena.comparing.figure import Figure
from catena.comparing.tally import Tally
from catena.errors import CatenaError
from catena.learn import History
from catena.space import as_sequences, is_pair

# A share of labels or of predictions, or of F1, that is not worth paying for.
CLOSE = 0.005
LOSS = "nats a label"


def share(key: str, name: str, meaning: str) -> Figure:
    """A figure from 0 to 1 of which more is better."""
    return Figure(
        key=key,
        head=name,
        axis=name,
        name=name,
        form=f"{name} {{}}",
        meaning=meaning,
        digits=4,
        higher=True,
        close=CLOSE,
        bounded=True,
    )


ACCURACY = share(
    "accuracy",
    "accuracy",
    "The share of labels that are right; a label that training did not show is wrong.",
)
MACRO_F1 = share(
    "macro_f1",
    "macro-F1",
    "The mean over labels, rare ones counting as much as frequent ones, of the harmonic mean of "
    "precision and recall.",
)
SPAN_F1 = share(
    "span_f1",
    "span F1",
    "The harmonic mean of precision and recall over the spans that labels mark, as conlleval "
    "counts: right is a span with the same label and the same first and last token.",
)
LOG_LOSS = Figure(
    key="log_loss",
    head="nats/label",
    axis=LOSS,
    name="nats",
    form=f"{{}} {LOSS}",
    meaning=(
        "The mean of −ln of the probability that a model gave to the right labels, of sequences "
        "whose labels training showed. Fewer is better; a model may label well and yet be too sure "
        "of itself. ∞: a right label was held to be impossible."
    ),
    amount=" nats",
)


def f1(correct: Tensor, gold: Tensor, predicted: Tensor) -> Tally:
    """2 correct / (gold + predicted) of counts `[n]`; 0 where there is nothing."""
    return Tally(torch.stack([correct, gold, predicted], 1).double(), _micro)


def macro_f1(gold: Tensor, predicted: Tensor, labels: int) -> Tally:
    """The mean of the labels' F1, over those that are there or are predicted.

    Args:
        gold, predicted: `[n]` numbers of labels, from 0 to `labels` - 1.

    >>> macro_f1(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 3).value
    0.666...
    """
    of = [torch.nn.functional.one_hot(numbers, labels) for numbers in (gold, predicted)]
    return Tally(torch.cat([of[0] * of[1], *of], 1).double(), _macro)


def pair(data: Any) -> tuple[Any, Any]:
    """X and y, X in a form that can be cut.

    Raises:
        CatenaError: when data is no pair.
    """
    if not isinstance(data, tuple) or len(data) != 2:
        raise CatenaError("to compare labels give a pair (X, y): sequences and their labels")
    sequences, labels = data
    return (as_sequences(sequences) if is_pair(sequences) else sequences), labels


def curve(history: History) -> list[tuple[float, float | None, float | None]]:
    """(seconds, training loss, validation loss) of what learned to label."""
    return [(row["seconds"], row.get("train"), row.get("valid")) for row in history.rows]


def _micro(sums: Tensor) -> Tensor:
    correct, both = sums[..., 0], sums[..., 1] + sums[..., 2]
    return 2 * correct / both.clamp_min(1)


def _macro(sums: Tensor) -> Tensor:
    correct, gold, predicted = sums.unflatten(-1, (3, -1)).unbind(-2)
    both = gold + predicted
    shares = 2 * correct / both.clamp_min(1)
    return shares.sum(-1) / (both > 0).sum(-1).clamp_min(1)
