"""How good labels are, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from catena.cli import show
from catena.errors import CatenaError
from catena.metrics import Confusion, Score

# Beyond this a matrix is no longer read; its largest entries are.
MATRIX = 20
WORST = 20


def scores(name: str, found: Mapping[str, Score]) -> None:
    """Precision, recall and F1 of every label."""
    rows = [
        [label, f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}", f"{one.support:,}"]
        for label, one in found.items()
    ]
    show.table([name, "precision", "recall", "F1", "support"], rows)


def confusion(found: Confusion) -> None:
    """Which label was taken for which: the matrix, or of many labels the most frequent mistakes."""
    if len(found.labels) <= MATRIX:
        pairs = zip(found.labels, found.counts.tolist(), strict=True)
        rows = [[label, *(f"{times:,}" for times in row)] for label, row in pairs]
        show.table(["is \\ found", *found.labels], rows)
        return
    rows = [[label, other, f"{times:,}"] for label, other, times in found.worst(WORST)]
    show.table(["is", "found", "times"], rows)


def check_mistakes(count: int | None) -> None:
    """Raise where --mistakes asks for fewer than one."""
    if count is not None and count < 1:
        raise CatenaError(f"--mistakes must be at least 1, not {count}")


def mistakes(found: Sequence[Mapping[str, str]]) -> None:
    """A line for each, with tabs: where it stands, what it is and was taken for."""
    show.result("")
    heads = [list(one) for one in found[:1]]
    show.result("\n".join("\t".join(row) for row in (*heads, *(one.values() for one in found))))


def matrix(found: Confusion) -> dict[str, list]:
    """The matrix as JSON takes it, labels that are in rows, labels found in columns."""
    return {"labels": list(found.labels), "counts": found.counts.tolist()}
