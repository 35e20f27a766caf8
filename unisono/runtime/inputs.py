"""Inputs: all that an export reads, each kind by its stem: rows -> examples -> a pack, a row's inputs one sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import Damaged, ExportedError
from .manifest import Manifest, Task
from .pack import SEGMENTS, Pack, Part
from .questions import Row
from .stems import STEMS, Stem, Text, Tokens
from .stems.tiling import Tiling
from .text import Reader

Example = dict[str, np.ndarray]
Placed = tuple[Sequence[str], Example]  # an example, and its task's stems in their order
_ROOM = 4  # tokens that a text beside other inputs must have


class Inputs:
    """The stems of an export.

    Args:
        stems: name -> stem.
        graphs: name -> that stem's graph; none where texts are all that is read, which the encoder itself looks up.
    """

    def __init__(self, stems: Mapping[str, Stem], graphs: Mapping[str, str]) -> None:
        self.stems, self._graphs = stems, graphs

    @classmethod
    def of(cls, manifest: Manifest, files: Mapping[str, str]) -> Inputs:
        """
        Raises:
            Damaged: the tokenizer is none, or what is said of a stem is not as it should be.
        """
        stems: dict[str, Stem] = {}
        if manifest.tokenizer is not None:
            try:
                stems["text"] = Text(Reader(files[manifest.tokenizer]), manifest.max_length)
            except Exception as error:  # tokenizers raises a bare Exception
                raise Damaged(f"{manifest.tokenizer}: no tokenizer ({str(error)[:100]})") from None
        for name, said in manifest.stems.items():
            if name != "text":
                stems[name] = STEMS[said.reader].of(said.read, said.most)
        return cls(stems, {name: said.graph for name, said in manifest.stems.items()})

    @property
    def text(self) -> Reader:
        """What reads texts.

        Raises:
            Damaged: nothing does.
        """
        stem = self.stems.get("text")
        if not isinstance(stem, Text):
            raise Damaged("a task reads text, and the export has no tokenizer")
        return stem.reader

    def tokens(self, task: Task, rows: Sequence[Row]) -> list[Example | str]:
        """What the stems make of each row's inputs, all of them one sequence; for a row that has none, or a broken one,
        the reason instead. As ``unisono.inputs.read``.
        """
        if task.stems == ("text",):
            return list(self.text.tokens(rows, words=False, most=task.max_length))
        found: list[Example] = [{} for _ in rows]
        lengths = np.zeros((len(rows), len(task.stems)), np.int32)
        reasons: dict[int, str] = {}
        for at, name in enumerate(task.stems):
            roles = [role for role, stem in task.roles.items() if stem == name]
            have = [i for i, row in enumerate(rows) if any(row.get(role) is not None for role in roles)]
            most = self._room(task) if name == "text" else task.most
            for i, made in zip(have, self._read(name, [rows[i] for i in have], most), strict=True):
                if isinstance(made, str):
                    reasons.setdefault(i, made)
                else:
                    found[i] |= made
                    lengths[i, at] = self.stems[name].length(made)
        nothing = f"no input: {' and '.join(task.inputs)} missing"
        return [
            reasons.get(i, nothing) if i in reasons or not own.any() else {**example, SEGMENTS: own}
            for i, (example, own) in enumerate(zip(found, lengths, strict=True))
        ]

    def tiles(self, task: Task, rows: Sequence[Row], side: int, overlap: int) -> list[list[Example] | str]:
        """Each row's image in tiles, a sequence each; or why there is no such image.

        Args:
            side, overlap: of a tile, and how much neighbours share, in pixels.

        Raises:
            Damaged: nothing reads images in tiles.
        """
        stem = self.stems.get("image")
        if not isinstance(stem, Tiling) or task.stems != ("image",):
            raise Damaged(f'task "{task.name}": it reads images in tiles, and the export has no stem for that')
        try:
            found = stem.tiles(rows, side=side, overlap=overlap, max_length=task.most)
        except ImportError as error:
            raise ExportedError(str(error)) from None
        return [
            made if isinstance(made, str) else [{**e, SEGMENTS: np.array([stem.length(e)], np.int32)} for e in made]
            for made in found
        ]

    def apart(self, task: Task, rows: Sequence[Row], sides: Sequence[str]) -> list[list[Example] | str]:
        """The same, where each input of a row is a sequence of its own, with ``side`` (1,) the number of its role.

        Args:
            sides: the roles.
        """
        out: list[list[Example]] = [[] for _ in rows]
        reasons: dict[int, str] = {}
        for side, role in enumerate(sides):
            name = task.roles.get(role, "text")
            have = [i for i, row in enumerate(rows) if row.get(role) is not None]
            given = [{name: rows[i][role]} for i in have]
            most = task.max_length if name == "text" else task.most
            for i, made in zip(have, self._read(name, given, most), strict=True):
                if isinstance(made, str) or not self.stems[name].length(made):
                    reasons.setdefault(i, made if isinstance(made, str) else f"no input: {role} missing")
                    continue
                example = {**made, "side": np.array([side], np.int32)}
                if task.stems != ("text",):
                    own = [self.stems[name].length(made) * (name == stem) for stem in task.stems]
                    example[SEGMENTS] = np.array(own, np.int32)
                out[i].append(example)
        return [reasons.get(i, made) for i, made in enumerate(out)]

    def _read(self, name: str, rows: Sequence[Mapping[str, Any]], most: int | None) -> Sequence[Tokens | str]:
        try:
            return self.stems[name].tokens(rows, most=most) if rows else []
        except ImportError as error:
            raise ExportedError(str(error)) from None

    def _room(self, task: Task) -> int:
        """Tokens of a text at most, so that the other inputs have their place."""
        others = sum(self.stems[name].most for name in task.stems if name != "text")
        if (room := task.max_length - others) < _ROOM:
            raise ExportedError(
                f'task "{task.name}": other inputs take up to {others:,} of {task.max_length:,} places, which leaves a'
                " text no room"
            )
        return room

    def key(self, stems: Sequence[str], example: Example) -> tuple[Any, ...]:
        """Equal for examples that are one sequence in a pack."""
        read = (field for name in stems for field in self.stems[name].reads if field in example)
        return (*stems, *((field, example[field].shape, example[field].tobytes()) for field in read))

    def pack(self, placed: Sequence[Placed]) -> Pack:
        """Examples end to end, in their order; of several inputs of a row, the task's first stem comes first."""
        if not self._graphs:
            return Pack([example for _, example in placed])
        held: dict[str, list[tuple[np.ndarray, Example]]] = {}  # stem -> places of its vectors, and of what they are
        sequences: list[Example] = []
        start = 0
        for names, example in placed:
            own = example[SEGMENTS] if SEGMENTS in example else np.array([self.stems[names[0]].length(example)])
            sequence = {SEGMENTS: own}
            if "types" in example:
                sequence["types"] = np.zeros(own.sum(), np.int32)
            first = 0
            for name, count in zip(names, own.tolist(), strict=True):
                if not count:
                    continue
                held.setdefault(name, []).append((start + first + np.arange(count), example))
                if name == "text" and "types" in example:
                    sequence["types"][first : first + count] = example["types"]
                first += count
            start += first
            sequences.append(sequence)
        parts = [
            Part(self._graphs[name], fields, np.concatenate([some[number][0] for number in numbers]))
            for name, some in held.items()
            for numbers, fields in self.stems[name].calls([example for _, example in some])
        ]
        return Pack(sequences, parts)
