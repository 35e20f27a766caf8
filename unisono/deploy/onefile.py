"""onefile: encoder and heads as one graph, with manifest, tokenizer and card in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from unisono.deploy.encoder import STATES
from unisono.deploy.errors import ExportError
from unisono.deploy.plan import ENCODER, Plan
from unisono.runtime.bundle import ONE
from unisono.runtime.manifest import IN_ONE


def check(planned: Plan) -> None:
    """
    Raises:
        ExportError: inputs that are no texts, exits, or a head that writes, whose steps are a graph of their own.
    """
    if planned.floors:
        raise ExportError(
            "one file holds the trunk in one piece, where no row can leave: leave out --exits or --one-file"
        )
    if planned.stems:
        others = " and ".join(name for name in planned.stems if name != "text")
        raise ExportError(f"one file holds tasks of texts alone, and these read {others}: export without --one-file")
    several = [task for task, head in planned.heads.items() if head.steps]
    if several:
        rest = " ".join(f"--task {task}" for task in planned.heads if task not in several)
        kinds = {task: planned.model.tasks[task].kind.name for task in several}
        raise ExportError(
            "\n".join(
                f'task "{task}" (kind {kind}): writes step by step, which takes a folder; '
                + (f"leave it out: {rest}" if rest else "export without --one-file")
                for task, kind in kinds.items()
            )
        )


def joined(protos: Mapping[str, Any]) -> Any:
    """One graph of all: the inputs of the encoder and each head's ``TASK.index``; outputs ``TASK.logits`` and so on."""
    from onnx import ModelProto, compose

    out = ModelProto()
    out.CopyFrom(protos[ENCODER])
    out.graph.name = ONE
    del out.graph.output[:]
    for name, proto in protos.items():
        if name == ENCODER:
            continue
        head = compose.add_prefix(proto, f"{name}.").graph
        for node in head.node:
            for at, given in enumerate(node.input):
                if given == f"{name}.{STATES}":
                    node.input[at] = STATES
        for value in (*head.input, *head.output):
            for size in value.type.tensor_type.shape.dim:
                if size.dim_param and size.dim_param != "N":  # of each head its own: they are asked different things
                    size.dim_param = f"{name}.{size.dim_param}"
        out.graph.node.extend(head.node)
        out.graph.initializer.extend(head.initializer)
        out.graph.input.extend(value for value in head.input if value.name != f"{name}.{STATES}")
        out.graph.output.extend(head.output)
    return out


def told_in_one(said: Mapping[str, Any], proto: Any) -> dict[str, Any]:
    """The manifest of a folder as that of one file: it cannot vouch for itself, so digests are left out."""
    graph = {
        "file": None,
        "sha256": None,
        "inputs": [value.name for value in proto.graph.input],
        "outputs": [value.name for value in proto.graph.output],
    }
    return {**said, "graphs": {ONE: graph}}


def complete(proto: Any, said: Mapping[str, Any], texts: Mapping[str, str], card: str) -> None:
    """Puts into the graph all that a runtime reads beside it."""
    from onnx import helper

    beside = {f"{IN_ONE}file.{name}": text for name, text in texts.items()}
    helper.set_model_props(
        proto, {f"{IN_ONE}manifest": json.dumps(said, allow_nan=False), f"{IN_ONE}card": card, **beside}
    )
