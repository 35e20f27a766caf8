"""Course: where training stands among its stages. Plain numbers, so that a resumed run goes on to the bit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from unisono.stages.plan import Stage, epochs_to_steps

_ROUNDING = 1e-9  # of shares of the run, which are sums of fractions


class Course:
    """The way through the stages.

    Args:
        stages: at least one.
        epoch_steps: the steps of one pass over the rows of some tasks.
    """

    def __init__(self, stages: Sequence[Stage], epoch_steps: Callable[[Sequence[str]], float]) -> None:
        self.stages, self._epoch_steps = tuple(stages), epoch_steps
        self.number = 0
        self.done = False  # the last stage has ended
        self.order: list[str] = []  # the tasks, the easiest first, once measured
        self._began, self._progress = 0, 0.0  # the step and the progress after which the stage began
        self._best: float | None = None
        self._waited = 0

    @property
    def stage(self) -> Stage:
        return self.stages[self.number]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that are in, in the recipe's order."""
        stage = self.stage
        if stage.easiest is None:
            return stage.tasks
        chosen = (self.order or list(stage.tasks))[: stage.easiest]
        return tuple(task for task in stage.tasks if task in chosen)

    def evaluated(self, main: Mapping[str, float]) -> None:
        """Takes in an evaluation: task -> main metric, higher being better. Only the stage's own tasks count."""
        until = self.stage.until
        scores = [main[task] for task in self.tasks if task in main]
        if not scores or until is None or until.plateau is None:
            return
        mean = sum(scores) / len(scores)
        if self._best is None or mean > self._best + until.plateau.min_delta:
            self._best, self._waited = mean, 0
        else:
            self._waited += 1

    def advance(
        self,
        step: int,
        progress: float,
        *,
        gone: Collection[str] = (),
        relative: Mapping[str, float] | None = None,
    ) -> bool:
        """Goes on to the next stage if this one has ended; whether it did.

        Args:
            step: steps taken so far in the run. ``progress``: how much of the run is done, 0 to 1.
            gone: tasks that have left; a stage without any other is over.
            relative: task -> its recent loss by its first, for a stage that measures.
        """
        before = self.number
        while not self.done and self._ended(step, progress, gone):
            if self.stage.measures:
                ratio = relative or {}
                self.order = sorted(self.stage.tasks, key=lambda task: ratio.get(task, 1.0))
            if self.number + 1 == len(self.stages):
                self.done = True
            else:
                self.number += 1
                self._began, self._progress, self._best, self._waited = step, progress, None, 0
        return self.number != before

    def ends_run(self, step: int, progress: float, *, gone: Collection[str] = ()) -> bool:
        """Whether the last stage is over, as far as steps and time can tell."""
        return self.number + 1 == len(self.stages) and self._ended(step, progress, gone)

    def _ended(self, step: int, progress: float, gone: Collection[str]) -> bool:
        if all(task in gone for task in self.tasks):
            return True
        until = self.stage.until
        if until is None:
            return False
        taken = step - self._began
        return bool(
            (until.steps and taken >= until.steps)
            or (until.epochs and taken >= epochs_to_steps(until.epochs, self._epoch_steps(self.tasks)))
            or (until.share and progress - self._progress >= until.share - _ROUNDING)
            or (until.plateau and self._waited >= until.plateau.patience)
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON; floats come back bit-equal."""
        return {
            "number": self.number,
            "done": self.done,
            "order": list(self.order),
            "began": self._began,
            "progress": self._progress,
            "best": self._best,
            "waited": self._waited,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.number, self.done, self.order = state["number"], state["done"], list(state["order"])
        self._began, self._progress = state["began"], state["progress"]
        self._best, self._waited = state["best"], state["waited"]
