"""sequences: what a teacher writes in place of the training rows' own texts.

Sequence-level knowledge distillation (Kim & Rush 2016, https://arxiv.org/abs/1606.07947, section 3.2): the best
hypothesis of the teacher's beam search over the training rows is what the student learns from. Searched once, and kept
in the cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from unisono import files
from unisono.data import Rows
from unisono.heads import Example
from unisono.model import MultiTaskModel
from unisono.packed import passes
from unisono.recipe import RecipeError
from unisono.tasks import Task

WRITTEN = ("text", "texts", "references")  # kinds of labels that are texts


def role_of(task: Task) -> str | None:
    """The role of the label that a task's head writes; None: it writes none."""
    if not hasattr(task.options, "beams"):
        return None
    return next((role for role in task.kind.labels if task.roles[role].kind in WRITTEN), None)


def rewritten(
    name: str, task: Task, rows: Rows, teacher: MultiTaskModel, *, weights: str, beams: int, cache: Path
) -> Rows:
    """The rows with what the teacher writes as their label; a row of which it writes nothing keeps its own.

    Args:
        weights: a fingerprint of the teacher, under which the texts are kept.
    """
    role = role_of(task)
    assert role is not None
    said = hashlib.sha256(json.dumps([weights, rows.fingerprint, name, beams]).encode()).hexdigest()
    kept = cache / "taught" / f"{said[:32]}.json"
    if kept.exists():
        texts = json.loads(kept.read_text(encoding="utf-8"))
    else:
        texts = _written(
            name, task.roles[role].kind, list(rows), teacher, beams, getattr(task.options, "languages", None)
        )
        kept.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(kept, json.dumps(texts, ensure_ascii=False))
    return Rewritten(rows, role, texts, said)


def _written(
    name: str, kind: str, rows: list[Mapping[str, Any]], teacher: MultiTaskModel, beams: int, languages: Any
) -> list[Any]:
    """One label a row, None where the teacher cannot read the row."""
    places: list[int] = []
    examples: list[Example] = []
    for at, made in enumerate(teacher.encode(name, rows)):
        if isinstance(made, list):
            raise RecipeError(f'distill.sequences: task "{name}" cuts its rows into windows, of which no text is made')
        if not isinstance(made, str):
            places.append(at)
            examples.append(made)
    out: list[Any] = [None] * len(rows)
    for language in languages or (None,):
        how = {"beams": beams, **({"language": language} if language else {})}
        for part in passes([teacher.length(name, e) for e in examples], 4096):
            found = teacher.predict_examples(name, [examples[i] for i in part], **how)
            for i, prediction in zip(part, found, strict=True):
                text = prediction["text"]
                if not text:
                    continue
                if kind == "texts":
                    out[places[i]] = {**(out[places[i]] or {}), language: text}
                else:
                    out[places[i]] = [text] if kind == "references" else text
    return out


class Rewritten(Rows):
    """Rows of which one role is told anew.

    Args:
        rows: as they were. ``role``: which of their roles.
        values: (n,) what it is; None: as it was.
        fingerprint: names the values.
    """

    def __init__(self, rows: Rows, role: str, values: list[Any], fingerprint: str) -> None:
        super().__init__(rows._mapped.folder, rows._index)
        self._rows, self._role, self._values = rows, role, values
        self.fingerprint = hashlib.sha256(f"{rows.fingerprint} {fingerprint}".encode()).hexdigest()

    def __getitem__(self, i: int) -> dict[str, Any]:
        row, value = super().__getitem__(i), self._values[i]
        return row if value is None else {**row, self._role: value}

    def record_batches(self) -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in super().record_batches():
            place = batch.schema.get_field_index(self._role)
            old = batch.column(place)
            new = self._values[at : at + len(batch)]
            told = [o if n is None else n for o, n in zip(old.to_pylist(), new, strict=True)]
            yield batch.set_column(place, batch.schema.field(place), pa.array(told, old.type))
            at += len(batch)

    def select(self, index: Any) -> Rows:
        chosen = sorted(int(i) for i in index)
        some = self._rows.select(index)
        return Rewritten(some, self._role, [self._values[i] for i in chosen], f"{self.fingerprint} {some.fingerprint}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Rewritten, (self._rows, self._role, self._values, self.fingerprint)
