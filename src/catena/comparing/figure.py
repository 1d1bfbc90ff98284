"""What models are compared by: a number of each, how it is said and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from catena.comparing.bootstrap import Interval


@dataclass(frozen=True)
class Figure:
    """A number that each model gets on the test part.

    Args:
        key: its name in a row and in JSON, e.g. "span_f1".
        head: what stands over its column.
        axis: what stands along an axis of a plot.
        name: what it is called in a sentence.
        amount: what a difference in it is of, e.g. " bits"; empty where it has no unit.
        form: how a value is said, e.g. "{} bits a character".
        meaning: what it is, for those who read the report.
        digits: after the point.
        higher: whether more is better.
        close: a difference below which the cheaper model will do.
        bounded: whether its own interval is shown, beside those of its differences.
    """

    key: str
    head: str
    axis: str
    name: str
    form: str
    meaning: str
    amount: str = ""
    digits: int = 3
    higher: bool = False
    close: float = 0.0
    bounded: bool = False

    def said(self, value: float) -> str:
        """A value in a sentence."""
        return self.form.format(f"{value:.{self.digits}f}")

    def behind(self, gap: Interval) -> Interval:
        """How much worse something is, from how much more it has."""
        return Interval(-gap.value, -gap.high, -gap.low) if self.higher else gap

    def worse(self, value: float, other: float) -> float:
        """By how much a value is worse than another; below 0 where it is better."""
        return other - value if self.higher else value - other
