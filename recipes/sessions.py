"""What comes next in a session: popularity, item to item, nearest sessions and a GRU, side by side.

    CATENA_DATA=folder python recipes/sessions.py [diginetica beauty lastfm] [--models NAME ...]
        [--epochs N] [--sample N]

diginetica is the preprocessing of SR-GNN (Wu et al. 2019) of the CIKM Cup 2016: 186,670 training
sessions and, as prefixes with what came next, those of the last week; 43,097 items, none of them
cold. Each prefix is one prediction, 60,858 in all. It is not the split of GRU4Rec's authors, who
hold out the last days of other filtered data, so that .4995 and .1542, by BPR-max, are a mark and
no comparison; SR-GNN's authors give a P@20 of 50.7 on this one, and of 49.7 for NARM.

Of the users of beauty and lastfm the last item is the test, the last but one is left for validation
and the others are for training, as in SASRec and BERT4Rec; but all items are ranked.

The networks are GRU4Rec's: one table to read and to score with, sampled cross-entropy with logQ,
Adagrad with momentum. How long they learn and how much is dropped was chosen by the loss of the
last 5,000 training sessions, from two runs; the other options are plain choices. The record has
the networks of beauty after --epochs 5 and those of lastfm after --epochs 20.

Writes recipes/results/sessions.json: a record for each set and model, with the epochs that a
network learned for and how many items were predicted, and the machine.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from catena import (
    GRU,
    LSTM,
    CrossEntropy,
    Markov,
    Popularity,
    Recommender,
    SessionKNN,
    SessionPopularity,
)
from catena.comparing.compare import machine
from catena.tasks.recommend import LEARNER

RESULTS = Path(__file__).parent / "results" / "sessions.json"
Sessions = list[list[str]]
# Of the training sessions the last are held out from networks: at most so many, or a tenth.
HELD_OUT = 5000


def lines(path: Path) -> Iterator[str]:
    with lzma.open(path, "rt") as file:
        yield from (line.rstrip("\n") for line in file)


def diginetica(folder: Path) -> tuple[Sessions, Sessions]:
    """Training sessions, and test prefixes with what came next as their last item."""
    train = [line.split() for line in lines(folder / "diginetica" / "train_sessions.txt.xz")]
    test = lines(folder / "diginetica" / "test_prefix_target.txt.xz")
    return train, [line.replace("\t", " ").split() for line in test]


def beauty(folder: Path) -> tuple[Sessions, Sessions]:
    """Users' items but the last two, and all of their items."""
    pairs = (line.split() for line in lines(folder / "amazon_beauty" / "beauty.txt.xz"))
    users = [[item for _, item in rows] for _, rows in groupby(pairs, key=lambda pair: pair[0])]
    return [items[:-2] for items in users], users


def lastfm(folder: Path) -> tuple[Sessions, Sessions]:
    """Users' items but the last two, and all of their items."""
    users = [line.split()[1:] for line in lines(folder / "lastfm_s3rec" / "LastFM.txt.xz")]
    return [items[:-2] for items in users], users


SETS = {"diginetica": diginetica, "beauty": beauty, "lastfm": lastfm}


def recommenders(epochs: float) -> dict[str, Recommender]:
    descent = replace(LEARNER, epochs=epochs, rate=0.06, evaluations=6)
    network: dict[str, Any] = {
        "units": 100,
        "embedding": 100,
        "dropout": 0.3,
        "embedding_dropout": 0.2,
        "tied": True,
    }
    loss = CrossEntropy(samples=2048, exponent=0.5)
    return {
        "popularity": Recommender(Popularity()),
        "session popularity": Recommender(SessionPopularity()),
        "markov-1": Recommender(Markov(order=1, smoothing="witten_bell")),
        "session-knn": Recommender(SessionKNN(neighbours=100, recent=1000)),
        "gru": Recommender(GRU(**network), loss=loss, learner=descent),
        "lstm": Recommender(LSTM(**network), loss=loss, learner=descent),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sets", nargs="*", default=list(SETS))
    arguments.add_argument("--models", nargs="*")
    arguments.add_argument("--epochs", type=float, default=3, help="of the networks")
    arguments.add_argument("--sample", type=int, help="so many test sessions, evenly spaced")
    arguments.add_argument("--output", type=Path, default=RESULTS)
    given = arguments.parse_args()
    folder = Path(os.environ["CATENA_DATA"])
    record = json.loads(given.output.read_text()) if given.output.exists() else {}
    for name in given.sets:
        train, test = SETS[name](folder)
        test = test[:: max(1, len(test) // given.sample)] if given.sample else test
        models = recommenders(given.epochs)
        for kind in given.models or models:
            record.setdefault(name, {})[kind] = run(name, kind, models[kind], train, test)
            record["machine"] = machine()
            given.output.write_text(json.dumps(record, indent=2) + "\n")


def run(name: str, kind: str, model: Recommender, train: Sessions, test: Sessions) -> Any:
    """Fit, measure the last item of each session, and say how it went."""
    began = time.perf_counter()
    if model.learner is not None:
        held_out = min(HELD_OUT, len(train) // 10)
        model.fit(train[:-held_out], train[-held_out:])
    else:
        model.fit(train)
    fitted = time.perf_counter()
    found = model.evaluate(test, (5, 10, 20), last_only=True)
    done = time.perf_counter()
    print(
        f"{name:10} {kind:18} Recall@20 {found.recall[20]:.4f}  MRR@20 {found.mrr[20]:.4f}  "
        f"coverage {found.coverage[20]:.3f}  {(done - began) / 60:.1f} minutes",
        flush=True,
    )
    return {
        "recommender": repr(model),
        **found.describe(),
        "epochs": model.history_.epochs,
        "minutes_fitting": (fitted - began) / 60,
        "minutes_evaluating": (done - fitted) / 60,
    }


if __name__ == "__main__":
    main()
