"""Check and describe: what a recipe would do, before it does it."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from unisono import data
from unisono.apart import Apart, leaks
from unisono.prepare import Tables, build_model, encode, labelled, read_tables
from unisono.recipe import Recipe
from unisono.stages import planned_steps
from unisono.train import auto
from unisono.train.course import TOKENS_PER_STEP
from unisono.train.events import Bus
from unisono.train.lesson import Lesson, Prepare
from unisono.train.loop import Loop
from unisono.train.processes import make_accelerator

ROWS = 10  # of each task


@dataclass(frozen=True)
class Checked:
    """One task of a check."""

    name: str
    kind: str
    rows: int
    tokens_per_row: float
    loss: float


@dataclass(frozen=True)
class Report:
    """What a check found. ``seconds`` and ``gigabytes`` are estimates from one timed step.

    Args:
        learning: of the parameters, those that learn in some stage.
    """

    name: str
    tasks: list[Checked]
    parameters: int
    learning: int
    device: str
    steps: int | None
    minutes: float | None
    seconds: float
    gigabytes: float
    notes: list[str] = field(default_factory=list)


def check(recipe: Recipe, where: str = "recipe", *, prepare: Prepare | None = None) -> Report:
    """Loads ten rows of each task, does one forward and backward, and estimates the run; leaves nothing behind.

    Args:
        prepare: as for training: of a recipe with teachers.

    Raises:
        RecipeError, DataError: as training would.
    """
    with tempfile.TemporaryDirectory(prefix="unisono-check-") as scratch:
        elsewhere = recipe.model_copy(update={"cache": str(Path(scratch) / "cache"), "run": str(Path(scratch) / "run")})
        whole = read_tables(elsewhere, run=None, where=where)
        small = _limited(elsewhere)
        tables = read_tables(small, run=None, where=where)
        lesson: Lesson | None = None
        if prepare:
            _, model, lesson = prepare(elsewhere, whole)
        else:
            model = build_model(elsewhere, whole)  # ten rows do not have all labels and words
        examples = encode(small, tables, model, ("train",))
        loop = Loop(small, tables, examples, model, Path(scratch), Bus([]), make_accelerator(recipe), lesson)
        losses, seconds = _try(loop)
        tasks = []
        for name, task in tables.tasks.items():
            lengths = examples[name]["train"].lengths
            rows = len(whole.rows[name]["train"])
            tasks.append(Checked(name, task.kind.name, rows, float(lengths.mean()), losses[name]))
        steps = _steps(recipe, tasks, loop)
        per_step = recipe.train.tokens_per_step or TOKENS_PER_STEP
        if recipe.train.rows_per_step:
            per_step = int(recipe.train.rows_per_step * _epoch(tasks, loop) / max(_epoch(tasks, loop, rows=True), 1))
        total = (steps or 0) * seconds * per_step if steps else 60.0 * (recipe.train.minutes or 0)
        if recipe.train.minutes:
            total = min(total, 60.0 * recipe.train.minutes)
        notes = [*whole.bad_rows(), *leaks(whole.tasks, whole.rows)]
        if recipe.balance.method == "auto" and steps:
            share = auto.share(recipe, steps)
            total *= 1 + share
            notes.append(f"balance: auto adds a search of {100 * share:.0f} % of the run's steps; it is in the time")
        learning = sum(p.numel() for name, p in model.named_parameters() if name not in loop.staging.fixed)
        # What the step that was tried did not need yet: AdamW's two averages, and those of the weights.
        kept = 4e-9 * learning * (2 + bool(recipe.train.ema))
        return Report(
            recipe.name, tasks, sum(p.numel() for p in model.parameters()), learning, str(loop.accelerator.device),
            steps, recipe.train.minutes, total, _peak_gigabytes() + kept, notes,
        )  # fmt: skip


def _limited(recipe: Recipe) -> Recipe:
    tasks = {
        name: task.model_copy(update={"data": task.data.model_copy(update={"limit": ROWS})})
        for name, task in recipe.tasks.items()
    }
    return recipe.model_copy(update={"tasks": tasks, "max_bad_rows": 1.0})  # of ten rows, one bad one is many


def _try(loop: Loop) -> tuple[dict[str, float], float]:
    """First losses, and seconds a token of a whole step on packs of the recipe's own size."""
    bundles = loop.bundles.split(loop.examples)
    totals, units = loop.measure({b.key: list(range(len(b.costs))) for b in bundles})
    budget = loop.settings.tokens_per_step or TOKENS_PER_STEP
    repeats = {b.key: max(1, round(budget / len(bundles) / max(int(b.costs.sum()), 1))) for b in bundles}
    begin = time.perf_counter()
    loop.measure({b.key: list(range(len(b.costs))) * repeats[b.key] for b in bundles})
    seconds = time.perf_counter() - begin
    tokens = sum(int(b.costs.sum()) * repeats[b.key] for b in bundles)
    return {n: totals[n] / max(units[n], 1) for n in loop.examples}, seconds / tokens


def _steps(recipe: Recipe, tasks: Sequence[Checked], loop: Loop) -> int | None:
    wanted = recipe.train
    if wanted.steps:
        return wanted.steps
    if wanted.epochs is None and wanted.minutes:
        return None
    budget = wanted.rows_per_step or wanted.tokens_per_step or TOKENS_PER_STEP

    def epoch_steps(names: Iterable[str]) -> float:
        among = set(names)
        return _epoch([t for t in tasks if t.name in among], loop, rows=bool(wanted.rows_per_step)) / budget

    if wanted.epochs is None and (planned := planned_steps(loop.staging.stages, epoch_steps)):
        return planned
    return max(1, round((wanted.epochs or 1.0) * epoch_steps(recipe.tasks)))


def _epoch(tasks: Sequence[Checked], loop: Loop, *, rows: bool = False) -> float:
    """Tokens, or rows, of an epoch of all the rows; those that tasks share count once."""
    known = {t.name: t.rows * (1.0 if rows else t.tokens_per_row) * loop.recipe.tasks[t.name].repeat for t in tasks}
    return sum(max(known[name] for name in bundle.tasks) for bundle in loop.bundles.split(known))


def _peak_gigabytes() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)


def describe(recipe: Recipe, where: str = "recipe") -> dict[str, dict[str, dict[str, Any]]]:
    """Task -> split -> rows, bad rows by reason, missing labels, label balance, token lengths, inputs cut off,
    held-out rows that training has too.
    """
    lenient = recipe.model_copy(update={"max_bad_rows": 1.0})
    tables = read_tables(lenient, run=None, where=where)
    model = build_model(lenient, tables)
    examples = encode(lenient, tables, model)
    apart = Apart(tables.tasks, tables.rows)
    return {name: _describe(name, tables, model, examples[name], apart) for name in tables.tasks}


def _describe(name: str, tables: Tables, model: Any, examples: Any, apart: Apart) -> dict[str, dict[str, Any]]:
    kind, stems = tables.tasks[name].kind, model.stems_of(name).values()
    able = max(stem.most for stem in stems) if kind.apart else sum(stem.most for stem in stems)
    limit = min(tables.tasks[name].max_length or able, able)
    may = any(stem.cuts for stem in stems)
    out = {}
    for split, rows in tables.rows[name].items():
        own = examples[split]
        facts = data.summary(rows, own)
        if kind.apart:
            facts["missing"] = {"partner": len(own) - len(labelled(tables.tasks[name], rows, own))}
        out[split] = {
            **facts,
            "bad": tables.quarantine.reasons(name, split),
            "seen": {} if split == "train" else apart.seen(name, split),
            "unknown": _unknown(model.stems_of(name), examples[split]),
            "cut": 0 if kind.windows or not may else sum(model.longest(name, own[i]) >= limit for i in range(len(own))),
        }
    return out


def _unknown(stems: Any, examples: Any) -> int:
    """Pieces of inputs that training did not have, such as categories of a table; of stems that tell."""
    telling = [stem for stem in stems.values() if stem.knows]
    return sum(stem.unknown(examples[at]) for at in range(len(examples)) for stem in telling) if telling else 0
