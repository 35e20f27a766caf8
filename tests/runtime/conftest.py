"""A small model of every kind that can be exported, and its export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import unisono
from tests.train.runs import TASKS, run, small
from unisono.deploy.export import export
from unisono.model import MultiTaskModel
from unisono.runtime import Runtime

TEXT = "the cold lake froze over last night and nobody skated on it before noon but two boys"
WORDS = TEXT.split(" ")


class Shipped(NamedTuple):
    """A model, its export, and what the runtime makes of that."""

    model: MultiTaskModel
    folder: Path
    runtime: Runtime


def write(folder: Path) -> dict[str, Any]:
    """Rows of kinds that the built-in data has not; the tasks of all."""
    rows = []
    for i in range(24):
        context = " ".join(WORDS[i % 5 :] * 2)
        answer = WORDS[5 + i % 4]
        rows.append(
            {
                "text": " ".join(WORDS[i % 7 : i % 7 + 5]), "pair": " ".join(WORDS[i % 4 :][:3]), "number": 10.0 + i,
                "flags": [name for at, name in enumerate("abc") if (i + at) % 3], "question": f"when {i % 3}?",
                "context": context, "other": " ".join(WORDS[i % 7 : i % 7 + 4]), "score": float(i % 5),
                "answers": [{"text": answer, "start": context.index(answer)}] if i % 3 else [],
            }
        )  # fmt: skip
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"path": str(path)}
    return {
        "intent": {**TASKS["intent"], "head": {"pool": "mean"}},
        "Encoder": TASKS["intent"],
        "flags": {"kind": "classify", "data": data, "columns": {"label": "flags"}, "head": {"multi": True}},
        "heat": {"kind": "regress", "data": data, "columns": {"label": "number", "pair": "pair"}},
        "slots": TASKS["slots"],
        "strict": {**TASKS["slots"], "head": {"crf": True}},
        "where": {"kind": "span", "data": data, "head": {"stride": 6}, "max_length": 24},
        "alike": {"kind": "match", "data": data, "columns": {"score": "score"}, "head": {"size": 8}},
    }


@pytest.fixture(scope="session")
def shipped(tmp_path_factory) -> Shipped:
    folder = tmp_path_factory.mktemp("shipped")
    run(small(folder / "run", write(folder), steps=16, evaluate_every=16, head_lr=0.02))
    model = unisono.load(folder / "run")
    export(model, folder / "exported", source="run", rows=4)
    return Shipped(model, folder / "exported", Runtime.load(folder / "exported", threads=1))
