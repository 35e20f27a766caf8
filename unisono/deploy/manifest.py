"""manifest: unisono.json, all that a runtime must know beside the graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer

from unisono import __version__
from unisono.deploy.graph import Graph
from unisono.deploy.plan import ENCODER, Plan
from unisono.runtime.manifest import FORMATS
from unisono.tasks import stem_of

TOKENIZER = "tokenizer.json"


def texts(plan: Plan) -> dict[str, str]:
    """The files beside graphs and manifest: name -> content."""
    out = {TOKENIZER: _tokenizer(plan)} if _reads_text(plan) else {}
    for head in plan.heads.values():
        out |= head.files
    return out


def _reads_text(plan: Plan) -> bool:
    return not plan.stems or "text" in plan.stems


def _tokenizer(plan: Plan) -> str:
    """As its library writes it, without padding and truncation: the manifest says the limits."""
    tokenizer = Tokenizer.from_str(plan.model.text.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return str(tokenizer.to_str())


def manifest(
    plan: Plan, *, source: str, precision: str, suffix: str, digests: Mapping[str, str], told: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest of a folder.

    Args:
        source: what it was made from.
        suffix: of the files of graphs, such as ``.onnx``.
        digests: file -> its SHA-256, of every file but the manifest and the card.
        told: further entries, such as the scores.
    """
    trunk = plan.model.trunk
    text = {"text": {"tokenizer": TOKENIZER, "max_length": plan.model.text.max_length}} if _reads_text(plan) else {}
    stems = {
        name: {
            "graph": stem.graph.name,
            "reader": stem.reader.kind,
            "most": stem.reader.most,
            "read": stem.reader.told(),
        }
        for name, stem in plan.stems.items()
    }
    graphs = {graph.name: _graph(graph, f"{graph.name}{suffix}", digests) for graph in plan.graphs()}
    named = {entry["file"] for entry in graphs.values()}
    return {
        "format": FORMATS[bool(stems or plan.floors)],
        "unisono": __version__,
        "created_from": source,
        "precision": precision,
        "trunk": {
            "family": trunk.family,
            "width": trunk.width,
            "most": trunk.positions,
            "types": trunk.takes_types,
            "positions": trunk.takes_positions,
            **({"floors": {graph.name: layers for graph, layers in plan.floors}} if plan.floors else {}),
        },
        **text,
        **({"stems": stems} if stems else {}),
        "graphs": graphs,
        "files": {name: digest for name, digest in digests.items() if name not in named},
        "tasks": {name: _task(plan, name) for name in plan.heads},
        **told,
    }


def _graph(graph: Graph, file: str, digests: Mapping[str, str]) -> dict[str, Any]:
    return {"file": file, "sha256": digests[file], "inputs": list(graph.inputs), "outputs": list(graph.outputs)}


def _task(plan: Plan, name: str) -> dict[str, Any]:
    spec, head = plan.model.tasks[name], plan.heads[name]
    roles = {role: told.kind for role, told in spec.kind.inputs.items() if role in spec.roles}
    stems = {role: stem for role, told in spec.kind.inputs.items() if (stem := stem_of(told)) in spec.stems}
    return {
        "kind": spec.kind.name,
        "inputs": spec.inputs,
        "optional": [role for role in roles if role not in spec.inputs],
        **({"roles": stems} if plan.stems else {}),
        "any_input": spec.kind.any_input,
        "apart": spec.kind.apart,
        "words": spec.kind.words,
        "max_length": spec.max_length,
        "stride": spec.stride,
        "encoder": ENCODER,
        "graph": head.graph.name,
        "reads": head.reads,
        **{what: graph.name for what, graph in head.steps.items()},
        **({"exits": {str(n): e.graph.name for n, e in plan.exits[name].items()}} if name in plan.exits else {}),
        "decode": dict(head.decode),
    }
