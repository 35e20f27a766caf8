"""plan: which tasks of a model are exported, as which graphs, in which files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unisono.deploy.encoder import encoder_graph
from unisono.deploy.errors import ExportError
from unisono.deploy.graph import Graph
from unisono.deploy.heads import Exported, exported
from unisono.model import MultiTaskModel

ENCODER = "encoder"


@dataclass(frozen=True)
class Plan:
    """What is written.

    Args:
        model: in evaluation mode. ``encoder``: its stem and trunk.
        heads: task -> its head.
    """

    model: MultiTaskModel
    encoder: Graph
    heads: Mapping[str, Exported]

    def graphs_of(self, task: str) -> list[Graph]:
        """Those of a task's head."""
        return [self.heads[task].graph, *self.heads[task].steps.values()]

    def graphs(self) -> Iterator[Graph]:
        """All of them; their names, and so those of their files, are different."""
        yield self.encoder
        for task in self.heads:
            yield from self.graphs_of(task)


def plan(model: MultiTaskModel, tasks: Sequence[str] = ()) -> Plan:
    """The graphs of some tasks, or of all.

    Raises:
        ExportError: a line for each task that cannot be exported, with the way out.
    """
    chosen = list(dict.fromkeys(tasks)) or list(model.tasks)
    for task in chosen:
        model.head(task)
    heads, refused = {}, {}
    if not model.trunk.packs:
        raise ExportError(
            f"trunk family {model.trunk.family!r} does not run on packs, which exported graphs need;"
            " bert, roberta, distilbert, electra, albert and modernbert do"
        )
    names = _names(chosen)
    for task in chosen:
        try:
            if strange := [stem for stem in model.tasks[task].stems if stem != "text"]:
                raise ExportError(f"input of the stem {' and '.join(strange)} cannot be exported")
            heads[task] = exported(model.head(task), names[task])
        except ExportError as error:
            refused[task] = str(error)
    if refused:
        rest = " ".join(f"--task {task}" for task in heads)
        way = f"leave it out: {rest}" if rest else "none of the tasks asked for can be exported"
        raise ExportError(
            "\n".join(f'task "{t}" (kind {model.tasks[t].kind.name}): {why}; {way}' for t, why in refused.items())
        )
    return Plan(model, encoder_graph(model), heads)


def _names(tasks: Sequence[str]) -> dict[str, str]:
    """Task -> a name that any file system takes; no two alike, in capitals or not."""
    out: dict[str, str] = {}
    taken = {ENCODER, "tokenizer", "unisono", "readme"}
    for task in tasks:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", task).strip("-") or "task"
        name, number = plain, 2
        while name.lower() in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.lower())
        out[task] = name
    return out
