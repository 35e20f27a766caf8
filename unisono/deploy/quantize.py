"""quantize: matrices of a graph in eight bits, or all its weights in sixteen.

Weights have one scale for each output (for each row of a table of vectors) and no zero point; activations one scale and
zero point a tensor, found anew in each call or beforehand. Jacob et al. 2018 (https://arxiv.org/abs/1712.05877).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

# Seven bits: processors without VNNI add two products of activation and weight in 16 bits, which must not overflow.
_MOST = 63
_LEAST = 2048  # numbers in a matrix that is worth it
Ranges = Mapping[str, tuple[float, float]]  # tensor -> its least and greatest value


def candidates(proto: Any) -> dict[str, str]:
    """The nodes that could be quantized: name -> what they multiply by, or look up in."""
    weights = _weights(proto)
    return {n.name: _matrix(n) for n in proto.graph.node if n.op_type in _KNOWN and _fits(n, weights)}


def activations(proto: Any) -> dict[str, str]:
    """Of those that multiply: name -> the tensor that is multiplied, whose range is asked for."""
    names = candidates(proto)
    return {n.name: n.input[0] for n in proto.graph.node if n.name in names and n.op_type != "Gather"}


def to_int8(proto: Any, *, keep: Container[str] = (), ranges: Ranges | None = None) -> Any:
    """A copy with int8 matrices.

    Args:
        proto: an ``onnx.ModelProto`` of ``to_onnx``.
        keep: nodes that stay as they are.
        ranges: of activations, for static quantization; None: each call finds its own.
    """
    from onnx import ModelProto

    out = ModelProto()
    out.CopyFrom(proto)
    weights = _weights(out)
    made = _Nodes(out, weights, ranges)
    for node in list(out.graph.node):
        if node.op_type in _KNOWN and node.name not in keep and _fits(node, weights):
            _KNOWN[node.op_type](made, node)
        else:
            made.nodes.append(node)
    nodes = list(made.nodes)
    del out.graph.node[:]
    out.graph.node.extend(nodes)
    _drop_unused(out)
    return out


def to_fp16(proto: Any) -> Any:
    """A copy that holds its weights in 16 bits and computes in 32: half the size. ONNX Runtime turns them back once, as
    it loads the graph: few processors multiply in 16 bits, so that to compute in them would cost time.
    """
    from onnx import ModelProto, TensorProto, helper, numpy_helper

    out = ModelProto()
    out.CopyFrom(proto)
    casts = []
    for held in out.graph.initializer:
        if held.data_type == TensorProto.FLOAT and len(held.dims) and np.prod(held.dims) >= _LEAST:
            name, half = held.name, f"{held.name}.half"
            limit = float(np.finfo(np.float16).max)
            values = numpy_helper.to_array(held).clip(-limit, limit).astype(np.float16)
            held.CopyFrom(numpy_helper.from_array(values, half))
            casts.append(helper.make_node("Cast", [half], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *out.graph.node]
    del out.graph.node[:]
    out.graph.node.extend(nodes)
    return out


class _Nodes:
    """Nodes of the new graph, in their order."""

    def __init__(self, proto: Any, weights: Mapping[str, np.ndarray], ranges: Ranges | None) -> None:
        self.proto, self.weights, self.ranges = proto, weights, ranges
        self.nodes: list[Any] = []
        self._held: set[str] = set()
        self._coded: set[str] = set()

    def add(self, kind: str, inputs: list[str], outputs: list[str], **how: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **how))

    def hold(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        if name not in self._held:
            self._held.add(name)
            self.proto.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def coded(self, tensor: str) -> tuple[str, str, str]:
        """An activation as uint8, its scale and its zero point; coded once, however many multiply it."""
        names = (f"{tensor}.u8", f"{tensor}.scale", f"{tensor}.zero")
        if tensor in self._coded:
            return names
        self._coded.add(tensor)
        if self.ranges is None:
            self.add("DynamicQuantizeLinear", [tensor], list(names))
        else:
            low, high = (min(self.ranges[tensor][0], 0.0), max(self.ranges[tensor][1], 0.0))
            scale = max(high - low, 1e-8) / 255
            self.hold(names[1], np.array(scale, np.float32))
            self.hold(names[2], np.array(np.clip(round(-low / scale), 0, 255), np.uint8))
            self.add("QuantizeLinear", [tensor, names[1], names[2]], [names[0]])
        return names

    def multiplied(self, tensor: str, weight: str, matrix: np.ndarray, out: str) -> None:
        """``tensor @ matrix``, (…, I) and (I, O)."""
        from onnx import TensorProto

        codes, scales = per_channel(matrix, axis=0)
        self.hold(f"{weight}.s8", codes)
        self.hold(f"{weight}.scales", scales[0])
        code, scale, zero = self.coded(tensor)
        self.add("MatMulInteger", [code, f"{weight}.s8", zero], [f"{out}.s32"])
        self.add("Cast", [f"{out}.s32"], [f"{out}.f32"], to=TensorProto.FLOAT)
        self.add("Mul", [scale, f"{weight}.scales"], [f"{out}.scales"])
        self.add("Mul", [f"{out}.f32", f"{out}.scales"], [out])


def per_channel(matrix: np.ndarray, *, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(int8 codes, float32 scales): ``codes * scales`` is the matrix, but for rounding.

    Args:
        axis: along which numbers share a scale.
    """
    most = np.abs(matrix).max(axis, keepdims=True)
    scales = np.where(most > 0, most / _MOST, 1).astype(np.float32)
    return np.rint(matrix / scales).clip(-_MOST, _MOST).astype(np.int8), scales


def _matmul(made: _Nodes, node: Any) -> None:
    made.multiplied(node.input[0], node.input[1], made.weights[node.input[1]], node.output[0])


def _gemm(made: _Nodes, node: Any) -> None:
    """A @ B + C, with B turned where ``transB`` says so."""
    matrix = made.weights[node.input[1]]
    matrix = matrix.T if _attribute(node, "transB", 0) else matrix
    if len(node.input) < 3:
        made.multiplied(node.input[0], node.input[1], matrix, node.output[0])
        return
    made.multiplied(node.input[0], node.input[1], matrix, f"{node.output[0]}.product")
    made.add("Add", [f"{node.output[0]}.product", node.input[2]], [node.output[0]])


def _gather(made: _Nodes, node: Any) -> None:
    """Rows of a table, each with a scale of its own."""
    from onnx import TensorProto

    table, rows, out = node.input[0], node.input[1], node.output[0]
    codes, scales = per_channel(made.weights[table], axis=1)
    made.hold(f"{table}.rows.s8", codes)
    made.hold(f"{table}.rows.scales", scales)
    made.add("Gather", [f"{table}.rows.s8", rows], [f"{out}.s8"])
    made.add("Gather", [f"{table}.rows.scales", rows], [f"{out}.scales"])
    made.add("Cast", [f"{out}.s8"], [f"{out}.f32"], to=TensorProto.FLOAT)
    made.add("Mul", [f"{out}.f32", f"{out}.scales"], [out])


_KNOWN = {"MatMul": _matmul, "Gemm": _gemm, "Gather": _gather}


def _weights(proto: Any) -> dict[str, np.ndarray]:
    """The matrices of a graph in float32."""
    from onnx import TensorProto, numpy_helper

    return {
        held.name: numpy_helper.to_array(held)
        for held in proto.graph.initializer
        if held.data_type == TensorProto.FLOAT and len(held.dims) == 2 and np.prod(held.dims) >= _LEAST
    }


def _matrix(node: Any) -> str:
    return str(node.input[0] if node.op_type == "Gather" else node.input[1])


def _fits(node: Any, weights: Mapping[str, np.ndarray]) -> bool:
    if _matrix(node) not in weights:
        return False
    if node.op_type == "Gather":
        return bool(_attribute(node, "axis", 0) == 0)
    plain = all(
        _attribute(node, name, usual) == usual for name, usual in (("alpha", 1.0), ("beta", 1.0), ("transA", 0))
    )
    return node.op_type == "MatMul" or plain


def _attribute(node: Any, name: str, usual: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), usual)


def _drop_unused(proto: Any) -> None:
    used = {name for node in proto.graph.node for name in node.input} | {out.name for out in proto.graph.output}
    held = [one for one in proto.graph.initializer if one.name in used]
    kept = type(proto)()
    kept.graph.initializer.extend(held)
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept.graph.initializer)
