"""Training an LSTM on characters: catena's learner beside a plain loop over torch.nn.LSTM.

    python benchmarks/training.py

Two kinds of data: one long stream (truncated back-propagation, state carried) and short lines of
many lengths (the plain loop pads, as tutorials do). Both sides take the same number of updates over
the same number of characters; the loss of a first forward pass must agree before timing. Then the
model and learner of recipes/shakespeare_lstm.py with the native kernels and with PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest import mock

import torch
from harness import in_turns, keep
from torch import nn

from catena import LSTM, Gradient, Sequences, Symbols
from catena.formats import read
from catena.kernels.cell import dispatch
from catena.learn import Run
from catena.model import SequenceModel

# How the recipe is run with PyTorch's kernels: the native one is said to refuse.
NATIVE = (dispatch, "native_refuses")
LEFT_OUT = lambda cell, weights: "it is left out for comparison"  # noqa: E731
UNITS, EMBEDDING, ROWS, SPAN = 256, 64, 32, 64
CHARACTERS = 200_000


class Plain(nn.Module):
    """What a user would write."""

    def __init__(self, outcomes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(outcomes, EMBEDDING)
        self.lstm = nn.LSTM(EMBEDDING, UNITS, batch_first=True)
        self.head = nn.Linear(UNITS, outcomes)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        features, state = self.lstm(self.embedding(x), state)
        return self.head(features), state


def same_weights(plain: Plain, model: SequenceModel) -> None:
    """Give the plain model catena's weights."""
    kept = model.state_dict()
    plain.embedding.weight.data.copy_(kept["embed.table"])
    plain.head.weight.data.copy_(kept["head.linear.weight"])
    plain.head.bias.data.copy_(kept["head.linear.bias"])
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(plain.lstm, f"{name}_l0").data.copy_(kept[f"recurrence.layers.0.{name}"])


def plain_stream(plain: Plain, values: torch.Tensor) -> None:
    """Carried state over ROWS parallel rows."""
    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-3, fused=True)
    length = (len(values) - 1) // ROWS
    x = values[: length * ROWS].reshape(ROWS, length)
    y = values[1 : length * ROWS + 1].reshape(ROWS, length)
    state = None
    for begin in range(0, length, SPAN):
        logits, state = plain(x[:, begin : begin + SPAN], state)
        state = tuple(part.detach() for part in state)
        _step(plain, optimizer, logits, y[:, begin : begin + SPAN])


def plain_lines(plain: Plain, lines: Sequences, end: int) -> None:
    """Padded batches in a shuffled order."""
    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-3, fused=True)
    per_batch = max(1, int(ROWS * SPAN / lines.lengths.float().mean()))
    for chosen in torch.randperm(len(lines)).split(per_batch):
        x, lengths = lines[chosen].to_padded()
        x = torch.cat([torch.full((len(x), 1), end), x], 1)
        y = torch.full_like(x, -100)
        y[:, :-1] = x[:, 1:]
        y[torch.arange(x.shape[1]) > lengths[:, None]] = -100
        y[torch.arange(len(x)), lengths] = end
        _step(plain, optimizer, plain(x)[0], y)


def _step(plain: Plain, optimizer: Any, logits: torch.Tensor, y: torch.Tensor) -> None:
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
    optimizer.step()


def check(plain: Plain, model: SequenceModel, values: torch.Tensor) -> None:
    """The same weights must give the same loss after the first symbol."""
    one = Sequences.from_list([values[:200]])
    mine = model.score(one).log_prob.values[1:200]
    logits = plain(values[None, :199])[0][0].log_softmax(-1)
    theirs = logits.gather(1, values[1:200, None])[:, 0]
    if float((mine - theirs).detach().abs().max()) > 1e-5:
        raise SystemExit("the two models disagree; nothing was timed")


def main() -> None:
    (text,) = read("shakespeare").sequences
    kept: dict[str, Any] = {}
    for kind, data in (("stream", [text[:CHARACTERS]]), ("lines", text[:CHARACTERS].splitlines())):
        space = Symbols.learn(data, end=kind == "lines")
        encoded = space.encode(data)
        torch.manual_seed(0)
        model = LSTM(UNITS, embedding=EMBEDDING, start="zero").build(space)
        plain = Plain(space.outcomes)
        same_weights(plain, model)
        check(plain, model, encoded.values)
        how = Gradient(epochs=1, batch=ROWS, span=SPAN, evaluations=1)
        sides = {
            "catena": lambda m=model, e=encoded, h=how: h.fit(m, e, None, Run()),
            "torch.nn": (lambda p=plain, e=encoded: plain_stream(p, e.values))
            if kind == "stream"
            else (lambda p=plain, e=encoded, s=space: plain_lines(p, e, s.end_number or 0)),
        }
        timed = in_turns(sides, 3)
        for name, side in timed.items():
            print(f"{kind:7} {name:9} {encoded.total / side['median']:,.0f} characters/s")
        ratio = timed["torch.nn"]["median"] / timed["catena"]["median"]
        flops = 6 * encoded.total * 4 * UNITS * (UNITS + EMBEDDING)
        useful = flops / timed["catena"]["median"] / 1e9
        print(f"{kind:7} catena is {ratio:.2f} times as fast, {useful:.0f} GFLOP/s of useful work")
        kept[kind] = {"characters": encoded.total, "ratio": ratio, "gflops": useful, **timed}
    kept["recipe"] = recipe(text)
    keep("training", {**kept, "matrix_gflops": matrix_speed()})


def recipe(text: str) -> dict[str, Any]:
    """The model and learner of recipes/shakespeare_lstm.py, with each kernel."""
    space = Symbols.learn([text], end=False)
    encoded = space.encode([text[:CHARACTERS]])
    how = Gradient(epochs=1, batch=32, span=32, rate=4e-3, average=0.999, evaluations=1)
    losses: dict[str, float] = {}

    def side(kernel: str) -> Callable[[], None]:
        def fit() -> None:
            torch.manual_seed(0)
            model = LSTM(units=384, embedding=64, dropout=0.25).build(space)
            refuse = nullcontext() if kernel == "native" else mock.patch.object(*NATIVE, LEFT_OUT)
            with refuse:
                how.fit(model, encoded, None, Run())
                losses[kernel] = -float(model.log_prob(encoded).values.mean())

        return fit

    timed = in_turns({kernel: side(kernel) for kernel in ("native", "torch")}, 3)
    ratio = timed["torch"]["median"] / timed["native"]["median"]
    for kernel, taken in timed.items():
        print(f"recipe  {kernel:9} {encoded.total / taken['median']:,.0f} characters/s")
    print(f"recipe  native is {ratio:.2f} times as fast; losses {losses}")
    return {"characters": encoded.total, "ratio": ratio, "nats": losses, **timed}


def matrix_speed() -> float:
    """GFLOP/s of a large float32 matrix product: the floor's other side."""
    a = torch.randn(2048, 2048)
    seconds = in_turns({"product": lambda: a @ a})["product"]["least"]
    found = 2 * math.prod((2048, 2048, 2048)) / seconds / 1e9
    print(f"matrix product: {found:.0f} GFLOP/s")
    return found


if __name__ == "__main__":
    main()
