"""onnxfile: a graph as the bytes of an ONNX file."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections import Counter
from typing import Any

import torch

from unisono.deploy.errors import ExportError
from unisono.deploy.graph import Graph

OPSET = 20  # the first with Gelu as one operator
_MOST = 2_000_000_000  # bytes that one file of the format can hold
_WEIGHTY = ("MatMul", "Gemm", "Gather", "Conv")  # operators that may hold a matrix


def to_onnx(graph: Graph) -> Any:
    """The graph as an ``onnx.ModelProto``: opset 20 without custom operators, all weights within.

    Nodes that hold a matrix are named by the module that they come from.

    Raises:
        ExportError: an operator without a counterpart, or weights of more than 2 GB.
    """
    traced = graph.traced()
    size = sum(t.numel() * t.element_size() for t in traced.state_dict.values())
    if size > _MOST:
        raise ExportError(f"{graph.name}: {size / 1e9:.1f} GB of weights; one ONNX file holds 2 GB")
    try:
        with _silence():
            program = torch.onnx.export(
                traced,
                dynamo=True,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                opset_version=OPSET,
                verbose=False,
            )
        assert program is not None
        proto = program.model_proto
    except ExportError:
        raise
    except Exception as error:  # the exporter raises many kinds
        raise ExportError(f"{graph.name}: cannot become ONNX: {str(error).strip().splitlines()[0]}") from error
    _tidy(proto, graph)
    return proto


@contextlib.contextmanager
def _silence() -> Any:
    """The exporter prints what nobody asked for."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _tidy(proto: Any, graph: Graph) -> None:
    """Names sizes and nodes for readers, and drops what the exporter tells of the machine that it ran on."""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.graph.value_info[:]
    proto.producer_name = "unisono"
    proto.doc_string = proto.graph.doc_string = ""
    proto.graph.name = graph.name
    taken: Counter[str] = Counter()
    for node in proto.graph.node:
        if node.op_type in _WEIGHTY:
            name = _module_of(node) or node.name
            taken[name] += 1
            node.name = name if taken[name] == 1 else f"{name}.{taken[name]}"
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
        names = {**graph.dims, **graph.outputs}[value.name]
        for size, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
            if name:
                size.dim_param = name
    for held in proto.graph.initializer:
        del held.metadata_props[:]


def _module_of(node: Any) -> str:
    """The path of the module that a node comes from, such as ``encoder.layer.0.attention.self.query``."""
    for prop in node.metadata_props:
        if prop.key == "pkg.torch.onnx.name_scopes":
            import ast

            scopes = [scope for scope in ast.literal_eval(prop.value) if scope]
            return str(scopes[-2]) if len(scopes) > 1 else ""
    return ""
