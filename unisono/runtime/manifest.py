"""Manifest: ``unisono.json``, what an export says of itself, as typed entries that were checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Damaged
from .fields import Fields

FORMAT = 1
MANIFEST = "unisono.json"
IN_ONE = "unisono."  # begins the names of metadata entries of an export that is one file
KINDS = (
    "answer",
    "caption",
    "classify",
    "dense",
    "detect",
    "match",
    "regress",
    "segment",
    "span",
    "speaker",
    "tag",
    "transcribe",
    "translate",
)
PRECISIONS = ("fp32", "fp16", "int8")
LONGEST = 1 << 16  # tokens of a sequence at most, whatever a manifest says
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Graph:
    """One graph.

    Args:
        file: its name in the folder. ``sha256``: of its bytes. Both None where the export is one file.
        inputs, outputs: their names.
    """

    file: str | None
    sha256: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One task.

    Args:
        inputs: the roles that a row is asked for; ``optional``: others that it was taught with.
        any_input: of several inputs a row may bring any.
        max_length: tokens of a sequence at most, special ones counted.
        stride: tokens that neighbouring windows of a long context share.
        graph: the name of the head's graph; ``step``: of that of one step of a head that writes.
        reads: what the graph's index is: the first token of each sequence, their grid, or places in the pack.
        decode: with what predictions are made of the graph's outputs; each head reads its own.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    any_input: bool
    max_length: int
    stride: int
    graph: str
    step: str | None
    reads: str
    decode: Fields

    @property
    def required(self) -> tuple[str, ...]:
        """The inputs without which there is no answer; none where any of them will do."""
        return () if self.any_input and len(self.inputs) > 1 else self.inputs


@dataclass(frozen=True)
class Manifest:
    """A whole export.

    Args:
        max_length: tokens of a text at most. ``tokenizer``: the name of its file.
        graphs: name -> graph; ``files``: name of any other file -> its SHA-256, None where the export is one file.
        told: all that was said, for people.
    """

    precision: str
    max_length: int
    tokenizer: str
    graphs: Mapping[str, Graph]
    files: Mapping[str, str | None]
    tasks: Mapping[str, Task]
    told: Mapping[str, Any]

    @classmethod
    def read(cls, content: Any, where: str, *, one_file: bool) -> Manifest:
        """A manifest of JSON.

        Args:
            where: its name, for messages.
            one_file: it lies in the one file of an export, so that it names no others.

        Raises:
            Damaged: an entry is missing, or is not of its type or in its range; or another format.
        """
        said = Fields(content, where)
        version = said.whole("format", 1, 1 << 30)
        if version != FORMAT:
            raise Damaged(f"{where}: format {version}, this runtime reads format {FORMAT}; install a newer one")
        trunk, text = said.within("trunk"), said.within("text")
        most = trunk.whole("most", 4, LONGEST) if trunk.has("most") else LONGEST
        longest = min(most, text.whole("max_length", 4, LONGEST))
        graphs = {name: _graph(graph, one_file) for name, graph in said.within("graphs").each()}
        digests = said.within("files")
        files = {name: None if one_file else _digest(digests, name) for name in digests.values}
        for name in [*files, *(graph.file for graph in graphs.values() if graph.file is not None)]:
            if not _FILE.fullmatch(name):
                raise Damaged(f'{where}: "{name[:100]}" is no plain name of a file in the folder')
        tasks = {name: _task(name, task, longest) for name, task in said.within("tasks").each()}
        if not tasks:
            raise Damaged(f"{where}: no task")
        tokenizer = text.text("tokenizer")
        known = set(files) if one_file else {*files, *graphs}
        if tokenizer not in files:
            raise Damaged(f'{where}: text: tokenizer: "{tokenizer}" is none of its files')
        if not one_file:
            for name in ["encoder", *(n for t in tasks.values() for n in (t.graph, t.step) if n is not None)]:
                if name not in known:
                    raise Damaged(f'{where}: no graph "{name}"')
        precision = said.text("precision", PRECISIONS)
        return cls(precision, longest, tokenizer, graphs, files, tasks, said.values)


def _graph(said: Fields, one_file: bool) -> Graph:
    file = None if one_file else said.text("file")
    return Graph(file, None if one_file else _digest(said, "sha256"), said.texts("inputs"), said.texts("outputs"))


def _digest(said: Fields, name: str) -> str:
    found = said.text(name)
    if not _DIGEST.fullmatch(found):
        raise said.wrong(name, "a SHA-256 in hexadecimal")
    return found


def _task(name: str, said: Fields, longest: int) -> Task:
    kind = said.text("kind", KINDS)
    return Task(
        name,
        kind,
        inputs=said.texts("inputs", least=1),
        optional=said.texts("optional"),
        any_input=said.flag("any_input"),
        max_length=min(longest, said.whole("max_length", 4, LONGEST)) if said.has("max_length") else longest,
        stride=said.whole("stride", 0, LONGEST) if said.has("stride") else 0,
        graph=said.text("graph"),
        step=said.text("step") if said.has("step") else None,
        reads=said.text("reads", ("first", "grid", "places", "patches")),
        decode=said.within("decode"),
    )
