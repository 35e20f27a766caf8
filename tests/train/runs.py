"""A recipe small enough to train in a second: three tasks on a trunk of one layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unisono.recipe import Recipe, build
from unisono.train.events import Event
from unisono.train.run import train

TRUNK = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300, "max_length": 64}
ROWS = {"path": "builtin:everyday", "limit": {"train": 60, "validation": 12, "test": 12}}
TASKS = {
    "intent": {"kind": "classify", "data": ROWS, "columns": {"label": "intent"}},
    "slots": {"kind": "tag", "data": ROWS},
    "en-de": {
        "kind": "translate", "data": ROWS, "source": "text", "target": "german",
        "head": {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300, "max_length": 16, "beams": 2},
    },
}  # fmt: skip


def small(folder: Path, tasks: dict[str, Any] | None = None, **train: Any) -> Recipe:
    """A recipe whose run is ``folder``; ``train`` overrides its training settings."""
    settings = {"steps": 6, "tokens_per_step": 200, "trunk_lr": 1e-3, "head_lr": 1e-3, "evaluate_every": 3, **train}
    recipe = {"run": str(folder), "trunk": TRUNK, "tasks": tasks or TASKS, "train": settings}
    return build({**recipe, "max_bad_rows": 1.0})  # so few training rows do not have every label


class Heard:
    """A listener that keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass

    def of(self, kind: type) -> list[Any]:
        return [e for e in self.events if isinstance(e, kind)]


def run(recipe: Recipe, *, fresh: bool = False) -> Heard:
    """Trains, and returns what was heard."""
    heard = Heard()
    train(recipe, listeners=lambda: (heard,), fresh=fresh)
    return heard
