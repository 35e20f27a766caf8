"""export: a model to a folder of graphs, checked against the model before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from unisono import files
from unisono.data import DataError
from unisono.deploy import folder as folders
from unisono.deploy import onefile
from unisono.deploy.card import card
from unisono.deploy.errors import ExportError
from unisono.deploy.manifest import manifest, texts
from unisono.deploy.measure import Compared, measured
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.plan import Plan, plan
from unisono.deploy.rows import Data
from unisono.deploy.scores import Scored, bases, runtime_of, scored
from unisono.deploy.torchfile import Package, Packages, to_torch
from unisono.deploy.variant import Precision, Settings, Told, Variant, made
from unisono.deploy.verify import Checked, check, demand, demand_scores
from unisono.model import MultiTaskModel
from unisono.recipe import Recipe

__all__ = ["Done", "Settings", "export"]


@dataclass(frozen=True)
class Done:
    """An export.

    Args:
        path: the folder or the file. ``files``: name -> bytes.
        tasks: task -> what its check found. ``scores``: task -> its main metric.
        kept: graph -> the matrices that stayed in fp32.
        compared: the variants side by side, where that was asked for.
    """

    path: Path
    precision: Precision
    files: Mapping[str, int]
    tasks: Mapping[str, Checked]
    scores: Mapping[str, Scored]
    kept: Mapping[str, Sequence[str]]
    compared: Compared | None

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "path": str(self.path)}


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
        out: the folder, or the file ``.onnx`` where all goes into one; an export that is there is replaced.
        source: what the manifest says that it was made from.
        recipe: of the model's run: its held-out rows are what the graphs are checked on. Without it, or without its
            data, they are checked on made-up rows, and no metric can be looked at.
        told: hears what is being done.

    Raises:
        ExportError: a task that cannot be exported, or graphs that differ from the model; nothing is written then.
    """
    out = Path(out)
    _sensible(settings)
    (folders.check_file if settings.one_file else folders.check_place)(out)
    planned = plan(model.cpu().eval(), settings.tasks)
    if settings.one_file:
        onefile.check(planned)
    if planned.floors and settings.target == "torch":
        raise ExportError("packages of torch.export hold the trunk in one piece: leave out --exits or --format torch")
    data = _data(recipe, planned, told)
    base = bases(planned, data.held, settings.rows)
    if settings.target == "torch":
        contents, variant = _packages(planned, data, base, settings, told)
        compared = None
    else:
        protos = {}
        for graph in planned.graphs():
            told(f"tracing {graph.name}")
            protos[graph.name] = to_onnx(graph)
        wanted = get_args(Precision) if settings.compare else ("fp32", settings.precision)
        variants = {p: made(p, planned, protos, data, base, settings, told) for p in dict.fromkeys(wanted)}
        variant = variants[settings.precision]
        if settings.compare:
            told("timing all variants in turn")
        compared = measured(planned, list(variants.values()), data) if settings.compare else None
        contents = {f"{name}.onnx": proto.SerializeToString() for name, proto in variant.protos.items()}
    contents |= texts(planned)
    said = manifest(
        planned,
        source=source,
        precision=settings.precision,
        suffix=".pt2" if settings.target == "torch" else ".onnx",
        digests={name: folders.digest(content) for name, content in contents.items()},
        told={
            "metrics": {t: {s.metric: {"model": s.model, "exported": s.exported}} for t, s in variant.scores.items()},
            "kept": {graph: list(nodes) for graph, nodes in variant.kept.items()},
        },
    )
    about = card(planned, variant, settings.target, compared)
    if settings.one_file:
        proto = onefile.joined(variant.protos)
        onefile.complete(proto, onefile.told_in_one(said, proto), texts(planned), about)
        files.write_atomic(out, proto.SerializeToString())
    else:
        folders.write(out, {**contents, "README.md": about}, said)
    sizes = {path.name: path.stat().st_size for path in (sorted(out.iterdir()) if out.is_dir() else [out])}
    return Done(out, settings.precision, sizes, variant.checked, variant.scores, variant.kept, compared)


def _sensible(settings: Settings) -> None:
    """Raises ``ExportError`` for what does not go together."""
    if settings.target == "torch" and (settings.precision != "fp32" or settings.one_file or settings.compare):
        raise ExportError("packages of torch.export are a folder in fp32: leave out --precision, --one-file, --compare")
    if settings.calibrate and settings.precision != "int8" and not settings.compare:
        raise ExportError("--calibrate is for --precision int8")


def _packages(
    planned: Plan, data: Data, base: Mapping[str, Any], settings: Settings, told: Told
) -> tuple[dict[str, folders.Content], Variant]:
    """The graphs as packages of PyTorch, checked as those of ONNX are."""
    contents: dict[str, folders.Content] = {}
    run = {}
    for graph in planned.graphs():
        told(f"tracing {graph.name}")
        content = to_torch(graph)
        contents[f"{graph.name}.pt2"], run[graph.name] = content, Package(content, graph.inputs)
    told("checking the graphs against the model")
    checked = check(planned, run, data, settings.rows)
    demand(checked)
    scores = scored(planned, runtime_of(planned, "fp32", lambda *_: Packages(run)), base)
    demand_scores(scores, settings.max_drop)
    return contents, Variant("fp32", {}, checked, scores)


def _data(recipe: Recipe | None, planned: Plan, told: Told) -> Data:
    if recipe is None:
        told("no recipe here: the graphs are checked on made-up rows, and no metric is looked at")
        return Data({})
    try:
        return Data.of(recipe, planned.model, list(planned.heads))
    except (DataError, OSError) as reason:
        told(f"no data at hand, so made-up rows stand in and no metric is looked at: {str(reason).splitlines()[0]}")
        return Data({})
