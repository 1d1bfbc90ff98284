"""One step at a time, batch 1, beside the time that reading the weights takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from harness import medians
from torch import Tensor, nn

import catena.nn

SIZES = (128, 256, 512)
STEPS = 20  # steps of a stream in one timed call


def catena_stepper(layer: nn.LSTM) -> Callable[[Tensor], Tensor]:
    """A function that takes the next observation `[1, size]`; the state stays inside."""
    ours = catena.nn.LSTM(layer.input_size, layer.hidden_size)
    ours.load_state_dict(layer.state_dict())
    return ours.eval().stepper().push


def streaming(seconds: float) -> list[dict[str, Any]]:
    """For each size: microseconds of a step of each side, and of reading the weights."""
    with torch.inference_mode():
        return [_at(size, seconds) for size in SIZES]


def _at(size: int, seconds: float) -> dict[str, Any]:
    torch.manual_seed(0)
    layer = nn.LSTM(size, size)
    sides = {"torch.nn.LSTM": _layer_steps(layer), "torch.nn.LSTMCell": _cell_steps(layer)}
    sides["catena"] = catena_stepper(layer)
    inputs = torch.randn(STEPS, 1, size)
    _check(sides, inputs)
    work = {name: _stream(step, inputs) for name, step in sides.items()}
    taken = medians(work, seconds)
    found = {name: 1e6 * value / STEPS for name, value in taken.items()}
    return {"size": size, "microseconds": found, "read_weights": _reading(size, seconds)}


def _check(sides: dict[str, Callable[[Tensor], Any]], inputs: Tensor) -> None:
    """Every side must give the same outputs from the first step on."""
    outputs = {n: torch.stack([step(x).clone() for x in inputs]) for n, step in sides.items()}
    for found in outputs.values():
        torch.testing.assert_close(found, outputs["torch.nn.LSTM"], rtol=1e-4, atol=1e-5)


def _stream(step: Callable[[Tensor], Any], inputs: Tensor) -> Callable[[], None]:
    observations = list(inputs)

    def work() -> None:
        for observation in observations:
            step(observation)

    return work


def _layer_steps(layer: nn.LSTM) -> Callable[[Tensor], Tensor]:
    state: Any = None

    def step(observation: Tensor) -> Tensor:
        nonlocal state
        output, state = layer(observation[None], state)
        return output[0]

    return step


def _cell_steps(layer: nn.LSTM) -> Callable[[Tensor], Tensor]:
    cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
    cell.load_state_dict({name[:-3]: value for name, value in layer.state_dict().items()})
    state: Any = None

    def step(observation: Tensor) -> Tensor:
        nonlocal state
        state = cell(observation, state)
        return state[0]

    return step


def _reading(size: int, seconds: float) -> float:
    """Microseconds to read an LSTM's weights `[4 size, 2 size]`: the faster of summing them and
    multiplying them with a vector, less what the same call costs on next to nothing."""
    large, small = torch.randn(4 * size, 2 * size), torch.randn(1, 1)
    vector, number = torch.randn(2 * size), torch.randn(1)
    taken = medians(
        {
            "sum": large.sum,
            "sum of nothing": small.sum,
            "product": lambda: torch.mv(large, vector),
            "product of nothing": lambda: torch.mv(small, number),
        },
        seconds,
    )
    summing = taken["sum"] - taken["sum of nothing"]
    return 1e6 * min(summing, taken["product"] - taken["product of nothing"])
