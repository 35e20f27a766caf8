"""Manifest: ``unisono.json``, what an export says of itself, as typed entries that were checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Damaged
from .fields import Fields

FORMATS = (1, 2)  # the first: texts are all that is read, and the trunk is one graph; the second: all else
MANIFEST = "unisono.json"
IN_ONE = "unisono."  # begins the names of metadata entries of an export that is one file
READERS = ("text", "image", "whole image", "sequence", "audio", "samples", "table")
STEMS = ("text", "image", "sequence", "audio", "table")
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
        roles: every role that a row may bring -> the stem that reads it, in the order in which inputs lie in a row's
            sequence; empty where texts are all that the export reads.
        any_input: of several inputs a row may bring any.
        max_length: tokens of a text at most, special ones counted.
        most: vectors of another input at most; None: what its stem says.
        stride: tokens that neighbouring windows of a long context share.
        graph: the name of the head's graph; ``step``: of that of one step of a head that writes.
        reads: what the graph's index is: the first token of each sequence, their grid, or places in the pack.
        decode: with what predictions are made of the graph's outputs; each head reads its own.
        exits: number of layers -> the graph like ``graph`` that stands after them, at which a row may leave.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    roles: Mapping[str, str]
    any_input: bool
    max_length: int
    most: int | None
    stride: int
    graph: str
    step: str | None
    reads: str
    decode: Fields
    exits: Mapping[int, str] = field(default_factory=dict)

    @property
    def required(self) -> tuple[str, ...]:
        """The inputs without which there is no answer; none where any of them will do."""
        return () if self.any_input and len(self.inputs) > 1 else self.inputs

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems that read its inputs, in the order in which these lie in a row's sequence."""
        return tuple(dict.fromkeys(self.roles.values())) or ("text",)

    def holds(self, role: str) -> str:
        """What is to be given in a role: text, tokens, image, audio, sequence or record (of a table)."""
        if role == "tokens":
            return role
        stem = self.roles.get(role, "text")
        return "record" if stem == "table" else stem


@dataclass(frozen=True)
class Stem:
    """What reads one kind of input.

    Args:
        graph: the name of the graph that makes vectors of it. ``most``: vectors of a row at most.
        reader: the kind of what reads it. ``read``: how it is read; each reader has its own.
    """

    graph: str
    reader: str
    most: int
    read: Fields


@dataclass(frozen=True)
class Manifest:
    """A whole export.

    Args:
        max_length: tokens of a text at most. ``tokenizer``: the name of its file; None: no task reads a text.
        stems: name -> stem; none where texts are all that is read: the encoder's graph then takes tokens.
        floors: the graphs of the trunk, from the input up -> how many layers are done after each; none where it is one
            graph, the encoder.
        graphs: name -> graph; ``files``: name of any other file -> its SHA-256, None where the export is one file.
        told: all that was said, for people.
    """

    precision: str
    max_length: int
    tokenizer: str | None
    stems: Mapping[str, Stem]
    floors: Mapping[str, int]
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
        if version not in FORMATS:
            raise Damaged(f"{where}: format {version}, this runtime reads format {FORMATS[-1]}; install a newer one")
        trunk = said.within("trunk")
        floors = _floors(trunk.within("floors")) if version > 1 and trunk.has("floors") else {}
        stems: dict[str, Stem] = {}
        if version > 1 and (said.has("stems") or not floors):
            stems = {name: _stem(stem) for name, stem in said.within("stems").each()}
        if strange := [name for name in stems if name not in STEMS]:
            raise Damaged(f'{where}: no stem "{strange[0][:100]}" is known')
        longest = trunk.whole("most", 4, LONGEST) if trunk.has("most") else LONGEST
        tokenizer = None
        if not stems or "text" in stems:
            text = said.within("text")
            longest, tokenizer = min(longest, text.whole("max_length", 4, LONGEST)), text.text("tokenizer")
        graphs = {name: _graph(graph, one_file) for name, graph in said.within("graphs").each()}
        digests = said.within("files")
        files = {name: None if one_file else _digest(digests, name) for name in digests.values}
        for name in [*files, *(graph.file for graph in graphs.values() if graph.file is not None)]:
            if not _FILE.fullmatch(name):
                raise Damaged(f'{where}: "{name[:100]}" is no plain name of a file in the folder')
        tasks = {name: _task(name, task, longest, stems) for name, task in said.within("tasks").each()}
        if not tasks:
            raise Damaged(f"{where}: no task")
        known = set(files) if one_file else {*files, *graphs}
        if tokenizer is not None and tokenizer not in files:
            raise Damaged(f'{where}: text: tokenizer: "{tokenizer}" is none of its files')
        if not one_file:
            named = ["encoder", *floors, *(stem.graph for stem in stems.values())]
            named += [name for t in tasks.values() for name in (t.graph, t.step, *t.exits.values()) if name]
            for name in named:
                if name not in known:
                    raise Damaged(f'{where}: no graph "{name}"')
        for task in tasks.values():
            if wrong := set(task.exits) - set(list(floors.values())[:-1]):
                raise Damaged(f'{where}: task "{task.name}": no floor of the trunk ends after {wrong.pop()} layers')
        precision = said.text("precision", PRECISIONS)
        return cls(precision, longest, tokenizer, stems, floors, graphs, files, tasks, said.values)


def _graph(said: Fields, one_file: bool) -> Graph:
    file = None if one_file else said.text("file")
    return Graph(file, None if one_file else _digest(said, "sha256"), said.texts("inputs"), said.texts("outputs"))


def _digest(said: Fields, name: str) -> str:
    found = said.text(name)
    if not _DIGEST.fullmatch(found):
        raise said.wrong(name, "a SHA-256 in hexadecimal")
    return found


def _stem(said: Fields) -> Stem:
    return Stem(said.text("graph"), said.text("reader", READERS), said.whole("most", 1, LONGEST), said.within("read"))


def _floors(said: Fields) -> dict[str, int]:
    found = {name: said.whole(name, 1, LONGEST) for name in said.values}
    ends = list(found.values())
    if next(iter(found), "") != "encoder" or ends != sorted({*ends}):
        raise Damaged("the floors of the trunk are not told from the lowest up")
    return found


def _exits(said: Fields) -> dict[int, str]:
    if strange := [name for name in said.values if not name.isdecimal()]:
        raise Damaged(f'an exit after "{strange[0][:20]}" layers')
    return {int(name): said.text(name) for name in said.values}


def _task(name: str, said: Fields, longest: int, stems: Mapping[str, Stem]) -> Task:
    kind = said.text("kind", KINDS)
    own = said.whole("max_length", 1, LONGEST) if said.has("max_length") else None
    if own is not None and own < 4 and not stems:
        raise said.wrong("max_length", "at least 4")
    roles = {}
    if stems:
        told = said.within("roles")
        roles = {role: told.text(role, tuple(stems)) for role in told.values}
    inputs = said.texts("inputs", least=1)
    if stems and not set(inputs) <= set(roles):
        raise said.wrong("roles", "a stem for each of the inputs")
    return Task(
        name,
        kind,
        inputs=inputs,
        optional=said.texts("optional"),
        roles=roles,
        any_input=said.flag("any_input"),
        max_length=min(longest, own or longest),
        most=own,
        stride=said.whole("stride", 0, LONGEST) if said.has("stride") else 0,
        graph=said.text("graph"),
        step=said.text("step") if said.has("step") else None,
        reads=said.text("reads", ("first", "grid", "places", "patches")),
        decode=said.within("decode"),
        exits=_exits(said.within("exits")) if said.has("exits") else {},
    )
