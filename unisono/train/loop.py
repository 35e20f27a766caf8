"""The loop: draw rows, step, evaluate, save; resumable to the bit, on one process or several."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from unisono.data import Examples
from unisono.evaluate import evaluate, main_scores
from unisono.model import MultiTaskModel
from unisono.prepare import Tables
from unisono.recipe import Recipe
from unisono.train import checkpoints, state
from unisono.train.balanced import Balanced
from unisono.train.balancing import Balancing
from unisono.train.bundles import PLUS, Bundles
from unisono.train.card import model_card
from unisono.train.ema import Ema
from unisono.train.events import (
    Bus,
    Evaluated,
    Event,
    Finished,
    Noted,
    Saved,
    Skipped,
    Started,
    Stepped,
)
from unisono.train.lesson import Lesson
from unisono.train.optim import Schedule, parameter_groups
from unisono.train.passes import cut_up, not_finite, units
from unisono.train.processes import agreed, sum_gradients, total
from unisono.train.sampler import Sampler, deal
from unisono.train.shared import densify, sparse_tables
from unisono.train.signals import asked_to_stop
from unisono.train.staging import Staging
from unisono.train.step import Around, Losses, Pass, out_of_memory

TOKENS_PER_STEP = 4096
SAVE_SECONDS = 600  # without save_every: no more than so much training is lost by a crash
Scores = dict[str, dict[str, float]]


class TrainingFailed(Exception):
    """Training that cannot go on; one line saying why and what to do."""


class Loop:
    """One run of training. Holds what a checkpoint must hold: weights, optimizer, averages, sampler, counters.

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
        self.scores: Scores = {}
        self.remarks: tuple[str, ...] = ()  # for the model card: how settings came to be
        self.stop = False

    # -- plan ------------------------------------------------------------------------------------------------------

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

    # -- run -------------------------------------------------------------------------------------------------------

    def train(self, *, until: int | None = None) -> Finished:
        """Trains to the end, until interrupted, or to a step where it saves and rests; returns the last event too."""
        main = self.accelerator.is_main_process
        self.bus(
            Started(
                run=str(self.run),
                tasks={n: {"kind": t.kind.name, "rows": self._row_counts()[n]} for n, t in self.tables.tasks.items()},
                steps=self.steps,
                parameters=sum(p.numel() for p in self.model.parameters()),
                device=str(self.accelerator.device),
                precision=self.settings.precision,
                resumed_from=self.step or None,
                learning=sum(p.numel() for n, p in self.model.named_parameters() if n not in self.staging.fixed),
            )
        )
        for note in self.bundles.notes():
            self.bus(Noted(self.step, "info", note))
        self._tell(self.staging.begin(fresh=self.step == 0))
        saved, saved_at = self.step, self.elapsed
        with asked_to_stop(self._ask):
            self.model.train()
            while self.progress() < 1.0 and not self.staging.done and not self.stop and self.step != until:
                self._step()
                ended = self.progress() >= 1.0 or self.staging.ends_run(self.step, self.progress())
                evaluated = ended or self._due(self.settings.evaluate_every, 100)
                if evaluated:
                    self._evaluate()
                self._tell(self.staging.advance(self.step, self.progress()))
                ended = ended or self.staging.done  # on a plateau, or because all tasks have left
                if self.settings.save_every:
                    save = ended or self.step % self.settings.save_every == 0
                else:
                    save = evaluated or self.elapsed - saved_at > SAVE_SECONDS
                if save:
                    saved, saved_at = self._save(), self.elapsed
            if (self.stop or self.step == until) and saved != self.step:
                self._save()
        if not self.stop and self.best["step"] is None and main:
            self._write_model({})  # nothing to judge by: the last weights are the model
        done = Finished(
            step=self.step,
            seconds=self.elapsed,
            reason="interrupted" if self.stop else "done",
            model=str(self.run / "model"),
            scores=self.scores,
        )
        self.bus(done)
        return done

    def _ask(self, signal: str) -> bool:
        """Lets the step end, saves and leaves; asked a second time, refuses."""
        if self.stop:
            return False
        self.stop = True
        self.bus(Noted(self.step, "warning", f"{signal}: saving after this step, then leaving"))
        return True

    # -- one step --------------------------------------------------------------------------------------------------

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

    # -- evaluate, save, restore -----------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        begin = time.perf_counter()
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        results: Scores = {}
        with self.ema.swapped(self.model.named_parameters()) if self.ema else nullcontext():
            for name in self.tables.tasks:
                if not len(self.examples[name].get("validation", ())):
                    continue
                results[name] = evaluate(
                    self.model, name, self.tables.rows[name]["validation"], self.examples[name]["validation"],
                    limit=self.settings.evaluate_rows, rank=rank, world=world,
                    gather=gather_object if world > 1 else None, **self.model.head(name).quick,
                ).scores  # fmt: skip
            main = main_scores(self.model, results)
            left = list(self.staging.evaluated(self.step, main, self._keep))
            judged = [score for name, score in main.items() if name in self.staging.judged]
            mean = sum(judged) / len(judged) if judged else math.nan
            best = bool(judged) and mean > self.best["mean"]
            if best:
                self.best = {"step": self.step, "mean": mean}
                self.scores = results
                if self.accelerator.is_main_process:
                    self._write_model({"validation": results})
        self.model.train()
        self.elapsed += agreed(self.accelerator, time.perf_counter() - begin)
        self.bus(Evaluated(self.step, "validation", results, main, mean, best))
        self._tell(left)

    def _tell(self, events: Iterable[Event]) -> None:
        """Passes on what stages and tasks did; after that, other parameters may learn."""
        for event in events:
            self.bus(event)
        self.balancing.look_anew()

    def _keep(self, folder: Path) -> None:
        """Writes the model as it is now, averaged weights included, once for all processes."""
        if self.accelerator.is_main_process:
            self.model.save_pretrained(folder)
        self.accelerator.wait_for_everyone()

    def _write_model(self, scores: Mapping[str, Scores]) -> None:
        counts = self._row_counts()
        self.model.card = model_card(self.recipe, self.model, counts, scores, self.step, self.remarks)
        self.model.save_pretrained(self.run / "model")

    def _row_counts(self) -> dict[str, dict[str, int]]:
        return {name: {split: len(e) for split, e in parts.items()} for name, parts in self.examples.items()}

    def _save(self) -> int:
        if self.accelerator.is_main_process:
            tensors, plain = state.taken(self)
            folder = self.run / "checkpoints"
            path = checkpoints.save(folder, self.step, tensors, plain, {"recipe.yaml": self.recipe.to_yaml()})
            best = self.best["step"]
            checkpoints.prune(folder, self.settings.keep, {best} if best is not None else set())
            self.bus(Saved(self.step, str(path), best == self.step))
        self.accelerator.wait_for_everyone()
        return self.step

    def restore(self) -> None:
        """Continues from the newest sound checkpoint of the run, if there is one."""
        path, broken = checkpoints.latest(self.run / "checkpoints")
        for skipped in broken:
            self.bus(
                Noted(0, "warning", f"{skipped.path.name} is damaged ({skipped.problems[0]}); using the one before")
            )
        if path is not None:
            state.given_back(self, checkpoints.load(path))
