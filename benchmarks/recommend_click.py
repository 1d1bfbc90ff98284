"""A click: what a running session costs, an item pushed and the best 20 of 100,000 found.

    CATENA_DATA=folder python benchmarks/recommend_click.py MODEL

MODEL is a file of a network that recipes/sessions.py learned on diginetica. Its table is filled up
to 100,000 items by rows of its own with noise of 0.3 of their spread, and real test sessions are
clicked through; beside it a table of independent normal numbers, in which there is nothing to
learn. Every list must be that of all scores but for rounding before anything is timed. On one
thread: the least of each click over some turns, on average, and the median of all clicks. Then a
million items are scored for a batch of sessions, and the peak memory of that is told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import keep
from torch import Tensor

import catena
from catena import GRU, Recommender, Sequences, Symbols
from catena.comparing.measure import Meter
from catena.kernels.items import reference_top
from catena.model import SequenceModel
from catena.tasks.ranker import StateRanker

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
import sessions as recipe

ITEMS, MILLION, K, NOISE, CLOSE = 100_000, 1_000_000, 20, 0.3, 1e-3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--turns", type=int, default=20)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    fitted = catena.load(given.model)
    clicks = _clicks(fitted, Path(os.environ["CATENA_DATA"]))
    facts = {
        "learned": _timed(_grown(fitted.model_), clicks, given.turns),
        "independent": _timed(_untaught(ITEMS), clicks, given.turns),
        "million": _scored(_untaught(MILLION), clicks),
    }
    keep("recommend_click", {"items": ITEMS, "k": K, **facts})


def _clicks(fitted: Recommender, folder: Path) -> list[int]:
    _, test = recipe.diginetica(folder)
    items = [fitted.space_.number(item) for session in test[:: len(test) // 60] for item in session]
    return [item for item in items if item is not None]


def _grown(model: Any) -> SequenceModel:
    """The learned model with rows of its own until there are so many items."""
    table, bias = (part.detach() for part in model.head.table)
    more = torch.randint(len(table), (ITEMS - len(table),))
    rows = table[more] + NOISE * table.std() * torch.randn(len(more), table.shape[1])
    grown = _untaught(ITEMS)
    kept = {**model.state_dict(), "head.bias": torch.cat([bias, bias[more]])}
    kept |= dict.fromkeys(("embed.table", "head.tied"), torch.cat([table, rows]))
    grown.load_state_dict(kept)
    return grown


def _untaught(items: int) -> SequenceModel:
    space = Symbols(tuple(range(items)), unknown="error", end=False)
    return GRU(units=100, embedding=100, tied=True).build(space).eval()


def _timed(model: SequenceModel, clicks: list[int], turns: int) -> dict[str, Any]:
    ranker = StateRanker(model, ITEMS)
    began = time.perf_counter()
    running = ranker.running()
    facts: dict[str, Any] = {"seconds_to_make_ready": time.perf_counter() - began}
    head: Any = model.head
    with torch.no_grad():
        for item in clicks[:50]:
            running.push(item)
            hidden = head.hidden(running._walker.features)[0]
            _, wanted = reference_top(*head.table, hidden, K)
            apart = float((running.best(K)[1] - wanted).abs().max())
            if apart > CLOSE:
                raise SystemExit(f"a list is not that of all scores, by {apart:.1e}")

        def whole(item: int) -> object:
            running.push(item)
            return reference_top(*head.table, head.hidden(running._walker.features)[0], K)

        def click(item: int) -> object:
            running.push(item)
            return running.best(K)

        works: dict[str, Callable[[int], object]] = {
            "push": running.push, "click": click, "click_by_all_scores": whole
        }  # fmt: skip
        for name, work in works.items():
            facts[name] = _microseconds(work, clicks[:50], turns)
            print(f"{name:20} {facts[name]['least']:8.1f} µs, median {facts[name]['median']:8.1f}")
    return facts


def _microseconds(work: Callable[[int], object], clicks: list[int], turns: int) -> dict[str, float]:
    """The least of each click, on average over the clicks, and the median of all."""
    taken: list[list[float]] = [[] for _ in clicks]
    for _ in range(turns):
        for item, own in zip(clicks, taken, strict=True):
            began = time.perf_counter()
            work(item)
            own.append((time.perf_counter() - began) * 1e6)
    least = statistics.mean(min(own) for own in taken)
    return {"least": least, "median": statistics.median(one for own in taken for one in own)}


def _scored(model: SequenceModel, clicks: list[int]) -> dict[str, float]:
    """All scores after 32 steps of 4 sessions, block by block."""
    numbers: list[Tensor] = [torch.tensor(clicks[begin : begin + 8]) for begin in range(0, 32, 8)]
    with Meter() as meter:
        blocks = StateRanker(model, MILLION).scores(Sequences.from_list(numbers), torch.arange(32))
        scored = sum(block.numel() for block in blocks)
    peak = (meter.peak_memory or 0) / 2**20
    print(f"{scored:,} scores of a million items: {meter.seconds:.2f} s, {peak:.0f} MiB more")
    return {"scores": scored, "seconds": meter.seconds, "peak_mib": peak}


if __name__ == "__main__":
    main()
