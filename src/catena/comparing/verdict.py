"""What a comparison means, in words."""

from __future__ import annotations

from catena.comparing.result import Comparison, Row

# Bits a symbol below which a difference is not worth paying for.
CLOSE = 0.02


def verdict(result: Comparison) -> list[str]:
    """Sentences that say which rung the data needs."""
    best = result.best
    sentences = [_lead(result, best)]
    cheap = _cheapest_close(result, best)
    if cheap is None:
        sentences.append(f"No cheaper model comes within {CLOSE} bits of it.")
    else:
        gap, cost = cheap.bits - best.bits, best.seconds / max(cheap.seconds, 1e-9)
        sentences.append(
            f"{cheap.label} is within {max(gap, 0.0):.3f} bits of {best.label} "
            f"at {_share(cost)} of the cost: use it unless those bits matter."
        )
    sentences.extend(_steps(result))
    return sentences


def _lead(result: Comparison, best: Row) -> str:
    sentence = f"{best.label} predicts best: {best.bits:.3f} bits a {result.unit}"
    others = [row for row in result.rows if row is not best]
    if not others:
        return sentence + "."
    second = min(others, key=lambda row: row.bits)
    assert second.against_best is not None
    low, high = second.against_best.low, second.against_best.high
    sure = "clear" if second.against_best.clear else "not clear"
    gap = f"{second.against_best.value:.3f} bits ahead of {second.label}"
    return f"{sentence}, {gap} (95% interval {low:.3f} to {high:.3f}, so the lead is {sure})."


def _cheapest_close(result: Comparison, best: Row) -> Row | None:
    close = [
        row for row in result.rows if row.bits - best.bits <= CLOSE and row.seconds < best.seconds
    ]
    return min(close, key=lambda row: row.seconds) if close else None


def _steps(result: Comparison) -> list[str]:
    """Steps up the ladder that brought nothing."""
    wasted = [
        f"{row.label} ({row.against_below.value:+.3f})"
        for row in result.rows
        if row.against_below is not None and row.against_below.low >= 0
    ]
    if not wasted:
        return []
    return [f"No better than the row above it here: {', '.join(wasted)} bits."]


def _share(times: float) -> str:
    if times < 1.5:
        return "nearly all"
    if times < 10:
        return f"1/{times:.1f}"
    return f"1/{round(times):,}"
