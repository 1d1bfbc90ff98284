"""The comparison of Recommenders: which one ranks highest what came next?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from catena.comparing import grid
from catena.comparing.bootstrap import Bootstrap
from catena.comparing.contest import Entry, Measured, Tell
from catena.comparing.labelled import curve, share
from catena.comparing.measure import Meter, count_parameters
from catena.comparing.result import Terms
from catena.comparing.tally import Tally, mean
from catena.errors import CatenaError
from catena.ladder import Markov
from catena.space import Space, Unit
from catena.split import Split, split_by_end
from catena.tasks.baselines import BASELINES
from catena.tasks.numbered import rows_of
from catena.tasks.recommend import Recommender

K = 20
RULE = (
    "All items are ranked at every step of every session but its first; of items of one score the "
    "right one is taken to come last, and one that training did not show is missed."
)
FIGURES = (
    share("mrr", f"MRR@{K}", f"The mean of 1/rank of what came next, 0 beyond {K}. {RULE}"),
    share("recall", f"recall@{K}", f"The share of predictions with it among the first {K}."),
    share("ndcg", f"NDCG@{K}", f"The mean of 1/log2(rank + 1) of what came next, 0 beyond {K}."),
    replace(
        share(
            "coverage",
            f"coverage@{K}",
            f"The share of all items that were among the first {K} at least once.",
        ),
        bounded=False,
    ),
)


class Recommending:
    """Recommenders on the same three parts.

    Args:
        data: sessions and when each ended, as `split_by_end` takes them, or a list of sessions, the
            oldest first. parts: lists of sessions, already split.
        unit, space: of no account: an observation is an item.

    Raises:
        CatenaError: when the data cannot be split, or nothing comes next in a part of it.
    """

    kinds = (
        "popularity",
        "session-popularity",
        "session-knn",
        "markov",
        "hmm",
        "window",
        "rnn",
        "gru",
        "lstm",
    )
    baselines = ("popularity",)
    unused = ()
    unfit = ""  # all fit sessions
    terms = Terms(
        task="recommend",
        unit="prediction",
        examples="sessions",
        loss="loss of a prediction",
        speed="predictions/s",
        figures=FIGURES,
    )

    def __init__(
        self, data: Any, parts: Split | None, unit: Unit, space: Space | None, seed: int, name: str
    ) -> None:
        parts = _cut(data) if parts is None else parts
        self.train, self.valid, self.test = map(rows_of, parts[:3])
        self.seed, self.name, self.rule = seed, name, parts.rule
        self.sizes = (len(self.train), len(self.valid), len(self.test))
        self.asked = torch.tensor([max(len(row) - 1, 0) for row in self.test])
        for part, rows in (
            ("training", self.train),
            ("validation", self.valid),
            ("test", self.test),
        ):
            if all(len(row) < 2 for row in rows):
                raise CatenaError(f"{name}: nothing comes next in any session of the {part} part")
        self.bootstrap = Bootstrap(torch.ones(self.sizes[2], dtype=torch.int64), seed)

    def entries(self, kinds: Sequence[str]) -> list[Entry]:
        return grid.recommenders(kinds, sum(map(len, self.train)))

    def counted(self, rung: Any) -> bool:
        return isinstance(rung, (Markov, *BASELINES.values()))

    def fit(self, entry: Entry, rung: Any, minutes: float, tell: Tell, short: bool) -> Recommender:
        how = grid.recommending(rung, minutes, sum(map(len, self.train)))
        model = Recommender(rung, learner=how, seed=self.seed, **entry.options)
        return model.fit(self.train, self.valid, report=tell)

    def judge(self, model: Recommender) -> float:
        return model.evaluate(self.valid, (K,)).mrr[K]

    def measure(self, model: Recommender) -> Measured:
        with Meter() as meter:
            found, ranks = model.ranked(self.test, (K,))
        tallies = {key: self._mean(gain) for key, gain in _gains(ranks).items()}
        figures = {key: tally.value for key, tally in tallies.items()}
        return Measured(
            figures=figures | {"coverage": asdict(found)["coverage"][K]},
            tallies=tallies,
            parameters=count_parameters(model.model_),
            speed=found.predictions / max(meter.seconds, 1e-9),
            curve=curve(model.history_),
        )

    def _mean(self, gains: Tensor) -> Tally:
        """The mean over predictions; sessions are what is resampled."""
        owner = torch.repeat_interleave(self.asked)
        sums = torch.zeros(len(self.asked), dtype=torch.float64).index_add(0, owner, gains)
        return mean(sums, self.asked)


def _gains(ranks: Tensor) -> dict[str, Tensor]:
    """What each prediction adds, `[predictions]`, by figure."""
    hit = (ranks <= K).double()
    return {"mrr": hit / ranks, "recall": hit, "ndcg": hit / (ranks + 1).log2()}


def _cut(data: Any) -> Split:
    if isinstance(data, tuple):
        return split_by_end(*data)
    return split_by_end(list(data), np.arange(len(data)))
