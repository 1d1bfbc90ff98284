"""A field over attributes beside CRFsuite's, on CoNLL-2000 with CRFsuite's template.

    CATENA_DATA=FOLDER python benchmarks/crf.py

The folder holds conll2000/train.txt.xz and test.txt.xz. Correctness first: the same features, the
same objective at the same weights and the same tags, or nothing is timed. Then, in turns:

- an iteration of L-BFGS (c2 = 1): seconds between the reports of two iterations, on one thread of
  the processor's time, on two threads of the clock's;
- features and training, from tokens to weights, on one thread and on all;
- tagging, from attributes as lists of strings, and from tokens;
- peak memory of features and training, each side in a process of its own: of the whole process,
  and above what it held before, when the tokens and the libraries were there. Both sides read the
  tokens with catena, so both whole processes hold PyTorch, which takes some 210 MiB when it is
  imported.

python-crfsuite takes its attributes from Python; they are made by the loop that its documentation
shows, a sentence at a time. What bounds an iteration from below is kept beside the times: the bytes
that must be read and written, the products and the exponentials. An iteration takes longer than any
of them; most of it are the sums over the 18 attributes of a step. Tried without gain: other
distances to fetch weights ahead, smaller parts of the data at a time, the label of a single weight
beside its place; for gradients, blocks of 256 to 16,384 steps are equally fast.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import torch
from harness import in_turns, keep
from torch import Tensor

from catena import QuasiNewton
from catena.features.extract import extract
from catena.features.objective import Objective, seen_moves
from catena.features.state import StateFeatures
from catena.features.templates import templates_of_fields
from catena.features.vocabulary import AttributeVocabulary
from catena.formats import read_tokens
from catena.formats.crfsuite_model import CRFsuiteModel, read_crfsuite_model
from catena.learn.learner import Run
from catena.learn.quasi_newton import minimise
from catena.sequences import Sequences
from catena.tasks.feature_crf import FeatureCRF
from catena.tasks.reader import Reader

crfsuite: Any = import_module("pycrfsuite")
FIELDS = ("w", "pos")
WORDS = [[-2], [-1], [0], [1], [2], [-1, 0], [0, 1]]
TAGS = [*WORDS[:5], [-2, -1], [-1, 0], [0, 1], [1, 2], [-2, -1, 0], [-1, 0, 1], [0, 1, 2]]
TEMPLATES = [[("w", i) for i in rows] for rows in WORDS] + [
    [("pos", i) for i in rows] for rows in TAGS
]
C2 = 1.0
ITERATIONS, ROUNDS, WHOLE = 10, 3, 50
Tokens = list[tuple[str, ...]]


class Data:
    """Sentences of (word, part of speech), and their labels."""

    def __init__(self, folder: Path, part: str) -> None:
        file = read_tokens(folder / "conll2000" / f"{part}.txt.xz")
        columns = zip(file.column("form"), file.column("pos"), strict=True)
        self.sentences: list[Tokens] = [list(zip(*rows, strict=True)) for rows in columns]
        self.labels = file.labels()

    def columns(self) -> list[list[str]]:
        return [list(column) for column in zip(*chain.from_iterable(self.sentences), strict=True)]


# -- CRFsuite -------------------------------------------------------------------------------------


def attributes(tokens: Tokens) -> list[list[str]]:
    """The attributes of every token, in Python."""
    items = []
    for t in range(len(tokens)):
        found = []
        for template in TEMPLATES:
            values = []
            for name, row in template:
                if not 0 <= t + row < len(tokens):
                    break
                values.append(tokens[t + row][FIELDS.index(name)])
            else:
                names = "|".join(f"{name}[{row}]" for name, row in template)
                found.append(f"{names}={'|'.join(values)}")
        if t == 0:
            found.append("__BOS__")
        if t == len(tokens) - 1:
            found.append("__EOS__")
        items.append(found)
    return items


class Trainer(crfsuite.Trainer):
    """CRFsuite's, which notes the time of each iteration and the objective."""

    def __init__(self, data: Data) -> None:
        super().__init__(verbose=False)
        for tokens, labels in zip(data.sentences, data.labels, strict=True):
            self.append(attributes(tokens), labels)
        self.clock: Callable[[], float] = time.process_time
        self.stamps: list[float] = []
        self.losses: list[float] = []
        self.features = 0

    def message(self, message: str) -> None:
        """What CRFsuite says, line by line."""
        name, _, value = message.strip().partition(": ")
        if name == "Loss":
            self.losses.append(float(value))
        elif name == "Active features":
            self.features = int(value)
        elif name == "Seconds required for this iteration":
            self.stamps.append(self.clock())

    def run(self, iterations: int, model: Path) -> None:
        self.stamps, self.losses = [], []
        self.set_params({"c2": C2, "max_iterations": iterations, "epsilon": 0, "delta": 0})
        self.train(str(model))


# -- catena ---------------------------------------------------------------------------------------


class Field:
    """The same field, as catena learns it."""

    def __init__(self, data: Data) -> None:
        columns = [
            list(column) for column in zip(*chain.from_iterable(data.sentences), strict=True)
        ]
        lengths = [len(tokens) for tokens in data.sentences]
        found = extract(templates_of_fields(TEMPLATES, FIELDS), columns, lengths)
        self.vocabulary = AttributeVocabulary.learn(found)
        encoded = self.vocabulary.encode(found)
        del found
        self.labels = tuple(sorted(set(chain.from_iterable(data.labels))))
        numbers = {label: i for i, label in enumerate(self.labels)}
        y = torch.tensor([numbers[label] for labels in data.labels for label in labels])
        self.steps = len(y)
        self.features = StateFeatures.seen(encoded, y, len(self.labels))
        self.moves = seen_moves(y, torch.tensor(lengths), len(self.labels))
        self.objective = Objective(encoded, y, torch.tensor(lengths), self.features, self.moves)

    def run(self, iterations: int, clock: Callable[[], float]) -> tuple[list[float], float]:
        """The time at each iteration's end, and the objective after the last."""
        stamps: list[float] = []
        found = minimise(
            self.objective,
            torch.zeros(self.objective.size, dtype=torch.float64),
            QuasiNewton(l2=C2, iterations=iterations, epsilon=0, delta=0),
            Run(0, lambda progress: stamps.append(clock())),
        )
        return stamps, found.objective

    def weights_of(self, model: CRFsuiteModel) -> Tensor:
        """The weights of CRFsuite's model where this field has them."""
        width, ours = len(self.labels), {label: i for i, label in enumerate(self.labels)}
        to = torch.tensor([ours[label] for label in model.labels])
        known = torch.tensor(self.vocabulary.places(model.vocabulary.names)).long()
        owners = known[torch.repeat_interleave(model.features.pairs.diff())]
        table = torch.zeros(len(self.vocabulary) * width, dtype=torch.float64)
        table[owners * width + to[model.features.labels.long()]] = model.weights
        own = torch.repeat_interleave(self.features.pairs.diff()) * width + self.features.labels
        moves = torch.zeros(width, width, dtype=torch.float64)
        moves[to[:, None], to] = model.transitions
        return torch.cat([table[own], moves.flatten()[self.moves]])


def field_of(model: CRFsuiteModel) -> FeatureCRF:
    """A field of catena's with the weights of CRFsuite's model, which reads attributes."""
    order = sorted(range(len(model.labels)), key=lambda i: model.labels[i])
    rank = torch.tensor(order).argsort()
    moves = model.transitions[order][:, order]
    labels = tuple(model.labels[i] for i in order)
    features = StateFeatures(
        model.features.pairs, rank[model.features.labels.long()], model.features.width
    )
    return FeatureCRF(Reader(0), labels, model.vocabulary, features, model.weights, moves)


def tags(field: FeatureCRF, items: list[list[list[str]]]) -> list[list[str]]:
    paths, _ = field.chain.viterbi(field.scores(items))
    return [[field.labels[i] for i in path.tolist()] for path in paths]


# -- what is measured -----------------------------------------------------------------------------


def check(trainer: Trainer, field: Field, model: Path, items: list[Any]) -> dict[str, Any]:
    """That both sides are the same; ends the run where they are not."""
    trainer.run(3, model)
    theirs = read_crfsuite_model(model)
    weights = field.weights_of(theirs)
    objective = field.objective(weights)[0] + C2 * float(weights @ weights)
    gap = abs(objective / trainer.losses[-1] - 1)
    tagger = crfsuite.Tagger()
    tagger.open(str(model))
    same = tags(field_of(theirs), items) == [tagger.tag(item) for item in items]
    if trainer.features != field.objective.size or gap > 1e-6 or not same:
        raise SystemExit(
            f"{trainer.features} and {field.objective.size} features, objectives that differ by "
            f"{gap:.0e}, tags that are {'the same' if same else 'not the same'}: nothing was timed"
        )
    return {"features": trainer.features, "objective_gap": gap, "tags": "the same"}


def an_iteration(trainer: Trainer, field: Field, model: Path, threads: int) -> dict[str, Any]:
    """Median seconds of an iteration of each side, which take turns."""
    clock = time.process_time if threads == 1 else time.perf_counter
    trainer.clock = clock
    torch.set_num_threads(threads)
    taken: dict[str, list[float]] = {"catena": [], "crfsuite": []}
    for _ in range(ROUNDS):
        taken["catena"] += differences(field.run(ITERATIONS, clock)[0])
        trainer.run(ITERATIONS, model)
        taken["crfsuite"] += differences(trainer.stamps)
    torch.set_num_threads(1)
    median = {name: statistics.median(seconds) for name, seconds in taken.items()}
    return {
        "threads": threads,
        "clock": "of the processor" if threads == 1 else "of the wall",
        **{name: {"median": median[name], "least": min(taken[name])} for name in taken},
        "ratio": median["crfsuite"] / median["catena"],
    }


def differences(stamps: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(stamps)]


def whole(data: Data, model: Path, threads: int) -> dict[str, Any]:
    """Seconds from tokens to weights."""
    clock = time.process_time if threads == 1 else time.perf_counter
    began = clock()
    trainer = Trainer(data)
    made = clock()
    trainer.run(WHOLE, model)
    theirs = clock() - began
    torch.set_num_threads(threads)
    began_ours = clock()
    field = Field(data)
    made_ours = clock()
    objective = field.run(WHOLE, clock)[1]
    ours = clock() - began_ours
    torch.set_num_threads(1)
    return {
        "threads": threads,
        "iterations": WHOLE,
        "catena": {"features": made_ours - began_ours, "all": ours, "objective": objective},
        "crfsuite": {"features": made - began, "all": theirs, "objective": trainer.losses[-1]},
        "ratio": theirs / ours,
    }


def tagging(data: Data, model: Path, items: list[Any]) -> dict[str, Any]:
    """Seconds to tag the test set: from attributes, and from tokens."""
    tagger, field = crfsuite.Tagger(), field_of(read_crfsuite_model(model))
    tagger.open(str(model))
    templates = templates_of_fields(TEMPLATES, FIELDS)
    lengths = torch.tensor([len(tokens) for tokens in data.sentences])

    def from_tokens() -> Any:
        columns = [
            list(column) for column in zip(*chain.from_iterable(data.sentences), strict=True)
        ]
        encoded = field.vocabulary.encode(extract(templates, columns, lengths.tolist()))
        scores = field.features.scores(encoded, field.weights)
        return field.chain.viterbi(Sequences(scores, lengths))

    sides = {
        "attributes": {
            "catena": lambda: tags(field, items),
            "crfsuite": lambda: [tagger.tag(item) for item in items],
        },
        "tokens": {
            "catena": from_tokens,
            "crfsuite": lambda: [tagger.tag(attributes(tokens)) for tokens in data.sentences],
        },
    }
    found: dict[str, Any] = {}
    for name, both in sides.items():
        timed = in_turns(both)
        ratio = timed["crfsuite"]["median"] / timed["catena"]["median"]
        found[name] = {**timed, "ratio": ratio, "tokens": int(lengths.sum())}
    return found


def floor(field: Field) -> dict[str, Any]:
    """What an iteration has to do at least, whatever does it."""
    width, steps = len(field.labels), field.steps
    occurrences = sum(columns.entries for columns in field.objective._columns)
    return {
        "bytes": 4 * 2 * occurrences + 8 * 2 * 2 * steps * width + 8 * 4 * len(field.features),
        "products": 3 * steps * width**2,
        "exponentials": steps * width,
    }


# -- memory, in a process of its own --------------------------------------------------------------


def measure(side: str, folder: Path, steps: int) -> None:
    """Prints the peak in MiB of this process before and after features and training."""
    data = Data(folder, "train")
    before = resident()
    with tempfile.TemporaryDirectory() as scratch:
        if side == "catena":
            Field(data).run(steps, time.perf_counter)
        else:
            Trainer(data).run(steps, Path(scratch) / "model")
    print(json.dumps({"before": before, "peak": peak()}))


def resident() -> float:
    return status("VmRSS")


def peak() -> float:
    # Unlike what getrusage says, it begins anew with the process: nothing of the parent's is in it.
    return status("VmHWM")


def status(name: str) -> float:
    """MiB, as the kernel tells them of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def iterations(folder: Path) -> dict[str, Any]:
    """That both sides are the same, and then seconds of an iteration on one thread and on two."""
    train, test = Data(folder, "train"), Data(folder, "test")
    items = [attributes(tokens) for tokens in test.sentences]
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        trainer, field = Trainer(train), Field(train)
        same = check(trainer, field, model, items)
        timed = [an_iteration(trainer, field, model, n) for n in (1, 2)]
    return {"correctness": same, "floor": floor(field), "threads": timed}


def from_tokens_to_weights(folder: Path) -> list[dict[str, Any]]:
    train = Data(folder, "train")
    with tempfile.TemporaryDirectory() as scratch:
        return [whole(train, Path(scratch) / "model", n) for n in (1, 2)]


def tags_of_the_test_set(folder: Path) -> dict[str, Any]:
    train, test = Data(folder, "train"), Data(folder, "test")
    items = [attributes(tokens) for tokens in test.sentences]
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        trainer = Trainer(train)
        check(trainer, Field(train), model, items)
        return tagging(test, model, items)


def memory(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side in ("catena", "crfsuite"):
        command = [sys.executable, __file__, "--data", str(folder), "--measure", side]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[side] = json.loads(said)
        found[side]["above"] = found[side]["peak"] - found[side]["before"]
    for name in ("peak", "above"):
        found[f"ratio_{name}"] = found["catena"][name] / found["crfsuite"][name]
    return found


PARTS: dict[str, Callable[[Path], Any]] = {
    "iteration": iterations,
    "features_and_training": from_tokens_to_weights,
    "tagging": tags_of_the_test_set,
    "memory_mib": memory,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=os.environ.get("CATENA_DATA"))
    arguments.add_argument("--parts", nargs="+", choices=PARTS, help="measure these alone")
    arguments.add_argument("--measure", choices=("catena", "crfsuite"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.data is None:
        arguments.error("name the folder of conll2000 with --data or CATENA_DATA")
    torch.set_num_threads(1)
    if given.measure:
        measure(given.measure, given.data, ITERATIONS)
        return
    facts: dict[str, Any] = {"python-crfsuite": version("python-crfsuite"), "load": os.getloadavg()}
    for name in given.parts or PARTS:
        facts[name] = PARTS[name](given.data)
        print(name, json.dumps(facts[name], indent=2), flush=True)
        keep("crf", facts)


if __name__ == "__main__":
    main()
