"""The memory of a training step above that of the layer and its batch, in a process of its own.

python benchmarks/cell_memory.py SIDE CELL BATCH LENGTH SIZE     prints MiB
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

from cell_sides import Case, Packed, Shape, Side

_PROC = Path("/proc/self")


def step_memory(side: str, cell: str, shape: Shape) -> float | None:
    """Peak MiB of a training step on packed input; None where the system does not tell."""
    if not (_PROC / "clear_refs").exists():
        return None
    words = [side, cell, *map(str, (shape.batch, shape.length, shape.size))]
    command = [sys.executable, __file__, *words]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _measure(side: str, cell: str, shape: Shape) -> float:
    _packed(side, cell, Shape(2, 2, 8)).train()  # loads what is loaded once
    work = _packed(side, cell, shape)
    ctypes.CDLL(None).malloc_trim(0)
    (_PROC / "clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    for _ in range(3):
        work.train()
    return (_status("VmHWM") - before) / 1024


def _packed(side: str, cell: str, shape: Shape) -> Side:
    case = Case(cell, shape, "uniform")
    return Packed(case, case.catena_layer if side == "catena" else case.layer)


def _status(field: str) -> int:
    """KiB, as the system counts them."""
    found = re.search(rf"^{field}:\s+(\d+) kB", (_PROC / "status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    _side, _cell, *_sizes = sys.argv[1:]
    print(_measure(_side, _cell, Shape(*map(int, _sizes))))
