"""CoNLL-2003 named entities: a CRF over words, parts of speech and chunks, strict span F1.

    CATENA_DATA=FOLDER python recipes/conll2003_crf.py

The folder holds conll2003/eng.train.xz, eng.testa.xz and eng.testb.xz. Features are the standard
ones, l2 = 1 and 150 iterations of L-BFGS; spans are learned as IOBES. Writes
recipes/results/conll2003_crf.json: every iteration, the results, the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from bilstm_crf import RESULTS, TASKS, measured, parts

from catena import CRF, QuasiNewton, Tagger
from catena.comparing.compare import machine
from catena.learn import Progress

MARK = 0.83


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=os.environ.get("CATENA_DATA"))
    arguments.add_argument("--iterations", type=int, default=150)
    arguments.add_argument("--output", type=Path, default=RESULTS / "conll2003_crf.json")
    given = arguments.parse_args()
    if given.data is None:
        arguments.error("name the folder of conll2003 with --data or CATENA_DATA")
    task = TASKS["entities"]
    train, valid, test = parts(given.data, task)
    learner = QuasiNewton(iterations=given.iterations)
    tagger = Tagger(CRF(l2=1.0), scheme="IOBES", learner=learner)
    began = time.perf_counter()
    tagger.fit(*train, report=_say)
    minutes = (time.perf_counter() - began) / 60
    found = {
        name: measured(task, tagger, *part) for name, part in (("valid", valid), ("test", test))
    }
    print(f"{found} after {minutes:.1f} minutes")
    record = {
        "tagger": repr(tagger),
        "minutes": minutes,
        "weights": tagger.labeller_.parameters,
        **found,
        "mark": MARK,
        "notes": tagger.history_.notes,
        "curve": tagger.history_.rows,
        "machine": machine(),
    }
    given.output.parent.mkdir(exist_ok=True)
    given.output.write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(0 if found["test"]["span_f1_strict"] >= MARK else 1)


def _say(progress: Progress) -> None:
    print(
        f"{progress.seconds:6.0f} s  {progress.text}  {progress.train:.4f} nats a token", flush=True
    )


if __name__ == "__main__":
    main()
