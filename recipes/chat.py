"""Conversations: restaurants, small talk, and questions about a game engine.

    CATENA_DATA=folder python recipes/chat.py [camrest chatterbot egret]

camrest is CamRest676 (Wen et al. 2017): 676 dialogues between somebody who looks for a restaurant
and somebody who answers. The usual split, 3 : 1 : 1 in the order of the file: 406 dialogues to
learn from, 135 that say what to keep, 135 for the test. Only the answers are learned and scored,
from the last three turns; there is no table of restaurants, so that names and addresses can only be
guessed.

chatterbot is the English part of the ChatterBot corpus without its programs (english_coding),
each dialogue once; egret, the questions of a Chinese forum on the Egret engine and the answers that
were marked best, characters, questions and answers of at most 60. Both are shuffled with a fixed
seed, a tenth that says what to keep and a tenth for the test. Reading chatterbot needs PyYAML.

Replies are the best of a beam of 5 where they are scored. Text is scored as it is, not lower-cased
and names not replaced by slots, so that figures stand beside none that do so. Learning runs in one
thread. Writes recipes/results/chat.json: perplexity of a symbol, BLEU and chrF with their
signatures, minutes of processor time, the machine, and for the first test replies what was said,
the beam's answer and one that was drawn.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from catena import GRU, Chat, Gradient
from catena.comparing.compare import machine
from catena.tasks.chat import BETWEEN, HOW
from catena.tasks.turns import Turn

RESULTS = Path(__file__).parent / "results" / "chat.json"
SHOWN = 24
LONGEST = 60
Dialogues = list[list[Turn]]
Split = tuple[Dialogues, Dialogues, Dialogues]


def camrest(folder: Path) -> Split:
    """The dialogues of the file in its order, 3 : 1 : 1; the file begins with a comment."""
    with lzma.open(folder / "camrest676" / "CamRest676.json.xz", "rt", encoding="utf-8") as file:
        text = file.read()
    found = [_exchanges(one["dial"]) for one in json.loads(text[text.index("[") :])]
    first, second = len(found) * 3 // 5 + 1, len(found) * 4 // 5 + 1
    return found[:first], found[first:second], found[second:]


def _exchanges(exchanges: list[dict[str, Any]]) -> list[Turn]:
    turns: list[Turn] = []
    for exchange in exchanges:
        turns.append(Turn(exchange["usr"]["transcript"], "user"))
        turns.append(Turn(exchange["sys"]["sent"], "system"))
    return turns


def chatterbot(folder: Path) -> Split:
    """The dialogues of all files but the programs, each once."""
    import yaml

    found: dict[tuple[str, ...], None] = {}
    for path in sorted((folder / "chatterbot_corpus").glob("english_*.yml")):
        if path.stem != "english_coding":
            held = yaml.safe_load(path.read_text("utf-8"))["conversations"]
            found |= dict.fromkeys(tuple(str(turn) for turn in turns) for turns in held)
    return shuffled([[Turn(text) for text in turns if text.strip()] for turns in found])


def egret(folder: Path) -> Split:
    """The questions and answers that are short enough."""
    path = folder / "egret_wenda_zh" / "egret_wenda_lines.txt.xz"
    with lzma.open(path, "rt", encoding="utf-8") as file:
        texts = [line.rstrip("\n").split(" +++$+++ ", 2)[2].strip() for line in file]
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return shuffled(
        [
            [Turn(text) for text in pair]
            for pair in pairs
            if all(0 < len(t) <= LONGEST for t in pair)
        ]
    )


def shuffled(dialogues: Dialogues) -> Split:
    """Shuffled, a tenth held out and a tenth for the test."""
    random.Random(0).shuffle(dialogues)
    tenth = len(dialogues) // 10
    return dialogues[2 * tenth :], dialogues[tenth : 2 * tenth], dialogues[:tenth]


@dataclass(frozen=True)
class Set:
    """A set of dialogues and the recipe for it.

    Args:
        tokenize: how sacreBLEU cuts its words.
    """

    read: Callable[[Path], Split]
    chat: Chat
    tokenize: str = "13a"


def rung(units: int, **options: Any) -> GRU:
    return GRU(units=units, embedding=64, dropout=0.3, embedding_dropout=0.2, **options)


def recipe(**options: Any) -> Chat:
    """A small network, held-out dialogues saying what to keep."""
    epochs = options.pop("epochs")
    evaluations = max(5, epochs // 2)
    learner = Gradient(
        epochs=epochs, batch=16, span=48, rate=6e-3, evaluations=evaluations, patience=None
    )
    return Chat(
        rung(64, bidirectional=True),
        decoder=rung(128, tied=True),
        smoothing=0.1,
        learner=learner,
        **options,
    )


SETS = {
    "camrest": Set(camrest, recipe(context=3, speaker="system", vocabulary=1000, epochs=40)),
    "chatterbot": Set(chatterbot, recipe(context=2, vocabulary=1000, epochs=10)),
    "egret": Set(egret, recipe(context=1, unit="char", minimum=2, epochs=12), "zh"),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sets", nargs="*", default=list(SETS))
    arguments.add_argument("--output", type=Path, default=RESULTS)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    folder = Path(os.environ["CATENA_DATA"])
    record = json.loads(given.output.read_text("utf-8")) if given.output.exists() else {}
    for name in given.sets:
        record[name] = run(name, SETS[name], folder)
        record["machine"] = machine()
        given.output.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")


def run(name: str, of: Set, folder: Path) -> dict[str, Any]:
    """Learn, reply, score, and say how it went."""
    train, valid, test = of.read(folder)
    began = time.process_time()
    chat = of.chat.fit(train, valid, report=lambda p: print(f"\r{name}: {p.text}", end=""))
    learned = (time.process_time() - began) / 60
    found = chat.evaluate(test, tokenize=of.tokenize)
    print(
        f"\n{name}: perplexity {found.perplexity:.2f}, BLEU {found.bleu:.2f}, "
        f"chrF {found.chrf:.2f}, {learned:.1f} minutes",
        flush=True,
    )
    return {
        "chat": repr(chat),
        "dialogues": [len(part) for part in (train, valid, test)],
        "replies": [len(chat.pairs(part)) for part in (train, valid, test)],
        **asdict(found),
        "processor_minutes": learned,
        "epochs": chat.history_.epochs,
        "how": repr(HOW),
        "samples": samples(chat, test),
    }


def samples(chat: Chat, test: Dialogues) -> list[dict[str, Any]]:
    """The first test replies, beside the beam's and one that was drawn."""
    pairs = chat.pairs(test)[:SHOWN]
    histories = [[turn.strip() for turn in source.split(BETWEEN)] for source, _ in pairs]
    searched, drawn = chat.replies(histories, 5), chat.replies(histories, HOW, seed=1)
    return [
        {"said": said, "reference": wanted, "beam": best, "drawn": one}
        for said, (_, wanted), best, one in zip(histories, pairs, searched, drawn, strict=True)
    ]


if __name__ == "__main__":
    main()
