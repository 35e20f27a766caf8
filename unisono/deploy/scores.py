"""scores: each task's own metric, of the model and of what was exported, on the same held-out rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from unisono.deploy.manifest import manifest, texts
from unisono.deploy.plan import Plan
from unisono.deploy.rows import HeldOut
from unisono.evaluate import HUNDRED, evaluate
from unisono.heads import Row
from unisono.metrics import higher_is_better
from unisono.runtime.bundle import Bundle
from unisono.runtime.graphs import Graphs, Pass
from unisono.runtime.manifest import Manifest
from unisono.runtime.runtime import Runtime


@dataclass(frozen=True)
class Base:
    """What the model scores on some rows of a task.

    Args:
        metric: the task's main one. ``value``: what the model has.
        rows: the rows, labels included.
    """

    metric: str
    value: float
    rows: list[Row]


@dataclass(frozen=True)
class Scored:
    """A task's main metric.

    Args:
        model: with PyTorch. ``exported``: through the export.
    """

    metric: str
    model: float
    exported: float

    @property
    def drop(self) -> float:
        """By how much the export is worse, as a fraction: metrics that run to 100 are divided by it."""
        lost = (self.model - self.exported) / (100 if self.metric in HUNDRED else 1)
        return lost if higher_is_better(self.metric) else -lost


def bases(planned: Plan, data: Mapping[str, HeldOut], rows: int) -> dict[str, Base]:
    """Of each task that has labelled rows. Heads that write do so without beams, on either side."""
    out = {}
    for task, given in data.items():
        quick = planned.model.head(task).quick
        found = evaluate(planned.model, task, given.rows, given.examples, limit=rows, **quick)
        metric = planned.model.tasks[task].main(found.scores)
        if metric is not None:
            out[task] = Base(metric, found.scores[metric], [given.rows[at] for at in found.source])
    return out


def in_memory(planned: Plan, protos: Mapping[str, Any], precision: str, threads: int | None = None) -> Runtime:
    """The runtime of graphs that are not yet written."""
    graphs = {name: proto.SerializeToString() for name, proto in protos.items()}
    return runtime_of(planned, precision, lambda read, beside: Graphs(Bundle(read, graphs, beside, "", False), threads))


def runtime_of(planned: Plan, precision: str, run: Callable[[Manifest, Mapping[str, str]], Pass]) -> Runtime:
    """The runtime on anything that runs the graphs.

    Args:
        run: manifest and texts -> what runs them.
    """
    beside = texts(planned)
    none = dict.fromkeys([*beside, *(f"{graph.name}.onnx" for graph in planned.graphs())], "0" * 64)  # nothing is read
    said = manifest(planned, source="", precision=precision, suffix=".onnx", digests=none, told={})
    read = Manifest.read(json.loads(json.dumps(said)), "the export", one_file=False)
    return Runtime(read, beside, run(read, beside))


def asked_of(planned: Plan, task: str, row: Row) -> Row:
    """A row without its labels."""
    return {role: row[role] for role in planned.model.tasks[task].kind.inputs if row.get(role) is not None}


def scored(planned: Plan, runtime: Runtime, base: Mapping[str, Base]) -> dict[str, Scored]:
    """Every task of ``base`` through the runtime."""
    out = {}
    for task, known in base.items():
        kind = planned.model.tasks[task].kind
        asked = [asked_of(planned, task, row) for row in known.rows]
        found = runtime.predict(task, asked, **planned.model.head(task).quick)
        out[task] = Scored(known.metric, known.value, kind.score(found, known.rows)[known.metric])
    return out
