"""LSTM, GRU and RNN on a CPU: catena beside PyTorch (padded and packed) and onnxruntime.

    python benchmarks/cells.py                                   all of it, some 15 minutes
    python benchmarks/cells.py --quick                           a look, under 2 minutes
    python benchmarks/cells.py --cells gru --only 32x100x256     some points, N x T x H
    python benchmarks/cells.py --sections streaming variants

Every side is compared with float64 before anything is timed: outputs, and for training the
gradients of the input, the weights and the biases. Sides take turns and their medians count.
GFLOP/s are those of real steps; padding is no work. The product is PyTorch's float32 matrix
product, a side like the others. Only a run of everything is kept, in results/cells.json.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from cell_memory import step_memory
from cell_onnx import Onnx
from cell_sides import GATES, Case, Shape, catena_side, difference, torch_sides
from cell_streaming import streaming
from cell_variants import beside_products, variants
from harness import keep, medians

PEERS = ["1x100x128", "1x100x512", "16x100x128", "32x100x256", "64x35x650", "128x50x100"]
MORE = [
    "1x1x128", "256x1x256", "32x1x1024", "1x1000x32", "2x10000x32", "256x100x32",
    "1x100x1024", "8x50x1024", "8x1000x256", "256x50x256", "32x20x1024",
]  # fmt: skip
LONG_TAIL = ["16x100x128", "32x100x256", "128x50x100", "8x1000x256", "256x50x256"]
QUICK = ["1x100x128", "16x100x128", "32x100x256", "128x50x100", "256x1x256"]
MEMORY = ["32x100x256", "128x50x100", "8x1000x256"]
SECTIONS: Sequence[str] = ("grid", "memory", "streaming", "variants", "products")
FAULT = 1e-4  # a relative difference from float64 that rounding cannot explain
PRODUCT = 1024  # rows and columns of the matrix product


class Point(NamedTuple):
    """One row of the grid."""

    cell: str
    shape: Shape
    kind: str
    training: bool

    @property
    def mode(self) -> str:
        return f"{'train' if self.training else 'infer'} {self.kind}"


def points(cells: list[str], names: list[str], quick: bool) -> Iterator[Point]:
    """Ragged training and inference, full-length inference; a single sequence is always full."""
    for cell in cells:
        for name in names:
            shape = parse(name)
            ragged = shape.batch > 1 and shape.length > 1
            yield Point(cell, shape, "uniform", True)
            if ragged:
                yield Point(cell, shape, "uniform", False)
            if not (quick and ragged):
                yield Point(cell, shape, "full", False)
            if name in LONG_TAIL and not quick:
                yield Point(cell, shape, "lognormal", True)
                yield Point(cell, shape, "lognormal", False)


def parse(name: str) -> Shape:
    """The shape that "32x100x256" names."""
    try:
        batch, length, size = map(int, name.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{name!r} is not of the form 32x100x256") from None
    return Shape(batch, length, size)


def measure(point: Point, seconds: float) -> dict[str, Any]:
    """All sides at one point: errors, seconds, GFLOP/s, and catena's ratio to the best other."""
    case = Case(point.cell, point.shape, point.kind)
    work, errors = prepare(case, point.training)
    matrix = torch.randn(PRODUCT, PRODUCT)
    taken = medians({**work, "product": lambda: matrix @ matrix}, seconds)
    operations = case.operations(point.training)
    speed = {name: operations / taken[name] / 1e9 for name in work}
    speed["product"] = 2 * PRODUCT**3 / taken["product"] / 1e9
    others = [taken[name] for name in work if name != "catena"]
    return {
        "cell": point.cell,
        "shape": str(point.shape),
        "mode": point.mode,
        "steps": case.steps,
        "seconds": taken,
        "gflops": speed,
        "errors": errors,
        "ratio": min(others) / taken["catena"],
        "of_product": speed["catena"] / speed["product"],
    }


def prepare(case: Case, training: bool) -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    """What to time, once every side has been found to compute the right thing."""
    sides = {**torch_sides(case), "catena": catena_side(case, training)}
    outcomes = {name: side.outcome(training) for name, side in sides.items()}
    work: dict[str, Callable[[], Any]] = {
        name: side.train if training else side.infer for name, side in sides.items()
    }
    if not training:
        onnx = Onnx(case)
        outcomes["onnxruntime"], work["onnxruntime"] = onnx.outcome(), onnx.infer
    exact = case.exact(training)
    errors = {name: difference(found, exact) for name, found in outcomes.items()}
    for name, error in errors.items():
        if not error < FAULT:
            what = f"{case.cell} {case.shape} {case.kind}"
            raise SystemExit(f"{name} is wrong on {what}: {error:.1e} away from float64")
    return work, errors


def grid(chosen: list[Point], seconds: float) -> list[dict[str, Any]]:
    """Every point measured, and printed as it comes."""
    columns = ["padded", "packed", "onnx", "catena", "ratio", "of product", "error", "torch's"]
    print(f"{'GFLOP/s':32}" + "".join(f"{column:>11}" for column in columns))
    rows = []
    for point in chosen:
        rows.append(measure(point, seconds))
        show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    speed, errors = row["gflops"], row["errors"]
    cells = [speed.get(name) for name in ("torch padded", "torch packed", "onnxruntime", "catena")]
    line = "".join(f"{'' if value is None else f'{value:.1f}':>11}" for value in cells)
    line += f"{row['ratio']:>10.2f}x{row['of_product']:>11.0%}"
    line += f"{errors['catena']:>11.1e}{errors['torch packed']:>11.1e}"
    print(f"{row['cell']:5}{row['shape']:13}{row['mode']:14}{line}", flush=True)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Geometric mean and least ratio of each cell and mode, and the least share of the product
    where N >= 32 and H >= 256 on ragged lengths."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(f"{row['cell']} {row['mode']}", []).append(row["ratio"])
    large = [row["of_product"] for row in rows if is_large(row)]
    return {
        "ratios": {
            name: {"mean": math.exp(statistics.fmean(map(math.log, found))), "least": min(found)}
            for name, found in groups.items()
        },
        "product_gflops": statistics.median(row["gflops"]["product"] for row in rows),
        "least_of_product_where_large": min(large) if large else None,
    }


def is_large(row: dict[str, Any]) -> bool:
    shape = parse(row["shape"])
    ragged = shape.length > 1 and not row["mode"].endswith("full")
    return ragged and shape.batch >= 32 and shape.size >= 256


def show_summary(found: dict[str, Any]) -> None:
    print("\nratio to the best other side     geometric mean      least")
    for name, ratio in found["ratios"].items():
        print(f"{name:33}{ratio['mean']:14.2f}x{ratio['least']:10.2f}x")
    print(f"matrix product {found['product_gflops']:.1f} GFLOP/s (median)", end="")
    if (least := found["least_of_product_where_large"]) is not None:
        print(f"; where N >= 32 and H >= 256, catena reaches at least {least:.0%} of it", end="")
    print()


def memory(cells: list[str]) -> list[dict[str, Any]]:
    """Peak MiB of a training step, catena and PyTorch packed."""
    print("\npeak memory of a training step, MiB")
    rows = []
    for cell in cells:
        for name in MEMORY:
            found = {s: step_memory(s, cell, parse(name)) for s in ("torch packed", "catena")}
            rows.append({"cell": cell, "shape": name, "mib": found})
            print(f"{cell:5}{name:13}", *(f"{s} {mib or math.nan:.1f}" for s, mib in found.items()))
    return rows


def show_streaming(rows: list[dict[str, Any]]) -> None:
    print("\none LSTM step, batch 1, microseconds")
    for row in rows:
        sides = "   ".join(f"{name} {took:.1f}" for name, took in row["microseconds"].items())
        print(f"{row['size']:5}   {sides}   reading the weights {row['read_weights']:.1f}")


def show_milliseconds(title: str, found: dict[str, dict[str, float]]) -> None:
    print(f"\n{title}, milliseconds")
    for name, parts in found.items():
        print(f"{name:13}", "   ".join(f"{part} {took:.2f}" for part, took in parts.items()))


def others(sections: Sequence[str], cells: list[str], seconds: float) -> dict[str, Any]:
    """The sections beside the grid."""
    found: dict[str, Any] = {}
    if "memory" in sections:
        found["memory"] = memory(cells)
    if "streaming" in sections:
        found["streaming"] = streaming(seconds)
        show_streaming(found["streaming"])
    if "variants" in sections:
        known = [cell for cell in cells if cell != "rnn"]
        found["variants"] = {cell: variants(cell, 3 * seconds) for cell in known}
        show_milliseconds("a training step of the variants", found["variants"])
    if "products" in sections:
        found["products"] = beside_products(seconds)
        show_milliseconds("an LSTM and matrix products", found["products"])
    return found


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few points, briefly")
    parser.add_argument("--cells", nargs="+", choices=GATES, default=list(GATES))
    parser.add_argument("--only", nargs="+", type=lambda name: str(parse(name)), metavar="NxTxH")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS)
    return parser.parse_args()


def main() -> None:
    given = options()
    sections = given.sections or (["grid"] if given.quick or given.only else SECTIONS)
    seconds, began = (0.2 if given.quick else 0.8), time.perf_counter()
    facts: dict[str, Any] = {"onnxruntime": version("onnxruntime")}
    if "grid" in sections:
        names = given.only or (QUICK if given.quick else PEERS + MORE)
        facts["grid"] = grid(list(points(given.cells, names, given.quick)), seconds)
        facts["summary"] = summary(facts["grid"])
        show_summary(facts["summary"])
    facts |= others(sections, given.cells, seconds)
    print(f"{time.perf_counter() - began:.0f} s")
    if not given.only and len(sections) == len(SECTIONS) and given.cells == list(GATES):
        keep("cells", facts)


if __name__ == "__main__":
    main()
