"""Distill: what a recipe may say under ``distill:``: the teachers of its tasks, and what is learned from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from unisono.recipe.errors import nearest
from unisono.recipe.section import Section


class Distill(Section):
    """Trained models teach the tasks: what they say of a row is learned beside its label, or in its place."""

    teachers: str | dict[str, str | None] = Field(
        description="the folder of a run or a model that teaches every task, or task -> folder; null: labels alone"
    )
    temperature: float = Field(2.0, gt=0, description="by which the teacher's and the student's outputs are softened")
    labels: Literal["annealed"] | float = Field(
        "annealed",
        description="λ, the labels' part of a unit's loss, 0 to 1, the teacher's being 1 - λ; annealed: from 0 at the "
        "beginning of the run to 1 at its end",
    )
    hidden: float = Field(0.0, ge=0, description="weight of the distance between the trunks' states, layer by layer")
    sequences: int | None = Field(
        None,
        ge=1,
        description="tasks that write texts learn what their teacher writes with so many beams in place of the "
        "training rows' own texts; default: their own",
    )

    @property
    def of_task(self) -> dict[str, str | None]:
        """task -> folder, where they are named task by task."""
        return {} if isinstance(self.teachers, str) else self.teachers

    def of(self, task: str) -> str | None:
        """The folder of a task's teacher."""
        return self.teachers if isinstance(self.teachers, str) else self.teachers.get(task)


def problems(wanted: Distill, tasks: Sequence[str], *, balance: str, held: Sequence[str]) -> Iterator[str]:
    """What is wrong with the names of teachers and with what stands beside them, a line each.

    Args:
        tasks: of the recipe. ``held``: those that are distilled from themselves when they are done.
    """
    if isinstance(wanted.labels, float | int) and not 0 <= wanted.labels <= 1:
        yield f"distill.labels: a share from 0 to 1, or annealed; got {wanted.labels}"
    for name in wanted.of_task:
        if name not in tasks:
            yield f'distill.teachers: there is no task "{name}"{nearest(name, tasks)}'
    for name in tasks if wanted.of_task or not isinstance(wanted.teachers, str) else ():
        if name not in wanted.of_task:
            yield (
                f'distill.teachers: no teacher for task "{name}"; name its run, as --teacher {name}=RUN, or write null '
                "to learn it from its labels alone"
            )
    if balance == "auto":
        yield 'balance: "auto" judges methods by what labels alone do, and so not beside distill:; name a method'
    for name in held:
        yield f"tasks.{name}.when_done: distill, from the model itself, does not go with distill.teachers; write stop"
