"""The small grids that a comparison chooses each rung's hyperparameters from.

Every candidate is tried for a share of the rung's time and judged on the validation part; the best
is then learned anew with the rest of the time. The test part takes no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from catena.comparing.contest import Entry
from catena.comparing.majority import Majority
from catena.ladder import CRF, GRU, HMM, LSTM, RNN, Markov, Rung, Window
from catena.ladder.characters import CNN
from catena.learn import EM, Gradient, Learner, QuasiNewton, learner_for
from catena.space import Space, Symbols
from catena.tasks.baselines import BASELINES, Popularity, SessionKNN, SessionPopularity
from catena.tasks.recommend import LEARNER

# Data with fewer observations than this gets small networks, and dropout among the choices.
SMALL = 50_000
HIGHEST_ORDER = 8
# With fewer labelled sequences than this, networks see them more often and a few at a time.
FEW = 2000


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


def classifiers(kinds: Sequence[str], space: Space, observations: int) -> list[Entry]:
    """The rows that tell labels of sequences, in the same order."""
    small = observations < SMALL
    makers: dict[str, Callable[[], list[Entry]]] = {
        "majority": lambda: [Entry("majority", (Majority(),), label="majority label")],
        "markov": lambda: _markov_a_class(space),
        "hmm": lambda: [Entry("hmm", tuple(map(HMM, (2, 4, 8) if small else (8, 16))))],
        # One window alone would read no more than the end.
        "window": lambda: [Entry("window", _windows(observations), {"summary": "mean"})],
        "rnn": lambda: [Entry("rnn", _readers(RNN, small))],
        "gru": lambda: [Entry("gru", _readers(GRU, small))],
        "lstm": lambda: [Entry("lstm", _readers(LSTM, small))],
        "bilstm": lambda: [
            Entry("bilstm", _readers(LSTM, small, True), {"summary": "attention"}, "BiLSTM")
        ],
    }
    return [entry for kind in makers if kind in kinds for entry in makers[kind]()]


def taggers(kinds: Sequence[str], steps: str, total: int) -> list[Entry]:
    """The rows that label steps, in the same order: words, attributes or measurements."""
    small = total < SMALL
    spelled = {"characters": CNN(30), "word_dropout": 0.05} if steps == "words" else {}
    alone = {"decoder": "softmax", **spelled}
    makers: dict[str, Callable[[], Entry]] = {
        "majority": lambda: Entry("majority", (Majority(),), label="majority label"),
        "hmm": lambda: Entry("hmm", (HMM(),)),
        "crf": lambda: Entry("crf", (CRF(l2=1.0), CRF(l2=0.1))),
        "window": lambda: Entry("window", _windows(total), alone),
        "rnn": lambda: Entry("rnn", _labellers(RNN, small), alone),
        "gru": lambda: Entry("gru", _labellers(GRU, small), alone),
        "lstm": lambda: Entry("lstm", _labellers(LSTM, small), alone),
        "bilstm-crf": lambda: Entry(
            "bilstm-crf", _labellers(LSTM, small, True), {"decoder": "crf", **spelled}, "BiLSTM-CRF"
        ),
    }
    unfit = makers.keys() - {"majority", "crf"} if steps == "attributes" else set()
    unfit = {"hmm", "crf"} if steps == "measurements" else unfit
    return [make() for kind, make in makers.items() if kind in kinds and kind not in unfit]


def tagging(rung: Any, minutes: float, sequences: int) -> QuasiNewton | Gradient | None:
    """How a tagger is learned within a time budget."""
    if isinstance(rung, CRF):
        return QuasiNewton(minutes=minutes)
    if isinstance(rung, HMM):
        return None
    if sequences < FEW:
        return Gradient(minutes=minutes, epochs=40, batch=8)
    return Gradient(minutes=minutes, epochs=20, batch=16)


def classifying(rung: Rung, minutes: float, sequences: int) -> Learner:
    """How a classifier is learned within a time budget."""
    kind = learner_for(rung)
    if kind is EM:
        return EM(minutes=minutes)
    if kind is not Gradient:
        return kind()
    if sequences < FEW:
        return Gradient(minutes=minutes, epochs=60, batch=16, rate=5e-3, average=0.98)
    return Gradient(minutes=minutes, epochs=20, batch=64, rate=5e-3, average=0.99)


def recommenders(kinds: Sequence[str], events: int) -> list[Entry]:
    """The rows that recommend, what looks at the session least first."""
    makers: dict[str, Callable[[], list[Entry]]] = {
        "popularity": lambda: [Entry("popularity", (Popularity(),))],
        "session-popularity": lambda: [Entry("session-popularity", (SessionPopularity(),))],
        "session-knn": lambda: [Entry("session-knn", (SessionKNN(), SessionKNN(500, 5000)))],
        "markov": lambda: [
            Entry("markov-1", (Markov(1, "witten_bell"),)),
            Entry("markov-k", (Markov(2, "witten_bell"), Markov(3, "witten_bell"))),
        ],
        "hmm": lambda: [Entry("hmm", tuple(map(HMM, (8, 32) if events < SMALL else (32, 64))))],
        "window": lambda: [Entry("window", _windows(events))],
        "rnn": lambda: [Entry("rnn", _of_sessions(RNN, events))],
        "gru": lambda: [Entry("gru", _of_sessions(GRU, events))],
        "lstm": lambda: [Entry("lstm", _of_sessions(LSTM, events))],
    }
    return [entry for kind in makers if kind in kinds for entry in makers[kind]()]


def recommending(rung: Any, minutes: float, events: int) -> EM | Gradient | None:
    """How a recommender is learned within a time budget."""
    if isinstance(rung, HMM):
        return EM(minutes=minutes)
    if isinstance(rung, (Markov, *BASELINES.values())):
        return None
    return replace(LEARNER, minutes=minutes, epochs=40 if events < SMALL else 20)


def _of_sessions(kind: type[RNN | GRU | LSTM], events: int) -> tuple[Rung, ...]:
    sizes = ((32, 0.2), (64, 0.4)) if events < SMALL else ((100, 0.2), (100, 0.4))
    return tuple(
        kind(units, embedding=units, dropout=dropout, embedding_dropout=dropout, tied=True)
        for units, dropout in sizes
    )


def _markov(space: Space) -> list[Entry]:
    if not isinstance(space, Symbols):
        return []
    low = [Entry(f"markov-{order}", (Markov(order),)) for order in range(3)]
    high = tuple(Markov(order) for order in range(3, HIGHEST_ORDER + 1))
    return [*low, Entry("markov-k", high)]


def _markov_a_class(space: Space) -> list[Entry]:
    if not isinstance(space, Symbols):
        return []
    # A class may have few sequences, too few for the discounts of Kneser and Ney.
    return [Entry("markov", tuple(Markov(order, "witten_bell") for order in range(6)))]


def _hmm(space: Space, observations: int) -> list[Entry]:
    sizes = (4, 8, 16) if observations < SMALL else (16, 32)
    chosen = Entry("hmm", tuple(HMM(states) for states in sizes))
    # Where there is no Markov chain, a single state says what is known without any memory.
    alone = (
        [] if isinstance(space, Symbols) else [Entry("independent", (HMM(1),), label="independent")]
    )
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


def _labellers(
    kind: type[RNN | GRU | LSTM], small: bool, bidirectional: bool = False
) -> tuple[Rung, ...]:
    return tuple(
        kind(
            units,
            dropout=dropout,
            embedding=64,
            embedding_dropout=0.3,
            bidirectional=bidirectional,
        )
        for units, dropout in ((64, 0.3) if small else (128, 0.3), (128, 0.5))
    )


def _readers(
    kind: type[RNN | GRU | LSTM], small: bool, bidirectional: bool = False
) -> tuple[Rung, ...]:
    sizes = ((32, 0.2), (64, 0.5)) if small else ((64, 0.2), (128, 0.3))
    return tuple(
        kind(units, dropout=dropout, bidirectional=bidirectional) for units, dropout in sizes
    )
