"""Held out: a finished run's best model on rows that it has not learned from, scored once and kept with the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from unisono import api, files
from unisono.heads import Prediction
from unisono.prepare import Tables
from unisono.recipe import Recipe
from unisono.study.errors import StudyError
from unisono.tasks import resolve

FOLDER, SCORES = "held-out", "scores.json"


@dataclass(frozen=True)
class HeldOut:
    """One task over its held-out rows.

    Args:
        split: test where the task has one, else validation.
        metric: the task's main metric. ``score``: its value, as the metric gives it.
        rows: the numbers of the rows in the split. ``predictions``: one for each.
    """

    split: str
    metric: str
    score: float
    rows: list[int]
    predictions: list[Prediction]


def score(recipe: Recipe) -> dict[str, HeldOut]:
    """The scores of a finished run, from its folder if they are there already.

    Raises:
        StudyError: a task has no held-out rows with a label.
    """
    folder = recipe.folder / FOLDER
    if not (folder / SCORES).exists():
        _write(folder, _evaluate(recipe))
    return _read(folder)


def inputs_key(tables: Tables, task: str, found: HeldOut) -> str:
    """A text that is the same for the same inputs of held-out rows, of this task or another, in this run or another."""
    digest = hashlib.sha256()
    rows, roles = tables.rows[task][found.split], tables.tasks[task].kind.inputs
    for number in found.rows:
        row = rows[number]
        digest.update(repr([row.get(role) for role in roles]).encode())
    return digest.hexdigest()


def golds(tables: Tables, task: str, found: HeldOut) -> Sequence[Any]:
    """The rows with their labels, in the order of the predictions."""
    rows = tables.rows[task][found.split]
    return [rows[number] for number in found.rows]


def _evaluate(recipe: Recipe) -> dict[str, HeldOut]:
    tasks = resolve(recipe)
    out = {}
    for name, result in api.evaluate(recipe.folder, device=_device(recipe)).items():
        metric = tasks[name].main(result.scores)
        if metric is None:
            raise StudyError(
                f'task "{name}": no row of its {result.split} split has a label, so nothing can be compared'
            )
        out[name] = HeldOut(result.split, metric, result.scores[metric], result.source, result.predictions)
    for name in tasks:
        if name not in out:
            raise StudyError(
                f'task "{name}": no held-out rows; give its data a validation or test split, or a ratio of one'
            )
    return out


def _device(recipe: Recipe) -> str:
    wanted = recipe.train.device
    if wanted != "auto":
        return wanted
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator.type if accelerator else "cpu"


def _write(folder: Path, found: dict[str, HeldOut]) -> None:
    """The predictions first: scores that are there vouch for them."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = {}
    for task, one in found.items():
        facts = asdict(one)
        pairs = zip(facts.pop("rows"), facts.pop("predictions"), strict=True)
        lines = [json.dumps({"row": row, "prediction": said}, ensure_ascii=False) for row, said in pairs]
        files.write_atomic(folder / f"{task}.jsonl", "".join(line + "\n" for line in lines))
        scores[task] = facts
    files.write_atomic(folder / SCORES, json.dumps(scores, indent=2) + "\n")


def _read(folder: Path) -> dict[str, HeldOut]:
    out = {}
    for task, facts in json.loads((folder / SCORES).read_text(encoding="utf-8")).items():
        text = (folder / f"{task}.jsonl").read_text(encoding="utf-8")
        lines = [
            json.loads(line) for line in text.split("\n") if line
        ]  # not splitlines: a prediction may hold any text
        rows, said = [line["row"] for line in lines], [line["prediction"] for line in lines]
        out[task] = HeldOut(**facts, rows=rows, predictions=said)
    return out
