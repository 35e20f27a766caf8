"""Stages of a recipe: progressive training as a person writes it, and what can be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from unisono.recipe.errors import nearest
from unisono.recipe.section import Section

ORDERED = ("one-by-one", "easy-to-hard")  # the presets that go through the tasks in an order


class Plateau(Section):
    """An end that comes when nothing gets better."""

    patience: int = Field(2, ge=1, description="evaluations without a better mean score before the stage ends")
    min_delta: float = Field(0.0, ge=0, description="a smaller gain of the mean score counts as none")


class Until(Section):
    """When a stage ends: at the first of these."""

    steps: int | None = Field(None, ge=1, description="after so many steps of its own")
    epochs: float | None = Field(None, gt=0, description="after so many passes over the rows of its tasks")
    share: float | None = Field(None, gt=0, le=1, description="after this part of the whole run")
    plateau: Plateau | None = Field(None, description="when the mean score of its tasks no longer rises")

    @field_validator("plateau", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"patience": value} if isinstance(value, int) else value

    @model_validator(mode="after")
    def _some_end(self) -> Until:
        if not (self.steps or self.epochs or self.share or self.plateau):
            raise ValueError('say when the stage ends: "steps", "epochs", "share" or "plateau"')
        return self


class Rates(Section):
    """Factors on the learning rates."""

    trunk: float = Field(1.0, ge=0, description="factor on the trunk's learning rate, embeddings included")
    heads: float = Field(1.0, ge=0, description="factor on the heads' learning rates")


class Stage(Section):
    """A stretch of training, or with ``preset`` several of them."""

    name: str | None = Field(None, description="its name in reports; default: stage and its number")
    tasks: list[str] | None = Field(None, min_length=1, description="the tasks that are in; default: all")
    freeze: list[str] = Field(
        [], description="what does not learn: embeddings, trunk, trunk.3, trunk.0-2, heads, heads.TASK"
    )
    lr: Rates = Field(default_factory=Rates, description="one factor on all learning rates, or for trunk and heads")
    until: Until | None = Field(None, description="when it ends; the last stage may last as long as the run")
    preset: Literal["one-by-one", "heads-first", "gradual-unfreeze", "easy-to-hard"] | None = Field(
        None, description="ready-made stages in this place; until: is then the end of each"
    )
    order: list[str] | None = Field(
        None, description="of one-by-one and easy-to-hard: the order of the tasks; default: as listed, as measured"
    )

    @field_validator("lr", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"trunk": value, "heads": value} if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _agree(self) -> Stage:
        if self.preset:
            given = [n for n in ("name", "tasks", "freeze", "lr") if n in self.model_fields_set and _said(self, n)]
            if given:
                raise ValueError(f'"preset" stands for whole stages and excludes "{given[0]}"')
        if self.order and self.preset not in ORDERED:
            raise ValueError(f'"order" belongs to the presets {" and ".join(ORDERED)}')
        return self


def _said(stage: Stage, name: str) -> bool:
    """Whether a field differs from its default: a resolved recipe writes all of them out."""
    field = Stage.model_fields[name]
    return bool(getattr(stage, name) != field.get_default(call_default_factory=True))


def layers_of(part: str) -> range | None:
    """The layers that ``trunk.2`` or ``trunk.0-2`` names, the last one included; None for any other text."""
    match = re.fullmatch(r"trunk\.(\d+)(?:-(\d+))?", part)
    return range(int(match[1]), int(match[2] or match[1]) + 1) if match else None


def problems(stages: Sequence[Stage], tasks: Sequence[str], layers: int | None) -> Iterator[str]:
    """What is wrong with the names and the ends of stages, a line each.

    Args:
        tasks: the names of the recipe's tasks.
        layers: of the trunk; None where that is not known yet: numbers of layers are then not looked at.
    """
    spent = 0.0
    for at, stage in enumerate(stages):
        place, last = f"stages.{at}", at == len(stages) - 1
        for key in ("tasks", "order"):
            names = getattr(stage, key) or ()
            for name in names:
                if name not in tasks:
                    yield f'{place}.{key}: there is no task "{name}"{nearest(name, tasks)}'
            if len(set(names)) < len(names):
                yield f"{place}.{key}: {', '.join(names)} names a task twice"
        if stage.order and (missing := [name for name in tasks if name not in stage.order]):
            yield f'{place}.order: task "{missing[0]}" is missing; the order names every task once'
        for part in stage.freeze:
            if problem := _part_problem(part, tasks, layers):
                yield f"{place}.freeze: {problem}"
        if not last and stage.until is None:
            what = f'preset "{stage.preset}"' if stage.preset else "stage"
            yield f"{place}.until: is missing: only the last stage may go without an end; after this {what} come others"
        if not last and not stage.preset and stage.until and stage.until.share:
            spent += stage.until.share
    if spent >= 1:
        yield f"stages: the shares of the stages before the last sum to {spent:g}: nothing is left for the last"


def _part_problem(part: str, tasks: Sequence[str], layers: int | None) -> str | None:
    named = layers_of(part)
    if named is not None:
        if not named:
            return f'"{part}" runs backwards; write the lower layer first'
        if layers is not None and named[-1] >= layers:
            return f'there is no "{part}": the trunk has the layers 0 to {layers - 1}'
        return None
    room, _, task = part.partition(".")
    if (room == "heads" and task in tasks) or part in ("embeddings", "trunk", "heads"):
        return None
    if room == "heads" and task:
        return f'there is no task "{task}"{nearest(task, tasks)}'
    valid = ["embeddings", "trunk", "trunk.0", "trunk.0-2", "heads", *(f"heads.{name}" for name in tasks)]
    return f'"{part}" is no part of the model{nearest(part, valid)}'


def short(value: Any) -> Any:
    """The short forms of ``stages``: a preset's name for a stage, and one stage for a list of one."""
    listed = [value] if isinstance(value, str | Mapping) else value
    return [{"preset": s} if isinstance(s, str) else s for s in listed] if isinstance(listed, list) else value
