"""calibrate: between which values activations lie, found on training rows, for static quantization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from unisono.deploy.heads.base import Run
from unisono.deploy.plan import Plan
from unisono.deploy.quantize import activations
from unisono.deploy.rows import Example
from unisono.deploy.sessions import Session
from unisono.deploy.verify import pairs


def ranges(
    planned: Plan, protos: Mapping[str, Any], examples: Mapping[str, Sequence[Example]]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Graph -> the tensors that quantized matrices multiply -> their least and greatest values on some examples."""
    found: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in protos}
    run = {name: _watched(proto, found[name]) for name, proto in protos.items()}
    for task, own in examples.items():
        for _ in pairs(planned, task, own, run):
            pass
    return found


def _watched(proto: Any, found: dict[str, tuple[float, float]]) -> Run:
    """The graph, telling also what its matrices multiply."""
    from onnx import ModelProto, TensorProto, helper

    asked = sorted(set(activations(proto).values()))
    usual = [out.name for out in proto.graph.output]
    more = ModelProto()
    more.CopyFrom(proto)
    inputs = {one.name for one in proto.graph.input}
    within = [name for name in asked if name not in usual and name not in inputs]
    more.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in within)
    session = Session(more)

    def run(feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        out = session(feed)
        for name in asked:
            value = out[name] if name in out else feed[name]
            low, high = found.get(name, (0.0, 0.0))
            found[name] = (min(low, float(value.min())), max(high, float(value.max())))
        return {name: out[name] for name in usual}

    return run
