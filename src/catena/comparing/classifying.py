"""The comparison of Classifiers: which one tells the labels of whole sequences best?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from catena.comparing import grid
from catena.comparing.bootstrap import Bootstrap
from catena.comparing.contest import Entry, Measured, Tell
from catena.comparing.labelled import ACCURACY, LOG_LOSS, LOSS, MACRO_F1, curve, macro_f1, pair
from catena.comparing.majority import Majority, Shares
from catena.comparing.measure import Meter, count_parameters
from catena.comparing.result import Terms
from catena.comparing.tally import Tally, mean
from catena.errors import CatenaError
from catena.ladder import Markov
from catena.sequences import Sequences
from catena.space import Space, Unit
from catena.split import Split, split_labelled
from catena.tasks.classify import Classifier, is_generative
from catena.tasks.generate import encode, learn_space
from catena.tasks.labels import Label, Labels, items


class Classifying:
    """Classifiers over one space, on the same three parts.

    Args:
        data: (X, y) as `Classifier.fit` takes them. parts: such pairs, already split.

    Raises:
        CatenaError: when the data cannot be split, or has no two labels to tell apart.
    """

    kinds = ("majority", "markov", "hmm", "window", "rnn", "gru", "lstm", "bilstm")
    baselines = ("majority",)
    unused = ()
    unfit = "cannot model measurements: a Markov chain needs symbols"
    terms = Terms(
        task="classify",
        unit="sequence",
        examples="sequences",
        loss=LOSS,
        speed="sequences/s",
        figures=(ACCURACY, MACRO_F1, LOG_LOSS),
    )

    def __init__(
        self, data: Any, parts: Split | None, unit: Unit, space: Space | None, seed: int, name: str
    ) -> None:
        if parts is None:
            sequences, labels = pair(data)
            parts = split_labelled(sequences, items(labels), seed)
        train, valid, test = map(pair, parts[:3])
        self.space = space or learn_space(train[0], unit)
        self.train, self.valid, self.test = (
            (encode(self.space, X, space is not None), items(y)) for X, y in (train, valid, test)
        )
        self.names = _names(self.train[1], self.valid[1], name)
        self.seed, self.name, self.rule = seed, name, parts.rule
        self.sizes = (len(self.train[1]), len(self.valid[1]), len(self.test[1]))
        if not self.sizes[2]:
            raise CatenaError("the test part is empty: more data is needed")
        self.bootstrap = Bootstrap(torch.ones(self.sizes[2], dtype=torch.int64), seed)

    def entries(self, kinds: Sequence[str]) -> list[Entry]:
        return grid.classifiers(kinds, self.space, self.train[0].total)

    def counted(self, rung: Any) -> bool:
        return isinstance(rung, (Markov, Majority))

    def fit(
        self, entry: Entry, rung: Any, minutes: float, tell: Tell, short: bool
    ) -> Classifier | Shares:
        if isinstance(rung, Majority):
            return Shares(self.train[1])
        how = grid.classifying(rung, minutes, len(self.train[1]))
        model = Classifier(rung, space=self.space, learner=how, seed=self.seed, **entry.options)
        return model.fit(*self.train, self.valid, report=tell)

    def judge(self, model: Classifier | Shares) -> float:
        sequences, labels = self.valid
        found = self._log_p(model, sequences).argmax(1).tolist()
        right = [self.names[i] == label for i, label in zip(found, labels, strict=True)]
        return sum(right) / max(len(right), 1)

    def measure(self, model: Classifier | Shares) -> Measured:
        sequences, labels = self.test
        with Meter() as meter:
            log_p = self._log_p(model, sequences)
        # Labels that training did not show have numbers too, which nothing predicts.
        names = list(dict.fromkeys([*self.names, *labels]))
        number = {name: i for i, name in enumerate(names)}
        gold = torch.tensor([number[label] for label in labels])
        found = log_p.argmax(1)
        tallies = {
            "accuracy": mean((gold == found).double()),
            "macro_f1": macro_f1(gold, found, len(names)),
            "log_loss": _loss(log_p, gold),
        }
        network = isinstance(model, Classifier) and not is_generative(model.rung)
        return Measured(
            figures={key: tally.value for key, tally in tallies.items()},
            tallies=tallies,
            parameters=_parameters(model),
            speed=len(labels) / max(meter.seconds, 1e-9),
            # A model a class learns to predict its sequences, which is another loss.
            curve=curve(model.history_) if network else [],
        )

    def _log_p(self, model: Classifier | Shares, sequences: Sequences) -> Tensor:
        """log p(label given its sequence) in nats, `[n, C]`."""
        if isinstance(model, Shares):
            return model.log_shares.expand(len(sequences), -1)
        return torch.from_numpy(model.predict_log_proba(sequences))


def _names(train: list[Label], valid: list[Label], name: str) -> tuple[Label, ...]:
    """The labels that there are in training, once those of the validation part are among them."""
    try:
        labels = Labels.learn(train)
        if labels.many:
            raise CatenaError("a comparison needs one label a sequence, not sets of them")
        labels.encode(valid)
    except CatenaError as error:
        raise CatenaError(f"{name}: {error}") from error
    return labels.names


def _loss(log_p: Tensor, gold: Tensor) -> Tally:
    """The mean of −log p of the right labels, over those that training showed."""
    known = gold < log_p.shape[1]
    found = log_p.gather(1, gold.where(known, 0)[:, None]).squeeze(1)
    return mean(-found.where(known, 0.0), known)


def _parameters(model: Classifier | Shares) -> int:
    return len(model.names) if isinstance(model, Shares) else count_parameters(model.model_)
