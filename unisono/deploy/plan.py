"""plan: which tasks of a model are exported, as which graphs, in which files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from unisono.deploy.encoder import encoder_graph, floor_graph
from unisono.deploy.errors import ExportError
from unisono.deploy.exits import Early
from unisono.deploy.graph import Graph
from unisono.deploy.heads import Exported, exported
from unisono.deploy.stems import ExportedStem, exported_stem, unfit
from unisono.model import MultiTaskModel
from unisono.runtime.inputs import Inputs
from unisono.runtime.manifest import STEMS
from unisono.runtime.stems import Text
from unisono.runtime.text import Reader
from unisono.trunk import layers_of

ENCODER = "encoder"


@dataclass(frozen=True)
class Plan:
    """What is written.

    Args:
        model: in evaluation mode. ``encoder``: its trunk, with the word table where there are no ``stems``.
        stems: name -> stem; none where texts are all that the tasks read.
        heads: task -> its head.
        inputs: lays examples in packs, as the runtime does.
        floors: where rows may leave between layers: the graphs of the trunk, ``encoder`` the first, and how many layers
            are done after each. ``exits``: task -> number of layers -> the classifier that stands after them.
    """

    model: MultiTaskModel
    encoder: Graph
    stems: Mapping[str, ExportedStem]
    heads: Mapping[str, Exported]
    inputs: Inputs
    floors: Sequence[tuple[Graph, int]] = ()
    exits: Mapping[str, Mapping[int, Exported]] = field(default_factory=dict)

    def graphs_of(self, task: str) -> list[Graph]:
        """Those of a task's head, and of its exits."""
        exits = [exit_.graph for exit_ in self.exits.get(task, {}).values()]
        return [self.heads[task].graph, *self.heads[task].steps.values(), *exits]

    def below(self, task: str) -> list[Graph]:
        """Those that a task's head stands on."""
        return [*(self.stems[name].graph for name in self.model.tasks[task].stems if self.stems), *self.trunk()]

    def trunk(self) -> list[Graph]:
        """Those of the trunk, from the input up."""
        return [graph for graph, _ in self.floors] or [self.encoder]

    def graphs(self) -> Iterator[Graph]:
        """All of them; their names, and so those of their files, are different."""
        yield from (stem.graph for stem in self.stems.values())
        yield from self.trunk()
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
            if strange := [why for name, stem in model.stems_of(task).items() if (why := unfit(stem, name))]:
                raise ExportError(strange[0])
            heads[task] = exported(model.head(task), names[task])
        except ExportError as error:
            refused[task] = str(error)
    if refused:
        rest = " ".join(f"--task {task}" for task in heads)
        way = f"leave it out: {rest}" if rest else "none of the tasks asked for can be exported"
        raise ExportError(
            "\n".join(f'task "{t}" (kind {model.tasks[t].kind.name}): {why}; {way}' for t, why in refused.items())
        )
    stems = _stems(model, chosen)
    readers = {name: stem.reader for name, stem in stems.items()}
    if not stems:
        readers["text"] = Text(Reader(model.text.tokenizer.backend_tokenizer.to_str()), model.text.max_length)
    inputs = Inputs(readers, {name: name for name in stems})
    exits = {
        task: {n: exported(exit_, f"{names[task]}.exit.{n}") for n, exit_ in model.exits[task].heads.items()}
        for task in chosen
        if isinstance(model, Early) and task in model.exits
    }
    floors = _floors(model, sorted({n for own in exits.values() for n in own}), texts=not stems)
    encoder = floors[0][0] if floors else encoder_graph(model, texts=not stems)
    return Plan(model, encoder, stems, heads, inputs, floors, exits)


def _floors(model: MultiTaskModel, layers: Sequence[int], *, texts: bool) -> list[tuple[Graph, int]]:
    """The trunk, cut after so many layers; nothing where it is not to be cut."""
    if not layers:
        return []
    ends = [*layers, len(layers_of(model.trunk.encoder))]
    lowest = encoder_graph(model, texts=texts, end=ends[0])
    return [(lowest, ends[0]), *((floor_graph(model, begin, end), end) for begin, end in pairwise(ends))]


def _stems(model: MultiTaskModel, tasks: Sequence[str]) -> dict[str, ExportedStem]:
    """Name -> stem, of all that the tasks read; none if that is texts alone."""
    used = {name: stem for task in tasks for name, stem in model.stems_of(task).items()}
    if list(used) == ["text"]:
        return {}
    return {n: exported_stem(s, model.marks.get(n), n) for n, s in used.items()}


def _names(tasks: Sequence[str]) -> dict[str, str]:
    """Task -> a name that any file system takes; no two alike, in capitals or not."""
    out: dict[str, str] = {}
    taken = {ENCODER, *STEMS, "tokenizer", "unisono", "readme"}
    for task in tasks:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", task).strip("-") or "task"
        name, number = plain, 2
        while name.lower() in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.lower())
        out[task] = name
    return out
