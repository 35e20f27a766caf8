"""Tasks: what a recipe makes of a kind: its options, the columns of its roles, how its input is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from unisono.data import Role
from unisono.heads import Options
from unisono.kinds import Kind, kinds
from unisono.recipe import Column, Recipe, RecipeError, explain, nearest
from unisono.recipe import Task as Settings
from unisono.stems import Stem, StemOptions, find_stem

PAIRS = ("pair", "context")  # the second half of a text
_STEM_OF = {  # kind of a role -> stem
    "text": "text",
    "tokens": "text",
    "image": "image",
    "audio": "audio",
    "sequence": "sequence",
    "record": "table",
}


def stem_of(role: Role) -> str:
    """The stem that reads an input."""
    return role.stem or _STEM_OF[role.kind]


@dataclass(frozen=True)
class Task:
    """One task of a model: its kind, its head's options, and how its input is read. Plain data; no weights."""

    name: str
    kind: Kind
    options: Options
    max_length: int | None = None
    metric: str | None = None
    weight: float = 1.0
    columns: Mapping[str, Column] = field(default_factory=dict)

    def main(self, scores: Mapping[str, float]) -> str | None:
        """The main metric, of those that were scored."""
        return next((m for m in ((self.metric,) if self.metric else self.kind.main) if m in scores), None)

    @property
    def inputs(self) -> list[str]:
        """The input roles that rows are asked for. A role that only accompanies another (``PAIRS``) does not count."""
        required = [name for name, role in self.kind.inputs.items() if role.required]
        named = [name for name in self.kind.inputs if name in self.columns and name not in PAIRS]
        return named or required if self.kind.any_input else required

    @property
    def roles(self) -> dict[str, Role]:
        """What each role of a row holds: the inputs, those with a column, and the labels. Of several inputs of which a
        row may bring any, none is required.
        """
        asked = self.inputs
        must = len(asked) == 1 or not self.kind.any_input
        roles = {
            name: Role(role.kind, required=must and name in asked)
            for name, role in self.kind.inputs.items()
            if name in asked or name in self.columns
        }
        roles.update(self.kind.told)
        roles.update(self.kind.labels)
        if getattr(self.options, "multi", False):
            roles["label"] = Role(
                "flags" if isinstance(self.columns.get("label"), (list, tuple, Mapping)) else "labels"
            )
        if getattr(self.options, "languages", None):
            roles["target"] = Role("texts")
        return roles

    @property
    def stride(self) -> int | None:
        """How many tokens neighbouring windows of a long context share; None: a row is one example."""
        return getattr(self.options, "stride", 0) if self.kind.windows else None

    @property
    def tile(self) -> tuple[int, int] | None:
        """The side of the tiles in which an image is looked at, and how much neighbours share; None: as a whole."""
        side = getattr(self.options, "tile", None)
        return None if side is None else (side, self.options.overlap)  # type: ignore[attr-defined]

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems that read the inputs, in the order of the kind's roles."""
        return tuple(dict.fromkeys(stem_of(self.kind.inputs[name]) for name in self.inputs))

    @property
    def sides(self) -> dict[str, str]:
        """Input role -> its stem, where each input of a row is a sequence of its own; otherwise none."""
        return {name: stem_of(self.kind.inputs[name]) for name in self.inputs} if self.kind.apart else {}

    def roles_of(self, stem: str) -> list[str]:
        """The input roles that a stem reads."""
        return [name for name, role in self.kind.inputs.items() if stem_of(role) == stem]

    def config(self) -> dict[str, Any]:
        """Plain JSON from which ``Task.from_config`` builds an equal task."""
        return {
            "kind": self.kind.name,
            "options": self.options.model_dump(mode="json"),
            "max_length": self.max_length,
            "metric": self.metric,
            "weight": self.weight,
            "columns": dict(self.columns),
        }

    @classmethod
    def from_config(cls, name: str, config: Mapping[str, Any]) -> Task:
        rest = {key: value for key, value in config.items() if key not in ("kind", "options")}
        kind = kinds().get(config["kind"])
        if kind is None:
            raise RecipeError(
                f'task "{name}": kind "{config["kind"]}" is not installed{nearest(config["kind"], kinds())}'
            )
        return cls(name, kind, kind.head.Options(**config["options"]), **rest)


def resolve(recipe: Recipe, where: str = "recipe") -> dict[str, Task]:
    """The recipe's tasks with kinds looked up, and the options of their heads and stems checked.

    Raises:
        RecipeError: an unknown kind, a wrong option of a head or a stem, or a column for a role that the kind does not
            have.
    """
    out, problems = {}, []
    for name, settings in recipe.tasks.items():
        try:
            out[name] = _resolve(name, settings, where)
        except RecipeError as error:
            problems.append(str(error))
    if not problems:  # which stems are needed is known once every task is
        problems = [
            *_wrong_stems(recipe, out, where),
            *_wrong_mixup(recipe, out, where),
            *_wrong_columns(recipe, out, where),
        ]
    if problems:
        raise RecipeError("\n".join(problems))
    return out


def needed_stems(tasks: Mapping[str, Task]) -> list[str]:
    """The stems that read the tasks' inputs, in the order of the tasks."""
    return list(dict.fromkeys(stem for task in tasks.values() for stem in task.stems))


def stem_and_options(recipe: Recipe, name: str, where: str = "recipe") -> tuple[type[Stem], StemOptions]:
    """A stem that is not the trunk's own, and what the recipe says about it.

    Raises:
        RecipeError: a wrong option.
    """
    said = recipe.stems.get(name, {})
    stem = find_stem(name, said)
    try:
        return stem, stem.Options(**said)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(error, stem.Options, where, f"stems.{name}"))) from None


def _wrong_stems(recipe: Recipe, tasks: Mapping[str, Task], where: str) -> Iterator[str]:
    needed = [name for name in needed_stems(tasks) if name != "text"]  # that one comes with the trunk
    for name in recipe.stems:
        if name not in needed:
            yield f"{where}: stems.{name}: no task needs it{nearest(name, needed)}"
            continue
        try:
            stem_and_options(recipe, name, where)
        except RecipeError as error:
            yield str(error)


def _wrong_mixup(recipe: Recipe, tasks: Mapping[str, Task], where: str) -> Iterator[str]:
    for name, task in tasks.items():
        blends = [find_stem(stem, recipe.stems.get(stem)).blends for stem in task.stems]
        if getattr(task.options, "mixup", 0) and blends != [True]:
            yield f"{where}: tasks.{name}.head.mixup: mixes images; this task reads {' and '.join(task.inputs)}"


def _wrong_columns(recipe: Recipe, tasks: Mapping[str, Task], where: str) -> Iterator[str]:
    """Columns under ``values`` and ``files`` that no task reads. Tasks of the same data often share what is said of
    these, so one that another task reads will do.
    """
    used: dict[str, set[str]] = {}
    for name, task in tasks.items():
        for role in task.roles:
            said = task.columns.get(role, role)
            columns = said.values() if isinstance(said, Mapping) else [said] if isinstance(said, (str, int)) else said
            used.setdefault(recipe.tasks[name].data.path, set()).update(map(str, columns))
    for name, settings in recipe.tasks.items():
        known = used[settings.data.path]
        for at, named in (("values", settings.data.values), ("files", settings.data.files)):
            for column in named:
                if column not in known:
                    yield f"{where}: tasks.{name}.data.{at}.{column}: no task reads that column{nearest(column, known)}"


def _resolve(name: str, settings: Settings, where: str) -> Task:
    kind = kinds().get(settings.kind)
    if kind is None:
        raise RecipeError(
            f'{where}: tasks.{name}.kind: "{settings.kind}" is not a kind of task{nearest(settings.kind, kinds())}'
            "  (unisono check --kinds lists them)"
        )
    columns = settings.all_columns()
    roles = {**kind.inputs, **kind.told, **kind.labels}
    for role in columns:
        if role not in roles:
            at = "columns." if role in settings.columns else ""
            raise RecipeError(f'{where}: tasks.{name}.{at}{role}: {kind.name} has no "{role}"{nearest(role, roles)}')
    wanted = dict(settings.head)
    target = columns.get("target")
    if isinstance(target, dict) and "languages" in kind.head.Options.model_fields:
        wanted.setdefault("languages", list(target))
    try:
        options = kind.head.Options(**wanted)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(error, kind.head.Options, where, f"tasks.{name}.head"))) from None
    if idle := options.idle():
        raise RecipeError("\n".join(f"{where}: tasks.{name}.head.{option}: {why}" for option, why in idle.items()))
    if settings.metric and not kind.gives(settings.metric, options):
        known = [metric.replace("*", "LABEL") for metric in kind.scored(options)] if kind.scored else []
        raise RecipeError(
            f'{where}: tasks.{name}.metric: {kind.name} has no "{settings.metric}"{nearest(settings.metric, known)}'
        )
    task = Task(name, kind, options, settings.max_length, settings.metric, settings.weight, columns)
    if kind.apart and len(task.inputs) != 2:
        raise RecipeError(
            f"{where}: tasks.{name}.columns: {kind.name} takes two inputs, named are {', '.join(task.inputs)}; "
            f"name columns for two of {', '.join(kind.inputs)}"
        )
    if settings.symmetric and not {"text", "pair"} <= task.roles.keys():
        raise RecipeError(f"{where}: tasks.{name}.symmetric: is for two texts; name columns for text and pair")
    return task
