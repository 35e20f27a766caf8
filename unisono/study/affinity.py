"""Affinity: in one joint run, what a step on each task would do to the losses of the others, and groups from it."""

from __future__ import annotations

import json
import math
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from unisono import files
from unisono.recipe import Recipe, RecipeError
from unisono.study import grouping
from unisono.study.budget import EVENTS
from unisono.study.errors import StudyError
from unisono.study.tidy import drop_checkpoints
from unisono.study.variants import with_settings
from unisono.train import journal
from unisono.train.events import Listener
from unisono.train.run import train

FOLDER, RESULT = "affinity", "affinity.json"


def affinity(
    recipe: Recipe,
    *,
    fresh: bool = False,
    listeners: Callable[[], Sequence[Listener]] = tuple,
    where: str = "recipe",
) -> dict[str, Any]:
    """Trains the tasks together once, in ``RUN/affinity/joint``, looking ahead along each task's gradient as it goes.

    Args:
        fresh: delete what an earlier measurement left.
        listeners: makes what hears the events of the run.

    Returns:
        What was written to ``RUN/affinity/affinity.json``: ``tasks``; ``affinity`` (T, T), row i: a step on i, column
        j: by which share the loss of j would fall, the mean over the looks; ``deviation`` (T, T) its standard error;
        ``cosines`` layer -> (T, T); ``groups``; ``gain``: their affinity less that of all tasks in one group;
        ``looks``; ``verify``: None.

    Raises:
        RecipeError, StudyError, TrainingFailed: it cannot be done. KeyboardInterrupt: the same call goes on.
    """
    tasks = list(recipe.tasks)
    if len(tasks) < 2:
        raise RecipeError(f"{where}: affinity needs two tasks at least")
    folder = recipe.folder / FOLDER
    if fresh and folder.exists():
        shutil.rmtree(folder)
    run = folder / "joint"
    settings = {"run": str(run), "tune": None, "balance.affinity": True, "balance.conflicts": True}
    if train(with_settings(recipe, settings, where=where), listeners=listeners, where=where).reason == "interrupted":
        raise KeyboardInterrupt
    drop_checkpoints(run)
    events = list(journal.read(run / EVENTS))
    seen = _collected([e for e in events if e["event"] == "affinity"], "matrix", tasks)
    if any(not seen[i, j] for i in range(len(tasks)) for j in range(len(tasks))):
        raise StudyError(
            "two tasks were never in one measured step; lower train.evaluate_every, or give them larger shares"
        )
    count = len(tasks)
    matrix = np.array([[np.mean(seen[i, j]) for j in range(count)] for i in range(count)])
    groups = grouping.best(matrix)
    result = {
        "tasks": tasks,
        "affinity": matrix.tolist(),
        "deviation": [[_error(seen[i, j]) for j in range(count)] for i in range(count)],
        "cosines": _cosines([e for e in events if e["event"] == "gradients"], tasks),
        "groups": [[tasks[i] for i in group] for group in groups],
        "gain": grouping.worth(matrix, groups) - grouping.worth(matrix, [list(range(count))]),
        "looks": max(len(values) for values in seen.values()),
        "verify": None,
    }
    files.write_atomic(folder / RESULT, json.dumps(result, indent=2) + "\n")
    return result


def _collected(
    events: Sequence[Mapping[str, Any]], name: str, tasks: Sequence[str]
) -> dict[tuple[int, int], list[float]]:
    """(i, j) -> what the events' matrices say of the two tasks."""
    out: dict[tuple[int, int], list[float]] = defaultdict(list)
    for event in events:
        places = [tasks.index(task) for task in event["tasks"]]
        for i, row in zip(places, event[name], strict=True):
            for j, value in zip(places, row, strict=True):
                if value is not None and math.isfinite(value):
                    out[i, j].append(value)
    return out


def _cosines(events: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> dict[str, list[list[float | None]]]:
    """Layer -> (T, T) mean cosines; None where two tasks never met."""
    layers = dict.fromkeys(layer for event in events for layer in event["cosines"])
    count, out = len(tasks), {}
    for layer in layers:
        parts = [{"tasks": e["tasks"], "m": e["cosines"][layer]} for e in events if layer in e["cosines"]]
        seen = _collected(parts, "m", tasks)
        out[layer] = [[float(np.mean(v)) if (v := seen[i, j]) else None for j in range(count)] for i in range(count)]
    return out


def _error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0
