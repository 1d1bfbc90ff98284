"""MNIST as sequences: 28 rows of 28 numbers, or 784 pixels one after the other.

    CATENA_DATA=folder python recipes/mnist.py --steps rows
    CATENA_DATA=folder python recipes/mnist.py --steps pixels

The pictures (LeCun et al. 1998) have a given split of 60,000 and 10,000. Pixels are the harder task
(Le, Jaitly and Hinton 2015): the label is asked for 784 steps after the first. They take a day or
more of one thread and have not been run yet. The options are plain choices, not searched for.
Writes recipes/results/mnist.json: accuracy, macro-F1, epochs, minutes, the seed, the machine.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from catena import LSTM, Classifier, Gradient, Sequences
from catena.comparing.compare import machine

RESULTS = Path(__file__).parent / "results" / "mnist.json"
SHAPES = {"rows": (28, 28), "pixels": (784, 1)}
LEARNERS = {
    "rows": Gradient(epochs=3, batch=64, rate=3e-3, average=0.99),
    "pixels": Gradient(epochs=30, batch=64, rate=1e-3, average=0.99),
}


def read(folder: Path, part: str, steps: str) -> tuple[Sequences, np.ndarray]:
    """The pictures of one part as sequences of numbers from 0 to 1, and their digits."""
    numbers = []
    for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
        with lzma.open(folder / "mnist" / f"{part}-{kind}-ubyte.xz") as file:
            numbers.append(np.frombuffer(file.read(), np.uint8, offset=header))
    pixels, digits = numbers
    length, width = SHAPES[steps]
    values = torch.from_numpy(pixels.reshape(-1, width) / np.float32(255))
    return Sequences(values, torch.full((len(digits),), length)), digits.astype(np.int64)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", choices=list(SHAPES), default="rows")
    arguments.add_argument("--train", type=int, help="the first so many pictures only")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--output", type=Path, default=RESULTS)
    given = arguments.parse_args()
    folder = Path(os.environ["CATENA_DATA"])
    record: dict[str, Any] = json.loads(given.output.read_text()) if given.output.exists() else {}
    record[given.steps] = run(folder, given.steps, given.train, given.seed)
    record["machine"] = machine()
    given.output.write_text(json.dumps(record, indent=2) + "\n")


def run(folder: Path, steps: str, train: int | None, seed: int) -> dict[str, Any]:
    """Fit, measure, and say how it went."""
    sequences, digits = read(folder, "train", steps)
    new, truth = read(folder, "t10k", steps)
    rung = LSTM(units=128, dropout=0.1)
    model = Classifier(rung, learner=LEARNERS[steps], seed=seed)
    began = time.perf_counter()
    found = model.fit(sequences[:train], digits[:train], report=show).evaluate(new, truth)
    minutes = (time.perf_counter() - began) / 60
    print(f"\n{steps}: accuracy {found.accuracy:.4f} in {minutes:.1f} minutes")
    return {
        "classifier": repr(model),
        "pictures": len(sequences[:train]),
        "accuracy": found.accuracy,
        "macro_f1": found.macro_f1,
        "epochs": model.history_.epochs,
        "minutes": minutes,
        "seed": seed,
    }


def show(progress: Any) -> None:
    """One line that tells how far it is."""
    left = "" if progress.left is None else f", {progress.left / 60:.1f} minutes left"
    print(f"\r{100 * progress.done:5.1f} %, {progress.text}{left}   ", end="", flush=True)


if __name__ == "__main__":
    main()
