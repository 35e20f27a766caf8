"""Verify: groups trained as models of their own, against all tasks together and each alone, at one budget.

The grouping that is proposed in the end is chosen on validation rows and judged on others: the best of several looks
better than it is on the rows that made it the best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unisono.metrics import higher_is_better
from unisono.prepare import read_tables
from unisono.recipe import Recipe
from unisono.study import comparison, held_out, verdict
from unisono.study.budget import best_evaluation
from unisono.study.comparison import Side, plain
from unisono.study.difference import delta_m, relative
from unisono.study.runs import Factors, Runs

Groups = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Grouping:
    """One way to group the tasks, trained.

    Args:
        runs: of each seed: task -> the recipe of the run that learned it.
        side: what it reached.
        validation: Δm against each task alone, on validation rows; None where a run saw none.
    """

    groups: Groups
    runs: Sequence[Mapping[str, Recipe]]
    side: Side
    validation: float | None


def verify(
    runs: Runs,
    proposed: Sequence[Groups],
    *,
    otherwise: Groups,
    seeds: Sequence[int],
    together: Factors,
    apart: Factors,
    resamples: int,
) -> dict[str, Any]:
    """Trains what is missing.

    Args:
        proposed: groupings, the most promising first, but for all tasks together and each alone: these two are
            trained in any case.
        otherwise: the grouping that is chosen where there are no validation rows to choose on.
        together: factors on settings of all tasks together and of groups. ``apart``: task -> on its learning rates.

    Returns:
        ``seeds``, ``metric``, ``split``; ``groupings``: each with its ``groups``, ``scores``, and against each task
        alone ``validation`` (Δm), ``delta`` and ``delta_m`` on held-out rows; ``chosen``, the number of one of them;
        ``delta_together``, ``delta_m_together``: of the chosen one against all tasks together; ``sentence``,
        ``warnings``.
    """
    recipe, tasks = runs.recipe, list(runs.recipe.tasks)
    wanted: list[Groups] = [[tasks], *proposed, [[task] for task in tasks]]
    trained = [_train(runs, wanted, seed, together, apart) for seed in seeds]  # of each seed: of each grouping
    tables = [read_tables(recipe.model_copy(update={"seed": seed}), run=None) for seed in seeds]
    each = [[of_seed[at] for of_seed in trained] for at in range(len(wanted))]
    sides = [comparison.side(own, tables) for own in each]
    best = [_validation(own, sides[-1].metric) for own in each]
    found = [
        Grouping(groups, own, side, _over(known, best[-1], side.metric))
        for groups, own, side, known in zip(wanted, each, sides, best, strict=True)
    ]
    by_validation = all(one.validation is not None for one in found)
    if by_validation:
        chosen = max(range(len(found)), key=lambda at: found[at].validation or 0.0)
    else:
        chosen = next((at for at, groups in enumerate(wanted) if _same(groups, otherwise)), 0)
    return _result(recipe, found, chosen, seeds=seeds, by_validation=by_validation, resamples=resamples)


def needed(groupings: Sequence[Groups], tasks: int) -> int:
    """How many runs of one seed there are: of groups, all tasks together, and each alone."""
    groups = {frozenset(group) for groups in groupings for group in groups if 1 < len(group) < tasks}
    return 1 + tasks + len(groups)


def _same(one: Groups, other: Groups) -> bool:
    return {frozenset(group) for group in one} == {frozenset(group) for group in other}


def _train(
    runs: Runs, groupings: Sequence[Groups], seed: int, together: Factors, apart: Factors
) -> list[dict[str, Recipe]]:
    """The runs of one seed: of each grouping, task -> the one that learned it."""
    joint, tasks = runs.together(seed, together), list(runs.recipe.tasks)
    by_group: dict[frozenset[str], Recipe] = {frozenset(tasks): joint}
    for group in dict.fromkeys(frozenset(group) for groups in groupings for group in groups):
        if len(group) == 1:
            (task,) = group
            by_group[group] = runs.alone(task, seed, joint, apart.get(task, 1.0))
        elif group not in by_group:
            by_group[group] = runs.group(group, seed, joint, together)
    for recipe in by_group.values():
        held_out.score(recipe)
    return [{task: by_group[frozenset(group)] for group in groups for task in group} for groups in groupings]


def _validation(runs: Sequence[Mapping[str, Recipe]], metric: Mapping[str, str]) -> dict[str, float] | None:
    """Task -> the mean over seeds of its main metric, at the evaluation whose weights its run kept."""
    found: dict[str, list[float]] = {task: [] for task in metric}
    for own in runs:
        for task, recipe in own.items():
            event = best_evaluation(recipe.folder)
            value = event["scores"].get(task, {}).get(metric[task]) if event else None
            if value is None:
                return None
            found[task].append(value)
    return {task: sum(values) / len(values) for task, values in found.items()}


def _over(new: Mapping[str, float] | None, base: Mapping[str, float] | None, metric: Mapping[str, str]) -> float | None:
    """Δm of validation scores; 0 where nothing can be compared, so that no grouping is preferred for it."""
    if new is None or base is None:
        return None
    changes = [relative(new[task], base[task], higher=higher_is_better(name)) for task, name in metric.items()]
    mean = delta_m(changes)
    return mean if math.isfinite(mean) else 0.0


def _result(
    recipe: Recipe, found: Sequence[Grouping], chosen: int, *, seeds: Sequence[int], by_validation: bool, resamples: int
) -> dict[str, Any]:
    """As plain JSON."""
    together, alone, best = found[0].side, found[-1].side, found[chosen]
    listed, means = [], []
    for one in found:
        delta, mean = comparison.against(one.side, alone, resamples=resamples, seed=recipe.seed)
        means.append(mean)
        listed.append(
            {
                "groups": one.groups,
                "scores": one.side.scores,
                "validation": one.validation,
                "delta": {task: asdict(interval) for task, interval in delta.items()},
                "delta_m": {**asdict(mean), "enough": verdict.enough(mean, len(seeds))},
            }
        )
    delta, over_joint = comparison.against(best.side, together, resamples=resamples, seed=recipe.seed)
    splits = set(alone.split.values())
    out = {
        "seeds": list(seeds),
        "metric": alone.metric,
        "split": alone.split,
        "groupings": listed,
        "chosen": chosen,
        "by": "validation" if by_validation else "affinity",
        "delta_together": {task: asdict(interval) for task, interval in delta.items()},
        "delta_m_together": {**asdict(over_joint), "enough": verdict.enough(over_joint, len(seeds))},
        "sentence": verdict.advice(
            best.groups,
            among=len(found),
            chosen=by_validation,
            split=splits.pop() if len(splits) == 1 else "held-out",
            alone=means[chosen],
            together=over_joint,
            seeds=len(seeds),
        ),
        "warnings": comparison.reused(alone),
    }
    whole: dict[str, Any] = plain(out)
    return whole
