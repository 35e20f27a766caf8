"""The loop: steps, and when to evaluate, save and leave; resumable to the bit, on one process or several."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

from accelerate.utils import gather_object

from unisono.evaluate import evaluate, main_scores
from unisono.train import checkpoints, state
from unisono.train.card import model_card
from unisono.train.course import Scores
from unisono.train.events import Evaluated, Event, Finished, Noted, Saved, Started
from unisono.train.processes import agreed
from unisono.train.signals import asked_to_stop
from unisono.train.stepping import Stepping

SAVE_SECONDS = 600  # without save_every: no more than so much training is lost by a crash


class Loop(Stepping):
    """One run of training, from its start or its newest checkpoint to its end."""

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
        self._miss(results)
        self.model.train()
        self.elapsed += agreed(self.accelerator, time.perf_counter() - begin)
        self.bus(Evaluated(self.step, "validation", results, main, mean, best))
        self._tell(left)

    def _miss(self, results: Scores) -> None:
        """Says once of which tasks the recipe's main metric is not scored, such as ``f1/LABEL`` of no such label."""
        for name, scores in results.items():
            task = self.tables.tasks[name]
            if task.metric and scores and task.metric not in scores and name not in self._missed:
                self._missed.add(name)
                told = f'task "{name}": no "{task.metric}" in its scores ({", ".join(scores)}): it has no main metric'
                self.bus(Noted(self.step, "warning", f"{told}, and no part in which model is the best"))

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
