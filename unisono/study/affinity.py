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
from unisono.study.difference import RESAMPLES
from unisono.study.errors import StudyError, in_one_process
from unisono.study.grid import choose, extra
from unisono.study.runs import OnRun, Runs, Trainer, seeds_of
from unisono.study.variants import with_settings
from unisono.study.verify import needed, verify
from unisono.tasks import resolve
from unisono.train import journal
from unisono.train.events import Listener

FOLDER, RESULT = "affinity", "affinity.json"


def affinity(
    recipe: Recipe,
    *,
    verified: bool = False,
    seeds: int = 3,
    groupings: int = 1,
    grid: bool = False,
    resamples: int = RESAMPLES,
    fresh: bool = False,
    listeners: Callable[[], Sequence[Listener]] = tuple,
    on_run: OnRun | None = None,
    where: str = "recipe",
) -> dict[str, Any]:
    """Trains the tasks together once, in ``RUN/affinity/joint``, looking ahead along each task's gradient as it goes.

    Args:
        verified: train groups as well, in ``RUN/affinity``, and all together and each alone, in ``RUN/compare``.
        seeds: of these runs: the recipe's seed and those after it.
        groupings: how many are trained, the most promising first, but for all together and each alone.
        grid: train at the factors that ``compare`` chooses with its grid.
        resamples: of the bootstrap.
        fresh: delete what an earlier measurement left.
        listeners: makes what hears the events of each run.

    Returns:
        What was written to ``RUN/affinity/affinity.json``: ``tasks``; ``affinity`` (T, T), row i: a step on i, column
        j: by which share the loss of j would fall, the mean over the looks; ``deviation`` (T, T) its standard error;
        ``cosines`` layer -> (T, T); ``groups``; ``gain``: their affinity less that of all tasks in one group;
        ``looks``; ``verify``: what ``verify`` found, or None.

    Raises:
        RecipeError, StudyError, TrainingFailed: it cannot be done. KeyboardInterrupt: the same call goes on.
    """
    in_one_process("affinity")
    _refuse(recipe, verified=verified, seeds=seeds, groupings=groupings, grid=grid, where=where)
    resolve(recipe, where)  # before anything is deleted
    folder, count = recipe.folder / FOLDER, len(recipe.tasks)
    if fresh and folder.exists():
        shutil.rmtree(folder)
    trained = Trainer(1, listeners=listeners, on_run=on_run, where=where)
    settings = {"run": str(folder / "joint"), "tune": None, "balance.affinity": True, "balance.conflicts": True}
    joint = with_settings(recipe, settings, where=where)
    named: list[list[list[str]]] = []
    if verified:  # how many runs there are is not known before the measurement; there are no more than this
        trained.most += seeds * (1 + count + groupings * (count // 2)) + grid * extra(count)
    trained(joint)
    result, matrix = _measured(joint)
    files.write_atomic(folder / RESULT, json.dumps(result, indent=2) + "\n")
    if verified:
        tasks = result["tasks"]
        named = [[[tasks[i] for i in group] for group in groups] for groups in grouping.between(matrix, groupings)]
        trained.most = 1 + seeds * needed(named, count) + grid * extra(count)
        runs = Runs(recipe, trained, groups=folder, joint=joint)
        numbers = seeds_of(recipe, seeds)
        together, apart = choose(runs, numbers[0]) if grid else ({}, {})
        result["verify"] = verify(
            runs, named, otherwise=result["groups"], seeds=numbers, together=together, apart=apart, resamples=resamples
        )
        files.write_atomic(folder / RESULT, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


def _refuse(recipe: Recipe, *, verified: bool, seeds: int, groupings: int, grid: bool, where: str) -> None:
    if len(recipe.tasks) < 2:
        raise RecipeError(f"{where}: affinity needs two tasks at least")
    if seeds < 1:
        raise RecipeError(f"--seeds {seeds}: one seed at least, three or more to see what chance does")
    if groupings < 1:
        raise RecipeError(f"--groupings {groupings}: one at least")
    if grid and recipe.balance.method == "auto":
        raise RecipeError(f"{where}: --grid and balance: auto both choose λ; leave one of them out")
    if verified and recipe.stages:
        raise RecipeError(
            f"{where}: stages: a group cannot be given, stage by stage, what its tasks had among all of them; "
            "leave the stages out with --set stages=[]"
        )


def _measured(joint: Recipe) -> tuple[dict[str, Any], np.ndarray]:
    """What the run saw, as plain JSON, and its affinities (T, T).

    Raises:
        StudyError: two tasks were never in one step that was looked at.
    """
    tasks = list(joint.tasks)
    events = list(journal.read(joint.folder / journal.EVENTS))
    seen = _collected([e for e in events if e["event"] == "affinity"], "matrix", tasks)
    count = len(tasks)
    if any(not seen[i, j] for i in range(count) for j in range(count)):
        raise StudyError(
            "two tasks were never in one measured step; lower train.evaluate_every, or give them larger shares"
        )
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
    return result, matrix


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
