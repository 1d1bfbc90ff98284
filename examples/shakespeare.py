"""An LSTM on Tiny Shakespeare, one minute of learning, then a scene of its own.

python examples/shakespeare.py --minutes 1
"""

from __future__ import annotations

import argparse

from catena import LSTM, Generator, Gradient
from catena.formats import read
from catena.split import split


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=1.0)
    minutes = arguments.parse_args().minutes

    (text,) = read("shakespeare").sequences
    train, valid, test, _ = split(text)
    learner = Gradient(minutes=minutes, batch=32, span=32, rate=4e-3, average=0.99, evaluations=5)
    model = Generator(LSTM(units=256, embedding=64), learner=learner).fit(train, valid)

    print(f"{model.history_.epochs:.2f} epochs; {model.bits(test):.3f} bits a character held out\n")
    print(model.sample(1, "ROMEO:", temperature=0.8, max_length=400, seed=1)[0])


if __name__ == "__main__":
    main()
