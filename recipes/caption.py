"""Noto Emoji: pictures of 32 x 32 pixels, captioned with their names.

    CATENA_DATA=folder python recipes/caption.py [--epochs 40] [--model FILE]

Learns to name 3,534 pictures from their pixels. Many differ only in the tone of a skin, in a gender
or in a direction, so the data is split by what is left of a picture's code points without those
("man juggling: light skin tone" and "woman juggling" are one subject): a tenth of the subjects is
held out for testing and a tenth for choosing what to keep, so nothing like a picture of the first
test was learned from. Of the other subjects a tenth of the pictures is held out likewise: this
second test asks for a name put together anew ("man juggling: dark skin tone" where the light one
was seen), and what it measures includes what leaked.

Writes recipes/results/caption.json (perplexity, BLEU-1 to 4 with signatures, the share of names
that are exactly right, samples good and bad, minutes, the machine) and docs/caption.png.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import lzma
import os
import tarfile
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catena import LSTM, Captioner, Gradient
from catena.comparing.compare import machine
from catena.learn import Progress
from catena.search import Beam
from catena.tasks.encoder_decoder import Looking
from catena.tasks.regions import Convolution

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "recipes" / "results" / "caption.json"
DRAWN = ROOT / "docs" / "caption.png"
BEAM = Beam(5, length_penalty=1.0, exact=False)
TONES = {f"1f3f{digit}" for digit in "bcdef"}
PEOPLE = {"1f468", "1f469", "1f9d1"}  # man, woman, person
BESIDE = {"2640", "2642", "27a1", "fe0f", "200d"}  # female, male, to the right; joining
FOLDS = 10
SAMPLES = 8


@dataclass(frozen=True)
class Emoji:
    """A picture `[32, 32, 3]` of bytes, the name of its file, and its own name."""

    file: str
    picture: np.ndarray
    name: str

    @property
    def subject(self) -> str:
        """Its code points but those of tones, genders and directions."""
        points = set(self.file.removeprefix("emoji_u").removesuffix(".png").split("_")) - TONES
        left = points - PEOPLE - BESIDE
        people = "1f9d1" if points & PEOPLE else "_".join(sorted(points))
        return "_".join(sorted(left)) or people


def captioner(epochs: float) -> Captioner:
    """The recipe."""
    return Captioner(
        LSTM(units=128, embedding=96, dropout=0.3),
        convolution=Convolution(size=32, widths=(24, 48, 96), dropout=0.2, shift=2),
        looking=Looking("additive"),
        unit="word",
        learner=Gradient(
            epochs=epochs,
            batch=32,
            span=32,
            rate=3e-3,
            weight_decay=0.05,
            average=0.99,
            evaluations=4,
            patience=None,
        ),
    )


def emoji(folder: Path) -> list[Emoji]:
    """All of them, in the order of the table."""
    with lzma.open(folder / "captions.tsv.xz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    with tarfile.open(folder / "png32.tar.xz") as archive:
        pictures = {member.name: _picture(archive, member) for member in archive if member.isfile()}
    return [Emoji(row["file"], pictures[row["file"]], row["name_en"]) for row in rows]


def _picture(archive: tarfile.TarFile, member: tarfile.TarInfo) -> np.ndarray:
    from PIL import Image

    file = archive.extractfile(member)
    assert file is not None
    image = Image.open(io.BytesIO(file.read())).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return np.array(white.convert("RGB"))


def split(every: list[Emoji]) -> dict[str, list[Emoji]]:
    """To learn from, to choose by, and two tests: new subjects, and new variants of known ones."""
    parts: dict[str, list[Emoji]] = {"train": [], "valid": [], "subjects": [], "variants": []}
    for one in every:
        parts[_part(_fold(one.subject), _fold(one.file))].append(one)
    # Where all of a subject was held out, it is a new one.
    known = {one.subject for one in parts["train"]}
    parts["subjects"] += [one for one in parts["variants"] if one.subject not in known]
    parts["variants"] = [one for one in parts["variants"] if one.subject in known]
    return parts


def _part(subject: int, file: int) -> str:
    if subject < 2:
        return ("subjects", "valid")[subject]
    return {0: "variants", 1: "valid"}.get(file, "train")


def _fold(text: str) -> int:
    return zlib.crc32(text.encode("ascii")) % FOLDS


def sides(part: list[Emoji]) -> tuple[np.ndarray, list[str]]:
    """Pictures `[n, 32, 32, 3]` and their names."""
    return np.stack([one.picture for one in part]), [one.name for one in part]


def judged(model: Captioner, part: list[Emoji]) -> dict[str, Any]:
    """How good the names of a part are, with samples: every so many-th of those that are right and
    of those that are not."""
    pictures, names = sides(part)
    found = model.caption(pictures, BEAM)
    rows = [
        {"file": one.file, "name": name, "found": text}
        for one, name, text in zip(part, names, found, strict=True)
    ]
    right = [row for row in rows if row["name"] == row["found"]]
    wrong = [row for row in rows if row["name"] != row["found"]]
    return {
        **asdict(model.evaluate(pictures, names, BEAM)),
        "right": spread(right),
        "wrong": spread(wrong),
    }


def spread(rows: list[Any]) -> list[Any]:
    """At most `SAMPLES` of them, evenly spaced."""
    return rows[:: max(1, -(-len(rows) // SAMPLES))]


def told(progress: Progress) -> None:
    """How far learning has come."""
    print(f"\r{progress.text}, held out {progress.valid}", end="", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--epochs", type=float, default=40.0)
    arguments.add_argument("--output", type=Path, default=RESULTS)
    arguments.add_argument(
        "--model", type=Path, default=None, help="keep it in this file, and unfinished beside it"
    )
    arguments.add_argument("--picture", type=Path, default=DRAWN)
    given = arguments.parse_args()
    parts = split(emoji(Path(os.environ["CATENA_DATA"]) / "noto_emoji_captions"))
    model = captioner(given.epochs)
    began = time.process_time()
    train, valid = sides(parts["train"]), sides(parts["valid"])
    kept = given.model and given.model.with_suffix(".run")
    model.fit(*train, valid, report=told, checkpoint=kept, resume=bool(kept and kept.exists()))
    if given.model is not None:
        model.save(given.model)
    record = {
        "captioner": repr(model),
        "pictures": {name: len(part) for name, part in parts.items()},
        "processor_minutes": (time.process_time() - began) / 60,
        "epochs": model.history_.epochs,
        **{name: judged(model, parts[name]) for name in ("subjects", "variants")},
        "history": model.history_.rows,
        "machine": machine(),
    }
    given.output.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")
    samples = record["variants"]["right"] or record["variants"]["wrong"]
    chosen = max(samples, key=lambda row: len(row["name"]))
    picture = next(one.picture for one in parts["variants"] if one.file == chosen["file"])
    model.draw(given.picture, picture, chosen["name"])
    for name in ("subjects", "variants"):
        figures = record[name]
        bleu = " ".join(f"{score:.1f}" for score in figures["bleu"])
        print(f"\n{name}: BLEU-1..4 {bleu}, exact {figures['exact']:.1%}, ", end="")
        print(f"perplexity {figures['perplexity']:.2f}", flush=True)


if __name__ == "__main__":
    main()
