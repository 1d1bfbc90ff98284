"""Folk tunes in ABC, and poems: how many of those that are drawn are sound, how much is copied?

    CATENA_DATA=folder python recipes/folk_tunes.py [tunes poems] [--minutes N] [--seed N]

tunes: the Nottingham collection (nottingham_abc) with Ryan's Mammoth Collection, O'Neill's and
Aird's books (music21_abc), 5,282 tunes. Those that `catena.music.abc.read` finds errors in are left
out and counted, and of the others those with a symbol that fewer than `RARE` tunes have. An LSTM
learns their symbols (`catena.music.abc.symbols`: a note with its length, a bar line, a key); a
twentieth is held out to choose the parameters that are kept. 100 tunes are drawn at temperature
0.8, with no help from any constraint, each up to `LONGEST` symbols. Counted are those that end
within these and parse, of those the ones whose bars are all full, those that are copied whole from
the tunes learned from, and the longest copied span of each, in symbols.

poems: the bundled Tang poems by characters, a Markov chain of order 3, 100 drawn at 0.8, of 20
characters or more: how much of each is copied.

Writes recipes/results/folk_tunes.json, with some of the tunes.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from catena import LSTM, Generator, Gradient, Markov
from catena.comparing.compare import machine
from catena.errors import CatenaError
from catena.formats import Tunes, read_tunes
from catena.formats import read as read_set
from catena.learn import Progress
from catena.metrics import copied
from catena.music.abc import Tune, read, symbols, tune_of
from catena.space import Symbols
from catena.split import split

RESULTS = Path(__file__).parent / "results" / "folk_tunes.json"
BOOKS = ("nottingham_abc/ABC_cleaned", "music21_abc/ryansMammoth", "music21_abc/oneills1850")
BOOKS += ("music21_abc/airdsAirs",)
RARE, LONGEST, DRAWN, TEMPERATURE = 5, 1500, 100, 0.8


def read_books(folder: Path) -> Tunes:
    """All tunes that have no errors, and what is wrong with the others."""
    with tempfile.TemporaryDirectory() as unpacked:
        for book in BOOKS:
            with lzma.open(folder / f"{book}.tar.xz") as file, tarfile.open(fileobj=file) as tar:
                tar.extractall(unpacked, filter="data")
        files = sorted(Path(unpacked).rglob("*.abc"))
        return read_tunes(files, skip_bad=True, errors="replace")


def usual(rows: list[list[str]]) -> list[list[str]]:
    """Those of usual symbols alone."""
    owners = Counter(symbol for row in rows for symbol in {*row})
    return [row for row in rows if all(owners[symbol] >= RARE for symbol in row)]


def tunes(folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    found = read_books(folder)
    rows = usual([symbols(tune) for tune in found.tunes])
    train, valid, _, _ = split(rows, seed=seed, test=0.0001, valid=0.05)
    space = Symbols.learn(train, "item", "error")
    valid = [row for row in valid if {*row} <= {*space.items}]
    rung = LSTM(units=256, embedding=96, dropout=0.1)
    learner = Gradient(minutes=minutes, batch=16, rate=6e-3, average=0.999, patience=None)
    model = Generator(rung, space=space, learner=learner, seed=seed)
    model.fit(train, valid, report=_say)
    drawn = model.sample(DRAWN, temperature=TEMPERATURE, max_length=LONGEST, seed=seed)
    made = [tune_of(row, number, f"Tune {number}") for number, row in enumerate(drawn, 1)]
    wrong = [trouble(tune, row) for tune, row in zip(made, drawn, strict=True)]
    parsed = [tune for tune, said in zip(made, wrong, strict=True) if said is None]
    return {
        "tunes_read": len(found),
        "tunes_with_errors": len(found.skipped),
        "tunes_learned_from": len(train),
        "symbols_learned_from": sum(map(len, train)),
        "vocabulary": len(space.items),
        "model": f"{rung!r}, {learner!r}",
        "epochs": model.history_.epochs,
        "valid_bits_per_symbol": model.bits(valid),
        "drawn": DRAWN,
        "temperature": TEMPERATURE,
        "parse": len(parsed),
        "parse_with_full_bars": sum(read(tune).even for tune in parsed),
        "errors": [said for said in wrong if said is not None],
        "symbols_drawn": sorted(map(len, drawn)),
        "copied": copied(drawn, train).describe(),
        "shown": [tune.text for tune in parsed[:3]],
        "curve": model.history_.rows,
    }


def trouble(tune: Tune, row: list[str]) -> str | None:
    """What is wrong with a tune that was drawn."""
    if len(row) >= LONGEST:
        return f"does not end within {LONGEST} symbols"
    try:
        read(tune)
    except CatenaError as error:
        return str(error)
    return None


def poems(folder: Path, minutes: float, seed: int) -> dict[str, Any]:
    """Counted, so that neither the folder nor the minutes matter."""
    texts = [str(text) for text in read_set("tang").sequences]
    model = Generator(Markov(order=3), seed=seed).fit(texts)
    drawn = model.sample(
        DRAWN, temperature=TEMPERATURE, min_length=20, max_length=LONGEST, seed=seed
    )
    return {
        "poems_learned_from": len(texts),
        "model": repr(model.rung),
        "drawn": DRAWN,
        "temperature": TEMPERATURE,
        "symbols_drawn": sorted(map(len, drawn)),
        "copied": copied(drawn, texts).describe(),
        "shown": drawn[:3],
    }


SETS: dict[str, Callable[[Path, float, int], dict[str, Any]]] = {"tunes": tunes, "poems": poems}


_said = 0.0


def _say(progress: Progress) -> None:
    """A line for each twentieth of the work."""
    global _said
    if progress.done - _said >= 0.05 or progress.done < _said:
        _said = progress.done
        print(f"{progress.seconds:6.0f} s  {progress.text}  train {progress.train:.3f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sets", nargs="*", default=list(SETS))
    arguments.add_argument("--minutes", type=float, default=20.0, help="of learning, by the clock")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--output", type=Path, default=RESULTS)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    record = json.loads(given.output.read_text()) if given.output.exists() else {}
    for name in given.sets:
        began, worked = time.perf_counter(), time.process_time()
        found = SETS[name](Path(os.environ.get("CATENA_DATA", ".")), given.minutes, given.seed)
        record[name] = {
            **found,
            "seed": given.seed,
            "minutes": (time.perf_counter() - began) / 60,
            "processor_minutes": (time.process_time() - worked) / 60,
        }
        record["machine"] = machine()
        given.output.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")
        print(f"{name}: {json.dumps(found['copied'])}", found.get("parse", ""), flush=True)


if __name__ == "__main__":
    main()
