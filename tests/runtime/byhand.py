"""An export made by hand: two tasks on an encoder of one product, small enough to be written in a moment."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["[UNK]", "good", "bad", "film", "a"]
LABELS = ["no", "yes"]
D = 3
_EMBED = np.linspace(-1, 1, len(WORDS) * D, dtype=np.float32).reshape(len(WORDS), D)
_READ = np.array([[1, -1], [0.5, 2], [-1, 0.25]], np.float32)


def tokenizer() -> str:
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return str(made.to_str())


def value(name: str, kind: int, *dims: str | int) -> Any:
    return helper.make_tensor_value_info(name, kind, list(dims))


def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, np.ndarray], **more: Any) -> Any:
    held = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10, **more)


def encoder() -> Any:
    places = [value("grid", TensorProto.INT64, "B", "L"), value("place", TensorProto.INT64, "N")]
    states = value("states", TensorProto.FLOAT, "N", D)
    nodes = [helper.make_node("Gather", ["embed", "ids"], ["states"])]
    return model(nodes, [value("ids", TensorProto.INT64, "N"), *places], [states], {"embed": _EMBED})


def head() -> Any:
    nodes = [
        helper.make_node("Gather", ["states", "index"], ["first"]),
        helper.make_node("MatMul", ["first", "read"], ["logits"]),
    ]
    inputs = [value("states", TensorProto.FLOAT, "N", D), value("index", TensorProto.INT64, "B")]
    return model(nodes, inputs, [value("logits", TensorProto.FLOAT, "B", 2)], {"read": _READ})


def scores(text: str) -> dict[str, float]:
    """What the export must say."""
    logits = _EMBED[WORDS.index(text.split()[0])] @ _READ
    shares = np.exp(logits) / np.exp(logits).sum()
    return dict(zip(LABELS, shares.tolist(), strict=True))


def manifest(digests: dict[str, str]) -> dict[str, Any]:
    def graph(name: str, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
        return {"file": f"{name}.onnx", "sha256": digests[f"{name}.onnx"], "inputs": inputs, "outputs": outputs}

    task = {
        "kind": "classify", "inputs": ["text"], "optional": [], "any_input": True, "max_length": None, "stride": None,
        "graph": "head", "reads": "first", "decode": {"labels": LABELS, "multi": False, "threshold": 0.5},
    }  # fmt: skip
    return {
        "format": 1, "unisono": "0", "created_from": "hand", "precision": "fp32", "trunk": {"most": 16},
        "text": {"tokenizer": "tokenizer.json", "max_length": 16},
        "graphs": {
            "encoder": graph("encoder", ["ids", "grid", "place"], ["states"]),
            "head": graph("head", ["states", "index"], ["logits"]),
        },
        "files": {"tokenizer.json": digests["tokenizer.json"]},
        "tasks": {"like": task, "again": task},
    }  # fmt: skip


def write(folder: Path, **other: bytes) -> Path:
    """The export; ``other``: the bytes of ``encoder`` or ``head`` in place of theirs, vouched for like them."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "encoder.onnx": other.get("encoder", encoder().SerializeToString()),
        "head.onnx": other.get("head", head().SerializeToString()),
        "tokenizer.json": tokenizer().encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    said = manifest({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
    (folder / "unisono.json").write_text(json.dumps(said))
    return folder


def write_one(file: Path) -> Path:
    """The same as one file, in which each task has an index and logits of its own."""
    nodes = [helper.make_node("Gather", ["embed", "ids"], ["states"])]
    inputs, outputs = list(encoder().graph.input), []
    for name in ("head", "other"):
        nodes.append(helper.make_node("Gather", ["states", f"{name}.index"], [f"{name}.first"]))
        nodes.append(helper.make_node("MatMul", [f"{name}.first", "read"], [f"{name}.logits"]))
        inputs.append(value(f"{name}.index", TensorProto.INT64, "B"))
        outputs.append(value(f"{name}.logits", TensorProto.FLOAT, "B", 2))
    made = model(nodes, inputs, outputs, {"embed": _EMBED, "read": _READ})
    said = manifest(dict.fromkeys(["encoder.onnx", "head.onnx", "tokenizer.json"], ""))
    said["graphs"] = {"all": {"file": None, "sha256": None, "inputs": [i.name for i in inputs], "outputs": ["x"]}}
    said["tasks"]["again"] = {**said["tasks"]["again"], "graph": "other"}
    told = {"unisono.manifest": json.dumps(said), "unisono.file.tokenizer.json": tokenizer()}
    onnx.helper.set_model_props(made, told)
    file.write_bytes(made.SerializeToString())
    return file
