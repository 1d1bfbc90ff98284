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


def in_turns(sides: dict[str, Callable[[], Any]], repeats: int = 5) -> dict[str, dict[str, float]]:
    """Median, least and greatest seconds of each side, which take turns; one unmeasured turn warms
    up. Peak memory (MiB above the beginning) is that of the warm-up."""
    peaks = {name: _peak(work) for name, work in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, work in sides.items():
            began = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - began)
    return {
        name: {
            "median": statistics.median(taken),
            "least": min(taken),
            "greatest": max(taken),
            "peak_mib": peaks[name],
        }
        for name, taken in seconds.items()
    }


def keep(name: str, facts: dict[str, Any]) -> None:
    """Write benchmarks/results/NAME.json and say so."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **facts}, indent=2) + "\n")
    print(f"kept in {path}")


def _peak(work: Callable[[], Any]) -> float:
    with Meter() as meter:
        work()
    return (meter.peak_memory or 0) / 2**20
