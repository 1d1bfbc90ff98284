"""Drawing: sequences sampled from a model.

The distribution that a symbol is drawn from is filtered in this order: symbols that may not come
here are removed; the rest is tempered, p ∝ p^(1/T); of that, the k likeliest are kept (top-k);
of those, the fewest that together hold p of the mass (top-p); of those, all that have at least a
share of the likeliest one's probability (min-p, Nguyen et al. 2024). The model's own probabilities
are never written over.

Under a constraint (`catena.constraints`) what may not come is what the form forbids or could not be
completed from. Whatever is sampled then is of the form, and all that is of it can be sampled; its
distribution is the model's, renormalised at each step, which is not the model's given the form: a
sampler does not foresee how likely the rest will be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent

from catena.errors import CatenaError
from catena.guiding import Constraints
from catena.ladder.rung import at_least
from catena.model import SequenceModel
from catena.recurrence import select
from catena.search.start import (
    COMPLETE,
    NEVER,
    allowed_log_probs,
    check_lengths,
    forbidden,
    guide_of,
    has_ended,
    prepare,
)
from catena.sequences import Sequences
from catena.space import Symbols
from catena.walking import walk


@dataclass(frozen=True)
class Sampling:
    """How continuations are drawn.

    Args:
        temperature: below 1 sharpens, above 1 flattens; 0 takes the likeliest (greedy).
        top_k: draw among so many of the likeliest; None for all.
        top_p: draw among the fewest that hold this share of the mass; None for all.
        min_p: draw among those with at least this share of the likeliest's probability, after the
            temperature; 0 for all.
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
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_p <= 1.0:
            raise CatenaError(f"min_p must be from 0 to 1, not {self.min_p}")
        if not 0.0 <= self.temperature < math.inf:
            raise CatenaError(f"temperature must be a number from 0 up, not {self.temperature}")
        check_lengths(self.min_length, self.max_length)
        if self.top_k is not None:
            at_least("top_k", self.top_k, 1)
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise CatenaError(f"top_p must be above 0 and at most 1, not {self.top_p}")


def filtered(log_p: Tensor, how: Sampling) -> Tensor:
    """`[batch, symbols]` log-probabilities after temperature, top-k, top-p and min-p, normalised.

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
    if how.min_p:
        least = log_p.amax(-1, keepdim=True) + math.log(how.min_p)
        log_p = log_p.masked_fill(log_p < least, NEVER).log_softmax(-1)
    return log_p


@torch.no_grad()
def sample(
    model: SequenceModel,
    prompts: Sequences,
    how: Sampling,
    generator: torch.Generator,
    constraint: Constraints | None = None,
) -> Sequences:
    """One continuation of each prompt, without the prompt and without the end.

    Rows that have ended leave the batch. Symbols are never ⟨unk⟩. Numeric spaces predict no end:
    they are drawn to `max_length`, and know no top-k, top-p or min-p, and a temperature only where
    a network predicts bits: each bit then has p^(1/T) against (1 - p)^(1/T).

    Args:
        constraint: what each prompt and its continuation must be together, one automaton for all or
            one for each. Where the space predicts no end, a sequence ends once it is complete.

    Raises:
        CatenaError: for a numeric space with options of symbols, and where a prompt cannot become
            what the constraint asks within `max_length`.
    """
    model.eval()
    limits = torch.full((len(prompts),), how.max_length)
    guide = guide_of(model, prompts, constraint, limits, how.min_length)
    place = () if guide is None else guide.start
    walker = walk(model.recurrence, prepare(model, prompts))
    running = torch.arange(len(prompts))
    drawn: list[tuple[Tensor, Tensor]] = []
    for length in range(how.max_length):
        if not len(running):
            break
        allowed = None if guide is None else guide.allowed(place, how.max_length - length)
        x = _draw(model, walker.features, how, length, generator, allowed)
        ended = has_ended(model, x)
        if ended.any():
            going = (~ended).nonzero().squeeze(1)
            running, x, place = running[going], x[going], select(place, going)
            walker = walk(model.recurrence, select(walker.state, going))
        walker.push(model.embed(x))
        if guide is not None:
            place = guide.step(place, x)
        drawn.append((running, x))
    return _collect(prompts, drawn)


def _draw(
    model: SequenceModel,
    features: Tensor,
    how: Sampling,
    length: int,
    generator: torch.Generator,
    allowed: Tensor | None,
) -> Tensor:
    """`[batch]`, what comes next; `COMPLETE` where a constraint allows nothing more."""
    if not isinstance(model.space, Symbols):
        return _draw_numbers(model, features, how, generator)
    log_p = allowed_log_probs(model, features, length >= how.min_length)
    if allowed is not None:
        log_p = log_p.masked_fill(~allowed, NEVER)
    # Where only what may not come was possible, all that may come is alike.
    stuck = ~(log_p > NEVER).any(-1, keepdim=True)
    if stuck.any():
        banned = forbidden(model.space, length >= how.min_length)
        banned = banned if allowed is None else banned | ~allowed
        log_p = torch.where(stuck, torch.zeros_like(log_p).masked_fill(banned, NEVER), log_p)
    if allowed is None:
        return _drawn(log_p, how, generator)
    complete = ~allowed.any(-1)
    x = _drawn(log_p.masked_fill(complete[:, None], 0.0), how, generator)
    return x.masked_fill(complete, COMPLETE)


def _drawn(log_p: Tensor, how: Sampling, generator: torch.Generator) -> Tensor:
    return torch.multinomial(filtered(log_p, how).exp(), 1, generator=generator).squeeze(1)


def _draw_numbers(
    model: SequenceModel, features: Tensor, how: Sampling, generator: torch.Generator
) -> Tensor:
    plain = Sampling(how.temperature, min_length=how.min_length, max_length=how.max_length)
    if how != plain:
        raise CatenaError("top_k, top_p and min_p need symbols; this space is numeric")
    distribution = _tempered(model.head.distribution(features), how.temperature)
    # torch.distributions draws from the global generator only.
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return distribution.sample().double()


def _tempered(distribution: Distribution, temperature: float) -> Distribution:
    """Bits `[batch, dim]` at this temperature.

    Raises:
        CatenaError: for other numbers, and for bits that are not independent.
    """
    if temperature == 1:
        return distribution
    if not isinstance(distribution, Independent) or not isinstance(
        distribution.base_dist, Bernoulli
    ):
        raise CatenaError(
            "temperature needs symbols, or bits that a network predicts; this space is numeric"
        )
    odds = distribution.base_dist.logits
    likelier = torch.where(odds > 0, math.inf, NEVER)
    tempered = odds / temperature if temperature else likelier
    return Independent(Bernoulli(logits=tempered, validate_args=False), 1, validate_args=False)


def _collect(prompts: Sequences, drawn: list[tuple[Tensor, Tensor]]) -> Sequences:
    """Steps of (which rows, what they drew) as one ragged batch."""
    if not drawn:
        return Sequences(prompts.values[:0], torch.zeros_like(prompts.lengths))
    owner = torch.cat([rows for rows, _ in drawn])
    values = torch.cat([x for _, x in drawn])
    order = torch.argsort(owner, stable=True)
    return Sequences(values[order], torch.bincount(owner, minlength=len(prompts)))
