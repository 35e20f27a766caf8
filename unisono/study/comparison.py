"""Comparison: from the runs of several seeds to differences, an interval, a sentence and warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unisono.metrics import higher_is_better
from unisono.prepare import Tables, read_tables
from unisono.recipe import Recipe
from unisono.study import held_out, verdict
from unisono.study.budget import Budget
from unisono.study.conflicts import conflicts, gradients
from unisono.study.difference import Pairs, Sample, differences
from unisono.study.errors import StudyError
from unisono.study.held_out import HeldOut
from unisono.study.resample import scorer


@dataclass(frozen=True)
class Seed:
    """The runs of one seed, finished.

    Args:
        together: the recipe of the joint run. ``alone``: task -> the recipe of its run.
        budget: task -> what it got in both.
    """

    together: Recipe
    alone: Mapping[str, Recipe]
    budget: Mapping[str, Budget]


def result(recipe: Recipe, found: Sequence[Seed], *, resamples: int) -> dict[str, Any]:
    """What ``compare`` finds, as plain JSON."""
    tasks, numbers = list(recipe.tasks), [one.together.seed for one in found]
    joint: dict[str, list[HeldOut]] = {task: [] for task in tasks}
    apart: dict[str, list[HeldOut]] = {task: [] for task in tasks}
    pairs: dict[str, tuple[list[Sample], list[Sample]]] = {task: ([], []) for task in tasks}
    for one in found:
        tables, together = read_tables(one.together, run=None), held_out.score(one.together)
        for task in tasks:
            own = held_out.score(one.alone[task])[task]
            if own.metric != together[task].metric:
                raise StudyError(f'task "{task}": scored by {own.metric} alone and {together[task].metric} together')
            joint[task].append(together[task])
            apart[task].append(own)
            for samples, scores in zip(pairs[task], (together[task], own), strict=True):
                samples.append(_sample(tables, task, scores))
    metric = {task: joint[task][0].metric for task in tasks}
    sides = {t: Pairs(*pairs[t], higher=higher_is_better(metric[t])) for t in tasks}
    delta, mean = differences(sides, resamples=resamples, seed=recipe.seed)
    events = gradients(one.together.folder for one in found)
    against = conflicts(events)
    notes = verdict.warnings(delta, against, measured=any(len(event["tasks"]) > 1 for event in events))
    reused = sorted({task for task in tasks for one in joint[task] if one.split == "validation"})
    if reused:
        notes.append(f"{', '.join(reused)}: no test split, so scored on the rows that the best weights were chosen on")
    out = {
        "tasks": tasks,
        "seeds": numbers,
        "metric": metric,
        "split": {task: joint[task][0].split for task in tasks},
        "alone": {task: [one.score for one in apart[task]] for task in tasks},
        "joint": {task: [one.score for one in joint[task]] for task in tasks},
        "delta": {task: asdict(interval) for task, interval in delta.items()},
        "delta_m": {**asdict(mean), "enough": verdict.enough(mean, len(numbers))},
        "sentence": verdict.sentence(delta, mean, seeds=len(numbers)),
        "warnings": notes,
        "conflicts": [asdict(conflict) for conflict in against],
        "budget": {
            task: {"steps": [one.budget[task].steps for one in found], "rows": [one.budget[task].rows for one in found]}
            for task in tasks
        },
        "runs": {one.together.seed: str(one.together.folder) for one in found},
    }
    whole: dict[str, Any] = _plain(out)
    return whole


def _sample(tables: Tables, task: str, found: HeldOut) -> Sample:
    golds = held_out.golds(tables, task, found)
    score = scorer(tables.tasks[task].kind, found.metric, found.predictions, golds)
    return Sample(score, len(found.rows), held_out.inputs_key(tables, task, found))


def _plain(value: Any) -> Any:
    """As JSON has it: no NaN, no tuples, texts for keys."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
