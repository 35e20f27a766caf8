"""What the gallery's sections share: a run's model, its judgements of held-out rows, and commands as they are typed."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import unisono
from unisono import ask, predicting
from unisono.evaluate import Result, evaluate
from unisono.prepare import encode, read_tables
from unisono.train.run import open_recipe

DOCS = Path(__file__).parent
PICTURES = DOCS / "gallery"


@dataclass(frozen=True)
class Judged:
    """A task's predictions for rows that training has not seen. ``rows``: those rows, in the same order."""

    scores: Mapping[str, float]
    rows: Sequence[Mapping[str, Any]]
    predictions: Sequence[Mapping[str, Any]]

    def __iter__(self) -> Any:
        return iter(zip(self.rows, self.predictions, strict=True))


class Run:
    """A trained run, under the name that the page gives it."""

    def __init__(self, folder: str, name: str) -> None:
        self.folder, self.name = folder, name

    @cached_property
    def model(self) -> Any:
        return unisono.load(self.folder)

    def judged(self, task: str, *, limit: int | None = None) -> Judged:
        """The test rows, or ``limit`` of them evenly spread."""
        recipe = open_recipe(self.folder, ["cache=/tmp/unisono-gallery"])
        recipe = recipe.model_copy(update={"tasks": {task: recipe.tasks[task]}})
        tables = read_tables(recipe, run=None)
        rows = tables.rows[task]["test"]
        examples = encode(recipe, tables, self.model, ("test",))[task]["test"]
        found: Result = evaluate(self.model, task, rows, examples, split="test", limit=limit)
        return Judged(found.scores, [rows[i] for i in found.source], found.predictions)

    def asked(
        self, *typed: str, task: str = "", shown: Sequence[str] = (), colour: bool = False, **named: Sequence[str] | str
    ) -> str:
        """A command and what it prints.

        Args:
            shown: what to show in place of ``typed``, such as a file's name without its folders.
            named: inputs by their roles.
        """
        roles = {role: [v] if isinstance(v, str) else list(v) for role, v in named.items()}
        tasks = {task: self.model.tasks[task]} if task else self.model.tasks
        out = io.StringIO()
        with redirect_stdout(out):
            takes = {name: ask.Takes.of(known) for name, known in tasks.items()}
            givens = ask.gather(takes, typed, roles)
            predicting.tell(ask.answers(self.model, takes, givens, task), givens, takes, colour=colour)
        words = ["unisono", "predict", f"runs/{self.name}", *(["--task", task] if task else []), *(shown or typed)]
        words += [word for role, values in roles.items() for value in values for word in (f"--{role}", value)]
        printed = out.getvalue()
        for real, other in zip(typed, shown, strict=False):
            printed = printed.replace(real, other)
        return f"$ {shlex.join(words)}\n{printed.rstrip()}"


def block(*texts: str) -> str:
    """Markdown of what a terminal shows."""
    return "```\n" + "\n\n".join(texts) + "\n```"


def picture(image: Any, name: str, *, colours: int = 128) -> str:
    """Writes a Pillow image as a small PNG into the gallery's folder; gives back its place for a link."""
    PICTURES.mkdir(exist_ok=True)
    image.quantize(colours, dither=0).save(PICTURES / f"{name}.png", optimize=True)
    return f"gallery/{name}.png"


def beside(images: Sequence[Any], columns: int, *, gap: int = 8) -> Any:
    """Several Pillow images in one, row by row."""
    from PIL import Image

    rows = [images[at : at + columns] for at in range(0, len(images), columns)]
    width = max(sum(i.width + gap for i in row) for row in rows) - gap
    out = Image.new("RGB", (width, sum(max(i.height for i in row) + gap for row in rows) - gap), "white")
    y = 0
    for row in rows:
        x = 0
        for image in row:
            out.paste(image, (x, y))
            x += image.width + gap
        y += max(i.height for i in row) + gap
    return out
