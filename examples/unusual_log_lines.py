"""What in this log is unusual? Learn from ordinary sessions, then rank the steps of new ones.

python examples/unusual_log_lines.py
"""

from __future__ import annotations

import random

from catena import Generator, Markov

Session = list[str]


def ordinary(draw: random.Random) -> Session:
    """One session as it should be: log in, read and write a few times, log out."""
    session = ["connect", "login"]
    if draw.random() < 0.2:
        session[1:1] = ["login failed"]
    for _ in range(draw.randint(1, 5)):
        session += draw.choice([["open", "read", "close"], ["open", "read", "write", "close"]])
    return [*session, "logout"]


def main() -> None:
    draw = random.Random(0)
    model = Generator(Markov(order=2)).fit([ordinary(draw) for _ in range(500)])

    today = [ordinary(draw) for _ in range(20)]
    today[7] = ["connect", *["login failed"] * 4, "login", "open", "read", "close", "logout"]
    today[12] = ["connect", "login", "open", "write", "write", "logout"]

    steps = [
        (bits, number, event)
        for number, session in enumerate(today)
        for bits, event in zip(model.surprise(session), [*session, "(end)"], strict=True)
    ]
    print("bits   session  event")
    for bits, number, event in sorted(steps, reverse=True)[:6]:
        print(f"{bits:5.2f}  {number:7}  {event}")


if __name__ == "__main__":
    main()
