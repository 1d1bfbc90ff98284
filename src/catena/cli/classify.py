"""Classifiers on the command line: fit, classify, evaluate, info."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from catena.cli import scores, show
from catena.cli.about import tell
from catena.cli.fit import choose
from catena.cli.given import Given, picked
from catena.cli.labelled import LabelledReading, notes_on
from catena.cli.learning import keep, learn
from catena.cli.options import OF_MODELS
from catena.cli.reading import encode, learn_space, located
from catena.cli.writing import check_writable
from catena.comparing.measure import count_parameters
from catena.errors import CatenaError
from catena.formats import Data, Labelled
from catena.formats.labelled import Labels
from catena.kinds import describe
from catena.metrics import LabelError
from catena.sequences import Sequences
from catena.space import Space
from catena.tasks.classify import Classifier, Evaluation, is_generative, load
from catena.tasks.labels import lone

OWN = ("summary", "class_weight", "calibrate")
WEIGHTS = ("balanced",)
HALF = 0.5


def fit(given: Given) -> None:
    """Learn, show the progress, write the file, say what came of it.

    Args:
        given: all that stands on the command line, by name.
    """
    _check(given)
    rung, learner = choose(given["model"], picked(given, OF_MODELS))
    if "summary" in given and is_generative(rung):
        raise CatenaError(f"--summary is for networks; a {given['model']} a class needs none")
    check_writable(given["output"])
    train = LabelledReading.of(given).read(given["data"])
    notes = notes_on(train.data) + _absent(train)
    space = learn_space(train.data, given.get("unknown"), given.get("minimum"))
    held_out = _held_out(given, space, train)
    own = picked(given, OWN)
    classifier = Classifier(rung, space=space, learner=learner, seed=given["seed"], **own)
    _learn(given, classifier, train, held_out)
    keep(classifier, given, notes + _placed(classifier.history_.notes, train))
    if held_out is not None:
        found = classifier.evaluate(*_pair(space, held_out))
        name = held_out.data.name
        show.say(f"{name}: accuracy {found.accuracy:.4f}, macro F1 {found.macro_f1:.4f}")
    show.say(
        f"wrote {given['output']}: {classifier.rung}, {len(classifier.classes_)} labels, "
        f"{show.space_text(space)}"
    )


def classify(
    model: Path, sources: list[str], reading: LabelledReading, top: int | None, as_json: bool
) -> None:
    """The label of every sequence, and how probable it is."""
    if top is not None and top < 1:
        raise CatenaError(f"--top must be at least 1, not {top}")
    classifier = _load(model)
    data = reading.read_to_label(classifier.space_, sources)
    lines = _lines(classifier, data, encode(classifier.space_, data), top)
    written = (show.json_text(line) if as_json else _plain(line) for line in lines)
    show.result("\n".join(written))


def evaluate(model: Path, sources: list[str], given: Given) -> None:
    """How well a classifier labels some data."""
    mistakes = given.get("mistakes")
    scores.check_mistakes(mistakes)
    classifier = _load(model)
    gold = LabelledReading.of(given).read_like(classifier.space_, sources)
    encoded = encode(classifier.space_, gold.data)
    found = classifier.evaluate(encoded, _as_learned(gold, classifier))
    unseen = _unseen(gold, found)
    for label, times in unseen.items():
        place = gold.place_of(label)
        show.say(f"{place}: label {label!r} was not in training; its {times:,} count as wrong")
    wrong = [_mistake(error, gold.data) for error in found.errors[:mistakes]]
    if given["json"]:
        listed = {} if mistakes is None else {"mistakes": wrong}
        about = {"unseen": unseen, "model": str(model), "data": gold.data.name}
        show.as_json(_described(found) | listed | about)
        return
    _print(gold.data.name, classifier.rung.kind, found)
    if mistakes is not None:
        scores.mistakes(wrong)


def info(model: Path, as_json: bool) -> None:
    """What a classifier's file holds."""
    classifier = load(model)
    own = {
        "model": describe(classifier.rung),
        "summary": None if is_generative(classifier.rung) else classifier.summary,
        "labels": list(map(str, classifier.classes_)),
        "several": classifier.several,
        "class_weight": classifier.class_weight,
        "temperature": classifier.temperature_,
        "space": show.space_text(classifier.space_),
    }
    tell(model, "classify", own, classifier, count_parameters(classifier.model_), as_json)


# -- learning -----------------------------------------------------------------------------------


def _check(given: Given) -> None:
    """Raise where options have not what they need."""
    if given.get("class_weight", WEIGHTS[0]) not in WEIGHTS:
        raise CatenaError(f"--class-weight must be balanced, not {given['class_weight']!r}")
    if "calibrate" in given and not given.get("valid"):
        raise CatenaError("--calibrate needs held-out data: name it with --valid")


def _learn(
    given: Given, classifier: Classifier, train: Labelled, held_out: Labelled | None
) -> None:
    """Learn; an error in the training data names file and line."""
    assert classifier.space is not None
    pair = _pair(classifier.space, train)
    valid = None if held_out is None else _pair(classifier.space, held_out)
    # A model a class keeps its work class by class.
    first = ".0" if is_generative(classifier.rung) else ""
    try:
        learn(classifier, (*pair, valid), given, first=first)
    except CatenaError as error:
        raise located(error, train.data) from error


def _pair(space: Space, labelled: Labelled) -> tuple[Sequences, Labels]:
    """X and y; raises where the space has not all of X."""
    return encode(space, labelled.data), labelled.labels


def _held_out(given: Given, space: Space, train: Labelled) -> Labelled | None:
    """The data of --valid.

    Raises:
        CatenaError: at a label that is not in the training data.
    """
    if "valid" not in given:
        return None
    held_out = LabelledReading.of(given).read_like(space, given["valid"])
    check_known(held_out, train)
    return held_out


def check_known(held_out: Labelled, train: Labelled) -> None:
    """Raise at a label that is not in the training data."""
    new = _names(held_out.labels).keys() - _names(train.labels).keys()
    for label in sorted(new, key=held_out.place_of):
        raise CatenaError(
            f"{held_out.place_of(label)}: the label {label!r} is not in the training data; leave "
            "it out, or add examples of it there"
        )


def _absent(train: Labelled) -> list[str]:
    """A note on labels that a file announces and has no sequence of."""
    missing = [name for name in train.announced if name not in _names(train.labels)]
    named = ", ".join(map(repr, missing))
    return [f"{train.data.name}: no sequence of the class {named}"] if missing else []


def _placed(notes: Sequence[str], train: Labelled) -> list[str]:
    """The notes, those on a single example with the place where it is."""
    places = {lone(name): train.place_of(name) for name in _names(train.labels)}
    return [f"{places[note]}: {note}" if note in places else note for note in notes]


# -- using --------------------------------------------------------------------------------------


def _load(model: Path) -> Classifier:
    """A fitted classifier that takes what `encode` made of data."""
    classifier = load(model)
    return classifier.set_params(space=classifier.space_)


def _lines(
    classifier: Classifier, data: Data, encoded: Sequences, top: int | None
) -> Iterator[dict[str, Any]]:
    """What is said of every sequence."""
    names = list(map(str, classifier.classes_))
    for i, p in enumerate(classifier.predict_proba(encoded)):
        likely = [(names[k], float(p[k])) for k in np.argsort(-p, kind="stable")]
        chosen = [pair for pair in likely if pair[1] > HALF] if classifier.several else likely[:1]
        label, sure = ([pair[part] for pair in chosen] for part in (0, 1))
        line: dict[str, Any] = {
            "place": data.place(i),
            "label": label if classifier.several else label[0],
            "probability": sure if classifier.several else sure[0],
        }
        if top is not None:
            line["top"] = [{"label": name, "probability": q} for name, q in likely[:top]]
        yield line


def _plain(line: Mapping[str, Any]) -> str:
    """Labels and probabilities side by side, with tabs."""
    pairs = [(one["label"], one["probability"]) for one in line.get("top", [])]
    if "top" not in line:
        label, p = line["label"], line["probability"]
        pairs = list(zip(label, p, strict=True)) if isinstance(label, list) else [(label, p)]
    return "\t".join(f"{show.visible(name)}\t{p:.6f}" for name, p in pairs)


# -- measuring ----------------------------------------------------------------------------------


def _as_learned(gold: Labelled, classifier: Classifier) -> list[Any]:
    """The labels as the classifier has them, which may be numbers where it was fitted in Python.

    Raises:
        CatenaError: at several labels where the classifier knows one a sequence only.
    """
    names = {str(name): name.item() for name in classifier.classes_}
    if classifier.several:
        rows = [own if isinstance(own, list) else [own] for own in gold.labels]
        return [{names.get(name, name) for name in own} for own in rows]
    odd = next((i for i, own in enumerate(gold.labels) if isinstance(own, list)), None)
    if odd is not None:
        raise CatenaError(
            f"{gold.data.place(odd)}: several labels in a list, where the model learned to give one"
        )
    return [names.get(str(own), own) for own in gold.labels]


def _names(labels: Sequence[str | list[str]]) -> Counter[str]:
    """How often each label occurs."""
    rows = ([own] if isinstance(own, str) else own for own in labels)
    return Counter(chain.from_iterable(rows))


def _unseen(gold: Labelled, found: Evaluation) -> dict[str, int]:
    """How often each label occurs that training did not show."""
    counts = _names(gold.labels)
    return {str(label): counts[str(label)] for label in found.unseen}


def _mistake(error: LabelError, data: Data) -> dict[str, Any]:
    return {
        "place": data.place(error.sequence),
        "label": error.gold,
        "found": error.predicted,
        "sequence": show.shortened(data.sequences[error.sequence]),
    }


def _described(found: Evaluation) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        "macro_f1": found.macro_f1,
        "sequences": found.sequences,
        **found.scores.describe(),
        "confusion": found.confusion and scores.matrix(found.confusion),
        "wrong": len(found.errors),
    }


def _print(name: str, kind: str, found: Evaluation) -> None:
    rows = [
        ["accuracy", f"{found.accuracy:.4f}"],
        ["macro F1", f"{found.macro_f1:.4f}"],
        ["sequences", f"{found.sequences:,}"],
        ["wrong", f"{len(found.errors):,}"],
    ]
    show.table([name, kind], rows)
    show.result("")
    scores.scores("label", found.scores.per_label)
    if found.confusion is not None:
        show.result("")
        scores.confusion(found.confusion)
