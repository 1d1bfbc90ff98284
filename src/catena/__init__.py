"""Sequences of any length: the whole ladder of models, from the Markov chain to the LSTM."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catena.combine import Bidirectional, Residual, Stack
    from catena.comparing.compare import compare
    from catena.errors import CatenaError
    from catena.formats.crfsuite_tagger import from_crfsuite
    from catena.ladder import CRF, GRU, HMM, LADDER, LSTM, RNN, Custom, Markov, Window
    from catena.ladder.characters import CNN
    from catena.learn import EM, AdaGrad, Count, Gradient, Perceptron, QuasiNewton
    from catena.learn.item_losses import BPRMax, CrossEntropy, TOP1Max
    from catena.linear_chain import LinearChain
    from catena.model import SequenceModel
    from catena.recurrence import FromFunction, Recurrence
    from catena.scanning import scan
    from catena.sequences import Sequences
    from catena.space import Bits, Counts, Symbols, Vectors
    from catena.tasks.average import average
    from catena.tasks.baselines import Popularity, SessionKNN, SessionPopularity
    from catena.tasks.caption import Captioner
    from catena.tasks.chat import Chat
    from catena.tasks.classify import Classifier
    from catena.tasks.compose import Composer
    from catena.tasks.generate import Generator
    from catena.tasks.loading import load
    from catena.tasks.recommend import Recommender
    from catena.tasks.tag import Tagger
    from catena.tasks.translate import Translator

__version__ = "0.1.0"

# Loaded when first asked for, so that `catena --help` does not wait for PyTorch.
_HOMES = {
    "AdaGrad": "learn",
    "BPRMax": "learn.item_losses",
    "Bidirectional": "combine",
    "Bits": "space",
    "CNN": "ladder.characters",
    "CRF": "ladder",
    "Captioner": "tasks.caption",
    "CatenaError": "errors",
    "Chat": "tasks.chat",
    "Classifier": "tasks.classify",
    "Composer": "tasks.compose",
    "Count": "learn",
    "Counts": "space",
    "CrossEntropy": "learn.item_losses",
    "Custom": "ladder",
    "EM": "learn",
    "FromFunction": "recurrence",
    "GRU": "ladder",
    "Generator": "tasks.generate",
    "Gradient": "learn",
    "HMM": "ladder",
    "LADDER": "ladder",
    "LSTM": "ladder",
    "LinearChain": "linear_chain",
    "Markov": "ladder",
    "Perceptron": "learn",
    "Popularity": "tasks.baselines",
    "QuasiNewton": "learn",
    "RNN": "ladder",
    "Recommender": "tasks.recommend",
    "Recurrence": "recurrence",
    "Residual": "combine",
    "SequenceModel": "model",
    "Sequences": "sequences",
    "SessionKNN": "tasks.baselines",
    "SessionPopularity": "tasks.baselines",
    "Stack": "combine",
    "Symbols": "space",
    "TOP1Max": "learn.item_losses",
    "Tagger": "tasks.tag",
    "Translator": "tasks.translate",
    "Vectors": "space",
    "Window": "ladder",
    "average": "tasks.average",
    "compare": "comparing.compare",
    "from_crfsuite": "formats.crfsuite_tagger",
    "load": "tasks.loading",
    "scan": "scanning",
}

__all__ = [
    "CNN",
    "CRF",
    "EM",
    "GRU",
    "HMM",
    "LADDER",
    "LSTM",
    "RNN",
    "AdaGrad",
    "BPRMax",
    "Bidirectional",
    "Bits",
    "Captioner",
    "CatenaError",
    "Chat",
    "Classifier",
    "Composer",
    "Count",
    "Counts",
    "CrossEntropy",
    "Custom",
    "FromFunction",
    "Generator",
    "Gradient",
    "LinearChain",
    "Markov",
    "Perceptron",
    "Popularity",
    "QuasiNewton",
    "Recommender",
    "Recurrence",
    "Residual",
    "SequenceModel",
    "Sequences",
    "SessionKNN",
    "SessionPopularity",
    "Stack",
    "Symbols",
    "TOP1Max",
    "Tagger",
    "Translator",
    "Vectors",
    "Window",
    "average",
    "compare",
    "from_crfsuite",
    "load",
    "scan",
]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module("catena.nn")
    if name not in _HOMES:
        raise AttributeError(f"module 'catena' has no attribute {name!r}")
    found = getattr(import_module(f"catena.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
