"""Translating: catena's Translator beside an equal model written plainly with torch.nn.

    CATENA_DATA=folder python benchmarks/translate.py [--model FILE] [--onnx]

The model of recipes/multi30k.py, German to English, with the same weights on both sides: every
log-probability must agree to 1e-5 and every beam-5 translation must be the same before anything is
timed, on one thread and by processor time. Learning, one update for each batch of the same pairs:

    tutorial          shuffled batches, a loop over time with teacher forcing
    tutorial, alike   the same loop over batches of like length, catena's own
    one call          those batches, one call of nn.LSTM, attention in one product, a head over
                      what is real: the best that padded batches allow

Translating with a beam of 5, the same rule of ranking and stopping:

    tutorial          a sentence at a time, its hypotheses in one call
    padded            the batches that catena searches, five rows a sentence until all are done
    onnx              the same loop, each step of the decoder a graph run by onnxruntime

`--model` names a file that a Translator of that recipe was saved to; without it, one is learned for
`--minutes`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from harness import in_turns, keep
from torch import Tensor, nn
from translate_beam import WIDTH, Search, one_by_one, together
from translate_plain import Batch, Plain, padded, plain_of

import catena
from catena import Translator
from catena.learn import Gradient, Run
from catena.learn.objective import Pairs
from catena.model import groups
from catena.tasks.translate import Pair
from catena.tasks.writing import SPARE, STRETCH, TOGETHER

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
import multi30k

BUDGET, RATE, CLIP = 2048, 2e-3, 1.0
CLOSE = 1e-5


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", type=Path)
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--pairs", type=int, default=2000, help="learned from in a turn")
    arguments.add_argument("--lines", type=int, default=200, help="translated in a turn")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--onnx", action="store_true", help="needs onnx and onnxruntime")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    folder = Path(os.environ["CATENA_DATA"])
    train, test = (
        multi30k.pairs(folder, part, "de-en")[:count]
        for part, count in (("train", None), ("test_2016_flickr", given.lines))
    )
    model = _translator(given.model, given.minutes, train)
    facts = {"model": repr(model), "learned_epochs": model.history_.epochs}
    decoding = Decoding(model, [source for source, _ in test], given.onnx)
    decoding.check(test)
    facts["beam"] = decoding.timed(given.repeats)
    facts["training"] = learning(model, train[: given.pairs], given.repeats)
    keep("translate", facts)


def _translator(path: Path | None, minutes: float, train: list[Pair]) -> Translator:
    if path is None:
        return multi30k.translator(minutes, None).fit(train)
    model = catena.load(path)
    if not isinstance(model, Translator):
        raise SystemExit(f"{path} holds no Translator")
    return model


class Decoding:
    """The same lines translated by every side.

    Args:
        onnx: whether onnxruntime is one of the peers.
    """

    def __init__(self, model: Translator, lines: list[str], onnx: bool) -> None:
        space = model.target_.space
        end, unknown = space.end_number, space.unknown_number
        assert end is not None
        banned = [] if unknown is None else [unknown]
        self.model, self.lines = model, lines
        self.search = Search(plain_of(model.model_, space.outcomes), end, banned)
        self.sources = model.source_.encode(lines)
        self.limits = [
            int(STRETCH * model.ratio_ * length) + SPARE for length in self.sources.lengths.tolist()
        ]
        self.peers = {"tutorial": self.tutorial, "padded": self.padded}
        if onnx:
            from translate_onnx import onnx_step

            self.peers["onnx"] = partial(self.padded, onnx_step(self.search))
        self.words = 0

    def check(self, pairs: list[Pair]) -> None:
        """The same weights must give the same log-probabilities, and the same translations."""
        search, model = self.search, self.model
        targets = model.target_.encode([target for _, target in pairs])
        batch = padded(self.sources, targets, torch.arange(len(pairs)), search.end)
        with torch.no_grad():
            logits, wanted = search.plain.real_logits(batch)
            mine = model.model_.log_prob(self.sources, targets).values
        theirs = logits.log_softmax(-1).gather(1, wanted[:, None]).squeeze(1)
        apart = float((mine - theirs).abs().max())
        print(f"log-probabilities differ by at most {apart:.1e}")
        if apart > CLOSE:
            raise SystemExit("the two models disagree; nothing was timed")
        expected = self.catena()
        for name, side in self.peers.items():
            if side() != expected:
                raise SystemExit(f"{name} translates otherwise; nothing was timed")
        self.words = sum(len(line.split()) for line in expected)

    def catena(self) -> list[str]:
        return self.model.translate(self.lines, WIDTH)

    def tutorial(self) -> list[str]:
        pairs = zip(self.sources, self.limits, strict=True)
        return [self._text(one_by_one(self.search, x, limit)) for x, limit in pairs]

    def padded(self, step: Any = None) -> list[str]:
        found = [""] * len(self.lines)
        order = torch.argsort(self.sources.lengths, stable=True)
        for rows in groups(self.sources.lengths[order].tolist(), TOGETHER):
            chosen = order[rows]
            x, lengths = self.sources[chosen].to_padded()
            limits = [self.limits[line] for line in chosen.tolist()]
            numbers = together(self.search, x, lengths, limits, step)
            for line, own in zip(chosen.tolist(), numbers, strict=True):
                found[line] = self._text(own)
        return found

    def _text(self, numbers: list[int]) -> str:
        return self.model.target_.decode(torch.tensor(numbers, dtype=torch.int64))

    def timed(self, repeats: int) -> dict[str, Any]:
        sides = {"catena": self.catena, **self.peers}
        facts = _told("beam", self.words, in_turns(sides, repeats, time.process_time))
        return {"lines": len(self.lines), **facts}


def learning(model: Translator, pairs: list[Pair], repeats: int) -> dict[str, Any]:
    """One pass over the pairs on every side, each going on with its own weights."""
    sources = model.source_.encode([source for source, _ in pairs])
    targets = model.target_.encode([target for _, target in pairs])
    end, outcomes = model.target_.space.end_number, model.target_.space.outcomes
    objective = Pairs(model.model_, sources, targets, BUDGET)
    alike = objective.batches(torch.Generator().manual_seed(0))
    shuffled = list(torch.randperm(len(pairs)).chunk(len(alike)))
    how = Gradient(epochs=1, rate=RATE, clip=CLIP, evaluations=1)

    def plainly(loss: Callable[[Plain, Batch], Tensor], batches: list[Tensor]) -> Any:
        plain = plain_of(model.model_, outcomes).train()
        # The moments of catena's AdamW.
        optimizer = torch.optim.AdamW(plain.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True)

        def work() -> None:
            for rows in batches:
                optimizer.zero_grad()
                loss(plain, padded(sources, targets, rows, end or 0)).backward()
                nn.utils.clip_grad_norm_(plain.parameters(), CLIP)
                optimizer.step()

        return work

    sides = {
        "tutorial": plainly(Plain.step_by_step, shuffled),
        "tutorial, alike": plainly(Plain.step_by_step, alike),
        "one call": plainly(Plain.all_at_once, alike),
        "catena": lambda: how.descend(model.model_, objective, None, Run()),
    }
    words = sum(len(target.split()) for _, target in pairs)
    facts = _told("training", words, in_turns(sides, repeats, time.process_time))
    return {"pairs": len(pairs), "updates": len(alike), **facts}


def _told(kind: str, words: int, timed: dict[str, dict[str, float]]) -> dict[str, Any]:
    mine = timed["catena"]["median"]
    for name, side in timed.items():
        speed, ratio = words / side["median"], side["median"] / mine
        print(f"{kind:8} {name:16} {speed:8,.0f} words/s, {ratio:5.2f} times catena's seconds")
    ratios = {name: side["median"] / mine for name, side in timed.items() if name != "catena"}
    return {"words": words, "words_a_second": words / mine, "ratios": ratios, "seconds": timed}


if __name__ == "__main__":
    main()
