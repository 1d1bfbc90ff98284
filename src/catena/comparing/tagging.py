"""The comparison of Taggers: which one labels the steps of sequences best?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from catena.comparing import grid
from catena.comparing.bootstrap import Bootstrap
from catena.comparing.contest import Entry, Measured, Tell
from catena.comparing.labelled import ACCURACY, LOG_LOSS, LOSS, SPAN_F1, curve, f1, pair
from catena.comparing.majority import Majority, Shares
from catena.comparing.measure import Meter
from catena.comparing.result import Terms
from catena.comparing.tally import Tally, mean
from catena.errors import CatenaError
from catena.ladder import HMM
from catena.schemes import as_tags, mark_spans, spans
from catena.space import Space, Unit
from catena.split import Split, split_labelled
from catena.tasks.reader import Reader, is_measured
from catena.tasks.tag import Tagger, paired


class Tagging:
    """Taggers on the same three parts.

    Args:
        data: (X, y) as `Tagger.fit` takes them. parts: such pairs, already split.
        unit, space: of no account: a tagger reads tokens as they are.

    Raises:
        CatenaError: when the data cannot be split, or has no two labels to tell apart.
    """

    kinds = ("majority", "hmm", "crf", "window", "rnn", "gru", "lstm", "bilstm-crf")
    baselines = ("majority",)
    # The states of a tagging HMM are the labels.
    unused = ("states",)

    def __init__(
        self, data: Any, parts: Split | None, unit: Unit, space: Space | None, seed: int, name: str
    ) -> None:
        if parts is None:
            sentences, labels = paired(*pair(data))
            parts = split_labelled(sentences, labels, seed)
        self.train, self.valid, self.test = (paired(*pair(part)) for part in parts[:3])
        self.seed, self.name, self.rule = seed, name, parts.rule
        self.sizes = (len(self.train[1]), len(self.valid[1]), len(self.test[1]))
        self.labels = set(chain.from_iterable(self.train[1]))
        if len(self.labels) < 2:
            only = f"only the label {self.labels.pop()!r}" if self.labels else "no label"
            raise CatenaError(f"{name}: there is {only}: a tagger needs two or more to tell apart")
        if not any(self.test[1]):
            raise CatenaError("the test part is empty: more data is needed")
        self.bootstrap = Bootstrap(torch.ones(self.sizes[2], dtype=torch.int64), seed)
        spanned = mark_spans(chain.from_iterable([*self.train[1], *self.test[1]]))
        figures = (SPAN_F1, ACCURACY, LOG_LOSS) if spanned else (ACCURACY, LOG_LOSS)
        self.steps = _steps_of(self.train[0])
        self.unfit = f"cannot label {self.steps}"
        words = ("token", "sentences") if self.steps == "words" else ("step", "sequences")
        self.terms = Terms("tag", *words, LOSS, f"{words[0]}s/s", figures)

    def entries(self, kinds: Sequence[str]) -> list[Entry]:
        return grid.taggers(kinds, self.steps, sum(map(len, self.train[1])))

    def counted(self, rung: Any) -> bool:
        return isinstance(rung, (HMM, Majority))

    def fit(
        self, entry: Entry, rung: Any, minutes: float, tell: Tell, short: bool
    ) -> Tagger | Shares:
        sentences, labels = self.train
        if isinstance(rung, Majority):
            return Shares(chain.from_iterable(labels))
        how = grid.tagging(rung, minutes, len(labels))
        model = Tagger(rung, learner=how, seed=self.seed, **entry.options)
        return model.fit(sentences, labels, self.valid, report=tell)

    def judge(self, model: Tagger | Shares) -> float:
        sentences, labels = self.valid
        return self._tallies(labels, _predict(model, sentences))[self.terms.decides.key].value

    def measure(self, model: Tagger | Shares) -> Measured:
        sentences, labels = self.test
        with Meter() as meter:
            predicted = _predict(model, sentences)
        tallies = self._tallies(labels, predicted)
        tallies["log_loss"] = self._loss(_log_prob(model, sentences, labels))
        return Measured(
            figures={key: tally.value for key, tally in tallies.items()},
            tallies=tallies,
            parameters=_parameters(model),
            speed=float(_steps(labels).sum()) / max(meter.seconds, 1e-9),
            curve=curve(model.history_),
        )

    def _loss(self, log_prob: Tensor) -> Tally:
        """The mean of −log p of the right labels, over sentences whose labels training showed."""
        labels = self.test[1]
        known = torch.tensor([self.labels >= set(row) for row in labels])
        return mean(-log_prob.where(known, 0.0), _steps(labels) * known)

    def _tallies(self, gold: list[list[str]], predicted: list[list[str]]) -> dict[str, Tally]:
        """Of every sentence, what is right."""
        right = [sum(map(str.__eq__, *rows)) for rows in zip(gold, predicted, strict=True)]
        found = {"accuracy": mean(torch.tensor(right), _steps(gold))}
        if SPAN_F1 not in self.terms.figures:
            return found
        sides = [[set(spans(row)) for row in as_tags(rows)] for rows in (gold, predicted)]
        both = [one & other for one, other in zip(*sides, strict=True)]
        right, own, found_ = (torch.tensor(list(map(len, each))) for each in (both, *sides))
        return found | {"span_f1": f1(right, own, found_)}


def _predict(model: Tagger | Shares, sentences: Sequence[Any]) -> list[list[str]]:
    if isinstance(model, Shares):
        return [[str(model.best)] * len(sentence) for sentence in sentences]
    return model.predict(sentences)


def _log_prob(model: Tagger | Shares, sentences: Sequence[Any], labels: list[list[str]]) -> Tensor:
    """log p(labels given the sentence) in nats, `[n]`."""
    if isinstance(model, Tagger):
        return torch.from_numpy(model.log_prob(sentences, labels))
    each = dict(zip(model.names, model.log_shares.tolist(), strict=True))
    sums = [sum(each.get(label, -torch.inf) for label in row) for row in labels]
    return torch.tensor(sums, dtype=torch.float64)


def _steps_of(sentences: Sequence[Any]) -> str:
    """What is labelled: "words", with columns or without, "attributes", or "measurements"."""
    if is_measured(sentences):
        return "measurements"
    return "words" if Reader.learn(None, sentences).columns else "attributes"


def _steps(rows: list[list[str]]) -> Tensor:
    return torch.tensor([len(row) for row in rows])


def _parameters(model: Tagger | Shares) -> int:
    return len(model.names) if isinstance(model, Shares) else model.labeller_.parameters
