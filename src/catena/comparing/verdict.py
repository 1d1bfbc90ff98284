"""What a comparison means, in words."""

from __future__ import annotations

import math

from catena.comparing.result import Comparison, Row

# Bits a symbol below which a difference is not worth paying for.
CLOSE = 0.02
# A model is cheaper when it is fitted in at most this share of the time.
CHEAPER = 0.5


def verdict(result: Comparison) -> list[str]:
    """Sentences that say which rung the data needs."""
    best = result.best
    if not math.isfinite(best.bits):
        return ["Every model here gives something in the test part probability 0."]
    others = [row for row in result.rows if row is not best]
    if not others:
        return [f"{_lead(result, best)}."]
    return [_against_second(result, best, others), _price(best, others), *_wasted(result)]


def _lead(result: Comparison, best: Row) -> str:
    return f"{best.label} predicts best: {best.bits:.3f} bits a {result.unit}"


def _against_second(result: Comparison, best: Row, others: list[Row]) -> str:
    possible = [row for row in others if math.isfinite(row.bits) and row.against_best is not None]
    if not possible:
        return f"{_lead(result, best)}; all others give something in the test part probability 0."
    second = min(possible, key=lambda row: row.bits)
    assert second.against_best is not None
    ahead = second.against_best
    sure = "clear" if ahead.clear else "not clear"
    return (
        f"{_lead(result, best)}, {ahead.value:.3f} bits ahead of {second.label} "
        f"(95% interval {ahead.low:.3f} to {ahead.high:.3f}, so the lead is {sure})."
    )


def _price(best: Row, others: list[Row]) -> str:
    """Whether something cheaper would do."""
    cheaper = [row for row in others if row.seconds <= CHEAPER * best.seconds]
    if not cheaper:
        return "No model here is much cheaper to fit."
    close = [row for row in cheaper if row.bits - best.bits <= CLOSE]
    if not close:
        return f"No cheaper model comes within {CLOSE} bits of it."
    cheap = min(close, key=lambda row: row.seconds)
    gap = math.ceil(1000 * (cheap.bits - best.bits)) / 1000
    return (
        f"{cheap.label} is within {gap:.3f} bits of {best.label} at "
        f"{_share(cheap.seconds, best.seconds)} of the cost: use it unless those bits matter."
    )


def _wasted(result: Comparison) -> list[str]:
    """Steps up the ladder that brought nothing."""
    rows = [
        f"{row.label} ({row.against_below.value:+.3f})"
        for row in result.rows
        if row.against_below is not None
        and row.against_below.low >= 0
        and math.isfinite(row.against_below.value)
    ]
    return [f"No better than the row above it here: {', '.join(rows)} bits."] if rows else []


def _share(cost: float, whole: float) -> str:
    """A share in words.

    >>> _share(1.0, 2.0), _share(0.0, 1.0), _share(1.0, 1234.0)
    ('50%', 'nearly none', '1/1,234')
    """
    if 10 * cost > whole:
        return f"{cost / whole:.0%}"
    return f"1/{round(whole / cost):,}" if whole < 1e6 * cost else "nearly none"
