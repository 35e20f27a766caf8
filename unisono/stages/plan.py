"""Plan: the stages of a recipe, presets written out, every name checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from unisono.recipe import RecipeError
from unisono.recipe.staged import Rates, Until, problems
from unisono.recipe.staged import Stage as Wanted

_LOOK = 0.1  # part of the run in which easy-to-hard measures the tasks
_WARM = 0.1  # part of the run in which heads-first holds the trunk
_THAWED = 0.5  # part of the run after which gradual-unfreeze has nothing frozen


@dataclass(frozen=True)
class Stage:
    """A stretch of training.

    Args:
        name: for reports.
        tasks: those that are in.
        freeze: what does not learn, as ``frozen`` takes it.
        lr: factors on the learning rates of trunk and heads.
        until: when it ends; None: with the run.
        measures: at its end the tasks are put in an order, the easiest first.
        easiest: only so many of that order are in; None: all of ``tasks``.
    """

    name: str
    tasks: tuple[str, ...]
    freeze: tuple[str, ...] = ()
    lr: Rates = field(default_factory=Rates)
    until: Until | None = None
    measures: bool = False
    easiest: int | None = None


def expand(wanted: Sequence[Wanted], tasks: Sequence[str], layers: int, *, where: str = "recipe") -> tuple[Stage, ...]:
    """The stages that a recipe asks for; without any, one of all tasks that lasts as long as the run.

    Args:
        wanted: the recipe's ``stages``.
        tasks: the recipe's tasks, in its order.
        layers: L of the trunk.

    Raises:
        RecipeError: a task or a layer that is not there, a stage without an end before another, shares of 1 or more.
    """
    if found := list(problems(wanted, tasks, layers)):
        raise RecipeError("\n".join(f"{where}: {line}" for line in found))
    stages: list[Stage] = []
    for each in wanted:
        if each.preset:
            stages += _preset(each, tuple(tasks), layers, last=each is wanted[-1])
        else:
            among = tuple(task for task in tasks if each.tasks is None or task in each.tasks)
            stages.append(Stage(each.name or "", among, tuple(each.freeze), each.lr, each.until))
    stages = stages or [Stage("all", tuple(tasks))]
    spent = sum(stage.until.share or 0.0 for stage in stages[:-1] if stage.until)
    if spent >= 1:
        raise RecipeError(
            f"{where}: stages: the shares of the {len(stages) - 1} stages before the last sum to {spent:g}: "
            "nothing is left for the last; write smaller shares under until"
        )
    return tuple(replace(s, name=s.name or f"stage {at}") for at, s in enumerate(stages, start=1))


def planned_steps(stages: Sequence[Stage], epoch_steps: Callable[[Sequence[str]], float]) -> int | None:
    """The steps of all stages together; None where one of them ends by anything but steps or epochs.

    Args:
        epoch_steps: the steps of one pass over the rows of some tasks.
    """
    total = 0
    for stage in stages:
        until = stage.until
        if until is None or until.share or until.plateau:
            return None
        ends = [until.steps] if until.steps else []
        if until.epochs:
            ends.append(epochs_to_steps(until.epochs, epoch_steps(stage.tasks)))
        total += min(ends)
    return total


def epochs_to_steps(epochs: float, epoch_steps: float) -> int:
    """Whole steps that hold so many epochs; at least one."""
    return max(1, math.ceil(epochs * epoch_steps - 1e-9))


def _preset(wanted: Wanted, tasks: tuple[str, ...], layers: int, *, last: bool) -> list[Stage]:
    makers = {
        "one-by-one": lambda: _one_by_one(wanted.order or tasks, tasks),
        "heads-first": lambda: _heads_first(tasks),
        "gradual-unfreeze": lambda: _gradual_unfreeze(tasks, layers),
        "easy-to-hard": lambda: _one_by_one(wanted.order, tasks) if wanted.order else _easy_to_hard(tasks),
    }
    stages = list(makers[wanted.preset or ""]())
    if wanted.until:  # of the stages but a last one that nothing follows, which lasts as long as the run
        open_end = {len(stages) - 1} if last else set()
        stages = [s if at in open_end or s.measures else replace(s, until=wanted.until) for at, s in enumerate(stages)]
    return stages


def _one_by_one(order: Sequence[str], tasks: tuple[str, ...]) -> Iterator[Stage]:
    """First one task, then one more at a time; each stage an equal part of the run."""
    for count, newest in enumerate(order, start=1):
        among = tuple(task for task in tasks if task in order[:count])
        yield Stage(f"with {newest}", among, until=Until(share=1 / len(order)) if count < len(order) else None)


def _heads_first(tasks: tuple[str, ...]) -> Iterator[Stage]:
    """Heads learn what the trunk gives before the trunk bends to untrained heads. Kumar et al. 2022
    (https://arxiv.org/abs/2202.10054), linear probing, then fine-tuning.
    """
    yield Stage("heads", tasks, freeze=("trunk",), until=Until(share=_WARM))
    yield Stage("all", tasks)


def _gradual_unfreeze(tasks: tuple[str, ...], layers: int) -> Iterator[Stage]:
    """The last layer thaws first, then one more at a time, the embeddings last. Howard & Ruder 2018
    (https://arxiv.org/abs/1801.06146), section 3.3, where a stage is an epoch: ``until: {epochs: 1}``.
    """
    until = Until(share=_THAWED / (layers + 1))
    yield Stage("heads", tasks, freeze=("trunk",), until=until)
    for lowest in range(layers - 1, 0, -1):
        held = "trunk.0" if lowest == 1 else f"trunk.0-{lowest - 1}"
        yield Stage(f"from layer {lowest}", tasks, freeze=("embeddings", held), until=until)
    yield Stage("from layer 0", tasks, freeze=("embeddings",), until=until)
    yield Stage("all", tasks)


def _easy_to_hard(tasks: tuple[str, ...]) -> Iterator[Stage]:
    """A look at all tasks orders them by how far their losses fell; then as one-by-one, the easiest first.

    One task after the other, in an order that is found: Pentina, Sharmanska & Lampert 2015
    (https://arxiv.org/abs/1412.1353). Their order comes of a bound for linear models; ours of what was seen.
    """
    yield Stage("look", tasks, until=Until(share=_LOOK), measures=True)
    for count in range(1, len(tasks) + 1):
        until = Until(share=(1 - _LOOK) / len(tasks)) if count < len(tasks) else None
        name = "all" if count == len(tasks) else f"the {count} easiest" if count > 1 else "the easiest"
        yield Stage(name, tasks, until=until, easiest=count)
