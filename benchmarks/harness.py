"""Two sides in one run: timed in turns, reported as medians and ratios, kept as JSON."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catena.comparing.compare import machine
from catena.comparing.measure import Meter

RESULTS = Path(__file__).parent / "results"
_TURN = 0.003  # seconds that a turn of short calls lasts at least
_PAUSE = 0.004  # seconds, longer than idle threads keep spinning
_MOST = 100  # turns


def in_turns(
    sides: dict[str, Callable[[], Any]],
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict[str, float]]:
    """Median, least and greatest seconds of each side, which take turns; one unmeasured turn warms
    up. Peak memory (MiB above the beginning) is that of the warm-up.

    Args:
        clock: what tells the seconds; for work on one thread, the processor's own is steadier.
    """
    peaks = {name: _peak(work) for name, work in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, work in sides.items():
            began = clock()
            work()
            seconds[name].append(clock() - began)
    return {
        name: {
            "median": statistics.median(taken),
            "least": min(taken),
            "greatest": max(taken),
            "peak_mib": peaks[name],
        }
        for name, taken in seconds.items()
    }


def medians(
    sides: dict[str, Callable[[], Any]], seconds: float, least: int = 5
) -> dict[str, float]:
    """Median seconds of a call of each side, which take turns for about `seconds` altogether, and
    at least `least` turns. A pause before each turn lets the other sides' threads fall asleep."""
    calls = {name: _calls(work) for name, work in sides.items()}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    began, turns = time.perf_counter(), 0
    while turns < least or (turns < _MOST and time.perf_counter() - began < seconds):
        for name, work in sides.items():
            time.sleep(_PAUSE)
            taken[name].append(_turn(work, calls[name]))
        turns += 1
    return {name: statistics.median(turns) for name, turns in taken.items()}


def keep(name: str, facts: dict[str, Any]) -> None:
    """Write benchmarks/results/NAME.json and say so."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **facts}, indent=2) + "\n")
    print(f"kept in {path}")


def _calls(work: Callable[[], Any]) -> int:
    """Warms up, and says how many calls fill a turn."""
    work()
    began = time.perf_counter()
    work()
    once = time.perf_counter() - began
    return max(1, min(10_000, round(_TURN / once)))


def _turn(work: Callable[[], Any], calls: int) -> float:
    """Seconds of one call; among short calls the first, which wakes the threads, is not timed."""
    if calls > 1:
        work()
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) / calls


def _peak(work: Callable[[], Any]) -> float:
    with Meter() as meter:
        work()
    return (meter.peak_memory or 0) / 2**20
