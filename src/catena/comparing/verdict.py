"""What a comparison means, in words."""

from __future__ import annotations

import math

from catena.comparing.result import Comparison, Row

# A model is cheaper when it is fitted in at most this share of the time.
CHEAPER = 0.5


def verdict(result: Comparison) -> list[str]:
    """Sentences that say which rung the data needs."""
    best = result.best
    left_out = [f"Left out: {result.left_out}."] if result.left_out else []
    if not math.isfinite(result.value(best)):
        return ["Every model here gives something in the test part probability 0.", *left_out]
    others = [row for row in result.rows if row is not best]
    if not others:
        return [f"{_lead(result, best)}.", *left_out]
    return [
        _against_second(result, best, others),
        _price(result, best, others),
        *_networks(result, best, others),
        *_wasted(result),
        *left_out,
    ]


def _lead(result: Comparison, best: Row) -> str:
    return f"{best.label} predicts best: {result.terms.decides.said(result.value(best))}"


def _against_second(result: Comparison, best: Row, others: list[Row]) -> str:
    figure = result.terms.decides
    behind = [
        (row, figure.behind(row.against_best))
        for row in others
        if math.isfinite(result.value(row)) and row.against_best is not None
    ]
    if not behind:
        return f"{_lead(result, best)}; all others give something in the test part probability 0."
    second, ahead = min(behind, key=lambda pair: pair[1].value)
    sure = "clear" if ahead.clear else "not clear"
    value, low, high = (f"{n:.{figure.digits}f}" for n in (ahead.value, ahead.low, ahead.high))
    return (
        f"{_lead(result, best)}, {value}{figure.amount} ahead of {second.label} "
        f"(95% interval {low} to {high}, so the lead is {sure})."
    )


def _price(result: Comparison, best: Row, others: list[Row]) -> str:
    """Whether something cheaper would do."""
    figure = result.terms.decides
    cheaper = [row for row in others if row.seconds <= CHEAPER * best.seconds]
    if not cheaper:
        return "No model here is much cheaper to fit."
    behind = [(row, figure.worse(result.value(row), result.value(best))) for row in cheaper]
    close = [(row, gap) for row, gap in behind if gap <= figure.close]
    if not close:
        return f"No cheaper model comes within {figure.close}{figure.amount} of it."
    cheap, gap = min(close, key=lambda pair: pair[0].seconds)
    # Rounded up, but not for the dust of binary fractions.
    least = math.ceil(round(gap * 10**figure.digits, 6)) / 10**figure.digits
    return (
        f"{cheap.label} is within {least:.{figure.digits}f}{figure.amount} of {best.label} at "
        f"{_share(cheap.seconds, best.seconds)} of the cost: use it unless that matters."
    )


def _networks(result: Comparison, best: Row, others: list[Row]) -> list[str]:
    """Whether a network was worth its trouble, where there are some and others too."""
    figure = result.terms.decides
    rivals = [row for row in others if row.network != best.network and row.against_best is not None]
    if not rivals:
        return []
    if not best.network:
        return [f"No network was worth it: none is ahead of {best.label}."]
    behind = [(row, figure.behind(row.against_best)) for row in rivals if row.against_best]
    second, gap = min(behind, key=lambda pair: pair[1].value)
    if not math.isfinite(gap.value):
        return []
    what = "A network was worth it" if gap.clear else "Whether a network was worth it is not clear"
    distance = f"{gap.value:.{figure.digits}f}{figure.amount}"
    return [f"{what}: the best without one, {second.label}, is {distance} behind."]


def _wasted(result: Comparison) -> list[str]:
    """Steps up the ladder that brought nothing."""
    figure = result.terms.decides
    rows = [
        f"{row.label} ({row.against_below.value:+.{figure.digits}f})"
        for row in result.rows
        if row.against_below is not None
        and figure.behind(row.against_below).low >= 0
        and math.isfinite(row.against_below.value)
    ]
    named = f"{', '.join(rows)}{figure.amount}"
    return [f"No better than the row above it here: {named}."] if rows else []


def _share(cost: float, whole: float) -> str:
    """A share in words.

    >>> _share(1.0, 2.0), _share(0.0, 1.0), _share(1.0, 1234.0)
    ('50%', 'nearly none', '1/1,234')
    """
    if 10 * cost > whole:
        return f"{cost / whole:.0%}"
    return f"1/{round(whole / cost):,}" if whole < 1e6 * cost else "nearly none"
