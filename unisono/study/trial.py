"""Trial: one run of a search, from its recipe to its value, or to an early end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unisono.data import DataError
from unisono.recipe import Recipe, RecipeError
from unisono.study.budget import best_evaluation, evaluations
from unisono.study.outcome import Outcome, Report
from unisono.teach import train
from unisono.train.events import Evaluated, Event, Listener, Started
from unisono.train.step import out_of_memory
from unisono.train.stepping import TrainingFailed


def run_trial(
    recipe: Recipe,
    objectives: Sequence[str],
    report: Report | None = None,
    listeners: Callable[[], Sequence[Listener]] = tuple,
) -> Outcome:
    """Trains the recipe of a trial, or goes on with its run.

    A setting that cannot be trained (a rate so high that losses are not finite, a size without memory) is a failed
    trial, which the search learns from; it is no failure of the search.

    Args:
        objectives: ``mean``, or names of tasks.
        report: hears each evaluation's value of the one objective, and says whether to end.
    """
    watch = [_Watch(recipe, objectives[0], report)] if report else []
    try:
        done = train(recipe, listeners=lambda: (*watch, *listeners()))
    except _Ended:
        return Outcome("pruned")
    except (RecipeError, DataError, TrainingFailed) as error:
        return Outcome("failed", error=str(error).splitlines()[0])
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return Outcome("failed", error="out of memory, even with one row at a time")
    if done.reason == "interrupted":
        return Outcome("interrupted")
    best = best_evaluation(recipe.folder)
    if best is None:
        return Outcome("failed", error="no validation rows to score it on")
    values = tuple(_value(best, name) for name in objectives)
    if not all(map(math.isfinite, values)):
        missing = next(name for name, value in zip(objectives, values, strict=True) if not math.isfinite(value))
        return Outcome("failed", error=f'no score of task "{missing}": its validation rows have no label')
    return Outcome("complete", values)


def _value(evaluation: Mapping[str, Any], objective: str) -> float:
    """The value of an objective in an ``evaluated`` event: main metrics, each as a fraction."""
    value = evaluation["mean"] if objective == "mean" else evaluation["main"].get(objective)
    return math.nan if value is None else float(value)


class _Ended(BaseException):
    """Ends a run from within a listener: the bus, which holds back every Exception of theirs, lets this one pass."""


class _Watch:
    """Reports evaluations, also those before a run was interrupted, and ends the run when told so."""

    def __init__(self, recipe: Recipe, objective: str, report: Report) -> None:
        self.recipe, self.objective, self.report = recipe, objective, report
        self._count = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started) and event.resumed_from:
            for earlier in evaluations(self.recipe.folder):
                if earlier["step"] <= event.resumed_from:
                    self._take(_value(earlier, self.objective))
        elif isinstance(event, Evaluated) and self._take(_value(vars(event), self.objective)):
            raise _Ended

    def _take(self, value: float) -> bool:
        self._count += 1
        return math.isfinite(value) and self.report(self._count, value)

    def close(self) -> None:
        pass
