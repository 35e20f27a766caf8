"""variant: a model's graphs in one precision, and what checking them found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from unisono.deploy.calibrate import ranges
from unisono.deploy.gate import gated
from unisono.deploy.plan import Plan
from unisono.deploy.quantize import to_fp16
from unisono.deploy.rows import Data
from unisono.deploy.scores import Base, Scored, in_memory, scored
from unisono.deploy.sessions import Session
from unisono.deploy.verify import Checked, check, demand, demand_scores

Precision = Literal["fp32", "fp16", "int8"]
Target = Literal["onnx", "torch"]
Told = Callable[[str], Any]


@dataclass(frozen=True)
class Settings:
    """How a model is exported.

    Args:
        tasks: only these; none: all.
        precision: of the weights, and with int8 of the products too.
        rows: held-out rows of each task that it is checked on, at most.
        max_drop: what a task may lose of its main metric, as a fraction.
        calibrate: training rows of each task on which the ranges of activations are found beforehand; 0: each call
            finds its own.
        target: what runs the graphs: ONNX Runtime, or PyTorch (in fp32 only).
        one_file: all in one file ``.onnx``.
        compare: measure every precision and PyTorch.
    """

    tasks: Sequence[str] = ()
    precision: Precision = "fp32"
    rows: int = 200
    max_drop: float = 0.01
    calibrate: int = 0
    target: Target = "onnx"
    one_file: bool = False
    compare: bool = False


@dataclass(frozen=True)
class Variant:
    """Graphs of one precision.

    Args:
        protos: graph -> its ``onnx.ModelProto``. ``checked``: task -> what its check found.
        scores: task -> its main metric. ``kept``: graph -> the matrices that stayed in fp32.
    """

    precision: Precision
    protos: Mapping[str, Any]
    checked: Mapping[str, Checked]
    scores: Mapping[str, Scored]
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)


def made(
    precision: Precision,
    planned: Plan,
    protos: Mapping[str, Any],
    data: Data,
    base: Mapping[str, Base],
    settings: Settings,
    told: Told,
) -> Variant:
    """The graphs in some precision, from those in fp32, and checked.

    Args:
        base: what the model scores.

    Raises:
        ExportError: they differ from the model, or a task loses too much.
    """
    kept: Mapping[str, Sequence[str]] = {}
    if precision == "int8":
        found = None
        if settings.calibrate:
            told(f"finding ranges on {settings.calibrate} training rows of each task")
            rows = {task: data.training(planned.model, task, settings.calibrate) for task in planned.heads}
            found = ranges(planned, protos, rows)
        told("quantizing")
        examples = {task: data.examples(planned.model, task, settings.rows) for task in planned.heads}
        best = gated(planned, protos, base, examples, most=settings.max_drop, ranges=found, told=told)
        protos, scores, kept = best.protos, best.scores, best.kept
    else:
        protos = {n: to_fp16(p) for n, p in protos.items()} if precision == "fp16" else protos
        told(f"scoring the tasks in {precision}")
        scores = scored(planned, in_memory(planned, protos, precision), base)
    checked = check(planned, {name: Session(proto) for name, proto in protos.items()}, data, settings.rows)
    if precision == "fp32":
        demand(checked)
    demand_scores(scores, settings.max_drop)
    return Variant(precision, protos, checked, scores, kept)
