"""Finding sequences in a model: sampling and beam search over any SequenceModel."""

from catena.search.drawing import Sampling, filtered, sample
from catena.search.seeking import Beam, Hypothesis, LooksBack, beam
from catena.search.start import allowed_log_probs, prepare

__all__ = [
    "Beam",
    "Hypothesis",
    "LooksBack",
    "Sampling",
    "allowed_log_probs",
    "beam",
    "filtered",
    "prepare",
    "sample",
]
