"""Training: what the events of a run say, in a size that does not grow with the run's length."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unisono.recipe import RecipeError
from unisono.report import jsonfiles
from unisono.report.gradients import Gradients
from unisono.report.thin import Line, Shares

_NO_LABEL = re.compile(r'task "(.*)": ([\d,]+) of ([\d,]+) training rows have no label')
KEPT = 100  # notes and skipped steps that are listed; all are counted
NOT_SCORES = frozenset(("rows",))  # how many rows were scored stands among the scores


@dataclass(frozen=True)
class Evaluation:
    """Scores on held-out rows."""

    step: int
    split: str
    scores: dict[str, dict[str, float | None]]  # task -> metric -> value; ``rows`` is how many were scored
    main: dict[str, float | None]  # task -> its main metric
    best: bool


@dataclass(frozen=True)
class Stage:
    """A stretch of training, from ``step`` on."""

    step: int
    number: int
    name: str
    tasks: list[str]
    frozen: list[str]
    scale: Any


@dataclass(frozen=True)
class Left:
    """A task that no longer trains as before."""

    step: int
    task: str
    reason: str
    how: str  # "stopped" or "distilled"


@dataclass(frozen=True)
class Skip:
    """A step that was not taken."""

    step: int
    task: str
    reason: str
    rows: list[tuple[str, int]]  # (file, row)


@dataclass(frozen=True)
class Ended:
    """How a training ended."""

    step: int
    seconds: float | None
    reason: str
    scores: dict[str, dict[str, float | None]]  # of the best evaluation


@dataclass
class Training:
    """The facts of events.jsonl."""

    started: dict[str, Any] = field(default_factory=dict)
    ended: Ended | None = None  # the ``finished`` event, if it is the latest word
    resumed: int = 0  # how often
    step: int = 0
    seconds: float = 0.0  # of its steps
    tokens: int = 0
    losses: dict[str, Line] = field(default_factory=dict)
    weights: dict[str, Line] = field(default_factory=dict)
    rates: dict[str, Line] = field(default_factory=dict)  # parameter group -> learning rate
    norm: Line = field(default_factory=Line)
    rows: Shares = field(default_factory=Shares)
    evaluations: list[Evaluation] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    gradients: Gradients = field(default_factory=Gradients)
    skipped: list[Skip] = field(default_factory=list)
    skips: Counter[tuple[str, str]] = field(default_factory=Counter)  # (task, reason) -> steps
    notes: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # (level, text) -> first step, how often
    no_label: dict[str, tuple[int, int]] = field(default_factory=dict)  # task -> training rows without label, of all

    @property
    def tasks(self) -> list[str]:
        """In the recipe's order."""
        return list(dict.fromkeys([*self.started.get("tasks", {}), *self.losses, *self.weights]))


def read(path: Path) -> Training:
    """The facts of a journal, also of one that is still being written.

    Raises:
        RecipeError: there is no such file, nothing in it, or an event that cannot be read.
    """
    if not path.is_file():
        raise RecipeError(
            f"{path.parent}: expected the folder of a run, found no {path.name} in it; "
            "name a folder that unisono train, compare, affinity or tune has made"
        )
    training = Training()
    empty = True
    for at, event in jsonfiles.lines(path):
        empty = False
        name = event.get("event")
        try:
            _take(training, name, event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            problem = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise RecipeError(
                f'{path} line {at}: a "{name}" event that cannot be read ({problem}); restore the file, '
                "or delete that line"
            ) from None
    if empty:
        raise RecipeError(f"{path}: no event yet; report once the run has begun its steps")
    return training


def _take(training: Training, name: Any, event: dict[str, Any]) -> None:
    match name:
        case "stepped":
            _stepped(training, event)
        case "started":
            training.resumed += bool(training.started)
            training.started = {**event, "tasks": {str(task): _about(about) for task, about in event["tasks"].items()}}
            training.ended = None
        case "evaluated":
            main = _numbers(event.get("main") or {})
            training.evaluations.append(
                Evaluation(
                    event["step"],
                    event.get("split", "validation"),
                    _scores(event["scores"]),
                    main,
                    bool(event.get("best")),
                )
            )
        case "gradients":
            training.gradients.add(event["step"], event["tasks"], event.get("norms") or {}, event.get("cosines") or {})
        case "staged":
            training.stages.append(
                Stage(
                    event["step"], event["number"], str(event["name"]), [str(t) for t in event["tasks"]],
                    [str(f) for f in event.get("frozen") or ()], event.get("scale"),
                )
            )  # fmt: skip
        case "left":
            training.left.append(Left(event["step"], event["task"], event.get("reason", ""), event.get("how", "")))
        case "skipped":
            training.skips[event["task"], event["reason"]] += 1
            if len(training.skipped) < KEPT:
                rows = [(str(file), int(row)) for file, row in event.get("rows") or ()]
                training.skipped.append(Skip(event["step"], event["task"], event["reason"], rows))
        case "noted":
            _noted(training, event)
        case "finished":
            training.ended = ended(event)
            training.step = max(training.step, training.ended.step)


def _stepped(training: Training, event: dict[str, Any]) -> None:
    step = event["step"]
    training.step = max(training.step, step)
    training.seconds += event.get("seconds") or 0.0
    training.tokens += event.get("tokens") or 0
    _add(training.losses, step, event["losses"])
    _add(training.weights, step, event.get("weights") or {})
    _add(training.rates, step, event.get("lr") or {})
    training.norm.add(step, event.get("norm"))
    training.rows.add(step, event.get("rows") or {})


def _add(lines: dict[str, Line], step: int, values: Mapping[str, float | None]) -> None:
    for name, value in values.items():
        if name not in lines:
            lines[name] = Line()
        lines[name].add(step, value)


def _noted(training: Training, event: dict[str, Any]) -> None:
    found = _NO_LABEL.match(event["text"])
    if found:
        missing, every = (int(count.replace(",", "")) for count in found.groups()[1:])
        training.no_label[found[1]] = (missing, every)
        return
    seen = training.notes.setdefault((str(event.get("level", "info")), event["text"]), [event.get("step", 0), 0])
    seen[1] += 1


def ended(found: Mapping[str, Any]) -> Ended:
    """From a ``finished`` event, or from finished.json, which holds the same fields."""
    return Ended(
        int(found["step"]), found.get("seconds"), str(found.get("reason", "done")), _scores(found.get("scores") or {})
    )


def _about(found: Mapping[str, Any]) -> dict[str, Any]:
    rows = {str(split): int(count) for split, count in (found.get("rows") or {}).items()}
    return {"kind": str(found.get("kind", "–")), "rows": rows}


def _scores(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    return {str(task): _numbers(values) for task, values in found.items()}


def _numbers(found: Mapping[str, Any]) -> dict[str, float | None]:
    """None for what is not there, or is not finite."""
    return {str(k): float(v) if v is not None and math.isfinite(v) else None for k, v in found.items()}
