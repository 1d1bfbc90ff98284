"""Tiny Shakespeare, characters: an LSTM learned from the first nine tenths, tested on the last.

    python recipes/shakespeare_lstm.py

The size, dropout and rate were chosen on a validation part inside the training part. Prints the
curve and writes recipes/results/shakespeare_lstm.json: every evaluation, the result, the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from catena import LSTM, Generator, Gradient
from catena.comparing.compare import machine
from catena.formats import read
from catena.learn import Progress
from catena.space import Symbols

RUNG = LSTM(units=384, embedding=64, dropout=0.25)
LEARNER = Gradient(
    epochs=8, batch=32, span=32, rate=4e-3, average=0.999, evaluations=16, patience=None
)
MARK = 2.15
RESULTS = Path(__file__).parent / "results" / "shakespeare_lstm.json"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--epochs", type=float, default=LEARNER.epochs)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--output", type=Path, default=RESULTS)
    given = arguments.parse_args()

    (text,) = read("shakespeare").sequences
    assert isinstance(text, str)
    train, test = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    space = Symbols.learn([train], end=False)
    learner = Gradient(**{**vars(LEARNER), "epochs": given.epochs})
    generator = Generator(RUNG, space=space, learner=learner, seed=given.seed)

    began = time.perf_counter()
    generator.fit(train, report=_say)
    minutes = (time.perf_counter() - began) / 60
    found = generator.evaluate(test)
    print(f"test: {found.bits_per_symbol:.4f} bits a character after {minutes:.1f} minutes")
    record = {
        "rung": repr(RUNG),
        "learner": repr(learner),
        "seed": given.seed,
        "minutes": minutes,
        "test_bits_per_character": found.bits_per_symbol,
        "test_characters": found.symbols,
        "mark": MARK,
        "curve": generator.history_.rows,
        "machine": machine(),
    }
    given.output.parent.mkdir(exist_ok=True)
    given.output.write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(0 if found.bits_per_symbol <= MARK else 1)


_said = -1.0


def _say(progress: Progress) -> None:
    """A line for each twentieth of the work."""
    global _said
    if progress.done - _said >= 0.05:
        _said = progress.done
        bits = (progress.train or 0.0) / 0.6931471805599453
        print(
            f"{progress.seconds:6.0f} s  {progress.text}  train {bits:.3f} bits  "
            f"{progress.speed:,.0f} characters/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
