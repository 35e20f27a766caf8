"""The server that one writes without Unisono: FastAPI and ONNX Runtime, one padded model and one endpoint a task, each
request answered by itself. What ``serve_load.py`` measures against.

    python benchmarks/serve_plain.py FOLDER [pad]      # written by ``write``; says its address on standard error

With ``pad`` each text is padded to the length that inputs may have, as it is done where a model wants one shape.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from pydantic import BaseModel

LONGEST = 128  # tokens


class Ask(BaseModel):
    text: str


def write(folder: Path, tasks: dict[str, dict[str, object]], *, int8: bool) -> Path:
    """One ONNX model a task, of MiniLM and a head of the size of ours, by the exporters of PyTorch and ONNX Runtime.

    Args:
        tasks: name -> ``labels``, and ``words``: each word has one.
    """
    import torch
    from torch import nn
    from transformers import AutoModel, AutoTokenizer

    from unisono.hub import locate

    folder.mkdir()
    where = locate("minilm")
    tokenizer = AutoTokenizer.from_pretrained(where)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))

    class Whole(nn.Module):
        def __init__(self, labels: int, words: bool) -> None:
            super().__init__()
            self.encoder, self.words = AutoModel.from_pretrained(where, add_pooling_layer=False), words
            width = self.encoder.config.hidden_size
            self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, labels))

        def forward(self, input_ids, attention_mask, token_type_ids):
            states = self.encoder(input_ids, attention_mask, token_type_ids).last_hidden_state
            return self.head(states if self.words else states[:, 0])

    example = tokenizer(["one", "two and three"], padding=True, return_tensors="pt")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "rows", 1: "length"} for name in names}
    for task, told in tasks.items():
        path = folder / f"{task}.onnx"
        torch.onnx.export(
            Whole(len(told["labels"]), bool(told["words"])).eval(), tuple(example[name] for name in names), str(path),
            input_names=names, output_names=["logits"], dynamo=False, opset_version=17,
            dynamic_axes={**axes, "logits": {0: "rows", **({1: "length"} if told["words"] else {})}},
        )  # fmt: skip
        if int8:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(path, path, weight_type=QuantType.QInt8)
    (folder / "tasks.json").write_text(json.dumps(tasks))
    return folder


def app(folder: Path, threads: int, *, pad: bool):
    """The application."""
    import numpy as np
    import onnxruntime
    from fastapi import FastAPI
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if pad:
        tokenizer.enable_padding(length=LONGEST)
    else:
        tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    api = FastAPI()

    def add(task: str, labels: list[str], words: bool) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(folder / f"{task}.onnx", options, providers=["CPUExecutionProvider"])

        def run(found) -> np.ndarray:
            fields = {"input_ids": found.ids, "attention_mask": found.attention_mask, "token_type_ids": found.type_ids}
            return session.run(None, {name: np.array([value], np.int64) for name, value in fields.items()})[0][0]

        @api.post(f"/v1/{task}")
        def predict(ask: Ask) -> dict:
            if not words:
                logits = run(tokenizer.encode(ask.text))
                shares = np.exp(logits - logits.max())
                shares /= shares.sum()
                scores = dict(zip(labels, shares.tolist(), strict=True))
                return {"label": labels[int(logits.argmax())], "score": float(shares.max()), "scores": scores}
            split = ask.text.split()
            found = tokenizer.encode(split, is_pretokenized=True)
            best = run(found).argmax(-1)
            first = {word: at for at, word in reversed(list(enumerate(found.word_ids))) if word is not None}
            return {"words": split, "tags": [labels[best[first[w]]] if w in first else "O" for w in range(len(split))]}

    for task, told in json.loads((folder / "tasks.json").read_text()).items():
        add(task, told["labels"], told["words"])
    return api


def main() -> None:
    import uvicorn

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(1024)
    made = app(Path(sys.argv[1]), int(os.environ.get("OMP_NUM_THREADS", "1")), pad="pad" in sys.argv)
    print(f"serving at http://127.0.0.1:{bound.getsockname()[1]}", file=sys.stderr, flush=True)
    config = uvicorn.Config(made, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
