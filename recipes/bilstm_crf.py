"""Tagging by a BiLSTM-CRF over words, their characters and given columns, without word vectors.

    CATENA_DATA=FOLDER python recipes/bilstm_crf.py chunks|entities|english|chinese

    chunks     CoNLL-2000 chunks; words and given parts of speech; strict span F1
    entities   CoNLL-2003 named entities; words, parts of speech and chunks; strict span F1
    english    parts of speech of UD English EWT, words alone; accuracy
    chinese    parts of speech of UD Chinese GSD, words alone; accuracy

The parameters that do best on held-out data are kept: of CoNLL-2000, which has none, on the last
tenth of the training sentences, which are then not trained on. Spans are learned as IOBES. Prints
the progress and writes recipes/results/bilstm_crf_NAME.json: the curve, the result, the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catena import LSTM, Gradient, Tagger
from catena.comparing.compare import machine
from catena.formats import read_tokens
from catena.ladder.characters import CNN
from catena.learn import Progress
from catena.metrics import accuracy, span_scores
from catena.schemes import repair

RESULTS = Path(__file__).parent / "results"
RUNG = LSTM(
    units=128,
    bidirectional=True,
    embedding=100,
    dropout=0.5,
    embedding_dropout=0.5,
    variational=True,
)
HELD_OUT = 0.1


@dataclass(frozen=True)
class Task:
    """One set of labelled sentences.

    Args:
        train, test, valid: files in the data folder.
        columns: what is read of a token.
        spans: whether labels mark spans, whose F1 counts; otherwise accuracy does.
        mark: what is to be reached.
        epochs: how often the training data is seen.
        encoding: of the files.
    """

    train: str
    test: str
    valid: str | None
    columns: tuple[str, ...]
    spans: bool
    mark: float | None
    epochs: int
    encoding: str = "utf-8"


CONLL2003 = "conll2003/eng.{}.xz".format
ENGLISH = "ud_english_ewt/en_ewt-ud-{}.conllu.xz".format
CHINESE = "ud_chinese_gsd_1.4/zh-ud-{}.conllu.xz".format
TASKS = {
    "chunks": Task(
        "conll2000/train.txt.xz",
        "conll2000/test.txt.xz",
        None,
        ("form", "pos"),
        spans=True,
        mark=0.94,
        epochs=10,
    ),
    "entities": Task(
        CONLL2003("train"),
        CONLL2003("testb"),
        CONLL2003("testa"),
        ("form", "pos", "chunk"),
        spans=True,
        mark=0.84,
        epochs=12,
        encoding="latin-1",
    ),
    "english": Task(
        ENGLISH("train"),
        ENGLISH("test"),
        ENGLISH("dev"),
        ("form",),
        spans=False,
        mark=0.94,
        epochs=6,
    ),
    "chinese": Task(
        CHINESE("train"),
        CHINESE("test"),
        CHINESE("dev"),
        ("form",),
        spans=False,
        mark=None,
        epochs=10,
    ),
}
Sentences = tuple[list[Any], list[list[str]]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("task", choices=TASKS)
    arguments.add_argument("--data", type=Path, default=os.environ.get("CATENA_DATA"))
    arguments.add_argument("--epochs", type=float)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--output", type=Path)
    given = arguments.parse_args()
    if given.data is None:
        arguments.error("name the folder of the data with --data or CATENA_DATA")
    task = TASKS[given.task]
    train, valid, test = parts(given.data, task)

    epochs = given.epochs or task.epochs
    learner = Gradient(epochs=epochs, batch=16, average=0.998, evaluations=10, patience=None)
    tagger = Tagger(
        RUNG,
        scheme="IOBES" if task.spans else None,
        learner=learner,
        seed=given.seed,
        characters=CNN(units=50, dropout=0.3),
        word_dropout=0.1,
    )
    began, used = time.perf_counter(), time.process_time()
    tagger.fit(*train, valid, report=Teller())
    minutes, of_processor = (
        (now - then) / 60
        for now, then in ((time.perf_counter(), began), (time.process_time(), used))
    )
    found = {
        name: measured(task, tagger, *part) for name, part in (("valid", valid), ("test", test))
    }
    reached = found["test"]["span_f1_strict" if task.spans else "accuracy"]
    print(f"{given.task}: {found} after {minutes:.1f} minutes")
    record = {
        "rung": repr(RUNG),
        "tagger": repr(tagger),
        "seed": given.seed,
        "epochs": tagger.history_.epochs,
        "minutes": minutes,
        "processor_minutes": of_processor,
        "weights": tagger.labeller_.parameters,
        **found,
        "mark": task.mark,
        "notes": tagger.history_.notes,
        "curve": tagger.history_.rows,
        "machine": machine(),
    }
    output = given.output or RESULTS / f"bilstm_crf_{given.task}.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(0 if task.mark is None or reached >= task.mark else 1)


def parts(folder: Path, task: Task) -> tuple[Sentences, Sentences, Sentences]:
    """Training, held-out and test sentences."""
    train, test = (sentences(folder, task, path) for path in (task.train, task.test))
    if task.valid is not None:
        return train, sentences(folder, task, task.valid), test
    tokens, labels = train
    cut = len(tokens) - round(HELD_OUT * len(tokens))
    return (tokens[:cut], labels[:cut]), (tokens[cut:], labels[cut:]), test


def sentences(folder: Path, task: Task, path: str) -> Sentences:
    """Tokens and labels of a file."""
    file = read_tokens(folder / path, encoding=task.encoding)
    labels = file.labels()
    columns = [file.column(name) for name in task.columns]
    if len(columns) == 1:
        return list(columns[0]), labels
    tokens = [list(zip(*rows, strict=True)) for rows in zip(*columns, strict=True)]
    return tokens, [repair(row, "IOBES") for row in labels] if task.spans else labels


def measured(task: Task, tagger: Tagger, X: Sequence[Any], y: list[list[str]]) -> dict[str, float]:
    """How good the labels of a part are."""
    found = tagger.predict(X)
    result = {"accuracy": accuracy(y, found)}
    if task.spans:
        gold, named = ([repair(row, "IOB2") for row in rows] for rows in (y, found))
        result["accuracy"] = accuracy(gold, named)
        result["span_f1_conlleval"] = span_scores(gold, named).micro.f1
        result["span_f1_strict"] = span_scores(gold, named, "IOB2").micro.f1
    return result


class Teller:
    """Prints the progress whenever something new is known of the held-out data."""

    def __init__(self) -> None:
        self.told: float | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.valid != self.told:
            self.told = progress.valid
            print(
                f"{progress.seconds:6.0f} s  {progress.text}  train {progress.train:.4f}  "
                f"held out {progress.valid:.4f} nats a token",
                flush=True,
            )


if __name__ == "__main__":
    main()
