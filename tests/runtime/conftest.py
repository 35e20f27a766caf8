"""A small model of every kind that can be exported, and its export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import unisono
from tests.runtime.twins import Arrays, running
from tests.train.runs import TASKS, run, small
from unisono.deploy.export import Settings, export
from unisono.deploy.plan import Plan, plan
from unisono.deploy.scores import runtime_of
from unisono.model import MultiTaskModel
from unisono.runtime import Runtime
from unisono.runtime.graphs import Asked
from unisono.runtime.pack import Pack

TEXT = "the cold lake froze over last night and nobody skated on it before noon but two boys"
WORDS = TEXT.split(" ")


class Shipped(NamedTuple):
    """A model, and the runtime on what is exported of it."""

    model: MultiTaskModel
    runtime: Runtime


class InTorch:
    """Runs what is traced for the graphs of a model, before it is traced: ten times sooner than they can be written."""

    def __init__(self, planned: Plan) -> None:
        self.graphs = {graph.name: graph for graph in planned.graphs()}

    def __call__(self, pack: Pack, asked: Sequence[Asked]) -> list[Arrays]:
        inputs = pack.inputs(self.run)
        states = self.run("encoder", {name: inputs[name] for name in self.graphs["encoder"].inputs})["states"]
        return [self.run(graph, {"states": states, **fields}) for graph, fields in asked]

    def run(self, graph: str, fields: Arrays) -> Arrays:
        return running(self.graphs[graph].module)(fields)


def in_torch(model: MultiTaskModel) -> Shipped:
    planned = plan(model)
    return Shipped(model, runtime_of(planned, "fp32", lambda *_: InTorch(planned)))


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
                "answer": answer, "up": answer.upper(), "twice": f"{answer} {answer}",
                "answers": [{"text": answer, "start": context.index(answer)}] if i % 3 else [],
            }
        )  # fmt: skip
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"path": str(path)}
    head, both = TASKS["en-de"]["head"], {"up": "up", "twice": "twice"}
    return {
        "intent": {**TASKS["intent"], "head": {"pool": "mean"}},
        "Encoder": TASKS["intent"],
        "flags": {"kind": "classify", "data": data, "columns": {"label": "flags"}, "head": {"multi": True}},
        "heat": {"kind": "regress", "data": data, "columns": {"label": "number", "pair": "pair"}},
        "slots": TASKS["slots"],
        "strict": {**TASKS["slots"], "head": {"crf": True}},
        "where": {"kind": "span", "data": data, "head": {"stride": 6}, "max_length": 24},
        "en-de": TASKS["en-de"],
        "reply": {"kind": "answer", "data": data, "head": {**head, "layers": 2}},
        "say": {
            "kind": "translate",
            "data": data,
            "source": "text",
            "target": both,
            "head": {**head, "beams": 1},
        },
        "alike": {"kind": "match", "data": data, "columns": {"score": "score"}, "head": {"size": 8}},
    }


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shipped")
    run(small(folder / "run", write(folder), steps=16, evaluate_every=16, head_lr=0.02))
    return folder / "run"


@pytest.fixture(scope="session")
def model(trained) -> MultiTaskModel:
    return unisono.load(trained)


@pytest.fixture(scope="session")
def exported(model, trained) -> Path:
    """Only for slow tests: it takes half a minute."""
    return export(model, trained / "exported", Settings(rows=4), source="run").path


@pytest.fixture(scope="session", params=["in PyTorch", pytest.param("exported", marks=pytest.mark.slow)])
def shipped(request, model) -> Shipped:
    if request.param == "exported":
        return Shipped(model, Runtime.load(request.getfixturevalue("exported"), threads=1))
    return in_torch(model)
