"""What the laws run over: every rung on every space it takes, and recurrences of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn

from catena import (
    GRU,
    HMM,
    LSTM,
    RNN,
    Bits,
    Count,
    Counts,
    Custom,
    FromFunction,
    Markov,
    Sequences,
    Symbols,
    Vectors,
    Window,
)
from catena.ladder import Rung
from catena.learn import Run
from catena.model import SequenceModel
from catena.space import Space

SPACES: dict[str, Space] = {
    "symbols": Symbols(("⟨unk⟩", "a", "b", "c"), "char"),
    "stream": Symbols(("a", "b", "c", "d", "e"), unknown="error", end=False),
    "vectors": Vectors(2, shift=(1.0, -2.0), scale=(0.5, 3.0)),
    "bits": Bits(3),
    "counts": Counts(2, mean=(2.0, 0.5)),
}


class Leaky(nn.Module):
    """A user's recurrence as a class: s_t = a s_{t-1} + W x_t, and how many steps there were."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.keep = nn.Parameter(torch.tensor([0.9, 0.5, -0.3]))
        self.mix = nn.Linear(inputs, 3)

    def start(self, batch: int) -> tuple[Tensor, ...]:
        steps = torch.zeros(batch, dtype=torch.int64, device=self.keep.device)
        return self.keep.new_zeros(batch, 3), steps

    def step(self, state: tuple[Tensor, ...], x: Tensor) -> tuple[Tensor, ...]:
        level, steps = state
        return self.keep * level + self.mix(x), steps + 1

    def read(self, state: tuple[Tensor, ...]) -> Tensor:
        level, steps = state
        return torch.cat([torch.tanh(level), 1.0 / (1.0 + steps[:, None].to(level.dtype))], 1)


def oscillator(inputs: int) -> FromFunction:
    """A user's recurrence as a plain step function: x'' = -k x, pushed by the input."""

    def step(state, x, theta):
        place, speed = state
        speed = 0.9 * speed - 0.2 * place + torch.tanh(x @ theta["push"])
        return place + 0.1 * speed, speed

    return FromFunction(step, [3, 3], {"push": (inputs, 3)}, lambda state: torch.cat(state, 1))


EVERY = tuple(SPACES)
TEXT = ("symbols", "stream")

# Each rung beside the spaces it is tried on.
TRIED: dict[str, tuple[Rung, tuple[str, ...]]] = {
    "markov-0": (Markov(order=0), ("symbols",)),
    "markov-1-add": (Markov(order=1, smoothing="add", alpha=0.5), ("symbols",)),
    "markov-2-witten_bell": (Markov(order=2, smoothing="witten_bell"), ("symbols",)),
    "markov-3-none": (Markov(order=3, smoothing="none"), ("symbols",)),
    "markov-3": (Markov(order=3), TEXT),
    "hmm": (HMM(states=3), EVERY),
    "hmm-one": (HMM(states=1), ("symbols",)),
    "hmm-full": (HMM(states=2, emission="full"), ("vectors",)),
    "window": (Window(width=3, units=5, embedding=2), EVERY),
    "window-1": (Window(width=1, units=4, layers=2, dropout=0.5), ("symbols",)),
    "rnn": (RNN(units=4), EVERY),
    "rnn-tied": (RNN(units=3, tied=True, start="zero"), ("symbols",)),
    "rnn-norm": (RNN(units=4, layer_norm=True), ("symbols",)),
    "gru": (GRU(units=4), EVERY),
    "gru-deep": (GRU(units=3, layers=3, residual=True, dropout=0.4), ("symbols",)),
    "gru-norm": (GRU(units=8, layers=2, layer_norm=True), ("vectors",)),
    "lstm": (LSTM(units=4), EVERY),
    "lstm-deep": (LSTM(units=3, layers=2, residual=True, embedding_dropout=0.3), ("stream",)),
    # Of four units the normalised memory expands a thousandfold, rounding errors with it.
    "lstm-norm": (LSTM(units=12, layer_norm=True), ("stream",)),
    "lstm-mixture": (LSTM(units=3, emission="mixture"), ("vectors",)),
    "custom-class": (Custom(Leaky, embedding=3), EVERY),
    "custom-function": (Custom(oscillator, embedding=2), ("symbols", "vectors")),
}


@dataclass(frozen=True)
class Case:
    """One rung on one space."""

    name: str
    rung: Rung
    space: Space

    @property
    def model(self) -> SequenceModel:
        return _model(self.name, self.rung, self.space)

    @property
    def exact(self) -> bool:
        """Whether the rung only counts and looks up, so that nothing may be rounded differently."""
        return isinstance(self.rung, Markov)


CASES = [
    Case(f"{name}-{space}", rung, SPACES[space])
    for name, (rung, spaces) in TRIED.items()
    for space in spaces
]


@cache
def _model(name: str, rung: Rung, space: Space) -> SequenceModel:
    """A model that is far from its symmetric beginning: every parameter has been pushed."""
    with torch.random.fork_rng():
        torch.manual_seed(len(name))
        model = rung.build(space)
        if isinstance(rung, Markov):
            Count().fit(model, draw(space, [40, 7, 0, 1, 25], 5), None, Run())
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.4 * torch.randn_like(parameter))
    return model.eval()


def draw(space: Space, lengths: list[int], seed: int) -> Sequences:
    """Random observations of a space."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    if isinstance(space, Symbols):
        values = torch.randint(len(space.items), (total,), generator=generator)
    elif isinstance(space, Vectors):
        values = 3.0 * torch.randn(total, space.dim, generator=generator, dtype=torch.float64)
    else:
        most = 2 if isinstance(space, Bits) else 9
        values = torch.randint(most, (total, space.dim), generator=generator).double()
    return Sequences(values, torch.tensor(lengths, dtype=torch.int64))


LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=3)
SEEDS = st.integers(0, 10_000)
# Empty beside the longest, equals side by side, a single step, nothing at all.
ALWAYS = ([0, 40, 1, 0, 7], [40, 40], [1], [0])

Test = TypeVar("Test", bound=Callable[..., None])


def batches(**others: tuple[st.SearchStrategy[Any], Any]) -> Callable[[Test], Test]:
    """Draws `lengths` and `seed` for a test, and tries it on the lengths of ALWAYS too.

    Args:
        others: what else is drawn: a strategy, and what goes with the lengths of ALWAYS.
    """
    drawn = {name: strategy for name, (strategy, _) in others.items()}
    fixed = {name: value for name, (_, value) in others.items()}

    def decorate(test: Test) -> Test:
        for lengths in reversed(ALWAYS):
            test = example(lengths=lengths, seed=1, **fixed)(test)
        return given(lengths=LENGTHS, seed=SEEDS, **drawn)(test)

    return decorate


def close(found: Tensor, wanted: Tensor, exact: bool = False) -> None:
    """Equal up to rounding.

    A matrix product adds in an order that depends on how many rows it is given, so float32 results
    of two batches differ by a few units of 6e-8 at each step; over 40 steps of recurrences that
    do not expand, and a log-softmax on top, that stays below 1e-5 of values about 1 in size.
    Float64 has 1e-16 instead of 6e-8.
    """
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if exact or not found.is_floating_point():
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)
        return
    bound = 1e-12 if found.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(found, wanted, rtol=bound, atol=bound)
