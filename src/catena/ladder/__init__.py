"""The ladder, from the shortest memory to the longest."""

from catena.ladder.crf import CRF
from catena.ladder.custom import Custom
from catena.ladder.gru import GRU
from catena.ladder.hmm import HMM
from catena.ladder.lstm import LSTM
from catena.ladder.markov import Markov
from catena.ladder.neural import Recurrent
from catena.ladder.rnn import RNN
from catena.ladder.rung import Rung, options
from catena.ladder.window import Window

# The one place where the rungs stand in order: laws, command line, docs and benchmarks read it.
LADDER = (Markov, HMM, Window, RNN, GRU, LSTM)
RUNGS: dict[str, type[Rung]] = {rung.kind: rung for rung in LADDER}

__all__ = [
    "CRF",
    "GRU",
    "HMM",
    "LADDER",
    "LSTM",
    "RNN",
    "RUNGS",
    "Custom",
    "Markov",
    "Recurrent",
    "Rung",
    "Window",
    "options",
]
