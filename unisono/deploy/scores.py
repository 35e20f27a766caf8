"""scores: each task's own metric, of the model and of what was exported, on the same held-out rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unisono.deploy import folder as folders
from unisono.deploy.manifest import manifest, texts
from unisono.deploy.plan import Plan
from unisono.deploy.rows import HeldOut
from unisono.evaluate import HUNDRED, evaluate
from unisono.heads import Row
from unisono.runtime.bundle import Bundle
from unisono.runtime.graphs import Graphs
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
        return (self.model - self.exported) / (100 if self.metric in HUNDRED else 1)


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
    beside = texts(planned)
    digests = {f"{name}.onnx": folders.digest(content) for name, content in graphs.items()}
    digests |= {name: folders.digest(content) for name, content in beside.items()}
    said = manifest(planned, source="", precision=precision, suffix=".onnx", digests=digests, told={})
    read = Manifest.read(json.loads(json.dumps(said)), "the export", one_file=False)
    return Runtime(read, beside, Graphs(Bundle(read, graphs, beside, "", False), threads))


def scored(planned: Plan, runtime: Runtime, base: Mapping[str, Base]) -> dict[str, Scored]:
    """Every task of ``base`` through the runtime."""
    out = {}
    for task, known in base.items():
        kind = planned.model.tasks[task].kind
        asked = [{role: row[role] for role in kind.inputs if row.get(role) is not None} for row in known.rows]
        found = runtime.predict(task, asked, **planned.model.head(task).quick)
        out[task] = Scored(known.metric, known.value, kind.score(found, known.rows)[known.metric])
    return out
