"""Patience: early stopping of each task by itself, while the others go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class Patience:
    """Watches each task's main metric; one that has not improved for so many evaluations in a row has learned.

    The criterion UP of Prechelt 1998 ("Early Stopping — But When?", section 2), on scores in place of errors, and each
    task for itself.

    Args:
        patience: task -> evaluations without a better score before it leaves; a task that is not here never does.
    """

    def __init__(self, patience: Mapping[str, int]) -> None:
        self.patience = dict(patience)
        self.best: dict[str, float] = {}
        self.waited = dict.fromkeys(patience, 0)
        self.gone: dict[str, int] = {}  # task -> the step at which it left

    def evaluated(self, step: int, main: Mapping[str, float], tasks: Collection[str]) -> list[str]:
        """Takes in an evaluation; returns the tasks that leave now.

        Args:
            main: task -> its main metric, higher being better.
            tasks: those in the mix: only these can improve, so only these are judged.
        """
        leaving = []
        for task, most in self.patience.items():
            if task not in main or task not in tasks or task in self.gone:
                continue
            if task not in self.best or main[task] > self.best[task]:
                self.best[task], self.waited[task] = main[task], 0
                continue
            self.waited[task] += 1
            if self.waited[task] >= most:
                self.gone[task] = step
                leaving.append(task)
        return leaving

    def reason(self, task: str) -> str:
        """Why a task has left, for a person."""
        times = "evaluation" if self.waited[task] == 1 else "evaluations in a row"
        return f"no better than {self.best[task]:.4g} for {self.waited[task]} {times}"

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON; floats come back bit-equal."""
        return {"best": dict(self.best), "waited": dict(self.waited), "gone": dict(self.gone)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.gone = dict(state["best"]), dict(state["gone"])
        self.waited = {**self.waited, **state["waited"]}
