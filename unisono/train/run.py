"""A run from its recipe to its model: a new folder, or an unfinished one continued by the same command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from unisono import files
from unisono.memory import keep_pages
from unisono.prepare import build_model, encode, read_tables
from unisono.recipe import Recipe, RecipeError, read
from unisono.tasks import resolve
from unisono.train import checkpoints
from unisono.train.auto import choose
from unisono.train.beginning import Start
from unisono.train.events import Bus, Finished, Listener, Noted
from unisono.train.journal import EVENTS, Journal
from unisono.train.lesson import Lesson, Prepare
from unisono.train.loop import Loop
from unisono.train.processes import make_accelerator

RECIPE, FINISHED = "recipe.yaml", "finished.json"


def open_recipe(target: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a YAML file, or of the folder of a run.

    Raises:
        RecipeError: there is neither, or the recipe is wrong.
    """
    path = Path(target)
    if not path.is_dir():
        return read(path, overrides)
    if not (path / RECIPE).exists():
        raise RecipeError(f"{path}: a folder without {RECIPE}, so not a run; name a recipe file or the folder of a run")
    return read(path / RECIPE, overrides).model_copy(update={"run": str(path)})


def train(
    recipe: Recipe,
    *,
    listeners: Callable[[], Sequence[Listener]] = tuple,
    fresh: bool = False,
    where: str = "recipe",
    prepare: Prepare | None = None,
) -> Finished:
    """Trains a recipe. If its run has begun and not ended, goes on from the newest sound checkpoint.

    Args:
        recipe: from ``unisono.recipe.read``.
        listeners: makes what hears the events beside the run's own journal; called on the main process only.
        fresh: deletes what the run holds and starts again.
        prepare: makes the model and the losses to learn by, of a recipe with teachers; see ``unisono.teach``.

    Raises:
        RecipeError: the recipe cannot be run, or the run's folder belongs to another recipe.
        TrainingFailed: training cannot go on.
    """
    resolve(recipe, where)  # what is wrong with it costs no folder, and with ``fresh`` no run
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    keep_pages()
    accelerator = make_accelerator(recipe)
    run = recipe.folder
    if accelerator.is_main_process:
        _claim(run, recipe, fresh)
    accelerator.wait_for_everyone()
    if (run / FINISHED).exists():
        return Finished(**json.loads((run / FINISHED).read_text(encoding="utf-8")))
    with _bus(run, listeners, accelerator) as bus:
        with accelerator.main_process_first():
            tables = read_tables(recipe, run=run if accelerator.is_main_process else None, where=where)
            lesson: Lesson | None = None
            if prepare:
                tables, model, lesson = prepare(recipe, tables)
            else:
                model = build_model(recipe, tables)
            examples = encode(recipe, tables, model, ("train", "validation"))
        for line in tables.bad_rows():
            bus(Noted(0, "warning", line))
        choice = None
        if recipe.balance.method == "auto":
            start = Start(tables, examples, model)
            choice = choose(recipe, start, bus, writes=accelerator.is_main_process)
            if choice is None:
                done = Finished(0, 0.0, "interrupted")
                bus(done)
                return done
            recipe, tables = choice.recipe, start.under(choice.recipe)
            model.tasks = dict(tables.tasks)
            accelerator = make_accelerator(recipe)  # the search has used it: its scaler has a past
        loop = Loop(recipe, tables, examples, model, run, bus, accelerator, lesson)
        loop.restore()
        if choice:
            loop.remarks = (choice.sentence,)
            if loop.step == 0:
                bus(choice.event)
        done = loop.train()
    if done.reason == "done" and accelerator.is_main_process:
        files.write_atomic(run / FINISHED, json.dumps(asdict(done), indent=2) + "\n")
    accelerator.wait_for_everyone()
    return done


def _claim(run: Path, recipe: Recipe, fresh: bool) -> None:
    """Makes the folder of a run, or makes sure that the one there was made by the same recipe.

    A run that ended before its first event, by a misspelt option or a missing file, holds nothing: the mended recipe
    takes its place.
    """
    kept = run / RECIPE
    if fresh and run.exists():
        if any(run.iterdir()) and not kept.exists():
            raise RecipeError(f"{run}: not the folder of a run (no {RECIPE}), so --fresh will not delete it")
        shutil.rmtree(run)
    journal = run / EVENTS
    nothing = journal.exists() and not journal.stat().st_size
    if kept.exists() and not nothing:
        differences = _differences(read(kept).model_dump(mode="json"), recipe.model_dump(mode="json"))
        differences = [d for d in differences if not d.startswith("run:")]
        if differences:
            raise RecipeError(
                f"{run} holds a run of another recipe ({'; '.join(differences[:3])}). "
                f"Start again with --fresh, or elsewhere with --set run=FOLDER"
            )
        return
    run.mkdir(parents=True, exist_ok=True)
    files.write_atomic(kept, recipe.to_yaml())


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{path}.{k}" if path else str(k))]
    return [] if old == new else [f"{path}: {old!r} there, {new!r} here"]


@contextmanager
def _bus(run: Path, listeners: Callable[[], Sequence[Listener]], accelerator: Accelerator) -> Iterator[Bus]:
    heard: list[Listener] = []
    if accelerator.is_main_process:
        newest, _ = checkpoints.latest(run / "checkpoints")
        heard = [Journal(run / EVENTS, step=checkpoints.step_of(newest) if newest else 0), *listeners()]
    bus = Bus(heard)
    try:
        yield bus
    finally:
        bus.close()
