"""The course of a run: what learns, what it learns from, and how far it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from unisono.data import Examples
from unisono.model import MultiTaskModel
from unisono.prepare import Tables
from unisono.recipe import Recipe
from unisono.train.balancing import Balancing
from unisono.train.bundles import Bundles
from unisono.train.ema import Ema
from unisono.train.events import Bus
from unisono.train.lesson import Lesson
from unisono.train.optim import Schedule, parameter_groups
from unisono.train.sampler import Sampler
from unisono.train.shared import sparse_tables
from unisono.train.staging import Staging

TOKENS_PER_STEP = 4096
Scores = dict[str, dict[str, float]]


class Course:
    """Holds what a checkpoint must hold: weights, optimizer, averages, sampler, counters.

    Randomness is a pure function of (seed, step, process), so nothing else needs to be remembered to resume to the bit.

    Args:
        recipe: the resolved recipe.
        tables: the tasks' rows. ``examples``: the same encoded, task -> split.
        model: before training.
        run: the folder of the run.
        bus: hears every event.
        accelerator: the processes and the device.
        lesson: the losses to learn by; None: those of the labels.
    """

    def __init__(
        self,
        recipe: Recipe,
        tables: Tables,
        examples: Mapping[str, Mapping[str, Examples]],
        model: MultiTaskModel,
        run: Path,
        bus: Bus,
        accelerator: Accelerator,
        lesson: Lesson | None = None,
    ) -> None:
        self.lesson = lesson
        self.recipe, self.tables, self.examples, self.run, self.bus = recipe, tables, examples, run, bus
        self.accelerator = accelerator
        self.settings = recipe.train
        self.model = model.to(accelerator.device)
        if self.settings.compile:
            model.trunk.compile_encoder()
        self.bundles = Bundles(recipe, tables, examples, lesson.whole if lesson else ())
        budget = float(self.settings.rows_per_step or self.settings.tokens_per_step or TOKENS_PER_STEP)
        self.sampler = Sampler({}, budget=budget, seed=recipe.seed)
        self.staging = Staging(recipe, tables, model, bundles=self.bundles, budget=budget, run=run)
        self.steps = self._planned_steps(budget)
        sparse_tables(model)
        period = max(1, math.ceil(self.bundles.epoch(recipe.tasks) / budget))
        self.balancing = Balancing(model, recipe, accelerator, period=period)
        self.balancing.refuse_features(self.bundles.split(recipe.tasks))
        self.balancing.watches = self.staging.needs_norms
        longest = max(int(parts["train"].lengths.max()) for parts in examples.values())
        self.micro_tokens = max(self.settings.micro_tokens or 16_384, longest)
        learning = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        groups = parameter_groups(
            learning,
            trunk_lr=self.settings.trunk_lr,
            head_lr=self.settings.head_lr,
            head_lrs={n: t.options.lr for n, t in tables.tasks.items() if t.options.lr is not None},
            own_lrs=model.rates,
            layer_decay=self.settings.layer_decay,
            depth=model.trunk.depth,
            depth_count=len(model.trunk.layers) - 1,
            weight_decay=self.settings.weight_decay,
        )
        # Fused is the fastest everywhere: for 22.6 million parameters on two cores 15 ms a step, 78 ms with foreach.
        fused = accelerator.device.type in ("cpu", "cuda", "mps")
        self.optimizer = torch.optim.AdamW(groups, lr=self.settings.trunk_lr, fused=fused)
        self.stepper = accelerator.prepare_optimizer(self.optimizer, device_placement=False)
        self.schedule = Schedule(self.settings.schedule, warmup=self.settings.warmup)
        self.ema = Ema(learning, self.settings.ema) if self.settings.ema else None
        self.step, self.elapsed, self.bad_steps = 0, 0.0, 0
        self.best: dict[str, Any] = {"step": None, "mean": -math.inf}
        self._missed: set[str] = set()  # tasks whose main metric was not scored, and of which that was said
        self.scores: Scores = {}
        self.remarks: tuple[str, ...] = ()  # for the model card: how settings came to be
        self.stop = False

    def _planned_steps(self, budget: float) -> int | None:
        """Steps of the whole run; None where minutes alone decide."""
        if self.settings.steps:
            return self.settings.steps
        if self.settings.epochs is None and self.settings.minutes:
            return None
        if self.settings.epochs is None and self.staging.planned:
            return self.staging.planned
        return max(1, math.ceil((self.settings.epochs or 1.0) * self.bundles.epoch(self.recipe.tasks) / budget))

    def progress(self) -> float:
        """How much of the run is done, 0 to 1."""
        by_steps = self.step / self.steps if self.steps else 0.0
        by_time = self.elapsed / (self.settings.minutes * 60) if self.settings.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def _middle(self) -> float:
        """The progress in the middle of the next step: its learning rate is neither the first's 0 nor the last's."""
        return max(self.progress(), (self.step + 0.5) / self.steps) if self.steps else self.progress()

    def shares(self) -> dict[str, float]:
        """Each bundle's share of the next step."""
        return self.staging.shares(step=self.step + 1, progress=self.progress())

    def _due(self, every: int | None, fallback: int) -> bool:
        if every is None and self.steps:
            every = max(1, math.ceil(self.steps / 5))
        return self.step % (every or fallback) == 0
