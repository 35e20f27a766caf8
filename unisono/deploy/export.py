"""export: a model to a folder of graphs, checked against the model before it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unisono.data import DataError
from unisono.deploy import folder as folders
from unisono.deploy.card import card
from unisono.deploy.manifest import TOKENIZER, manifest, tokenizer_json
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.plan import Plan, plan
from unisono.deploy.rows import HeldOut, examples_of, held_out
from unisono.deploy.sessions import Session
from unisono.deploy.verify import Checked, demand, gap
from unisono.model import MultiTaskModel
from unisono.recipe import Recipe


@dataclass(frozen=True)
class Done:
    """An export.

    Args:
        folder: where it is. ``files``: name -> bytes.
        tasks: task -> what its check found.
    """

    folder: Path
    files: Mapping[str, int]
    tasks: Mapping[str, Checked]

    def document(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def export(
    model: MultiTaskModel,
    out: str | Path,
    *,
    source: str,
    tasks: Sequence[str] = (),
    recipe: Recipe | None = None,
    rows: int = 200,
    told: Callable[[str], Any] = lambda line: None,
) -> Done:
    """Writes the model's tasks as graphs.

    Args:
        out: the folder; an export that it holds is replaced.
        source: what the manifest says that it was made from.
        tasks: only these.
        recipe: of the model's run: its held-out rows are what the graphs are checked on. Without it, or without its
            data, they are checked on made-up texts.
        rows: of each task at most.
        told: hears what is being done.

    Raises:
        ExportError: a task that cannot be exported, or graphs that differ from the model; nothing is written then.
    """
    out = Path(out)
    folders.check_place(out)
    model = model.cpu().eval()
    planned = plan(model, tasks)
    protos = {}
    for graph in planned.graphs():
        told(f"tracing {graph.name}")
        protos[graph.name] = to_onnx(graph)
    data = _data(recipe, planned, told)
    told("checking the graphs against the model")
    checked = check(planned, protos, data, rows)
    demand(checked)
    contents: dict[str, folders.Content] = {f"{n}.onnx": p.SerializeToString() for n, p in protos.items()}
    contents[TOKENIZER] = tokenizer_json(planned)
    for head in planned.heads.values():
        contents.update(head.files)
    digests = {name: folders.digest(content) for name, content in contents.items()}
    said = manifest(planned, source=source, precision="fp32", suffix=".onnx", digests=digests, told={})
    contents["README.md"] = card(planned, checked)
    folders.write(out, contents, said)
    return Done(out, {p.name: p.stat().st_size for p in sorted(out.iterdir())}, checked)


def _data(recipe: Recipe | None, planned: Plan, told: Callable[[str], Any]) -> dict[str, HeldOut]:
    if recipe is None:
        told("no recipe here: the graphs are checked on made-up texts")
        return {}
    try:
        return held_out(recipe, planned.model, list(planned.heads))
    except (DataError, OSError) as reason:
        told(f"no data at hand, so the graphs are checked on made-up texts: {str(reason).splitlines()[0]}")
        return {}


def check(planned: Plan, protos: Mapping[str, Any], data: Mapping[str, HeldOut], rows: int) -> dict[str, Checked]:
    """Every task's graphs against the model."""
    run = {name: Session(proto) for name, proto in protos.items()}
    out = {}
    for task in planned.heads:
        examples = examples_of(planned.model, task, data.get(task), rows)
        out[task] = Checked(len(examples), task not in data, gap(planned, task, examples, run))
    return out
