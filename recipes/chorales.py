"""Four voices of Bach and folk tunes with chords, frame after frame: how surprising is the next?

    CATENA_DATA=folder python recipes/chorales.py [jsb nottingham] [--models NAME ...] [--seed N]

The frames are those of Boulanger-Lewandowski, Bengio and Vincent (2012) with their split: for each
step which of 88 keys sound, `Bits(88)`, of polymusic/*.mat. What is measured is nats a frame: the
negative log-likelihood of all frames of the test part over their number. Every frame counts,
the first of a piece as well, which is predicted from the learned start; silent frames count; ends
of pieces are not predicted. All 88 keys are predicted, those too that never sound.

Beside the LSTM, whose keys are independent given the past:

- a hidden Markov model whose states switch every key on with a probability of its own;
- keys: a Markov chain for each of the 88, which knows of its own last frames alone;
- chords, lstm-chords: a Markov chain and an LSTM over whole frames as symbols. A frame that occurs
  less than twice in training is ⟨unk⟩, and is then spelled out key by key with the frequencies of
  training, so that the sum over all frames is at most 1 and the nats compare.

The LSTMs' options over keys were chosen on the validation part, which also says which parameters to
keep; the other models' are a single choice each. The test part decides nothing. Writes
recipes/results/chorales.json: a record for each set and model.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.io import loadmat

from catena import EM, HMM, LSTM, Generator, Gradient, Markov
from catena.comparing.compare import machine
from catena.learn import Progress
from catena.space import UNKNOWN, Bits, Symbols

RESULTS = Path(__file__).parent / "results" / "chorales.json"
KEYS = 88
FILES = {"jsb": "JSB_Chorales.mat", "nottingham": "Nottingham.mat"}
MARKS = {"jsb": 8.4, "nottingham": 3.4}
Pieces = list[np.ndarray]


class Parts(NamedTuple):
    """Pieces `[frames, 88]` of 0 and 1."""

    train: Pieces
    valid: Pieces
    test: Pieces


LSTMS = {
    "jsb": (
        LSTM(units=1024, dropout=0.55, embedding_dropout=0.2, layer_norm=True),
        Gradient(epochs=24, batch=4, rate=0.004, average=0.995, weight_decay=0.1, patience=None),
    ),
    "nottingham": (
        LSTM(units=320, dropout=0.5, embedding_dropout=0.1),
        Gradient(epochs=24, batch=2, span=192, rate=0.006, average=0.995, patience=None),
    ),
}
HMMS = {
    "jsb": (HMM(states=64), EM(iterations=25, tolerance=2e-3)),
    "nottingham": (HMM(states=24), EM(iterations=12, tolerance=2e-3)),
}
CHORD_LSTMS = {
    "jsb": (
        LSTM(units=256, dropout=0.5, embedding_dropout=0.2),
        Gradient(epochs=20, batch=8, rate=0.004, evaluations=10, patience=3),
    ),
    "nottingham": (
        LSTM(units=256, dropout=0.3, embedding_dropout=0.1),
        Gradient(epochs=3, batch=8, rate=0.004, evaluations=10, patience=3),
    ),
}
KEY_ORDERS = {"jsb": 3, "nottingham": 3}


def read(folder: Path, name: str) -> Parts:
    """The three parts of a set."""
    found = loadmat(folder / "polymusic" / FILES[name])
    keys = ("traindata", "validdata", "testdata")
    return Parts(*([piece.astype(float) for piece in found[key][0]] for key in keys))


def frames(pieces: Pieces) -> int:
    return sum(map(len, pieces))


def nats(generator: Generator, pieces: Pieces) -> float:
    """Nats a frame."""
    return -generator.evaluate(pieces).log_likelihood / frames(pieces)


# -- the models: each gives its nats on validation and test part, and what to record -----------


def lstm(name: str, parts: Parts, seed: int) -> dict[str, Any]:
    rung, learner = LSTMS[name]
    model = Generator(rung, space=Bits(KEYS), learner=learner, seed=seed)
    return measured(model.fit(parts.train, parts.valid, report=_say), parts)


_said: float | None = None


def _say(progress: Progress) -> None:
    """A line for each evaluation."""
    global _said
    if progress.valid != _said:
        _said = progress.valid
        print(f"{progress.seconds:6.0f} s  {progress.text}  valid {_said:.3f} nats", flush=True)


def hmm(name: str, parts: Parts, seed: int) -> dict[str, Any]:
    rung, learner = HMMS[name]
    model = Generator(rung, space=Bits(KEYS), learner=learner, seed=seed)
    return measured(model.fit(parts.train, parts.valid), parts)


def measured(model: Generator, parts: Parts) -> dict[str, Any]:
    return {
        "model": f"{model.rung!r}, {model.learner_!r}",
        "valid": nats(model, parts.valid),
        "test": nats(model, parts.test),
        "epochs": model.history_.epochs,
        "curve": model.history_.rows,
    }


def keys(name: str, parts: Parts, seed: int) -> dict[str, Any]:
    """A Markov chain for each key, over off (0) and on (1)."""
    rung = Markov(order=KEY_ORDERS[name], smoothing="add", alpha=0.5)
    space = Symbols((0, 1), unknown="error", end=False)
    found = np.zeros(2)
    for key in range(KEYS):
        train, valid, test = (
            [torch.from_numpy(piece[:, key]).long() for piece in part] for part in parts
        )
        chain = Generator(rung, space=space).fit(train)
        found += [-chain.evaluate(part).log_likelihood for part in (valid, test)]
    valid, test = found / [frames(parts.valid), frames(parts.test)]
    return {"model": f"{rung!r} of each key", "valid": float(valid), "test": float(test)}


def chords(name: str, parts: Parts, seed: int) -> dict[str, Any]:
    return spelled(Generator(Markov(order=1), space=chord_space(parts), seed=seed), parts)


def lstm_chords(name: str, parts: Parts, seed: int) -> dict[str, Any]:
    rung, learner = CHORD_LSTMS[name]
    return spelled(Generator(rung, space=chord_space(parts), learner=learner, seed=seed), parts)


def chord_space(parts: Parts) -> Symbols:
    return Symbols.learn(named(parts.train), "item", end=False, minimum=2)


def spelled(model: Generator, parts: Parts) -> dict[str, Any]:
    """A model of frames as symbols; unknown ones are spelled."""
    model.fit(named(parts.train), named(parts.valid), report=_say)
    on = (np.concatenate(parts.train).sum(0) + 0.5) / (frames(parts.train) + 1)
    space = model.space_
    assert isinstance(space, Symbols)
    known = {*space.items} - {UNKNOWN}

    def measure(pieces: Pieces) -> float:
        found = -model.evaluate(named(pieces)).log_likelihood
        for piece in pieces:
            new = piece[[chord(frame) not in known for frame in piece]]
            found -= float((new * np.log(on) + (1 - new) * np.log(1 - on)).sum())
        return found / frames(pieces)

    return {
        "model": f"{model.rung!r}, {model.learner_!r}, of frames, unknown ones spelled",
        "valid": measure(parts.valid),
        "test": measure(parts.test),
        "frames_known": len(known),
        "test_frames_unknown": sum(chord(x) not in known for piece in parts.test for x in piece),
        "epochs": model.history_.epochs,
        "curve": model.history_.rows,
    }


def named(pieces: Pieces) -> list[list[str]]:
    return [[chord(frame) for frame in piece] for piece in pieces]


def chord(frame: np.ndarray) -> str:
    """The keys that sound."""
    return " ".join(map(str, frame.nonzero()[0]))


MODELS: dict[str, Callable[[str, Parts, int], dict[str, Any]]] = {
    "chords": chords,
    "keys": keys,
    "hmm": hmm,
    "lstm": lstm,
    "lstm-chords": lstm_chords,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sets", nargs="*", default=list(FILES))
    arguments.add_argument("--models", nargs="*", default=list(MODELS))
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--output", type=Path, default=RESULTS)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    folder = Path(os.environ["CATENA_DATA"])
    for name in given.sets:
        parts = read(folder, name)
        for kind in given.models:
            keep(given.output, name, kind, run(name, kind, parts, given.seed))


def run(name: str, kind: str, parts: Parts, seed: int) -> dict[str, Any]:
    began, worked = time.perf_counter(), time.process_time()
    found = MODELS[kind](name, parts, seed)
    minutes = (time.perf_counter() - began) / 60
    print(
        f"{name:10} {kind:11} {found['test']:7.3f} nats a frame (validation {found['valid']:.3f}) "
        f"after {minutes:.1f} minutes",
        flush=True,
    )
    return {
        **found,
        "test_frames": frames(parts.test),
        "mark": MARKS[name] if kind == "lstm" else None,
        "seed": seed,
        "minutes": minutes,
        "processor_minutes": (time.process_time() - worked) / 60,
    }


def keep(path: Path, name: str, kind: str, found: dict[str, Any]) -> None:
    """Enter one record, beside those that are there."""
    record = json.loads(path.read_text()) if path.exists() else {}
    record.setdefault(name, {})[kind] = found
    record["machine"] = machine()
    path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
