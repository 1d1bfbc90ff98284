"""The same layer as a node of an ONNX model, run by onnxruntime with the same number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import torch
from cell_sides import GATES, Case, Outcome
from onnx import TensorProto, checker, helper, numpy_helper
from torch import Tensor

# The place of ONNX's gates (iofc, zrh, one) among PyTorch's (ifgo, rzn, one).
_ORDER = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}
_OPSET, _FORMAT = 14, 8


class Onnx:
    """onnxruntime's inference on a case; ragged batches are rectangles with their lengths."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.session = _session(case)
        self.inputs: dict[str, Any] = {"X": case.padded.numpy()}
        if case.kind != "full":
            self.inputs["lengths"] = case.lengths.numpy().astype(np.int32)

    def infer(self) -> Any:
        """The outputs, an array `[T, 1, N, H]`."""
        return self.session.run(None, self.inputs)[0]

    def outcome(self) -> Outcome:
        return {"output": self.case.pack(torch.from_numpy(self.infer())[:, 0]).data}


def _session(case: Case) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    model = _model(case).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _model(case: Case) -> Any:
    ragged, shape = case.kind != "full", case.shape
    inputs = [_value("X", TensorProto.FLOAT, [shape.length, shape.batch, shape.size])]
    if ragged:
        inputs.append(_value("lengths", TensorProto.INT32, [shape.batch]))
    extra: dict[str, Any] = {"linear_before_reset": 1} if case.cell == "gru" else {}
    names = ["X", "W", "R", "B", "lengths" if ragged else ""]
    node = helper.make_node(case.cell.upper(), names, ["Y"], hidden_size=shape.size, **extra)
    output = _value("Y", TensorProto.FLOAT, [shape.length, 1, shape.batch, shape.size])
    graph = helper.make_graph([node], "layer", inputs, [output], _weights(case))
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_FORMAT)
    checker.check_model(model)
    return model


def _value(name: str, kind: int, dimensions: list[int]) -> Any:
    return helper.make_tensor_value_info(name, kind, dimensions)


def _weights(case: Case) -> list[Any]:
    weight = {name: value.detach() for name, value in case.layer.named_parameters()}
    biases = [_reordered(case, weight[f"bias_{side}_l0"]) for side in ("ih", "hh")]
    arrays = {
        "W": _reordered(case, weight["weight_ih_l0"])[None],
        "R": _reordered(case, weight["weight_hh_l0"])[None],
        "B": torch.cat(biases)[None],
    }
    return [numpy_helper.from_array(value.numpy(), name) for name, value in arrays.items()]


def _reordered(case: Case, value: Tensor) -> Tensor:
    gates = value.unflatten(0, (GATES[case.cell], case.shape.size))
    return gates[_ORDER[case.cell]].flatten(0, 1).contiguous()
