"""Sequences of up to 60 symbols, reversed: does attention find its way?

    python recipes/reversal.py [--longest 60] [--minutes 5]

The last symbol read is the first to be written, so the state between encoder and decoder would have
to hold all 60 of them; attention need not. A sequence counts as right when all of its symbols are.
Prints the share of 500 new sequences that are, the updates and the seconds.
"""

from __future__ import annotations

import argparse
import random
import time

from catena import GRU, Gradient, Translator
from catena.tasks.encoder_decoder import Looking
from catena.tasks.translate import Pair

SYMBOLS = "abcdefghijklmnopqrstuvwxyz"


def reversals(count: int, longest: int, seed: int) -> list[Pair]:
    """Random sequences of 1 to `longest` symbols beside their reversals."""
    drawn = random.Random(seed)
    lengths = [drawn.randint(1, longest) for _ in range(count)]
    texts = ["".join(drawn.choices(SYMBOLS, k=length)) for length in lengths]
    return [(text, text[::-1]) for text in texts]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--longest", type=int, default=60)
    arguments.add_argument("--minutes", type=float, default=5.0)
    arguments.add_argument("--attention", default="general")
    given = arguments.parse_args()
    model = Translator(
        GRU(units=128, embedding=32, bidirectional=True),
        unit="char",
        smoothing=0.0,
        looking=Looking(given.attention),
        learner=Gradient(
            minutes=given.minutes, batch=32, span=64, rate=5e-3, average=0.98, patience=None
        ),
    )
    began = time.perf_counter()
    model.fit(reversals(20_000, given.longest, 0))
    seconds = time.perf_counter() - began
    test = reversals(500, given.longest, 1)
    found = model.translate([source for source, _ in test], 1)
    right = sum(text == target for text, (_, target) in zip(found, test, strict=True))
    updates = model.history_.rows[-1]["step"]
    print(f"{right / len(test):.1%} right after {updates} updates, {seconds:.0f} s")


if __name__ == "__main__":
    main()
