"""Recommender: which item comes next in a session, among all that training showed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from catena.errors import CatenaError
from catena.kernels.items import best
from catena.kinds import describe, of_kind
from catena.ladder import Rung
from catena.learn import Count, Gradient, History, Learner, Progress, Run, learner_for
from catena.learn.device import device_named
from catena.learn.item_losses import ITEM_LOSSES, CrossEntropy, ItemLoss
from catena.learn.next_item import NextItem, ScoresByTable
from catena.metrics import RankingScores, RankTally
from catena.model import SequenceModel
from catena.save import (
    learner_from,
    load_module,
    pack,
    restoring,
    rung_facts,
    save_model,
    space_from,
    task_facts,
)
from catena.sequences import Sequences
from catena.space import Item, Space, Symbols
from catena.tasks.baselines import BASELINES, Baseline
from catena.tasks.class_learning import seeded
from catena.tasks.estimator import Estimator
from catena.tasks.numbered import (
    known_items,
    numbers,
    of_two,
    one_session,
    predictions,
    rows_of,
)
from catena.tasks.ranker import PrefixRanker, Ranker, Running, StateRanker

TASK = "recommend"
CUTOFFS = (5, 10, 20)
# How a network is learned unless something else is asked for: about a hundred predictions an
# update, and a rate for each row of the table (as in GRU4Rec).
LEARNER = Gradient(
    batch=8,
    span=16,
    optimizer="adagrad",
    rate=0.05,
    momentum=0.1,
    schedule="linear",
    clip=0.0,
    weight_decay=0.0,
)


@dataclass(frozen=True)
class Evaluation(RankingScores):
    """How well next items are ranked; see `RankingScores`.

    Args:
        sessions: how many were given.
        short: how many of them have fewer than two items, so that nothing comes next in them.
    """

    sessions: int = 0
    short: int = 0


class Recommender(Estimator):
    """What comes next in a session of items: pages, products, songs.

    Args:
        model: a rung, e.g. `GRU(units=100)`, or `Popularity()`, `SessionPopularity()`,
            `SessionKNN()`.
        loss: what a neural rung learns by: `CrossEntropy()` unless given, `BPRMax()`, `TOP1Max()`.
        minimum: items that occur less often are left out of the sessions, in training too.
        learner: how θ is found; the rung's own way unless given, and `LEARNER` for networks.
        seed: owns every random draw of `fit`.

    After `fit`: `space_`, whose items are the vocabulary, the frequent first; `counts_ [items]`,
    how often each occurred; `model_`, `learner_`, `history_`.

    Data is a list of sessions, each a list of strings or whole numbers in the order of time.

    >>> from catena import Markov, Recommender
    >>> sessions = [["tea", "cup", "spoon"], ["tea", "cup"], ["pen", "ink"]]
    >>> model = Recommender(Markov(order=1, smoothing="none")).fit(sessions)
    >>> model.recommend(["tea"], k=1)
    [('cup', 1.0)]
    """

    def __init__(
        self,
        model: Rung | Baseline,
        *,
        loss: ItemLoss | None = None,
        minimum: int = 1,
        learner: Learner | None = None,
        seed: int = 0,
    ) -> None:
        self.model, self.loss = model, loss
        self.minimum, self.learner, self.seed = minimum, learner, seed

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        sessions: Iterable[Iterable[Item]],
        valid: Iterable[Iterable[Item]] | None = None,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Recommender:
        """Learn from sessions, the oldest first where the model looks at recent ones.

        Args:
            valid: held-out sessions that say when to stop and what to keep.
            report: is told of the progress.
            checkpoint: where unfinished work is kept; `resume` goes on from it.

        Raises:
            CatenaError: when no session has two items, or the options do not fit the model.
            Interrupted: after Ctrl-C, once the work so far has been kept.
        """
        self._begin()
        rows = rows_of(sessions)
        self.space_ = Symbols.learn(rows, "item", "error", end=False, minimum=self.minimum)
        train = known_items(numbers(self.space_, rows))
        self.counts_ = torch.bincount(train.values, minlength=len(self.space_.items))
        held_out = None if valid is None else known_items(numbers(self.space_, rows_of(valid)))
        run = Run(self.seed, report, checkpoint, resume, self._job())
        if isinstance(self.model, Baseline):
            self._refuse_learning()
            self.model_ = self._counted(self.model, train)
            self.learner_, self.history_ = Count(), History()
        else:
            kind = learner_for(self.model)
            self.learner_ = self.learner or (LEARNER if kind is Gradient else kind())
            self.model_, self.history_ = self._learned(self.model, train, held_out, run)
        self._ranker = self._ranker_of(self.model_)
        return self._end()

    def _counted(self, baseline: Baseline, train: Sequences) -> nn.Module:
        scorer = baseline.scorer(len(self.space_.items))
        scorer.learn(train, self.counts_)
        return scorer

    def _learned(
        self, rung: Rung, train: Sequences, valid: Sequences | None, run: Run
    ) -> tuple[SequenceModel, History]:
        train = of_two(train)
        valid = None if valid is None else of_two(valid)
        if not len(train):
            raise CatenaError(
                "no session has two items, so nothing shows what comes next: give longer sessions, "
                "lower the minimum, or use Popularity(), which needs none"
            )
        if not isinstance(self.learner_, Gradient):
            self._refuse_loss()
            model = seeded(self.seed, lambda: rung.build(self.space_))
            history = self.learner_.fit(model, train, valid, run)
            return model.to("cpu").eval(), history
        return self._descended(rung, train, valid, run, self.learner_)

    def _descended(
        self, rung: Rung, train: Sequences, valid: Sequences | None, run: Run, learner: Gradient
    ) -> tuple[SequenceModel, History]:
        model = seeded(self.seed, lambda: rung.build(self.space_))
        if not isinstance(model.head, ScoresByTable):
            raise CatenaError(
                f"a recommender learns {rung.kind} in its own way and not by gradient: leave the "
                "learner out"
            )
        device, loss = device_named(learner.device), self.loss or CrossEntropy()

        sparse = learner.optimizer == "adagrad"

        def objective(data: Sequences, rows: int) -> NextItem:
            data = data.to(device)
            return NextItem(model, data, self.counts_, loss, rows, learner.span, sparse)

        held_out = objective(valid, 4 * learner.batch) if valid is not None and len(valid) else None
        history = learner.descend(model, objective(train, learner.batch), held_out, run)
        return model.to("cpu").eval(), history

    def _job(self) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        loss = None if self.loss is None else describe(self.loss)
        return {**_model_facts(self.model), "loss": loss, "minimum": self.minimum}

    def _refuse_learning(self) -> None:
        self._refuse_loss()
        if self.learner is not None:
            raise CatenaError(f"{self.model} is counted: leave the learner out")

    def _refuse_loss(self) -> None:
        if self.loss is not None:
            raise CatenaError(
                f"{self.model} is not learned by gradient and has no use for {self.loss}: leave "
                "the loss out"
            )

    # -- recommending -----------------------------------------------------------------------

    def recommend(
        self, session: Iterable[Item], k: int = 10, *, exclude_seen: bool = False
    ) -> list[tuple[Item, float]]:
        """The k items likeliest to come next, best first, each with its score.

        Scores can be compared within a list only. Items of equal score are in the order of their
        popularity. Items that training did not show tell the model nothing and are passed over;
        where none of the session's is known, what is recommended is what is popular.

        Args:
            session: what was taken so far; it may be empty.
            exclude_seen: leave out what is in the session.
        """
        running = self.stream()
        for item in one_session(session):
            running.push(item)
        return running.recommend(k, exclude_seen=exclude_seen)

    def stream(self) -> RunningSession:
        """A session that grows item by item, its state kept."""
        self._check_fitted()
        return RunningSession(self.space_, self.counts_, self._ranker.running())

    def evaluate(
        self,
        sessions: Iterable[Iterable[Item]],
        cutoffs: Sequence[int] = CUTOFFS,
        *,
        last_only: bool = False,
    ) -> Evaluation:
        """How high the next item is ranked among all items, at every step of every session but the
        first, whose item nothing came before.

        An item that training did not show counts as missed wherever it comes next (`cold`), and is
        passed over in what comes before. Where nothing known came before, items are ranked by
        popularity.

        Args:
            cutoffs: the k of Recall@k and the others.
            last_only: rank the last item of each session alone, as where a test is given as
                prefixes and what followed each, or holds out the last item of each user.
        """
        return self.ranked(sessions, cutoffs, last_only=last_only)[0]

    def ranked(
        self,
        sessions: Iterable[Iterable[Item]],
        cutoffs: Sequence[int] = CUTOFFS,
        *,
        last_only: bool = False,
    ) -> tuple[Evaluation, Tensor]:
        """What `evaluate` finds, and the rank of each prediction, session by session: float64
        `[predictions]`, infinite for items that training did not show."""
        self._check_fitted()
        numbered = numbers(self.space_, rows_of(sessions))
        tally = RankTally(self.counts_, cutoffs)
        steps, targets = predictions(numbered, last_only)
        known = targets >= 0
        tally.add_cold(int((~known).sum()))
        ranks = torch.full((len(targets),), torch.inf, dtype=torch.float64)
        ranks[known] = self._rank(tally, known_items(numbered), steps[known], targets[known])
        lengths = numbered.lengths
        short = int((lengths < 2).sum())
        found = Evaluation(**vars(tally.result()), sessions=len(lengths), short=short)
        return found, ranks

    def _rank(self, tally: RankTally, known: Sequences, steps: Tensor, targets: Tensor) -> Tensor:
        """The ranks of targets `[p]`, each after a step of the known items, or after none (-1);
        they are counted too."""
        ranks = torch.empty(len(targets), dtype=torch.float64)
        bare = steps < 0
        popular = self.counts_.double()[None]
        for place in bare.nonzero():
            ranks[place] = tally.add(popular, targets[place])
        asked, owner = steps[~bare].unique(return_inverse=True)
        order = owner.argsort(stable=True)
        owner, places = owner[order], (~bare).nonzero().squeeze(1)[order]
        begin = 0
        for block in self._ranker.scores(known, asked):
            inside = (owner >= begin) & (owner < begin + len(block))
            here = places[inside]
            # Every step of a block is asked for: if each but once, the block is as it should be.
            scores = block if len(here) == len(block) else block[owner[inside] - begin]
            ranks[here] = tally.add(scores, targets[here])
            begin += len(block)
        return ranks

    def score(self, sessions: Iterable[Iterable[Item]], y: None = None) -> float:
        """MRR@20: higher is better, as scikit-learn has it."""
        return self.evaluate(sessions, (20,)).mrr[20]

    # -- items ------------------------------------------------------------------------------

    def item_vectors(self) -> np.ndarray:
        """What each item of `space_.items` is scored by, `[items, width]`.

        Raises:
            CatenaError: for models that have no such vectors.
        """
        self._check_fitted()
        head = getattr(self.model_, "head", None)
        if not isinstance(head, ScoresByTable):
            raise CatenaError(
                f"{self.model} has no vectors of items: those of Window, RNN, GRU and LSTM have"
            )
        return head.table[0].detach().numpy().copy()

    def neighbours(self, item: Item, k: int = 10) -> list[tuple[Item, float]]:
        """The items most alike in what they follow, by the cosine of their vectors, best first.

        Raises:
            CatenaError: for an unknown item, and for models that have no vectors of items.
        """
        vectors = torch.from_numpy(self.item_vectors())
        number = self.space_.number(item)
        if number is None:
            raise CatenaError(f"the item {item!r} was not seen in training")
        lengths = vectors.norm(dim=1).clamp_min(torch.finfo(vectors.dtype).tiny)
        near = vectors @ vectors[number] / (lengths * lengths[number])
        near[number] = -torch.inf
        found, scores = best(near, min(k, len(near) - 1))
        pairs = zip(found.tolist(), scores.tolist(), strict=True)
        return [(self.space_.items[other], score) for other, score in pairs]

    # -- keeping ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted recommender to one file."""
        self._check_unchanged()
        task = {
            "kind": TASK,
            "model": _model_facts(self.model),
            "loss": None if self.loss is None else describe(self.loss),
            "minimum": self.minimum,
            "seed": self.seed,
            "counts": self.counts_.tolist(),
            "history": asdict(self.history_),
        }
        facts = pack(self.model, self.space_, self.learner_, task)  # type: ignore[arg-type]
        save_model(Path(path), self.model_, facts)

    # -- inside -----------------------------------------------------------------------------

    def _restored(self, path: Path) -> Recommender:
        return load(path, None if isinstance(self.model, Baseline) else self.model)

    def _ranker_of(self, model: Any) -> Ranker:
        items = len(self.space_.items)
        if isinstance(model, SequenceModel):
            return StateRanker(model, items)
        return PrefixRanker(model, items)


class RunningSession:
    """A session that grows item by item.

    Args:
        space: the items.
        counts: `[items]`, what ranks them while nothing known was taken.
        running: the model's side of it.
    """

    def __init__(self, space: Symbols, counts: Tensor, running: Running) -> None:
        self._space, self._counts, self._running = space, counts, running
        self._seen: list[int] = []
        self.unknown = 0

    def push(self, item: Item) -> bool:
        """Take one item; returns whether it is known. One that is not is passed over, and counted
        in `unknown`."""
        number = self._space.number(item.item() if isinstance(item, np.generic) else item)
        if number is None:
            self.unknown += 1
            return False
        self._seen.append(number)
        self._running.push(number)
        return True

    def recommend(self, k: int = 10, *, exclude_seen: bool = False) -> list[tuple[Item, float]]:
        """As `Recommender.recommend`, after what was pushed."""
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise CatenaError(f"k must be a whole number from 1 up, not {k!r}")
        seen = set(self._seen) if exclude_seen else set()
        among = k + len(seen)
        if self._seen:
            numbers, scores = self._running.best(among)
        else:
            numbers, scores = best(self._counts.double(), among)
        pairs = zip(numbers.tolist(), scores.tolist(), strict=True)
        found = [
            (self._space.items[number], score) for number, score in pairs if number not in seen
        ]
        return found[:k]


# -- files ----------------------------------------------------------------------------------


def _model_facts(model: Rung | Baseline) -> dict[str, Any]:
    return describe(model) if model.kind in BASELINES else rung_facts(model)  # type: ignore


def load(path: str | Path, rung: Rung | None = None) -> Recommender:
    """A fitted Recommender from its file.

    Args:
        rung: needed for a Custom rung, whose code no file holds.

    Raises:
        CatenaError: when the file is damaged, foreign, newer, or of another task.
    """
    path = Path(path)
    task = task_facts(path, TASK)["task"]
    with restoring(path):
        baseline = _baseline(task["model"])
        chosen: Any = baseline or rung
        model, found, facts = load_module(path, _module, chosen)
        return _remade(baseline or found, model, facts)


def _baseline(described: Mapping[str, Any]) -> Baseline | None:
    return of_kind(BASELINES, described, "model") if described["kind"] in BASELINES else None


def _module(rung: Any, space: Space, task: Mapping[str, Any]) -> nn.Module:
    if rung.kind in BASELINES:
        return rung.scorer(len(space.items))  # type: ignore[attr-defined]
    return rung.build(space)


def _remade(model: Any, module: Any, facts: Mapping[str, Any]) -> Recommender:
    task = facts["task"]
    loss, learner = task["loss"], learner_from(facts["learner"])
    made = Recommender(
        model,
        loss=None if loss is None else of_kind(ITEM_LOSSES, loss, "loss"),
        minimum=task["minimum"],
        learner=None if model.kind in BASELINES else learner,
        seed=task["seed"],
    )
    space: Any = space_from(facts["space"])
    made.space_, made.counts_ = space, torch.tensor(task["counts"], dtype=torch.int64)
    made.model_, made.learner_ = module, learner
    made.history_ = History(**task["history"])
    made._ranker = made._ranker_of(module)
    return made._end()
