"""Seeking: the likeliest sequences of a model, by beam search."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.guiding import Constraints, Guide
from catena.ladder.rung import at_least
from catena.model import SequenceModel
from catena.recurrence import State, select
from catena.search.ranking import best_pairs, joined_pairs, repeating
from catena.search.start import (
    NEVER,
    Predicted,
    advance,
    check_lengths,
    forbidden,
    guide_of,
    has_ended,
    predicted,
    prepare,
)
from catena.sequences import Sequences
from catena.space import Symbols


@dataclass(frozen=True)
class Beam:
    """How the likeliest continuations are sought.

    Args:
        width: how many continuations of a prompt run side by side, and how many are found. 1 is
            greedy search; as many as there are continuations, exhaustive search.
        min_length: the end may not come before so many steps, the prompt not counted.
        max_length: stop after so many steps, the prompt not counted.
        length_penalty: α; scores are log p / n^α over n steps, the end counted: 0 ranks by
            probability alone, 1 by the average of a step.
        gnmt: divide by ((5 + n) / 6)^α instead (Wu et al. 2016).
        coverage_penalty: β; of a model that looks back at a source, β Σ_s log min(n_s, 1) is added
            to a score, n_s being the attention that step s of the source got (Wu et al. 2016).
        no_repeat: no run of so many symbols comes twice, the prompt counted; 0 allows all.
        unknown: whether ⟨unk⟩ may come; a task that writes from a text puts a word of it there.
        exact: go on until no continuation that runs can overtake the `width` best that ended;
            otherwise stop once so many have ended and none that runs ranks, as it stands, above the
            best of them.
        groups: into so many groups of one size the continuations are divided (diverse beam search,
            Vijayakumar et al. 2018). At each step one group after the other chooses.
        diversity: λ; in a group's choice, not in its scores, a symbol loses λ nats for every time
            that a group before it has chosen the symbol at this step.

    Raises:
        CatenaError: for a value out of range.
    """

    width: int = 5
    min_length: int = 0
    max_length: int = 1000
    length_penalty: float = 0.0
    gnmt: bool = False
    coverage_penalty: float = 0.0
    no_repeat: int = 0
    unknown: bool = False
    exact: bool = True
    groups: int = 1
    diversity: float = 0.5

    def __post_init__(self) -> None:
        at_least("width", self.width, 1)
        at_least("groups", self.groups, 1)
        if self.width % self.groups:
            raise CatenaError(f"a width of {self.width} does not divide into {self.groups} groups")
        check_lengths(self.min_length, self.max_length)
        at_least("no_repeat", self.no_repeat, 0)
        for name in ("length_penalty", "coverage_penalty", "diversity"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise CatenaError(f"{name} must be a number from 0 up, not {getattr(self, name)}")

    def norm(self, steps: int) -> float:
        """What log p over so many steps is divided by."""
        base = (5 + steps) / 6 if self.gnmt else max(1, steps)
        return base**self.length_penalty


@dataclass(frozen=True)
class Hypothesis:
    """A sequence found by beam search.

    Args:
        numbers: `[length]`, the continuation without its end.
        log_prob: of the continuation, its end included if it came, in nats.
        score: what it was ranked by; see `Beam`.
        ended: whether the end came before `max_length`.
    """

    numbers: Tensor
    log_prob: float
    score: float
    ended: bool


@dataclass(frozen=True)
class _Rows:
    """Continuations side by side: those of one prompt together, the best first.

    Args:
        owner: `[rows]`, which prompt each continues.
        total: `[rows]` float64, log p of each.
        history: `[rows, steps]`, prompts included; -1 before a prompt shorter than the longest.
        state: of the model, `[rows, ...]`.
        place: of the guide, `[rows, ...]`; empty without one.
    """

    owner: Tensor
    total: Tensor
    history: Tensor
    state: State
    place: State = ()

    def __len__(self) -> int:
        return len(self.owner)

    def pick(self, rows: Tensor) -> _Rows:
        """The chosen rows: the one place where states are reordered."""
        return _Rows(
            self.owner[rows],
            self.total[rows],
            self.history[rows],
            select(self.state, rows),
            select(self.place, rows),
        )


@torch.no_grad()
def beam(
    model: SequenceModel,
    prompts: Sequences,
    how: Beam,
    limits: Tensor | None = None,
    constraint: Constraints | None = None,
) -> list[list[Hypothesis]]:
    """The likeliest continuations of each prompt, best first; of several groups, those of all, each
    once.

    All prompts are searched together, and those that are done leave the batch. What is found for
    one does not depend on the others.

    Args:
        limits: `[n]`, a `max_length` for each prompt.
        constraint: what each prompt and its continuation must be together, one automaton for all or
            one for each. Where phrases must occur, `width` continuations run side by side for every
            number of their symbols that are there (Post and Vilar 2018). Nothing is found where the
            model gives probability 0 to whatever obeys.

    Raises:
        CatenaError: for a numeric space, for a coverage penalty on a model without a source, and
            where a prompt cannot become what the constraint asks within its limit.
    """
    _check_search(model, how)
    model.eval()
    if limits is None:
        limits = torch.full((len(prompts),), how.max_length)
    guide = guide_of(model, prompts, constraint, limits, how.min_length)
    limits = limits.repeat_interleave(how.groups)
    hunt = _Hunt(model, how, prompts, limits, guide)
    rows = hunt.begin()
    for length in range(int(limits.max()) + 1 if len(limits) else 0):
        over = (limits[rows.owner] <= length) | hunt.complete(rows, length)
        hunt.close(rows, over.nonzero().squeeze(1), ended=False)
        rows = rows.pick((~over).nonzero().squeeze(1))
        if not len(rows):
            break
        rows = hunt.grow(rows, length)
    return hunt.found if how.groups == 1 else _merged(hunt.found, how.groups)


def _merged(found: list[list[Hypothesis]], groups: int) -> list[list[Hypothesis]]:
    """What all groups of a prompt found, best first, each sequence once."""
    merged = []
    for first in range(0, len(found), groups):
        every = [one for group in found[first : first + groups] for one in group]
        once = {(*one.numbers.tolist(), one.ended): one for one in every}
        merged.append(sorted(once.values(), key=lambda one: -one.score))
    return merged


class _Hunt:
    """One search: what is sought, and what was found. Groups are searched as if each had a prompt
    of its own, number `prompt · groups + group`."""

    def __init__(
        self,
        model: SequenceModel,
        how: Beam,
        prompts: Sequences,
        limits: Tensor,
        guide: Guide | None,
    ) -> None:
        self.model, self.how, self.prompts, self.guide = model, how, prompts, guide
        self.width = how.width // how.groups
        self.limits = limits.tolist()
        self.found: list[list[Hypothesis]] = [[] for _ in self.limits]
        self.before = int(prompts.lengths.max()) if len(prompts) else 0

    def begin(self) -> _Rows:
        """Every prompt, not yet continued."""
        count, lengths = len(self.prompts), self.prompts.lengths
        history = torch.full((count, self.before), -1)
        history[torch.arange(self.before) >= self.before - lengths[:, None]] = self.prompts.values
        state = prepare(self.model, self.prompts)
        place = () if self.guide is None else self.guide.start
        rows = _Rows(torch.arange(count), torch.zeros(count).double(), history, state, place)
        if self.how.groups == 1:
            return rows
        rows = rows.pick(rows.owner.repeat_interleave(self.how.groups))
        return replace(rows, owner=torch.arange(len(rows)))

    def complete(self, rows: _Rows, length: int) -> Tensor:
        """`[rows]`: to which nothing may be added, in a space without an end to say so."""
        if self.guide is None or self.model.space.end_number is not None:
            return torch.zeros(len(rows), dtype=torch.bool)
        return ~self._allowed(self.guide, rows, length).any(-1)

    def grow(self, rows: _Rows, length: int) -> _Rows:
        """Every row's best next steps; what ends by them is found, the rest runs on."""
        scores, log_sum = self._scores(rows, length)
        parents, symbols, total = self._choose(replace(rows, total=rows.total - log_sum), scores)
        ended = has_ended(self.model, symbols)
        done = _Rows(rows.owner[parents], total, rows.history[parents], rows.state)
        self.close(done, ended.nonzero().squeeze(1), ended=True, parents=parents)
        going = ~ended & ~self._settled(done.owner, total, ended, length + 1)
        parents, symbols, total = parents[going], symbols[going], total[going]
        kept = rows.pick(parents)
        history = torch.cat([kept.history, symbols[:, None]], 1)
        state = advance(self.model, kept.state, symbols) if len(kept) else kept.state
        place = () if self.guide is None else self.guide.step(kept.place, symbols)
        return _Rows(kept.owner, total, history, state, place)

    def _choose(self, rows: _Rows, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best (row, symbol) pairs of each prompt, best first, and their log p: a row's total
        and a symbol's score add up to it."""
        return self._with_room(rows, scores) if self.how.groups == 1 else self._apart(rows, scores)

    def _apart(self, rows: _Rows, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The pairs that one group after the other chooses, each apart from those before it."""
        prompt, group = rows.owner // self.how.groups, rows.owner % self.how.groups
        chosen = scores.new_zeros(len(self.prompts), scores.shape[1])
        parts = []
        for number in range(self.how.groups):
            own = (group == number).nonzero().squeeze(1)
            if not len(own):
                continue
            few = _Rows(
                rows.owner[own], rows.total[own], rows.history[own], (), select(rows.place, own)
            )
            penalised = scores[own] - self.how.diversity * chosen[prompt[own]]
            parents, symbols, _ = self._with_room(few, penalised)
            parents = own[parents]
            one = chosen.new_ones(len(symbols))
            chosen.index_put_((prompt[parents], symbols), one, accumulate=True)
            total = rows.total[parents] + scores[parents, symbols].double()
            parts.append((parents, symbols, total))
        return joined_pairs(parts, rows.owner)

    def _with_room(self, rows: _Rows, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best pairs; where phrases must occur, those of each number of their symbols that are
        there: the likeliest, being without, would leave no room for the rest."""
        if self.guide is None or self.guide.levels == 1:
            return best_pairs(rows.total, scores, rows.owner, self.width)
        met = self.guide.met(rows.place)
        parts = [
            best_pairs(rows.total, scores.masked_fill(met != level, NEVER), rows.owner, self.width)
            for level in range(self.guide.levels)
        ]
        return joined_pairs(parts, rows.owner)

    def _allowed(self, guide: Guide, rows: _Rows, length: int) -> Tensor:
        left = torch.tensor(self.limits)[rows.owner] - length
        return guide.allowed(rows.place, left)

    def _scores(self, rows: _Rows, length: int) -> Predicted:
        """Of the next symbol; -inf for what may not come."""
        assert isinstance(self.model.space, Symbols)
        scores, log_sum = predicted(self.model, rows.state)
        banned = forbidden(self.model.space, length >= self.how.min_length, self.how.unknown)
        # In place, for there are many.
        scores.index_fill_(1, banned.nonzero().squeeze(1), NEVER)
        if self.guide is not None:
            scores.masked_fill_(~self._allowed(self.guide, rows, length), NEVER)
        if self.how.no_repeat:
            scores.masked_fill_(repeating(rows.history, self.how.no_repeat, scores.shape[1]), NEVER)
        return Predicted(scores, log_sum)

    def close(
        self, rows: _Rows, chosen: Tensor, ended: bool, parents: Tensor | None = None
    ) -> None:
        """Enter some rows as found, the best of each prompt.

        Args:
            parents: which row of the state each row came from; its own unless given.
        """
        if not len(chosen):
            return
        origin = chosen if parents is None else parents[chosen]
        extra = self._uncovered(rows.state, origin)
        steps = rows.history.shape[1] - self.before + ended
        touched = rows.owner[chosen].tolist()
        numbers, total = rows.history[chosen, self.before :], rows.total[chosen].tolist()
        for prompt, own, log_p, more in zip(touched, numbers, total, extra, strict=True):
            score = log_p / self.how.norm(steps) + more
            self.found[prompt].append(Hypothesis(own, log_p, score, ended))
        for prompt in set(touched):
            self.found[prompt].sort(key=lambda hypothesis: -hypothesis.score)
            del self.found[prompt][self.width :]

    def _uncovered(self, state: State, rows: Tensor) -> list[float]:
        """What the coverage penalty adds to each row's score."""
        if not self.how.coverage_penalty:
            return [0.0] * len(rows)
        recurrence = self.model.recurrence
        assert isinstance(recurrence, LooksBack)
        penalties = self.how.coverage_penalty * recurrence.uncovered(select(state, rows))
        return penalties.tolist()

    def _settled(self, owner: Tensor, total: Tensor, ended: Tensor, steps: int) -> Tensor:
        """`[rows]`: whether nothing that still runs for a row's prompt can enter its list: it can
        only lose probability, and be divided by at most the norm of the greatest length. Or, where
        the search is not exact, whether nothing would come first by what it has now."""
        best: dict[int, float] = {}
        for prompt, log_p, over in zip(owner.tolist(), total.tolist(), ended.tolist(), strict=True):
            if not over:
                best.setdefault(prompt, log_p)
        done = {prompt for prompt, log_p in best.items() if self._beaten(prompt, log_p, steps)}
        return torch.tensor([prompt in done for prompt in owner.tolist()], dtype=torch.bool)

    def _beaten(self, prompt: int, log_p: float, steps: int) -> bool:
        found = self.found[prompt]
        if len(found) < self.width:
            return False
        if self.how.exact:
            return log_p / self.how.norm(self.limits[prompt]) <= found[-1].score
        return log_p / self.how.norm(steps) <= found[0].score


@runtime_checkable
class LooksBack(Protocol):
    """A recurrence that knows how much of its source was attended to."""

    tracking: bool

    def uncovered(self, state: State) -> Tensor:
        """`[batch]`: Σ_s log min(n_s, 1) over the steps of the source."""
        ...


def _check_search(model: SequenceModel, how: Beam) -> None:
    if not isinstance(model.space, Symbols):
        raise CatenaError("beam search needs symbols; this model's space is numeric")
    recurrence = model.recurrence
    looks_back = isinstance(recurrence, LooksBack) and recurrence.tracking
    if how.coverage_penalty and not looks_back:
        raise CatenaError("a coverage penalty needs a model that keeps track of its source")
