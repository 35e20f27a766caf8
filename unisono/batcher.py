"""Batcher: rows of tasks to batches, on the CPU. Nothing here meets the trunk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from torch import nn

from unisono.batch import Batch
from unisono.blending import blended
from unisono.heads import Example, Head, Row
from unisono.heads.r_drop import seen_twice
from unisono.hiding import hidden
from unisono.inputs import SEGMENTS, SEQUENCES, Inputs, collate, collate_apart, drawn, read, read_apart, sequences
from unisono.recipe import nearest
from unisono.saved import ModelError
from unisono.stems import Stem, TextStem, Tiling
from unisono.tasks import Task


class Batcher(nn.Module):
    """What stems and heads do to rows before a forward pass. In training mode they augment, hide and mix.

    ``stems``, ``heads`` and ``tasks``: by name, as in ``MultiTaskModel``, which has them.
    """

    stems: nn.ModuleDict
    heads: nn.ModuleDict
    tasks: dict[str, Task]

    def stem(self, name: str) -> Stem:
        stem = self.stems[name]
        assert isinstance(stem, Stem)
        return stem

    @property
    def text(self) -> TextStem:
        if "text" not in self.stems:
            raise ModelError("no task of this model reads text")
        stem = self.stems["text"]
        assert isinstance(stem, TextStem)
        return stem

    def stems_of(self, task: str) -> dict[str, Stem]:
        """The stems that read the task's inputs, in the order in which they lie in a row's sequence."""
        return {name: self.stem(name) for name in self.tasks[task].stems}

    def head(self, task: str) -> Head:
        if task not in self.tasks:
            raise ModelError(f'this model has no task "{task}"{nearest(task, self.tasks)}')
        head = self.heads[task]
        assert isinstance(head, Head)
        return head

    def encode(self, task: str, rows: Sequence[Row]) -> list[Example | list[Example] | str]:
        """Rows as the task's encoded examples; for a row that cannot be learned, the reason instead.

        A task that cuts long contexts into windows, or images into tiles, has a list of examples for each row.
        """
        head = self.head(task)
        out: list[Example | list[Example] | str] = []
        for row, tokens in zip(rows, self._read(task, rows), strict=True):
            try:
                if isinstance(tokens, list):
                    out.append([{**window, **head.encode(row, window)} for window in tokens])
                else:
                    out.append(tokens if isinstance(tokens, str) else {**tokens, **head.encode(row, tokens)})
            except ValueError as reason:
                out.append(str(reason))
        return out

    def _read(self, task: str, rows: Sequence[Row]) -> Sequence[Example | list[Example] | str]:
        """``tokens``, or the windows of a text or the tiles of an image where the task asks for them."""
        spec = self.tasks[task]
        if spec.stride is not None:
            return self.text.windows(rows, stride=spec.stride, max_length=spec.max_length)
        if spec.tile is not None:
            stem, (side, overlap) = self.stems_of(task)["image"], spec.tile
            assert isinstance(stem, Tiling)
            return stem.tiles(rows, side=side, overlap=overlap, max_length=spec.max_length)
        return self.tokens(task, rows)

    def tokens(self, task: str, rows: Sequence[Row]) -> list[Example | str]:
        """What the stems make of each row's inputs; for a row that has none, or a broken one, the reason instead."""
        spec, stems = self.tasks[task], self.stems_of(task)
        room = spec.max_length
        if spec.sides:
            return read_apart(rows, stems, spec.sides, most=room)
        if "text" in stems and len(stems) > 1:  # the text is cut, so that the other inputs have their place
            others = sum(stem.most for name, stem in stems.items() if name != "text")
            whole = min(room or self.text.most, self.text.most)
            room = whole - others
            if room < 4:
                raise ModelError(
                    f'task "{task}": other inputs take up to {others:,} of {whole:,} places, which leaves a text no '
                    "room: make them shorter under stems: (audio: seconds), or the trunk longer: trunk.max_length"
                )
        return read(
            rows, stems, {name: spec.roles_of(name) for name in stems}, asked=spec.inputs,
            words=spec.kind.words, most={name: room if name == "text" else spec.max_length for name in stems},
        )  # fmt: skip

    def length(self, task: str, example: Mapping[str, np.ndarray]) -> int:
        """How many vectors the trunk gets of an example."""
        if SEGMENTS in example:
            return int(example[SEGMENTS].sum())
        return next(iter(self.stems_of(task).values())).length(example)

    def longest(self, task: str, example: Mapping[str, np.ndarray]) -> int:
        """Vectors of the longest sequence of an example: there are two where its inputs are apart."""
        return int(example[SEGMENTS].max()) if self.tasks[task].sides else self.length(task, example)

    def collate_shared(self, examples: Mapping[str, Sequence[Mapping[str, np.ndarray] | None]]) -> tuple[Batch, ...]:
        """One batch a task over the same rows; their inputs are the same tensors.

        Args:
            examples: task -> its example of each row, or None where it has none: it then has no label there. Every row
                has one of some task.
        """
        if self.training and self.twice(examples):
            examples = {task: seen_twice(own) for task, own in examples.items()}
        fields = self._fields(next(iter(examples)))
        known: Sequence[Mapping[str, np.ndarray]] = [  # of all tasks: a head may tell the stem something of its label
            {name: value for e in row if e is not None for name, value in e.items() if name in fields}
            for row in zip(*examples.values(), strict=True)
        ]
        known = drawn(self.stems_of(next(iter(examples))), known)
        batches: list[Batch] = []
        for task, own in examples.items():
            head = self.head(task)
            filled: list[Mapping[str, np.ndarray]] = [
                {**s, **(head.encode({}, s) if e is None else e)} for e, s in zip(own, known, strict=True)
            ]
            if self.training and head.mixup:  # such a task shares its rows with no other
                (stem,) = self.stems_of(task).values()
                filled = blended(filled, stem, head)
            batches.append(self._collate(task, filled, batches[0].inputs if batches else None))
        return tuple(batches)

    def twice(self, tasks: Iterable[str]) -> bool:
        """Whether training sees the rows of these tasks, which share them, twice in a step: R-Drop."""
        return any(self.head(task).r_drop for task in tasks)

    def _fields(self, task: str) -> set[str]:
        """The fields of an example that are its stems'."""
        stems, sides = self.stems_of(task), self.tasks[task].sides
        if sides:
            return {SEGMENTS, *(f"{role}/{field}" for role, name in sides.items() for field in stems[name].fields)}
        return {SEGMENTS, *(field for stem in stems.values() for field in stem.fields)}

    def collate(self, task: str, examples: Sequence[Mapping[str, np.ndarray]]) -> Batch:
        """Examples as one pack."""
        (batch,) = self.collate_shared({task: examples})
        return batch

    def _collate(self, task: str, examples: Sequence[Mapping[str, np.ndarray]], inputs: Inputs | None) -> Batch:
        """Sorted by length, so that attention meets few shapes. ``inputs``: of the same rows, collated before."""
        lengths = [self.length(task, e) for e in examples]
        order = sorted(range(len(examples)), key=lengths.__getitem__)
        examples = [examples[i] for i in order]
        stems, sides = self.stems_of(task), self.tasks[task].sides
        if self.head(task).hides:
            examples = hidden(examples, stems, self.head(task), training=self.training)
        if sides:
            numbers = sequences(examples)
            examples = [{**e, SEQUENCES: own} for e, own in zip(examples, numbers, strict=True)]
            inputs = inputs or collate_apart(stems, sides, examples)
        inputs = inputs or collate(stems, examples)
        return Batch(task, inputs, self.head(task).collate(examples), tuple(order))
