"""export: a model to a folder of graphs, checked against the model before it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unisono.data import DataError
from unisono.deploy import folder as folders
from unisono.deploy.calibrate import ranges
from unisono.deploy.card import card
from unisono.deploy.gate import gated
from unisono.deploy.manifest import manifest, texts
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.plan import Plan, plan
from unisono.deploy.quantize import to_fp16
from unisono.deploy.rows import Data
from unisono.deploy.scores import Base, Scored, bases, in_memory, scored
from unisono.deploy.sessions import Session
from unisono.deploy.variant import Precision, Variant
from unisono.deploy.verify import Checked, demand, demand_scores, gap
from unisono.model import MultiTaskModel
from unisono.recipe import Recipe

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
    """

    tasks: Sequence[str] = ()
    precision: Precision = "fp32"
    rows: int = 200
    max_drop: float = 0.01
    calibrate: int = 0


@dataclass(frozen=True)
class Done:
    """An export.

    Args:
        folder: where it is. ``files``: name -> bytes.
        tasks: task -> what its check found. ``scores``: task -> its main metric.
        kept: graph -> the matrices that stayed in fp32.
    """

    folder: Path
    precision: Precision
    files: Mapping[str, int]
    tasks: Mapping[str, Checked]
    scores: Mapping[str, Scored]
    kept: Mapping[str, Sequence[str]]

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def export(
    model: MultiTaskModel,
    out: str | Path,
    settings: Settings,
    *,
    source: str,
    recipe: Recipe | None = None,
    told: Told = lambda line: None,
) -> Done:
    """Writes the model's tasks as graphs.

    Args:
        out: the folder; an export that it holds is replaced.
        source: what the manifest says that it was made from.
        recipe: of the model's run: its held-out rows are what the graphs are checked on. Without it, or without its
            data, they are checked on made-up texts, and no metric can be looked at.
        told: hears what is being done.

    Raises:
        ExportError: a task that cannot be exported, or graphs that differ from the model; nothing is written then.
    """
    out = Path(out)
    folders.check_place(out)
    model = model.cpu().eval()
    planned = plan(model, settings.tasks)
    data = _data(recipe, planned, told)
    variant = made(planned, data, settings, told)
    contents: dict[str, folders.Content] = {f"{n}.onnx": p.SerializeToString() for n, p in variant.protos.items()}
    contents |= texts(planned)
    digests = {name: folders.digest(content) for name, content in contents.items()}
    said = manifest(
        planned,
        source=source,
        precision=settings.precision,
        suffix=".onnx",
        digests=digests,
        told={
            "metrics": {t: {s.metric: {"model": s.model, "exported": s.exported}} for t, s in variant.scores.items()},
            "kept": {graph: list(nodes) for graph, nodes in variant.kept.items()},
        },
    )
    contents["README.md"] = card(planned, variant)
    folders.write(out, contents, said)
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    return Done(out, settings.precision, sizes, variant.checked, variant.scores, variant.kept)


def made(planned: Plan, data: Data, settings: Settings, told: Told) -> Variant:
    """The graphs, checked.

    Raises:
        ExportError: they differ from the model.
    """
    protos = {}
    for graph in planned.graphs():
        told(f"tracing {graph.name}")
        protos[graph.name] = to_onnx(graph)
    told("checking the graphs against the model")
    checked = check(planned, protos, data, settings.rows)
    demand(checked)
    base = bases(planned, data.held, settings.rows)
    if settings.precision == "int8":
        return _int8(planned, protos, data, base, settings, told)
    if settings.precision == "fp16":
        protos = {name: to_fp16(proto) for name, proto in protos.items()}
        checked = check(planned, protos, data, settings.rows)
    told("scoring the exported tasks")
    scores = scored(planned, in_memory(planned, protos, settings.precision), base)
    demand_scores(scores, settings.max_drop)
    return Variant(settings.precision, protos, checked, scores)


def _int8(
    planned: Plan, protos: Mapping[str, Any], data: Data, base: Mapping[str, Base], settings: Settings, told: Told
) -> Variant:
    model = planned.model
    found = None
    if settings.calibrate:
        told(f"finding ranges on {settings.calibrate} training rows of each task")
        rows = {task: data.training(model, task, settings.calibrate) for task in planned.heads}
        found = ranges(planned, protos, rows)
    told("quantizing")
    examples = {task: data.examples(model, task, settings.rows) for task in planned.heads}
    best = gated(planned, protos, base, examples, most=settings.max_drop, ranges=found, told=told)
    return Variant("int8", best.protos, check(planned, best.protos, data, settings.rows), best.scores, best.kept)


def _data(recipe: Recipe | None, planned: Plan, told: Told) -> Data:
    if recipe is None:
        told("no recipe here: the graphs are checked on made-up texts")
        return Data({})
    try:
        return Data.of(recipe, planned.model, list(planned.heads))
    except (DataError, OSError) as reason:
        told(f"no data at hand, so the graphs are checked on made-up texts: {str(reason).splitlines()[0]}")
        return Data({})


def check(planned: Plan, protos: Mapping[str, Any], data: Data, rows: int) -> dict[str, Checked]:
    """Every task's graphs against the model."""
    run = {name: Session(proto) for name, proto in protos.items()}
    out = {}
    for task in planned.heads:
        examples = data.examples(planned.model, task, rows)
        out[task] = Checked(len(examples), task not in data.held, gap(planned, task, examples, run))
    return out
