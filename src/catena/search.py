"""Finding sequences in a model: sampling and beam search over any SequenceModel.

The distribution that a symbol is drawn from is filtered in this order: symbols that may not come
here are removed; the rest is tempered, p ∝ p^(1/T); of that, the k likeliest are kept (top-k);
of those, the fewest that together hold p of the mass (top-p). The model's own probabilities are
never written over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from catena.errors import CatenaError
from catena.ladder.rung import at_least, one_of
from catena.model import SequenceModel
from catena.recurrence import State, select
from catena.scanning import scan
from catena.sequences import Sequences
from catena.space import Symbols
from catena.walking import walk

NEVER = -math.inf


@dataclass(frozen=True)
class Sampling:
    """How continuations are drawn.

    Args:
        temperature: below 1 sharpens, above 1 flattens; 0 takes the likeliest (greedy).
        top_k: draw among so many of the likeliest; None for all.
        top_p: draw among the fewest that hold this share of the mass; None for all.
        min_length: the end may not come before so many steps, the prompt not counted.
        max_length: stop after so many steps, the prompt not counted.

    Raises:
        CatenaError: for a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_length: int = 0
    max_length: int = 1000

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature < math.inf:
            raise CatenaError(f"temperature must be a number from 0 up, not {self.temperature}")
        _check_lengths(self.min_length, self.max_length)
        if self.top_k is not None:
            at_least("top_k", self.top_k, 1)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise CatenaError(f"top_p must be above 0 and at most 1, not {self.top_p}")


def _check_lengths(least: int, most: int) -> None:
    at_least("min_length", least, 0)
    at_least("max_length", most, 0)
    if least > most:
        raise CatenaError(f"min_length {least} is above max_length {most}")


def filtered(log_p: Tensor, how: Sampling) -> Tensor:
    """`[batch, symbols]` log-probabilities after temperature, top-k and top-p, normalised.

    >>> p = torch.tensor([[0.5, 0.3, 0.2]])
    >>> filtered(p.log(), Sampling(top_k=2)).exp()
    tensor([[0.6250, 0.3750, 0.0000]])
    """
    if how.temperature == 0:
        best = log_p.argmax(-1, keepdim=True)
        return torch.full_like(log_p, NEVER).scatter(-1, best, 0.0)
    # From the largest down, so that a temperature next to 0 cannot take all of them to -∞.
    log_p = ((log_p - log_p.amax(-1, keepdim=True)) / how.temperature).log_softmax(-1)
    if how.top_k is not None and how.top_k < log_p.shape[-1]:
        kept = log_p.topk(how.top_k, -1)
        log_p = torch.full_like(log_p, NEVER).scatter(-1, kept.indices, kept.values)
        log_p = log_p.log_softmax(-1)
    if how.top_p is not None:
        ordered, order = log_p.sort(dim=-1, descending=True, stable=True)
        mass_before = ordered.exp().cumsum(-1) - ordered.exp()
        ordered = ordered.masked_fill(mass_before >= how.top_p, NEVER)
        log_p = torch.full_like(log_p, NEVER).scatter(-1, order, ordered).log_softmax(-1)
    return log_p


def prepare(model: SequenceModel, prompts: Sequences) -> State:
    """The state after each prompt; a prompt of length 0 leaves the start."""
    return scan(model, prompts).state


@torch.no_grad()
def sample(
    model: SequenceModel, prompts: Sequences, how: Sampling, generator: torch.Generator
) -> Sequences:
    """One continuation of each prompt, without the prompt and without the end.

    Rows that have ended leave the batch. Symbols are never ⟨unk⟩. Numeric spaces predict no end:
    they are drawn to `max_length`, and know no temperature, top-k or top-p.
    """
    model.eval()
    walker = walk(model.recurrence, prepare(model, prompts))
    running = torch.arange(len(prompts))
    drawn: list[tuple[Tensor, Tensor]] = []
    for length in range(how.max_length):
        if not len(running):
            break
        x = _draw(model, walker.features, how, length, generator)
        ended = _has_ended(model, x)
        if ended.any():
            going = (~ended).nonzero().squeeze(1)
            running, x = running[going], x[going]
            walker = walk(model.recurrence, select(walker.state, going))
        walker.push(model.embed(x))
        drawn.append((running, x))
    return _collect(prompts, drawn)


def _draw(
    model: SequenceModel, features: Tensor, how: Sampling, length: int, generator: torch.Generator
) -> Tensor:
    if not isinstance(model.space, Symbols):
        return _draw_numbers(model, features, how, generator)
    log_p = allowed_log_probs(model, features, length >= how.min_length)
    # Where only what may not come was possible, all that may come is alike.
    stuck = ~(log_p > NEVER).any(-1, keepdim=True)
    if stuck.any():
        banned = _banned(model.space, length >= how.min_length)
        log_p = torch.where(stuck, torch.zeros_like(log_p).masked_fill(banned, NEVER), log_p)
    return torch.multinomial(filtered(log_p, how).exp(), 1, generator=generator).squeeze(1)


def _draw_numbers(
    model: SequenceModel, features: Tensor, how: Sampling, generator: torch.Generator
) -> Tensor:
    if how.temperature != 1.0 or how.top_k is not None or how.top_p is not None:
        raise CatenaError("temperature, top_k and top_p need symbols; this space is numeric")
    # torch.distributions draws from the global generator only.
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return model.head.distribution(features).sample().double()


def allowed_log_probs(model: SequenceModel, features: Tensor, may_end: bool) -> Tensor:
    """`[batch, outcomes]` the model's own log p of the next symbol; -inf for ⟨unk⟩, and for the
    end while it may not come. Not normalised over the rest."""
    assert isinstance(model.space, Symbols)
    distribution = model.head.distribution(features)
    log_p = distribution.logits.double().log_softmax(-1)  # type: ignore[attr-defined]
    return log_p.masked_fill(_banned(model.space, may_end), NEVER)


def _banned(space: Symbols, may_end: bool) -> Tensor:
    """`[outcomes]`, which symbols may not come."""
    banned = torch.zeros(space.outcomes, dtype=torch.bool)
    if space.unknown_number is not None:
        banned[space.unknown_number] = True
    if space.end_number is not None and not may_end:
        banned[space.end_number] = True
    return banned


def _has_ended(model: SequenceModel, x: Tensor) -> Tensor:
    """`[batch]`, which rows have drawn the end."""
    end = model.space.end_number
    return torch.zeros(len(x), dtype=torch.bool) if end is None else x == end


def _collect(prompts: Sequences, drawn: list[tuple[Tensor, Tensor]]) -> Sequences:
    """Steps of (which rows, what they drew) as one ragged batch."""
    if not drawn:
        return Sequences(prompts.values[:0], torch.zeros_like(prompts.lengths))
    owner = torch.cat([rows for rows, _ in drawn])
    values = torch.cat([x for _, x in drawn])
    order = torch.argsort(owner, stable=True)
    return Sequences(values[order], torch.bincount(owner, minlength=len(prompts)))


@dataclass(frozen=True)
class Hypothesis:
    """A sequence found by beam search.

    Args:
        numbers: `[length]`, the continuation without its end.
        log_prob: of the continuation, its end included if it came, in nats.
        score: what it was ranked by: log_prob over its length to the power of the penalty.
        ended: whether the end came before `max_length`.
    """

    numbers: Tensor
    log_prob: float
    score: float
    ended: bool


@torch.no_grad()
def beam(
    model: SequenceModel,
    prompt: Sequences,
    width: int = 5,
    *,
    min_length: int = 0,
    max_length: int = 1000,
    length_penalty: float = 0.0,
) -> list[Hypothesis]:
    """The likeliest continuations of one prompt, best first.

    The search goes on until no running hypothesis can overtake the `width` best that ended. A
    width of 1 is greedy search; a width of all continuations is exhaustive.

    Args:
        prompt: one sequence.
        length_penalty: scores are log p / length^penalty; 0 ranks by probability alone.

    Raises:
        CatenaError: for a numeric space or an option out of range.
    """
    _check_search(model, prompt, width, length_penalty)
    _check_lengths(min_length, max_length)
    model.eval()
    state, finished = prepare(model, prompt), []
    total, history = torch.zeros(1, dtype=torch.float64), torch.zeros(1, 0, dtype=torch.int64)
    for length in range(max_length):
        log_p = allowed_log_probs(model, model.read(state), length >= min_length)
        log_p = total[:, None] + log_p
        rows, symbols, total = _best(log_p, width)
        history = torch.cat([history[rows], symbols[:, None]], 1)
        ended = _has_ended(model, symbols)
        done = _hypotheses(history[ended, :-1], total[ended], length_penalty, True)
        finished = _ranked([*finished, *done], width)
        rows, symbols, total, history = (p[~ended] for p in (rows, symbols, total, history))
        if not len(rows) or _settled(finished, total, width, max_length, length_penalty):
            return finished
        state = model.step(select(state, rows), symbols)
    return _ranked([*finished, *_hypotheses(history, total, length_penalty, False)], width)


def _check_search(model: SequenceModel, prompt: Sequences, width: int, penalty: float) -> None:
    if not isinstance(model.space, Symbols):
        raise CatenaError("beam search needs symbols; this model's space is numeric")
    at_least("width", width, 1)
    one_of("number of prompts", len(prompt), (1,))
    if not 0.0 <= penalty < math.inf:
        raise CatenaError(f"length_penalty must be a number from 0 up, not {penalty}")


def _best(log_p: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `width` best of all (row, symbol) pairs; pairs of probability 0 are left out."""
    flat = log_p.reshape(-1)
    total, place = flat.topk(min(width, int((flat > NEVER).sum())))
    return place // log_p.shape[1], place % log_p.shape[1], total


def _hypotheses(history: Tensor, total: Tensor, penalty: float, ended: bool) -> list[Hypothesis]:
    """Continuations `[m, length]`, without their ends, with their log-probabilities `[m]`."""
    steps = max(1, history.shape[1] + ended)
    return [
        Hypothesis(numbers, log_p, log_p / steps**penalty, ended)
        for numbers, log_p in zip(history, total.tolist(), strict=True)
    ]


def _ranked(hypotheses: list[Hypothesis], width: int) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)[:width]


def _settled(
    finished: list[Hypothesis], total: Tensor, width: int, max_length: int, penalty: float
) -> bool:
    """Whether nothing that still runs can enter the list: it can only lose probability, and the
    penalty can divide what it has by at most the greatest length."""
    if len(finished) < width:
        return False
    return float(total.max()) / max_length**penalty <= finished[-1].score
