"""The n-gram table: p(w given the last k symbols), interpolated order by order.

    p_{-1}(w)     = 1 / outcomes
    p_j(w given c) = weight_j(c w) + backoff_j(c) p_{j-1}(w given c without its oldest symbol)

for every context length j = 0..k, where c is the last j symbols. What was never counted has weight
0; a context that was never counted has backoff 1, so that the next shorter one answers for it.
Every smoothing is a choice of the weights and the backoffs (see `catena.learn.smoothing`).

Contexts are numbered by a backward trie: the number of c is the place of

    (number of c without its oldest symbol) * (outcomes + 1) + (its oldest symbol)

in a sorted tensor, and that of an n-gram the place of (number of c) * outcomes + w in another, so
keys never outgrow 64 bits and the followers of a context lie side by side. The symbol `outcomes`
stands for the beginning of a sequence; it is never predicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from catena.sequences import ranges

# A key after all real ones: every search ends at a valid place, and what is absent gets that place.
ABSENT = torch.iinfo(torch.int64).max


class NGramOrder(nn.Module):
    """One context length: sorted keys beside weights and backoffs.

    Each tensor ends with one entry for what is absent: weight 0, backoff 1.
    """

    context_keys: Tensor
    gram_keys: Tensor
    weight: Tensor
    backoff: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("context_keys", "gram_keys"):
            self.register_buffer(name, torch.tensor([ABSENT]))
        self.register_buffer("weight", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("backoff", torch.ones(1, dtype=torch.float64))
        self.register_load_state_dict_pre_hook(make_room)

    def fill(
        self, context_keys: Tensor, gram_keys: Tensor, weight: Tensor, backoff: Tensor
    ) -> None:
        """Take sorted keys `[contexts]`, `[grams]` with `weight [grams]`, `backoff [contexts]`."""
        self.context_keys = _append(context_keys, ABSENT)
        self.gram_keys = _append(gram_keys, ABSENT)
        self.weight = _append(weight, 0.0)
        self.backoff = _append(backoff, 1.0)

    def context(self, shorter: Tensor, oldest: Tensor, base: int) -> Tensor:
        """The number of each context `[m]`, from that of the context without its oldest symbol."""
        return _find(self.context_keys, shorter * base + oldest)

    def gram(self, context: Tensor, symbol: Tensor, outcomes: int) -> Tensor:
        """The number of each n-gram `[m]`."""
        return _find(self.gram_keys, context * outcomes + symbol)

    def followers(self, context: Tensor, outcomes: int) -> tuple[Tensor, Tensor, Tensor]:
        """The n-grams that begin with the contexts `[m]`: for each, which of the m it belongs to,
        its last symbol, and its number."""
        edges = torch.stack([context, context + 1]) * outcomes
        starts, stops = torch.searchsorted(self.gram_keys, edges).cpu()
        owner = torch.repeat_interleave(stops - starts).to(context.device)
        gram = ranges(starts, stops - starts).to(context.device)
        return owner, self.gram_keys[gram] - context[owner] * outcomes, gram


class NGramTable(nn.Module):
    """Features, the last `order` symbols `[m, order]` oldest first, to the next symbol.

    It holds tensors only; `catena.learn.count.Count` fills them. Empty, it predicts every outcome
    alike.

    Args:
        order: the length of the longest context.
        outcomes: how many symbols are predicted, the end among them where it counts.
        smoothing, alpha: how the counts are to become weights and backoffs.
    """

    def __init__(self, order: int, outcomes: int, smoothing: str, alpha: float) -> None:
        super().__init__()
        self.outcomes, self.smoothing, self.alpha = outcomes, smoothing, alpha
        self.orders = nn.ModuleList(NGramOrder() for _ in range(order + 1))

    def __iter__(self) -> Iterator[NGramOrder]:
        """One entry for each length of context, 0 first."""
        return iter(cast("list[NGramOrder]", self.orders))

    def distribution(self, features: Tensor) -> Distribution:
        return Categorical(logits=self.probabilities(features).log(), validate_args=False)

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        p = _uniform((len(x),), self.outcomes, x.device)
        for order, context in self._contexts(features):
            p = order.weight[order.gram(context, x, self.outcomes)] + order.backoff[context] * p
        return p.log()

    def probabilities(self, features: Tensor) -> Tensor:
        """p of every outcome `[m, outcomes]` after features `[m, order]`."""
        p = _uniform((len(features), self.outcomes), self.outcomes, features.device)
        for order, context in self._contexts(features):
            owner, symbol, gram = order.followers(context, self.outcomes)
            p = order.backoff[context, None] * p
            p[owner, symbol] += order.weight[gram]
        return p

    def _contexts(self, features: Tensor) -> Iterator[tuple[NGramOrder, Tensor]]:
        """Each order beside the numbers of the contexts of its length `[m]`, shortest first."""
        context = torch.zeros(len(features), dtype=torch.int64, device=features.device)
        for length, order in enumerate(self):
            oldest = features[:, -length] if length else torch.zeros_like(context)
            context = order.context(context, oldest, self.outcomes + 1)
            yield order, context


def _find(keys: Tensor, wanted: Tensor) -> Tensor:
    """The places `[m]` of the wanted among sorted keys; that of ABSENT for what is not there."""
    place = torch.searchsorted(keys, wanted)
    return torch.where(keys[place] == wanted, place, len(keys) - 1)


def _uniform(shape: tuple[int, ...], outcomes: int, device: torch.device) -> Tensor:
    return torch.full(shape, 1.0 / outcomes, dtype=torch.float64, device=device)


def _append(values: Tensor, last: float) -> Tensor:
    return torch.cat([values, values.new_full((1,), last)])


def make_room(module: nn.Module, stored: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """A table that is read from a file has that file's size."""
    for name, buffer in list(module.named_buffers(recurse=False)):
        if prefix + name in stored:
            setattr(module, name, buffer.new_empty(stored[prefix + name].shape))
