"""Staging: what stages, early stopping and the mix decide, carried out on a model that is being trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from unisono import mix
from unisono.batch import Batch
from unisono.heads import Head, Loss
from unisono.model import MultiTaskModel
from unisono.packed import Packed
from unisono.prepare import Tables
from unisono.recipe import Recipe, RecipeError
from unisono.stages import Course, Patience, Stage, expand, frozen, planned_steps
from unisono.train.bundles import Bundles
from unisono.train.events import Left, Staged

HELD = 0.25  # of its share is left to a task that is held by distillation
TEACHERS = "teachers"  # folder in the run: task -> the model at the moment it left


class Staging:
    """The tasks and parameters that learn now, and each task's share of the next step.

    Args:
        recipe: the resolved recipe.
        tables: the tasks' rows.
        model: whose parameters are frozen and thawed.
        bundles: what is drawn together.
        budget: size of a step.
        run: folder of the run, for teachers.

    Raises:
        RecipeError: a stage in which a task learns nothing, or a judgement that has no validation rows.
    """

    def __init__(
        self,
        recipe: Recipe,
        tables: Tables,
        model: MultiTaskModel,
        *,
        bundles: Bundles,
        budget: float,
        run: Path,
    ) -> None:
        self.recipe, self.model, self.bundles, self._run = recipe, model, bundles, run
        self.stages = expand(recipe.stages, list(recipe.tasks), len(model.trunk.layers) - 1)

        def epoch_steps(tasks: Any) -> float:
            return bundles.epoch(tasks) / budget

        self.planned = planned_steps(self.stages, epoch_steps)
        self.course = Course(self.stages, epoch_steps)
        wanted = {name: task.patience for name, task in recipe.tasks.items() if task.patience}
        self.patience = Patience(wanted)
        self.history = mix.History()
        self.teachers: dict[str, MultiTaskModel] = {}
        self.fixed = {name for name, p in model.named_parameters() if not p.requires_grad}  # in all stages: LoRA's base
        self._check(tables)

    # -- what holds now --------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """The last stage has ended."""
        return self.course.done

    @property
    def judged(self) -> tuple[str, ...]:
        """Those that choose the best weights: what the last stage leaves out, such as pretraining, was a means."""
        return self.stages[-1].tasks

    @property
    def tasks(self) -> list[str]:
        """Those in the mix: of the stage, without those that were stopped."""
        stopped = {task for task in self.patience.gone if self._how(task) == "stopped"}
        return [task for task in self.course.tasks if task not in stopped]

    def shares(self, *, step: int, progress: float) -> dict[str, float]:
        """Each bundle's share of a step, by its key; of a task that is not in the mix, none.

        A bundle asks for as much as its tasks do on average. A task that is held by distillation is drawn by itself.
        """
        wanted, seed = self.recipe.mix, self.recipe.seed
        bundles = self.bundles.split(self.tasks, apart=self.teachers)
        share = mix.shares(
            wanted.by,
            {bundle.key: bundle.size for bundle in bundles},
            progress=progress,
            temperature=wanted.temperature,
            weights={bundle.key: wanted.weights.get(bundle.tasks[0], 0.0) for bundle in bundles},
            step=step - 1,
            history=self.history,
            floor=wanted.floor,
            members={bundle.key: bundle.tasks for bundle in bundles},
        )
        if wanted.by == "round-robin":
            return share
        share = mix.lessened(share, self.teachers, HELD)
        return mix.one_task(share, seed=seed, step=step) if wanted.step == "one" else share

    def rate(self, group: str) -> float:
        """The stage's factor on the learning rate of a group of parameters."""
        rates = self.course.stage.lr
        return rates.heads if group.startswith("heads.") else rates.trunk

    def loss(self, states: Packed, batch: Batch) -> Loss:
        """The loss of a batch of a task: by its labels, or once it has left, by what it said itself."""
        teacher = self.teachers.get(batch.task)
        if teacher is None:
            return self.model.loss_of(states, batch)
        return self.model.distill(states, batch, teacher)

    @property
    def needs_norms(self) -> bool:
        """The mix asks for the norm of each task's gradient."""
        return self.recipe.mix.by == "gradient-norm"

    # -- what happens ----------------------------------------------------------------------------------------------

    def begin(self, *, fresh: bool) -> Iterator[Staged]:
        """Freezes what the stage freezes. Tells of it in a fresh training, where the recipe has stages."""
        self._freeze()
        if self.recipe.stages and fresh:
            yield self._staged(0)

    def stepped(self, losses: Mapping[str, float], norms: Mapping[str, float]) -> None:
        """Takes in what a step showed of the tasks that learn by their labels."""
        by_labels = {task: loss for task, loss in losses.items() if task not in self.teachers}
        self.history.take(by_labels, norms)

    def ends_run(self, step: int, progress: float) -> bool:
        """Whether this step was the last of the last stage."""
        return self.course.ends_run(step, progress, gone=self._out())

    def evaluated(self, step: int, main: Mapping[str, float], keep: Callable[[Path], None]) -> Iterator[Left]:
        """Takes in an evaluation: tasks that have stopped improving leave.

        Args:
            main: task -> main metric.
            keep: saves the model as a folder, on one process, and waits for it.
        """
        self.course.evaluated(main)
        for task in self.patience.evaluated(step, main, self.tasks):
            how = self._how(task)
            if how == "distilled":
                keep(self._run / TEACHERS / task)
                self._take_teacher(task)
            yield Left(step, task, self.patience.reason(task), how)
        self._freeze()

    def advance(self, step: int, progress: float) -> Iterator[Staged]:
        """Goes on to the next stage where this one has ended."""
        relative = {task: self.history.relative(task) for task in self.recipe.tasks}
        if self.course.advance(step, progress, gone=self._out(), relative=relative):
            self._freeze()
            yield self._staged(step)

    # -- state -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON; floats come back bit-equal. Teachers lie in the run's folder."""
        return {
            "course": self.course.state_dict(),
            "patience": self.patience.state_dict(),
            "history": self.history.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.course.load_state_dict(state["course"])
        self.patience.load_state_dict(state["patience"])
        self.history.load_state_dict(state["history"])
        for task in self.patience.gone:
            if self._how(task) == "distilled":
                self._take_teacher(task)
        self._freeze()

    # -- in detail -------------------------------------------------------------------------------------------------

    def _how(self, task: str) -> Literal["stopped", "distilled"]:
        return "distilled" if self.recipe.tasks[task].when_done == "distill" else "stopped"

    def _take_teacher(self, task: str) -> None:
        teacher = MultiTaskModel.from_pretrained(self._run / TEACHERS / task, device=self.model.device)
        self.teachers[task] = teacher.requires_grad_(False)

    def _out(self) -> set[str]:
        """Tasks from which there is nothing more to learn: they have left, or the mix gives them nothing."""
        by = self.recipe.mix
        nothing = {task for task, weight in by.weights.items() if not weight} if by.by == "weights" else set()
        return nothing | set(self.patience.gone)

    def _freeze(self) -> None:
        learning = set(self._learning(self.course.stage, self.tasks))
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in learning)
            if name not in learning:
                parameter.grad = None

    def _learning(self, stage: Stage, tasks: list[str]) -> Iterator[str]:
        """Names of the parameters that learn. Heads of tasks that are not in the mix stand still."""
        for name, _ in self.model.named_parameters():
            room, _, rest = name.partition(".")
            absent = room == "heads" and rest.split(".", 1)[0] not in tasks
            if name not in self.fixed and not absent and not frozen(name, stage.freeze, self.model.trunk.depth):
                yield name

    def _staged(self, step: int) -> Staged:
        stage = self.course.stage
        scale = {"trunk": stage.lr.trunk, "heads": stage.lr.heads}
        return Staged(step, self.course.number + 1, stage.name, self.tasks, list(stage.freeze), scale)

    def _check(self, tables: Tables) -> None:
        judged = {name for name in self.recipe.tasks if len(tables.rows[name].get("validation", ()))}
        for name in self.patience.patience:
            if name not in judged:
                raise RecipeError(
                    f"tasks.{name}.patience: the task has no validation rows to be judged by; give it some, "
                    f"such as by data.ratio.validation"
                )
            head = type(self.model.head(name))
            if self._how(name) == "distilled" and head.distill is Head.distill:
                raise RecipeError(
                    f'tasks.{name}.when_done: the head of kind "{self.recipe.tasks[name].kind}" cannot be distilled; '
                    "write stop"
                )
        for stage in self.stages:
            if stage.until and stage.until.plateau and not judged & set(stage.tasks):
                raise RecipeError(
                    f'stages: "{stage.name}" ends on a plateau, but none of its tasks has validation rows'
                )
            for task in stage.tasks:
                if not any(self._used(name, task) for name in self._learning(stage, [task])):
                    raise RecipeError(
                        f'stages: in "{stage.name}" nothing of task "{task}" learns: its head and all that is shared '
                        "are frozen; freeze less, or leave the task out"
                    )
        if self.recipe.mix.by == "weights":
            for stage in self.stages:
                if not any(self.recipe.mix.weights[task] for task in stage.tasks):
                    raise RecipeError(f'stages: in "{stage.name}" every task has the weight 0 in mix.weights')

    @staticmethod
    def _used(name: str, task: str) -> bool:
        return not name.startswith("heads.") or name.startswith(f"heads.{task}.")
