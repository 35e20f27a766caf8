"""Comparison: from the runs of several seeds to differences, an interval, a sentence and warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unisono.apart import leaks
from unisono.metrics import higher_is_better
from unisono.prepare import Tables, read_tables
from unisono.recipe import Recipe
from unisono.study import held_out, verdict
from unisono.study.budget import Budget
from unisono.study.conflicts import conflicts, gradients
from unisono.study.difference import Interval, Pairs, Sample, differences
from unisono.study.errors import StudyError
from unisono.study.held_out import HeldOut
from unisono.study.resample import scorer
from unisono.study.standstill import standstills


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


@dataclass(frozen=True)
class Side:
    """One way to learn the tasks, and what it reached on held-out rows: task -> one for each seed.

    Args:
        samples: the same, for the bootstrap.
    """

    found: Mapping[str, Sequence[HeldOut]]
    samples: Mapping[str, Sequence[Sample]]

    @property
    def metric(self) -> dict[str, str]:
        return {task: found[0].metric for task, found in self.found.items()}

    @property
    def split(self) -> dict[str, str]:
        return {task: found[0].split for task, found in self.found.items()}

    @property
    def scores(self) -> dict[str, list[float]]:
        return {task: [one.score for one in found] for task, found in self.found.items()}


def side(runs: Sequence[Mapping[str, Recipe]], tables: Sequence[Tables]) -> Side:
    """Scores finished runs.

    Args:
        runs: of each seed: task -> the recipe of the run that learned it.
        tables: of each seed: the rows.
    """
    found: dict[str, list[HeldOut]] = {task: [] for task in runs[0]}
    samples: dict[str, list[Sample]] = {task: [] for task in runs[0]}
    for own, rows in zip(runs, tables, strict=True):
        scored = {recipe.folder: held_out.score(recipe) for recipe in own.values()}
        for task, recipe in own.items():
            one = scored[recipe.folder][task]
            found[task].append(one)
            samples[task].append(_sample(rows, task, one))
    return Side(found, samples)


def against(new: Side, base: Side, *, resamples: int, seed: int) -> tuple[dict[str, Interval], Interval]:
    """Each task's difference between two ways to learn it, and Δm: + where the new one is better.

    Raises:
        StudyError: a task is scored by one metric here and by another there.
    """
    metric = base.metric
    for task, name in new.metric.items():
        if name != metric[task]:
            raise StudyError(f'task "{task}": scored by {metric[task]} in one run and by {name} in another')
    pairs = {t: Pairs(new.samples[t], base.samples[t], higher=higher_is_better(metric[t])) for t in metric}
    return differences(pairs, resamples=resamples, seed=seed)


def result(recipe: Recipe, found: Sequence[Seed], *, resamples: int) -> dict[str, Any]:
    """What ``compare`` finds, as plain JSON."""
    tasks, numbers = list(recipe.tasks), [one.together.seed for one in found]
    tables = [read_tables(one.together, run=None) for one in found]
    joint = side([dict.fromkeys(tasks, one.together) for one in found], tables)
    apart = side([one.alone for one in found], tables)
    delta, mean = against(joint, apart, resamples=resamples, seed=recipe.seed)
    events = gradients(one.together.folder for one in found)
    opposed = conflicts(events)
    notes = verdict.warnings(delta, opposed, measured=any(len(event["tasks"]) > 1 for event in events))
    notes += reused(joint)
    notes += leaks(tables[0].tasks, tables[0].rows)
    notes += standstills(
        [{task: own.folder for task, own in one.alone.items()} for one in found],
        [one.together.folder for one in found],
        {task: found[0].budget[task].rows / found[0].budget[task].steps for task in tasks},
    )
    out = {
        "tasks": tasks,
        "seeds": numbers,
        "metric": joint.metric,
        "split": joint.split,
        "alone": apart.scores,
        "joint": joint.scores,
        "delta": {task: asdict(interval) for task, interval in delta.items()},
        "delta_m": {**asdict(mean), "enough": verdict.enough(mean, len(numbers))},
        "sentence": verdict.sentence(delta, mean, seeds=len(numbers)),
        "warnings": notes,
        "conflicts": [asdict(conflict) for conflict in opposed],
        "budget": {
            task: {"steps": [one.budget[task].steps for one in found], "rows": [one.budget[task].rows for one in found]}
            for task in tasks
        },
        "runs": {one.together.seed: str(one.together.folder) for one in found},
    }
    whole: dict[str, Any] = plain(out)
    return whole


def reused(found: Side) -> list[str]:
    """A warning where tasks have no rows that nothing was chosen on."""
    tasks = sorted(task for task, split in found.split.items() if split == "validation")
    if not tasks:
        return []
    return [f"{', '.join(tasks)}: no test split, so scored on the rows that the best weights were chosen on"]


def _sample(tables: Tables, task: str, found: HeldOut) -> Sample:
    golds = held_out.golds(tables, task, found)
    score = scorer(tables.tasks[task].kind, found.metric, found.predictions, golds)
    return Sample(score, len(found.rows), held_out.inputs_key(tables, task, found))


def plain(value: Any) -> Any:
    """As JSON has it: no NaN, no tuples, texts for keys."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
