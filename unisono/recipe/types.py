"""Recipe: what a user writes, as typed fields that reject contradictions."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from unisono.balance.methods import METHODS, unknown_option, wrong_value
from unisono.data.spec import Data
from unisono.recipe import distilled, staged
from unisono.recipe.distilled import Distill
from unisono.recipe.errors import nearest
from unisono.recipe.lora import Lora
from unisono.recipe.section import Section as _Section
from unisono.recipe.staged import Stage
from unisono.recipe.tune import Tune


class Trunk(_Section):
    """The shared encoder: a pretrained one, or one from scratch given by its sizes."""

    pretrained: str | None = Field(None, description='folder, hub name, run of our own, or the bundled "minilm"')
    keep: int | list[int] | None = Field(
        None,
        description="of a pretrained trunk: how many layers are kept, evenly spaced, or which, from 0; default: all",
    )
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
    lora: Lora | None = Field(None, description="freeze the pretrained weights and train small adapters beside them")

    @model_validator(mode="after")
    def _one_origin(self) -> Trunk:
        sizes = [n for n in ("layers", "width", "heads", "feedforward") if getattr(self, n) is not None]
        if self.pretrained and sizes:
            raise ValueError(f'"pretrained" and "{sizes[0]}" exclude each other: a pretrained encoder brings its sizes')
        if not self.pretrained and not (self.layers and self.width and self.heads):
            raise ValueError('say "pretrained" (such as minilm), or "layers", "width" and "heads" for one from scratch')
        if self.width and self.heads and self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.keep is not None and not self.pretrained:
            raise ValueError('"keep" needs "pretrained": of a trunk from scratch say "layers"')
        if self.lora and not self.pretrained:
            raise ValueError('"lora" needs "pretrained": random weights that stand still are nothing to adapt')
        return self


Column = str | int | list[str] | dict[str, str | int]


class Task(_Section):
    """One thing to learn."""

    kind: str = Field(description="classify, regress, tag, translate, span, or a plug-in's kind")
    data: Data = Field(description="path, hf://name, builtin:name, or a mapping with path and format")
    columns: dict[str, Column] = Field(
        {},
        description="role -> column name or index; default: the role's own name; with head.multi the label may have a "
        "column for each name, 1 or 0: a list, or name -> column",
    )
    source: str | int | None = Field(None, description="translate: column or language of the source side")
    target: str | int | list[str] | dict[str, str | int] | None = Field(
        None, description="translate: column or language of the target side; several languages share one decoder"
    )
    weight: float = Field(1.0, ge=0, description="λ of this task's loss")
    repeat: float = Field(1.0, gt=0, description="how often its rows are seen in one epoch (proportional mix)")
    max_length: int | None = Field(None, ge=4, description="longest input of this task in tokens")
    symmetric: bool = Field(
        False, description="text and pair may change places: training has each row both ways round, as two rows"
    )
    metric: str | None = Field(None, description="the main metric; default: the kind's own")
    patience: int | None = Field(
        None,
        ge=1,
        description="evaluations without a better main metric before the task leaves the mix; default: never",
    )
    when_done: Literal["stop", "distill"] = Field(
        "stop", description="a task that leaves: stop learning it, or hold it by its own predictions, in fewer rows"
    )
    head: dict[str, Any] = Field({}, description="hyperparameters of the head; see the kind's options")

    @field_validator("data", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _leaves_before_it_is_done(self) -> Task:
        if self.when_done == "distill" and self.patience is None:
            raise ValueError('"when_done: distill" needs "patience": without it the task never leaves the mix')
        return self

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

    by: Literal[
        "proportional", "uniform", "temperature", "annealed", "weights", "loss-driven", "uncertainty", "gradient-norm",
        "round-robin",
    ] = Field(
        "proportional",
        description="share of each task: by its size, equal, size^(1/temperature), annealed, or as given; more for "
        "what has learned least, for what varies most, for the largest gradient; or one task a step in turn",
    )  # fmt: skip
    temperature: float = Field(2.0, ge=1, description="of by: temperature, and of loss-driven; 1 leans most on them")
    weights: dict[str, float] = Field({}, description="of by: weights; task -> share")
    floor: float = Field(
        0.2,
        ge=0,
        le=1,
        description="of loss-driven, uncertainty, gradient-norm: the part of a step that is dealt out evenly",
    )
    step: Literal["all", "one"] = Field(
        "all", description="every task in each step, or one task a step, drawn by share"
    )
    share_rows: bool | None = Field(
        None,
        description="tasks that label the same rows are drawn together, one pass through the trunk for all labels; "
        "default: where there are such tasks; true: or else an error",
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
    rows_per_step: float | None = Field(
        None, ge=1, description="rows of a step instead of tokens; of 10.5, ten and eleven in turn"
    )
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


class Balance(BaseModel):
    """How losses or gradients become one update. A method's options stand beside it: ``{method: cagrad, c: 0.4}``."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    method: str = Field("sum", description=f"one of {', '.join(METHODS)}")
    conflicts: bool = Field(
        False, description="measure how the tasks' gradients lie to each other at each evaluation, whatever the method"
    )

    scope: Literal["parameters", "features"] = Field(
        "parameters",
        description="where the tasks' gradients are compared: at the shared parameters, or at the trunk's output, for "
        "tasks that share rows: nearly free",
    )
    hold: int | None = Field(
        None,
        ge=2,
        description="most tasks' gradients in memory at once; with more tasks, passes are run again: slower, but "
        "memory does not grow with the tasks; default: all",
    )
    affinity: bool = Field(
        False, description="measure at each evaluation what a step on one task would do to the others' losses (TAG)"
    )

    @model_validator(mode="after")
    def _known(self) -> Balance:
        if self.method not in METHODS:
            raise ValueError(f'"{self.method}" is not a balance{nearest(self.method, METHODS)}')
        unknown = unknown_option(self.method, self.options)
        if unknown:
            valid = [*METHODS[self.method].options, "conflicts", "affinity", "scope", "hold"]
            raise ValueError(f'"{unknown}" is not an option of {self.method}{nearest(unknown, valid)}')
        for name, value in self.options.items():
            if problem := wrong_value(self.method, name, value):
                raise ValueError(f"{name}: {problem}")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options."""
        return dict(self.model_extra or {})


TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Recipe(_Section):
    """Everything that defines a run."""

    name: str = Field("run", description="name of the run; default: the recipe file's name")
    run: str | None = Field(None, description="folder of the run; default: runs/NAME")
    seed: int = Field(1, ge=0, lt=2**32)
    trunk: Trunk = Field(description="minilm, a folder, a hub name, or the sizes of a new one")
    stems: dict[str, dict[str, Any]] = Field(
        {}, description="options of the stems that tasks need; see each stem's own"
    )
    tasks: dict[str, Task] = Field(min_length=1)
    balance: Balance = Field(default_factory=Balance, description="how losses or gradients become one update")
    mix: Mix = Field(default_factory=Mix)
    stages: list[Stage] = Field([], description="progressive training; default: all tasks learn from first to last")
    train: Train = Field(default_factory=Train)
    distill: Distill | None = Field(None, description="trained models that teach the tasks")
    tune: Tune | None = Field(None, description="what `unisono tune` searches")
    disjoint: bool = Field(
        False,
        description="rows whose inputs some task holds out, be it another, are not learned from; counted and kept",
    )
    beside: dict[str, Task] = Field(
        {},
        description="with disjoint: tasks that are not learned, but whose held-out rows nothing is learned from either",
    )
    max_bad_rows: float = Field(0.01, ge=0, le=1, description="share of bad rows of a task that stops the run")
    cache: str | None = Field(None, description="folder for converted and encoded rows; default: ~/.cache/unisono")

    @field_validator("trunk", mode="before")
    @classmethod
    def _short_trunk(cls, value: Any) -> Any:
        return {"pretrained": value} if isinstance(value, str) else value

    @field_validator("balance", mode="before")
    @classmethod
    def _short_balance(cls, value: Any) -> Any:
        return {"method": value} if isinstance(value, str) else value

    @field_validator("mix", mode="before")
    @classmethod
    def _short_mix(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @field_validator("stages", mode="before")
    @classmethod
    def _short_stages(cls, value: Any) -> Any:
        return staged.short(value)

    @field_validator("tasks", "beside")
    @classmethod
    def _names(cls, value: dict[str, Task]) -> dict[str, Task]:
        for name in value:
            if not TASK_NAME.fullmatch(name):
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
        if self.balance.method == "auto" and self.train.minutes and not (self.train.steps or self.train.epochs):
            raise ValueError(
                'balance: "auto" searches in a share of the run\'s steps, and "train.minutes" alone does not say how '
                "many these are; add train.steps or train.epochs"
            )
        for name in self.tune.objectives if self.tune else ():
            if name not in ("mean", *self.tasks):
                raise ValueError(f'tune.objective: there is no task "{name}"{nearest(name, ["mean", *self.tasks])}')
        if self.beside and not self.disjoint:
            raise ValueError('"beside" belongs to disjoint: true')
        for name in self.beside:
            if name in self.tasks:
                raise ValueError(f'beside: "{name}" is a task that is learned')
        if self.distill:
            held = [name for name, task in self.tasks.items() if task.when_done == "distill"]
            for problem in distilled.problems(self.distill, list(self.tasks), balance=self.balance.method, held=held):
                raise ValueError(problem)
        for problem in staged.problems(self.stages, list(self.tasks), self.trunk.layers):
            raise ValueError(problem)
        return self

    def others(self, tasks: Collection[str]) -> dict[str, Task]:
        """``beside`` of a recipe with these of the tasks alone, so that it leaves out the same training rows."""
        if not self.disjoint:
            return {}
        return {name: task for name, task in (self.tasks | self.beside).items() if name not in tasks}

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
