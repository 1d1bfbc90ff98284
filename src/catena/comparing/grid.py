"""The small grids that a comparison chooses each rung's hyperparameters from.

Every candidate is tried for a share of the rung's time and judged on the validation part; the best
is then learned anew with the rest of the time. The test part takes no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from catena.ladder import GRU, HMM, LSTM, RNN, Markov, Rung, Window
from catena.learn import EM, Gradient, Learner, learner_for
from catena.space import Space, Symbols

# Data with fewer observations than this gets small networks, and dropout among the choices.
SMALL = 50_000
HIGHEST_ORDER = 8
# The sizes of an HMM compete on this much of the data at most.
CHOOSING_OBSERVATIONS = 200_000


@dataclass(frozen=True)
class Entry:
    """One row of a comparison: a name and the candidates that compete for it."""

    name: str
    candidates: tuple[Rung, ...]


def entries(kinds: Sequence[str], space: Space, observations: int) -> list[Entry]:
    """The rows for these kinds of rung, in the ladder's order, the shortest memory first."""
    makers: dict[str, Callable[[], list[Entry]]] = {
        "markov": lambda: _markov(space),
        "hmm": lambda: _hmm(space, observations),
        "window": lambda: [Entry("window", _windows(observations))],
        "rnn": lambda: [Entry("rnn", _recurrent(RNN, observations))],
        "gru": lambda: [Entry("gru", _recurrent(GRU, observations))],
        "lstm": lambda: [Entry("lstm", _recurrent(LSTM, observations))],
    }
    return [entry for kind in makers if kind in kinds for entry in makers[kind]()]


def learner(rung: Rung, minutes: float, observations: int) -> Learner:
    """How a rung is learned within a time budget."""
    kind = learner_for(rung)
    if kind is EM:
        return EM(minutes=minutes)
    if kind is not Gradient:
        return kind()
    if observations < SMALL:
        return Gradient(minutes=minutes, epochs=200, batch=8, rate=5e-3, patience=5)
    return Gradient(minutes=minutes, batch=32, span=32, rate=4e-3, average=0.99)


def _markov(space: Space) -> list[Entry]:
    if not isinstance(space, Symbols):
        return []
    low = [Entry(f"markov-{order}", (Markov(order),)) for order in range(3)]
    high = tuple(Markov(order) for order in range(3, HIGHEST_ORDER + 1))
    return [*low, Entry("markov-k", high)]


def _hmm(space: Space, observations: int) -> list[Entry]:
    sizes = (4, 8, 16) if observations < SMALL else (16, 32)
    chosen = Entry("hmm", tuple(HMM(states) for states in sizes))
    # Where there is no Markov chain, a single state says what is known without any memory.
    alone = [] if isinstance(space, Symbols) else [Entry("independent", (HMM(1),))]
    return [*alone, chosen]


def _windows(observations: int) -> tuple[Rung, ...]:
    if observations < SMALL:
        return (Window(4, units=32, dropout=0.2), Window(4, units=128, dropout=0.5))
    return (Window(6, units=256), Window(10, units=256))


def _recurrent(kind: type[RNN | GRU | LSTM], observations: int) -> tuple[Rung, ...]:
    if observations < SMALL:
        return (
            kind(32, dropout=0.2, embedding_dropout=0.1),
            kind(128, dropout=0.5, embedding_dropout=0.2),
        )
    return kind(128, embedding=64), kind(256, embedding=64, dropout=0.1)
