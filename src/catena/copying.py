"""Copying: what stands in the source may come next, whether or not the decoder would say it.

    g_t  = σ(w · ĥ_t + b)
    p(y) = g_t p_vocab(y) + (1 - g_t) Σ_{s: x_s = y} a_ts

a_t is what the decoder attended to. A symbol of the source is copied as the target's symbol of the
same name, or as ⟨unk⟩ where the target has none; the end is never copied. A source of length 0 has
nothing to copy: there g = 1.

Sources: Gu et al. (2016); See et al., Get to the point: summarization with pointer-generator
networks (2017). Their gate also reads the context and the last symbol; ĥ_t knows of both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from catena.attending import Looked
from catena.errors import CatenaError
from catena.ladder.neural import NeuralHead
from catena.sequences import Sequences
from catena.space import Symbols


class Pointer(nn.Module):
    """What is learned of copying, and what copies.

    Args:
        width: of ĥ.
        sources, targets: their symbols.

    Raises:
        CatenaError: where the target lacks a symbol of the source and has no ⟨unk⟩ either.
    """

    def __init__(self, width: int, sources: Symbols, targets: Symbols) -> None:
        super().__init__()
        self.width, self.gate = width, nn.Linear(width, 1)
        self.register_buffer("twins", _twins(sources, targets), persistent=False)
        self.twins: Tensor

    def over(self, head: NeuralHead, sources: Sequences) -> Copying:
        """A head that may also copy from n sources."""
        longest = int(sources.lengths.max()) if len(sources) else 0
        within = torch.arange(longest) < sources.lengths[:, None]
        symbols = sources.values.new_zeros(len(sources), longest)
        symbols[within.to(symbols.device)] = self.twins[sources.values]
        return Copying(head, self, symbols)


def _twins(sources: Symbols, targets: Symbols) -> Tensor:
    """`[symbols of the source]`: the number that each has as a symbol of the target."""
    unknown = targets.unknown_number
    numbers = [targets.number(item) for item in sources.items]
    numbers = [unknown if number is None else number for number in numbers]
    if None in numbers:
        item = sources.items[numbers.index(None)]
        raise CatenaError(f"the target has neither the source's symbol {item!r} nor ⟨unk⟩ to copy")
    return torch.tensor(numbers)


class Copying(nn.Module):
    """A head over what a recurrence that points shows, `[m, width + 1 + longest]`.

    Args:
        head: over ĥ; it predicts symbols.
        symbols: `[n, longest]`, what each step of the sources is copied as; beyond a source's end
            nothing is attended to, and any number will do.
    """

    def __init__(self, head: NeuralHead, pointer: Pointer, symbols: Tensor) -> None:
        super().__init__()
        self.head, self.pointer, self.symbols = head, pointer, symbols

    def parameters_of(self, features: Tensor) -> Tensor:
        """log p of every symbol, `[m, outcomes]`."""
        looked = Looked.of(features, self.pointer.width)
        return self._mixture(looked, self.head.parameters_of(looked.shown))

    def scores(self, features: Tensor) -> Tensor:
        """`parameters_of`, as `NeuralHead.scores`."""
        looked = Looked.of(features, self.pointer.width)
        return self._mixture(looked, self.head.scores(looked.shown))

    def _mixture(self, looked: Looked, raw: Tensor) -> Tensor:
        """log p of every symbol, for what the head itself says of them."""
        say, copy = self._gate(looked)
        said = raw.log_softmax(-1)
        named = self.symbols[looked.owner]
        copied = torch.zeros_like(said).scatter_add(1, named, looked.weights.to(said.dtype))
        return torch.logaddexp(said + say[:, None], _log(copied) + copy[:, None])

    def distribution(self, features: Tensor) -> Distribution:
        return self.head.emission.distribution(self.parameters_of(features))

    def log_prob(self, features: Tensor, x: Tensor) -> Tensor:
        looked = Looked.of(features, self.pointer.width)
        say, copy = self._gate(looked)
        same = self.symbols[looked.owner] == x[:, None]
        copied = (looked.weights * same).sum(-1)
        return torch.logaddexp(self.head.log_prob(looked.shown, x) + say, _log(copied) + copy)

    def _gate(self, looked: Looked) -> tuple[Tensor, Tensor]:
        """log g and log (1 - g), `[m]` each."""
        raw = self.pointer.gate(looked.shown).squeeze(-1)
        nothing = looked.weights.sum(-1) == 0
        say = nn.functional.logsigmoid(raw).masked_fill(nothing, 0.0)
        return say, nn.functional.logsigmoid(-raw)


def _log(p: Tensor) -> Tensor:
    """log p, -inf at 0, where its gradient is 0 and not infinite times 0."""
    nothing = p <= 0
    return p.masked_fill(nothing, 1.0).log().masked_fill(nothing, -math.inf)
