"""CoNLL-2000 chunking: a CRF over words and given parts of speech, span F1 on the test set.

    CATENA_DATA=FOLDER python recipes/conll2000_crf.py

The folder holds conll2000/train.txt.xz and test.txt.xz. Everything is at its default: the standard
features, l2 = 1, L-BFGS until it gains too little. Prints the progress and writes
recipes/results/conll2000_crf.json: every iteration, the result, the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from catena import CRF, QuasiNewton, Tagger
from catena.comparing.compare import machine
from catena.formats import TokenFile, read_tokens
from catena.learn import Progress
from catena.metrics import span_scores

RUNG = CRF(l2=1.0)
SCHEME = "IOB2"
MARK = 0.937
RESULTS = Path(__file__).parent / "results" / "conll2000_crf.json"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    folder = os.environ.get("CATENA_DATA")
    arguments.add_argument("--data", type=Path, default=folder)
    arguments.add_argument("--iterations", type=int)
    arguments.add_argument("--output", type=Path, default=RESULTS)
    given = arguments.parse_args()
    if given.data is None:
        arguments.error("name the folder of conll2000 with --data or CATENA_DATA")

    train, test = (
        read_tokens(given.data / "conll2000" / f"{part}.txt.xz") for part in ("train", "test")
    )
    learner = QuasiNewton(iterations=given.iterations)
    tagger = Tagger(RUNG, scheme=SCHEME, learner=learner)
    began = time.perf_counter()
    tagger.fit(_tokens(train), train.labels(), report=_say)
    minutes = (time.perf_counter() - began) / 60

    gold, predicted = test.labels(), tagger.predict(_tokens(test))
    strict = span_scores(gold, predicted, SCHEME).micro
    found = tagger.evaluate(_tokens(test), gold)
    print(
        f"test: span F1 {strict.f1:.4f} strict, {found.span_f1:.4f} as conlleval counts, accuracy "
        f"{found.accuracy:.4f} after {minutes:.1f} minutes"
    )
    record = {
        "rung": repr(RUNG),
        "learner": repr(tagger.learner_),
        "scheme": SCHEME,
        "minutes": minutes,
        "weights": tagger.labeller_.parameters,
        "test_span_f1_strict": strict.f1,
        "test_precision_strict": strict.precision,
        "test_recall_strict": strict.recall,
        "test_span_f1_conlleval": found.span_f1,
        "test_accuracy": found.accuracy,
        "test_tokens": found.tokens,
        "mark": MARK,
        "notes": tagger.history_.notes,
        "curve": tagger.history_.rows,
        "machine": machine(),
    }
    given.output.parent.mkdir(exist_ok=True)
    given.output.write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(0 if strict.f1 >= MARK else 1)


def _tokens(file: TokenFile) -> list[list[Any]]:
    """(word, part of speech) of every token."""
    columns = zip(file.column("form"), file.column("pos"), strict=True)
    return [list(zip(*rows, strict=True)) for rows in columns]


def _say(progress: Progress) -> None:
    print(
        f"{progress.seconds:6.0f} s  {progress.text}  {progress.train:.4f} nats a token", flush=True
    )


if __name__ == "__main__":
    main()
