"""Sequences of any length: the whole ladder of models, from the Markov chain to the LSTM."""

from catena.combine import Bidirectional, Residual, Stack
from catena.errors import CatenaError
from catena.ladder import GRU, HMM, LADDER, LSTM, RNN, Custom, Markov, Window
from catena.learn import EM, Count, Gradient
from catena.model import SequenceModel
from catena.recurrence import FromFunction, Recurrence
from catena.scan import scan
from catena.sequences import Sequences
from catena.space import Bits, Counts, Symbols, Vectors
from catena.tasks.generate import Generator, load

__version__ = "0.1.0"

__all__ = [
    "EM",
    "GRU",
    "HMM",
    "LADDER",
    "LSTM",
    "RNN",
    "Bidirectional",
    "Bits",
    "CatenaError",
    "Count",
    "Counts",
    "Custom",
    "FromFunction",
    "Generator",
    "Gradient",
    "Markov",
    "Recurrence",
    "Residual",
    "SequenceModel",
    "Sequences",
    "Stack",
    "Symbols",
    "Vectors",
    "Window",
    "load",
    "scan",
]
