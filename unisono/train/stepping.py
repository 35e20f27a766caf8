"""One step: rows are drawn, their gradients balanced and taken, or skipped where they are not finite."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from accelerate.utils import gather_object

from unisono.train.balanced import Balanced
from unisono.train.bundles import PLUS
from unisono.train.course import Course
from unisono.train.events import Noted, Skipped, Stepped
from unisono.train.passes import cut_up, not_finite, units
from unisono.train.processes import agreed, sum_gradients, total
from unisono.train.sampler import deal
from unisono.train.shared import densify
from unisono.train.step import Around, Losses, Pass, out_of_memory


class TrainingFailed(Exception):
    """Training that cannot go on; one line saying why and what to do."""


class Stepping(Course):
    """A run that can take its next step."""

    def _step(self) -> None:
        begin = time.perf_counter()
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        rows = self.draw()
        mine = {key: deal(taken, self.bundles[key].costs, rank=rank, world=world) for key, taken in rows.items()}
        scale = self.schedule.scale(self._middle())
        if self.lesson:
            self.lesson.begin(self._middle())
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * scale * self.staging.rate(group["name"])
        self.step += 1
        due = self._due(self.settings.evaluate_every, 100)
        ahead = self.settings.trunk_lr * scale if self.recipe.balance.affinity and due else None
        measure = self.recipe.balance.conflicts and due
        units, passes, found = self._forward_backward(mine, measure=measure, ahead=ahead)
        losses, names = found.losses, list(self.examples)
        facts = torch.zeros(len(names) * 2 + 1, dtype=torch.float64)
        for i, task in enumerate(names):
            totals = losses.get(task, [])
            facts[i] = float(torch.stack(totals).sum()) if totals else 0.0
            facts[len(names) + i] = float(any(not math.isfinite(float(t)) for t in totals))
        facts[-1] = float(self.stop)
        facts = total(self.accelerator, facts)
        self.stop = bool(facts[-1])
        bad = [task for i, task in enumerate(names) if facts[len(names) + i]]
        self._sum_gradients()
        norm = math.nan
        if bad:
            self._skip(bad, passes, losses)
        else:
            norm = self._update()
            self.balancing.look_again()
        self.balancing.forget()
        if found.problem:
            text = (
                f"balance: {self.recipe.balance.method} gave no weights ({found.problem}); this step took the plain sum"
            )
            self.bus(Noted(self.step, "warning", text))
        means = {t: float(facts[i]) / units[t] for i, t in enumerate(names) if units.get(t)}
        self.staging.stepped(means, found.norms)
        self.elapsed += agreed(self.accelerator, time.perf_counter() - begin)
        self.bus(
            Stepped(
                step=self.step,
                progress=self.progress(),
                losses=means,
                units=units,
                weights=found.weights,
                rows=self.bundles.counts(rows),
                shared={key: len(taken) for key, taken in rows.items() if PLUS in key},
                tokens=sum(int(self.bundles[key].costs[taken].sum()) for key, taken in rows.items()),
                seconds=time.perf_counter() - begin,
                lr={group["name"]: group["lr"] for group in self.optimizer.param_groups},
                norm=norm,
            )
        )
        for event in found.measured(self.step) if due else ():
            self.bus(event)

    def _sum_gradients(self) -> None:
        """Adds up the processes' gradients; those of the shared parameters are whole where they were captured."""
        parameters = list(self.model.parameters())
        densify(parameters)
        sum_gradients(self.accelerator, self.model.heads.parameters() if self.balancing.summed else parameters)

    def draw(self) -> dict[str, list[int]]:
        """Rows of the next step: key of a bundle -> rows of it."""
        share = self.shares()
        for key in share:
            bundle = self.bundles[key]
            self.sampler.add(key, bundle.units, bundle.rows)
        return self.sampler.draw(share)

    def _forward_backward(
        self, mine: Mapping[str, list[int]], *, measure: bool = False, ahead: float | None = None
    ) -> tuple[dict[str, int], list[Pass], Balanced]:
        """Gradients of this process's rows. Without memory for them, the same rows again in smaller passes."""
        units: dict[str, int] | None = None
        states, loss = self.model.states_of, self.staging.loss
        if self.lesson:
            states, loss = self.lesson.states, self.lesson.loss
        around = Around(states, loss, self._autocast, self.accelerator.backward)
        generator = (self.recipe.seed * 1_000_003 + self.step) * 4096 + self.accelerator.process_index
        while True:
            torch.manual_seed(generator % 2**63)  # before rows are put together: stems may leave things to chance there
            passes = self._passes(mine)
            if units is None:
                units = self._units(passes)
            self.stepper.zero_grad(set_to_none=True)
            try:
                found = self.balancing.take(passes, units, around, step=self.step, measure=measure, ahead=ahead)
                return units, passes, found
            except (RuntimeError, MemoryError) as error:
                largest = max((p.batches[0].inputs.layout.total for p in passes), default=0)
                alone = all(p.batches[0].inputs.layout.count == 1 for p in passes)
                if not out_of_memory(error) or alone:
                    raise
                self.micro_tokens = max(largest // 2, 1)
            del passes
            self.balancing.forget()
            if self.accelerator.device.type == "cuda":
                torch.cuda.empty_cache()
            note = f"out of memory: passes now hold {self.micro_tokens} tokens at most; the step's rows stay the same"
            self.bus(Noted(self.step, "warning", note))

    def _autocast(self) -> Any:
        return nullcontext() if self.settings.precision == "fp32" else self.accelerator.autocast()

    def _passes(self, mine: Mapping[str, list[int]]) -> list[Pass]:
        return cut_up(
            mine, self.bundles, self.model, most=self.micro_tokens, halves=self.balancing.halves,
            device=self.accelerator.device,
        )  # fmt: skip

    def _units(self, passes: Sequence[Pass]) -> dict[str, int]:
        """Units of the step, over all processes: the labelled ones, or those that the lesson counts."""
        own = units(passes, self.model.tasks, self.lesson.units if self.lesson else self.model.units_of)
        summed = total(self.accelerator, torch.tensor(list(own.values()), dtype=torch.float64))
        return {name: int(count) for name, count in zip(own, summed, strict=True)}

    def _update(self) -> float:
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        self.accelerator.unscale_gradients(self.stepper)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if torch.isfinite(norm):
            if self.settings.clip:
                torch.nn.utils.clip_grads_with_norm_(parameters, self.settings.clip, norm)
        elif self.settings.precision != "fp16":  # fp16's scaler looks for itself, and lowers its scale
            self._count_bad("the gradient is not finite", {})
            return float(norm)
        self.stepper.step()
        if self.ema:
            self.ema.update(self.model.named_parameters())
        return float(norm)

    def _skip(self, bad: list[str], passes: Sequence[Pass], losses: Losses) -> None:
        rows: dict[str, list[tuple[str, int]]] = {}
        for task in bad:
            own = not_finite(task, passes, losses, self.tables, self.examples[task]["train"])
            rows[task] = gather_object(own) if self.accelerator.num_processes > 1 else own
        self._count_bad("the loss is not finite", rows)

    def _count_bad(self, reason: str, rows: Mapping[str, list[tuple[str, int]]]) -> None:
        self.stepper.zero_grad(set_to_none=True)
        self.bad_steps += 1
        for task, origins in rows.items() or [("", [])]:
            self.bus(Skipped(self.step, task, origins, reason))
        if self.bad_steps > self.settings.max_bad_steps:
            task, origins = next(iter(rows.items()), ("", []))
            who = f'task "{task}": ' if task else ""
            first = f", first in {origins[0][0]} row {origins[0][1]}" if origins else ""
            raise TrainingFailed(
                f"{who}{reason} at step {self.step}{first}; {self.bad_steps} such steps, train.max_bad_steps is "
                f"{self.settings.max_bad_steps}. Lower train.trunk_lr or train.head_lr; the last checkpoint is whole"
            )

    def measure(self, rows: Mapping[str, list[int]]) -> tuple[dict[str, float], dict[str, int]]:
        """One forward and backward over rows of bundles, without an update: the tasks' total losses and units."""
        units, _, found = self._forward_backward(rows)
        self.stepper.zero_grad(set_to_none=True)
        return {task: float(torch.stack(totals).sum()) for task, totals in found.losses.items() if totals}, units
