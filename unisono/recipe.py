"""Recipe: what a user writes, as typed fields that reject contradictions. Imports no torch."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from unisono.data.spec import Data


class RecipeError(Exception):
    """A recipe that cannot be run. One line a problem: the file, the path in the YAML, what to write instead."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Trunk(_Section):
    """The shared encoder: a pretrained one, or one from scratch given by its sizes."""

    pretrained: str | None = Field(None, description='folder, hub name, or the bundled "minilm"')
    revision: str | None = Field(None, description="revision of a hub model")
    family: Literal["bert", "roberta", "distilbert", "electra", "modernbert"] = Field(
        "bert", description="architecture of a trunk from scratch"
    )
    layers: int | None = Field(None, ge=1, description="from scratch: Transformer layers")
    width: int | None = Field(None, ge=8, description="from scratch: width D")
    heads: int | None = Field(None, ge=1, description="from scratch: attention heads")
    feedforward: int | None = Field(None, ge=8, description="from scratch: feed-forward width; default 4 x width")
    vocabulary: int = Field(
        8000, ge=64, description="from scratch: entries of the tokenizer, trained on the tasks' texts"
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="dropout inside the trunk; default: the encoder's own")
    max_length: int | None = Field(
        None, ge=8, description="longest input in tokens; default: what the encoder can take"
    )
    checkpointing: bool = Field(False, description="recompute activations in the backward pass to save memory")

    @model_validator(mode="after")
    def _one_origin(self) -> Trunk:
        sizes = [n for n in ("layers", "width", "heads", "feedforward") if getattr(self, n) is not None]
        if self.pretrained and sizes:
            raise ValueError(f'"pretrained" and "{sizes[0]}" exclude each other: a pretrained encoder brings its sizes')
        if not self.pretrained and not (self.layers and self.width and self.heads):
            raise ValueError('say "pretrained" (such as minilm), or "layers", "width" and "heads" for one from scratch')
        if self.width and self.heads and self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


Column = str | int | dict[str, str | int]


class Task(_Section):
    """One thing to learn."""

    kind: str = Field(description="classify, regress, tag, translate, or a plug-in's kind")
    data: Data = Field(description="path, hf://name, builtin:name, or a mapping with path and format")
    columns: dict[str, Column] = Field({}, description="role -> column name or index; default: the role's own name")
    source: str | int | None = Field(None, description="translate: column or language of the source side")
    target: str | int | list[str] | dict[str, str | int] | None = Field(
        None, description="translate: column or language of the target side; several languages share one decoder"
    )
    weight: float = Field(1.0, ge=0, description="λ of this task's loss")
    repeat: float = Field(1.0, gt=0, description="how often its rows are seen in one epoch (proportional mix)")
    max_length: int | None = Field(None, ge=4, description="longest input of this task in tokens")
    metric: str | None = Field(None, description="the main metric; default: the kind's own")
    head: dict[str, Any] = Field({}, description="hyperparameters of the head; see the kind's options")

    @field_validator("data", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    def all_columns(self) -> dict[str, Column]:
        """``columns`` with the shorthands ``source`` and ``target`` folded in."""
        out = dict(self.columns)
        if self.source is not None:
            out["source"] = self.source
        if isinstance(self.target, list):
            out["target"] = {language: language for language in self.target}
        elif self.target is not None:
            out["target"] = self.target
        return out


class Mix(_Section):
    """Which tasks and how many of their rows make up a step."""

    by: Literal["proportional", "uniform", "temperature", "annealed", "weights"] = Field(
        "proportional",
        description="share of each task: by its size, equal, size^(1/temperature), annealed, or as given",
    )
    temperature: float = Field(2.0, ge=1, description="of by: temperature")
    weights: dict[str, float] = Field({}, description="of by: weights; task -> share")
    step: Literal["all", "one"] = Field(
        "all", description="every task in each step, or one task a step, drawn by share"
    )

    @model_validator(mode="before")
    @classmethod
    def _weights_say_it(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("weights") and "by" not in value:
            return {**value, "by": "weights"}
        return value

    @model_validator(mode="after")
    def _agree(self) -> Mix:
        if (self.by == "weights") != bool(self.weights):
            raise ValueError('"weights" and "by: weights" go together')
        return self


class Train(_Section):
    """How long, how fast, how safe."""

    epochs: float | None = Field(None, gt=0, description="passes over all tasks' rows")
    steps: int | None = Field(None, ge=1, description="optimizer steps")
    minutes: float | None = Field(None, gt=0, description="time limit; alone, it also sets the schedule")
    tokens_per_step: int | None = Field(
        None, ge=16, description="real input tokens of a step, all tasks together (4096)"
    )
    rows_per_step: int | None = Field(None, ge=1, description="rows of a step instead of tokens")
    micro_tokens: int | None = Field(None, ge=16, description="most tokens in one pass; a larger step is accumulated")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str = Field("auto", description="auto, cpu, cuda, mps")
    trunk_lr: float = Field(1e-4, ge=0)
    head_lr: float = Field(5e-4, ge=0)
    layer_decay: float = Field(1.0, gt=0, le=1, description="factor on the learning rate for each layer further down")
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.06, ge=0, lt=1, description="share of training in which the learning rate rises")
    schedule: Literal["cosine", "linear", "constant"] = "linear"
    clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float | None = Field(None, gt=0, lt=1, description="decay of averaged weights; they are evaluated and kept")
    evaluate_every: int | None = Field(None, ge=1, description="steps between evaluations; default: five in a run")
    evaluate_rows: int | None = Field(None, ge=1, description="rows of each task in evaluations during training")
    save_every: int | None = Field(
        None, ge=1, description="steps between checkpoints; default: each evaluation and every ten minutes"
    )
    keep: int = Field(2, ge=1, description="checkpoints kept, beside the best")
    max_bad_steps: int = Field(5, ge=0, description="steps with a loss that is not finite before the run stops")
    compile: bool = Field(False, description="torch.compile the trunk, on packs rounded to few shapes")
    threads: int | None = Field(None, ge=1, description="CPU threads; default: PyTorch's own choice")

    @model_validator(mode="after")
    def _agree(self) -> Train:
        if self.epochs and self.steps:
            raise ValueError('"epochs" and "steps" exclude each other')
        if self.tokens_per_step and self.rows_per_step:
            raise ValueError('"tokens_per_step" and "rows_per_step" exclude each other')
        return self


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Recipe(_Section):
    """Everything that defines a run."""

    name: str = Field("run", description="name of the run; default: the recipe file's name")
    run: str | None = Field(None, description="folder of the run; default: runs/NAME")
    seed: int = Field(1, ge=0, lt=2**32)
    trunk: Trunk = Field(description="minilm, a folder, a hub name, or the sizes of a new one")
    tasks: dict[str, Task] = Field(min_length=1)
    balance: Literal["sum"] = Field("sum", description="how losses become one update: L = Σ λᵢLᵢ")
    mix: Mix = Field(default_factory=Mix)
    train: Train = Field(default_factory=Train)
    max_bad_rows: float = Field(0.01, ge=0, le=1, description="share of bad rows of a task that stops the run")
    cache: str | None = Field(None, description="folder for converted and encoded rows; default: ~/.cache/unisono")

    @field_validator("trunk", mode="before")
    @classmethod
    def _short_trunk(cls, value: Any) -> Any:
        return {"pretrained": value} if isinstance(value, str) else value

    @field_validator("mix", mode="before")
    @classmethod
    def _short_mix(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @field_validator("tasks")
    @classmethod
    def _names(cls, value: dict[str, Task]) -> dict[str, Task]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f'"{name}" cannot name a task: letters, digits, - and _ only')
        return value

    @model_validator(mode="after")
    def _known_tasks(self) -> Recipe:
        for name in self.mix.weights:
            if name not in self.tasks:
                raise ValueError(f'mix.weights: there is no task "{name}"{nearest(name, self.tasks)}')
        for name in self.tasks:
            if self.mix.by == "weights" and name not in self.mix.weights:
                raise ValueError(f'mix.weights: no share for task "{name}"')
        return self

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.run or f"runs/{self.name}")

    @property
    def cache_folder(self) -> Path:
        default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unisono"
        return Path(self.cache) if self.cache else default

    def to_yaml(self) -> str:
        """The resolved recipe, every setting written out; reading it gives an equal recipe."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def nearest(word: str, names: Any) -> str:
    """'; did you mean "tag"?' or, with nothing near, the first few valid names."""
    names = sorted(map(str, names))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; valid: {', '.join(names[:12])}" if names else ""


def read(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads and validates a recipe file.

    Args:
        path: a YAML file.
        overrides: settings such as ``tasks.ner.weight=0.5``; the value is YAML.

    Raises:
        RecipeError: with one line for each problem.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _names_beside(path), n=1)
        hint = f"; did you mean {path.with_name(near[0])}?" if near else ""
        raise RecipeError(f"{path}: no such recipe{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})") from None
    return parse(text, overrides=overrides, name=path.stem, where=str(path), base=path.parent)


def parse(
    text: str, *, overrides: Sequence[str] = (), name: str = "run", where: str = "recipe", base: Path | None = None
) -> Recipe:
    """The same from YAML text. ``base``: folder that relative data paths are tried against first."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RecipeError(f"{where}:{place} is not YAML: {getattr(error, 'problem', None) or error}") from None
    except (RecursionError, ValueError) as error:
        raise RecipeError(f"{where}: is not YAML: {error}") from None
    return build(raw, overrides=overrides, name=name, where=where, base=base)


def build(
    raw: Any, *, overrides: Sequence[str] = (), name: str = "run", where: str = "recipe", base: Path | None = None
) -> Recipe:
    """The same from a plain mapping."""
    if not isinstance(raw, Mapping):
        raise RecipeError(f'{where}: a recipe is a mapping with "trunk" and "tasks", found {type(raw).__name__}')
    tree = {"name": name, **raw}
    for override in overrides:
        tree = _override(tree, override, where)
    try:
        tree = _expand(tree, where, ())
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(error, Recipe, where))) from None
    return _locate(recipe, base)


def explain(error: ValidationError, model: type[BaseModel], where: str, prefix: str = "") -> list[str]:
    """One line for each problem: the file, the path in the YAML, what is wrong, the nearest valid name."""
    lines = []
    for problem in error.errors(include_url=False):
        location = [str(p) for p in problem["loc"]]
        path = ".".join(([prefix] if prefix else []) + location)
        if problem["type"] == "extra_forbidden":
            message = (
                f'"{location[-1]}" is not a setting here{nearest(location[-1], _settings_at(model, location[:-1]))}'
            )
        elif problem["type"] == "missing":
            message = f'"{location[-1]}" is missing'
        else:
            found = problem.get("input")
            message = problem["msg"].removeprefix("Value error, ")
            if isinstance(found, str | int | float | bool) and problem["type"] != "value_error":
                message = message[0].lower() + message[1:] + f", found {found!r}"
        lines.append(f"{where}: {path}: {message}" if path else f"{where}: {message}")
    return lines


def _settings_at(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """The valid keys at a location of the model's tree."""
    schema = _schema(model)
    node: dict[str, Any] = schema
    for part in location:
        options = [_follow(schema, n) for n in (node.get("anyOf") or [node])]
        found: Any = next((n for n in options if part in n.get("properties", {})), None)
        if found:
            node = _follow(schema, found["properties"][part])
            continue
        found = next((n for n in options if isinstance(n.get("additionalProperties"), dict)), None)
        if found:
            node = _follow(schema, found["additionalProperties"])
    options = [_follow(schema, n) for n in (node.get("anyOf") or [node])]
    return [name for n in options for name in n.get("properties", {})]


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _follow(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _override(tree: Mapping[str, Any], override: str, where: str) -> dict[str, Any]:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {override}: write it as path=value, such as tasks.ner.weight=0.5")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise RecipeError(f"--set {override}: the value is not YAML") from None
    out = dict(tree)
    node = out
    *parents, last = key.strip().split(".")
    for part in parents:
        below = node.get(part)
        if part == "trunk" and isinstance(below, str):
            below = {"pretrained": below}
        elif part == "mix" and isinstance(below, str):
            below = {"by": below}
        elif part == "data" and isinstance(below, str):
            below = {"path": below}
        elif below is None:
            below = {}
        elif not isinstance(below, Mapping):
            raise RecipeError(f"{where}: --set {override}: {part} is a value, it has no settings below it")
        node[part] = dict(below)
        node = node[part]
    node[last] = parsed
    return out


_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def _expand(node: Any, where: str, path: tuple[str, ...]) -> Any:
    """Puts environment variables in place of ${NAME} and ${NAME:-default} in every string."""
    if isinstance(node, Mapping):
        return {key: _expand(value, where, (*path, str(key))) for key, value in node.items()}
    if isinstance(node, list):
        return [_expand(value, where, (*path, str(i))) for i, value in enumerate(node)]
    if not isinstance(node, str):
        return node

    def fill(match: re.Match[str]) -> str:
        value = os.environ.get(match[1], match[2])
        if value is None:
            raise RecipeError(
                f"{where}: {'.'.join(path)}: environment variable {match[1]} is not set (export {match[1]}=...)"
            )
        return value

    return _VARIABLE.sub(fill, node)


def _locate(recipe: Recipe, base: Path | None) -> Recipe:
    """Makes data paths absolute: relative to the recipe's folder where they exist there, else to the working folder."""
    tasks = {}
    for name, task in recipe.tasks.items():
        path = task.data.path
        if "://" not in path and not path.startswith("builtin:"):
            local = Path(path).expanduser()
            beside = (base or Path()) / local
            path = str((beside if beside.exists() else local).absolute())
        tasks[name] = task.model_copy(update={"data": task.data.model_copy(update={"path": path})})
    return recipe.model_copy(update={"tasks": tasks})


def _names_beside(path: Path) -> list[str]:
    return [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []


__all__ = ["Mix", "Recipe", "RecipeError", "Task", "Train", "Trunk", "build", "explain", "nearest", "parse", "read"]
