"""A step of the plain decoder as an ONNX graph, run by onnxruntime with as many threads."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import Tensor, nn
from translate_beam import WIDTH, Search, Step
from translate_plain import Plain, Read, State

_NAMES = ("y", "h", "c", "memory", "keys", "real")


def onnx_step(search: Search) -> Step:
    """The step of a padded beam, `Search.step` in its place."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.onnx"
        _export(search.plain, path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def step(y: Tensor, state: State, read: Read) -> tuple[Tensor, State]:
        parts = (y, *state, read.memory, read.keys, read.real)
        fed = {name: part.numpy() for name, part in zip(_NAMES, parts, strict=True)}
        log_p, *following = map(torch.from_numpy, session.run(None, fed))
        log_p[..., search.banned] = -torch.inf
        return log_p, tuple(following)

    return step


class _Step(nn.Module):
    """One step, the cell written out: exported as an LSTM it would be a loop of one turn."""

    def __init__(self, plain: Plain) -> None:
        super().__init__()
        self.plain = plain

    def forward(
        self, y: Tensor, h: Tensor, c: Tensor, memory: Tensor, keys: Tensor, real: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        plain, weights = self.plain, dict(self.plain.decoder.named_parameters())
        gates = plain.table(y) @ weights["weight_ih_l0"].T + h[0] @ weights["weight_hh_l0"].T
        gates = gates + weights["bias_ih_l0"] + weights["bias_hh_l0"]
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c[0] + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        shown = plain.look(h.reshape(-1, WIDTH, h.shape[1]), Read(memory, keys, real))
        return plain.logits(shown).log_softmax(-1), h[None], c[None]


def _export(plain: Plain, path: Path) -> None:
    count, steps = 2, 3
    rows, width = count * WIDTH, plain.key.in_features
    state, memory = torch.zeros(1, rows, width), torch.zeros(count, steps, width)
    example: tuple[Any, ...] = (
        torch.zeros(rows, dtype=torch.int64),
        *(state, state, memory, memory),
        torch.ones(count, steps, dtype=torch.bool),
    )
    per_source = {0: "sources", 1: "steps"}
    axes = {"y": {0: "rows"}, "h": {1: "rows"}, "c": {1: "rows"}}
    axes |= dict.fromkeys(("memory", "keys", "real"), per_source)
    torch.onnx.export(
        _Step(plain).eval(),
        example,
        path,
        input_names=list(_NAMES),
        output_names=["log_p", "following_h", "following_c"],
        dynamic_axes=axes,
        dynamo=False,
    )
