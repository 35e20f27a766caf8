"""Beginning: the first steps of a run under other settings, judged by its losses on held-out rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from unisono import data
from unisono.data import Examples
from unisono.model import MultiTaskModel
from unisono.prepare import Tables, encode
from unisono.recipe import Recipe
from unisono.tasks import resolve
from unisono.train.course import Scores
from unisono.train.events import Bus
from unisono.train.loop import Loop
from unisono.train.processes import make_accelerator, total
from unisono.train.sampler import cut

ROWS = 256  # held-out rows of each task that a judgement looks at
HELD = 0.1  # share of its training rows that a task without validation rows is judged on, and does not learn from


@dataclass(frozen=True)
class Start:
    """What beginnings of one run have in common.

    Args:
        tables: the tasks' rows. ``examples``: the same encoded, task -> split.
        model: before training; each beginning trains a copy.
    """

    tables: Tables
    examples: Mapping[str, Mapping[str, Examples]]
    model: MultiTaskModel

    def under(self, recipe: Recipe) -> Tables:
        """The same rows, of the tasks as a recipe has them."""
        return Tables(resolve(recipe), self.tables.rows, self.tables.quarantine)

    def with_validation(self, recipe: Recipe) -> Start:
        """The same, with rows held out of the training rows of those tasks that have no others."""
        rows = dict(self.tables.rows)
        for name, splits in self.tables.rows.items():
            if not len(self.examples[name].get("validation", ())):
                parts = data.cut(len(splits["train"]), {"validation": HELD}, recipe.seed)
                rows[name] = {split: splits["train"].select(index) for split, index in parts.items()}
        if all(rows[name] is splits for name, splits in self.tables.rows.items()):
            return self
        tables = Tables(self.tables.tasks, rows, self.tables.quarantine)
        return Start(tables, encode(recipe, tables, self.model, ("train", "validation")), self.model)


class Beginning(Loop):
    """A training that neither scores itself nor leaves a model.

    Args:
        recipe: its settings.
        start: its rows and its model, which is copied.
        run: the folder of its checkpoints.
    """

    def __init__(self, recipe: Recipe, start: Start, run: Path) -> None:
        model = copy.deepcopy(start.model)
        super().__init__(
            recipe, start.under(recipe), start.examples, model, run, Bus([]), make_accelerator(recipe)
        )  # fmt: skip

    def held_out_losses(self) -> dict[str, float]:
        """Task -> mean loss over held-out rows, without dropout; tasks without a label there are left out."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        facts = torch.zeros(len(self.examples), 2, dtype=torch.float64)
        self.model.eval()
        with torch.no_grad(), self.ema.swapped(self.model.named_parameters()) if self.ema else nullcontext():
            for at, (name, parts) in enumerate(self.examples.items()):
                if "validation" not in parts:
                    continue
                held = parts["validation"]
                for part in cut(_spread(len(held), ROWS)[rank::world], held.lengths, most=self.micro_tokens):
                    batch = self.model.collate(name, [held[row] for row in part]).to(self.accelerator.device)
                    with self._autocast():
                        loss = self.model(batch)
                    facts[at] += torch.tensor([float(loss.total), float(loss.units)], dtype=torch.float64)
        self.model.train()
        facts = total(self.accelerator, facts)
        return {name: float(found / units) for name, (found, units) in zip(self.examples, facts, strict=True) if units}

    def _evaluate(self) -> None:
        pass

    def _write_model(self, scores: Mapping[str, Scores]) -> None:
        pass


def _spread(count: int, most: int) -> list[int]:
    """At most so many numbers below ``count``, evenly: files are often sorted by class."""
    return [i * count // most for i in range(most)] if count > most else list(range(count))
