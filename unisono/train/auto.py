"""Auto: a short search for the λ of a plain sum, before the run that takes them. Resumable, and seeded as the run is.

Each trial is the beginning of a run with other λ, its schedule squeezed into the steps that the best trials get. It is
judged by what is left of each task's loss on held-out rows, as a share of the untrained model's: so losses of different
sizes can be averaged, and they tell trials apart while metrics still stand at zero.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unisono import files
from unisono.balance import METHODS
from unisono.balance.search import Candidate, best, candidates, rungs, spent
from unisono.recipe import Recipe, build
from unisono.train.beginning import Beginning, Start
from unisono.train.events import Bus, Chosen, Noted
from unisono.train.processes import agreed
from unisono.train.stepping import TrainingFailed

FOLDER, RESULT, RECIPE = "auto", "auto.json", "recipe.yaml"


@dataclass(frozen=True)
class Choice:
    """What a search found.

    Args:
        recipe: with λ, and with learning rates if these were searched; its balance is the plain sum.
        event: what listeners are told.
    """

    recipe: Recipe
    event: Chosen

    @property
    def sentence(self) -> str:
        """How λ came to be, for a model card."""
        return (
            f"λ were chosen by `balance: auto`: the best of {self.event.tried} plain sums, in a search that took "
            f"{100 * self.event.share:.0f} % of the run's steps."
        )


def choose(recipe: Recipe, start: Start, bus: Bus, *, writes: bool = True) -> Choice | None:
    """Searches, or takes what an earlier call found; None if interrupted: the next call goes on from there.

    Args:
        recipe: with ``balance: auto``. ``RUN/auto`` gets what was tried, and a recipe with what was chosen.
        start: the run's rows, and its model, which stays as it is.
        bus: hears how the search goes.
        writes: this process is the one that writes files.
    """
    search = _Search(recipe, start, bus, writes)
    if search.state["chosen"] is None and not search.run():
        return None
    return search.choice()


def share(recipe: Recipe, steps: int) -> float:
    """The share of a run's steps that its search takes."""
    return spent(rungs(steps, len(_candidates(recipe)), _options(recipe)["cost"])) / steps


class _Search:
    """The trials and what is known of them. Every process knows the same; the main one writes it down."""

    def __init__(self, recipe: Recipe, start: Start, bus: Bus, writes: bool) -> None:
        self.recipe, self.start, self.bus, self.writes = recipe, start, bus, writes
        self.folder = recipe.folder / FOLDER
        file = self.folder / RESULT
        self.state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else self._planned()
        self.tried = [Candidate(trial["weights"], trial["rate"]) for trial in self.state["trials"]]

    def _planned(self) -> dict[str, Any]:
        tried = _candidates(self.recipe)
        steps = Beginning(_with(self.recipe, tried[0]), self.start, self.folder).steps
        assert steps is not None  # a recipe with minutes alone is refused
        rounds = rungs(steps, len(tried), _options(self.recipe)["cost"])
        if rounds and rounds[0][0] < len(tried):
            self.bus(Noted(0, "info", f"balance: auto tries {rounds[0][0]} λ, not {len(tried)}: {steps} steps are few"))
            tried = tried[: rounds[0][0]]
        return {
            "tasks": list(self.recipe.tasks),
            "steps": steps,
            "rounds": rounds,
            "share": spent(rounds) / steps,
            "seconds": 0.0,
            "untrained": {},
            "trials": [{"weights": dict(c.weights), "rate": c.rate, "losses": [], "left": []} for c in tried],
            "chosen": None if rounds else 0,
        }

    def run(self) -> bool:
        """All rounds; False if interrupted."""
        self.start = self.start.with_validation(self.recipe)
        trials, rounds = self.state["trials"], self.state["rounds"]
        alive = list(range(len(trials)))
        for at, (_, steps) in enumerate(rounds):
            for number in alive:
                if len(trials[number]["left"]) == at and not self._go_on(number, steps):
                    return False
            left = {n: math.inf if (found := trials[n]["left"][at]) is None else found for n in alive}
            alive = best(left, rounds[at + 1][0] if at + 1 < len(rounds) else 1)
            for number in set(left) - set(alive):
                self._drop(number)
        self.state["chosen"] = alive[0]
        self._write(RESULT, json.dumps(self.state, indent=2, ensure_ascii=False) + "\n")
        self._drop(alive[0])
        return True

    def choice(self) -> Choice:
        """What was found, once it was."""
        found, state = self.tried[self.state["chosen"]], self.state
        recipe = _with(self.recipe, found)
        again = recipe.model_copy(update={"run": f"{self.recipe.folder}-again"})
        self._write(RECIPE, f"# λ as balance: auto chose them; this recipe does not search again.\n{again.to_yaml()}")
        event = Chosen(
            found.weights, found.rate, state["chosen"] + 1, len(self.tried), state["share"], state["seconds"]
        )
        return Choice(recipe, event)

    def _go_on(self, number: int, steps: int) -> bool:
        """Trains a trial up to so many steps, and judges it; False if interrupted."""
        begin, trial, candidate = time.perf_counter(), self.state["trials"][number], self.tried[number]
        loop = Beginning(_with(self.recipe, candidate, self.state["rounds"][-1][1]), self.start, self._place(number))
        untrained = self.state["untrained"] = self.state["untrained"] or loop.held_out_losses()
        losses: dict[str, float] = {}
        try:
            loop.restore()
            if loop.train(until=steps).reason == "interrupted":
                return False
            losses = loop.held_out_losses()
        except TrainingFailed:  # λ or rates that do not work: one more thing that is known
            pass
        left = _left(losses, untrained)
        trial["losses"].append(losses)
        trial["left"].append(left if math.isfinite(left) else None)
        self.state["seconds"] += agreed(loop.accelerator, time.perf_counter() - begin)
        self._write(RESULT, json.dumps(self.state, indent=2, ensure_ascii=False) + "\n")
        told = f"{100 * left:.1f} % of the losses left" if math.isfinite(left) else "the loss is not finite"
        of = f"trial {number + 1} of {len(self.tried)}, λ {candidate}"
        self.bus(Noted(0, "info", f"balance: auto: {of}: {told} after {steps} steps"))
        return True

    def _place(self, number: int) -> Path:
        return self.folder / f"trial-{number:02d}"

    def _drop(self, number: int) -> None:
        """Deletes the checkpoints of a trial that will not go on."""
        if self.writes:
            shutil.rmtree(self._place(number), ignore_errors=True)

    def _write(self, name: str, text: str) -> None:
        if self.writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.write_atomic(self.folder / name, text)


def _options(recipe: Recipe) -> dict[str, Any]:
    return {**METHODS["auto"].options, **recipe.balance.options}


def _candidates(recipe: Recipe) -> list[Candidate]:
    wanted = {name: value for name, value in _options(recipe).items() if name != "cost"}
    return candidates({name: task.weight for name, task in recipe.tasks.items()}, seed=recipe.seed, **wanted)


def _with(recipe: Recipe, candidate: Candidate, steps: int | None = None) -> Recipe:
    """The recipe of a plain sum with a candidate's λ and learning rates; with ``steps``, of the beginning of a run."""
    raw = recipe.model_dump(mode="json")
    options = METHODS["auto"].options
    raw["balance"] = {k: v for k, v in raw["balance"].items() if k not in options} | {"method": "sum"}
    for name, task in raw["tasks"].items():
        task["weight"] = candidate.weights[name]
        if task["head"].get("lr") is not None:
            task["head"]["lr"] *= candidate.rate
    for rate in ("trunk_lr", "head_lr"):
        raw["train"][rate] *= candidate.rate
    if steps is not None:
        raw |= {"stages": [], "balance": "sum"}
        raw["train"] |= {"steps": steps, "epochs": None, "minutes": None, "evaluate_every": steps, "save_every": steps}
        for task in raw["tasks"].values():
            task |= {"patience": None, "when_done": "stop"}
    return build(raw)


def _left(losses: Mapping[str, float], untrained: Mapping[str, float]) -> float:
    """What is left to learn: the mean over tasks of loss / loss of the untrained model."""
    shares = [losses.get(task, math.inf) / first for task, first in untrained.items() if first > 0]
    return sum(shares) / len(shares) if shares else math.inf
