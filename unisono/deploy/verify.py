"""verify: what the graphs give against what the model gives, on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from unisono.batch import Batch
from unisono.deploy.encoder import BELOW, STATES
from unisono.deploy.errors import ExportError
from unisono.deploy.heads.base import Run, difference
from unisono.deploy.plan import ENCODER, Plan
from unisono.deploy.rows import Data, Example
from unisono.deploy.scores import Scored
from unisono.inputs import SEQUENCES, alone, sequences
from unisono.packed import Packed, passes
from unisono.trunk import climb

EXACT = 1e-4  # how far an output in fp32 may be from the model's, in units of the largest output where that is over 1


@dataclass(frozen=True)
class Checked:
    """What was found for one task.

    Args:
        rows: examples looked at. ``made_up``: they are random words, as no data was at hand.
        gap: the greatest difference of an output.
    """

    rows: int
    made_up: bool
    gap: float


def gap(plan: Plan, task: str, examples: Sequence[Example], run: Mapping[str, Run]) -> float:
    """The greatest difference between an output of the task's graphs and the model's, over 1 or the largest output.

    Args:
        run: graph -> what runs it.
    """
    return max(difference(found, wanted) for _, found, wanted in pairs(plan, task, examples, run))


def drift(plan: Plan, task: str, examples: Sequence[Example], run: Mapping[str, Run]) -> float:
    """How far the head's outputs are from the model's on average, as a part of what they are."""
    apart = size = 0.0
    for name, found, wanted in pairs(plan, task, examples, run):
        if name != STATES:
            apart, size = apart + float((found - wanted).abs().sum()), size + float(wanted.abs().sum())
    return apart / size if size else 0.0


@torch.inference_mode()
def pairs(
    plan: Plan, task: str, examples: Sequence[Example], run: Mapping[str, Run]
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, value and what the model says, of all that the task's graphs give."""
    head = plan.heads[task]
    for places in passes([plan.model.length(task, e) for e in examples], 2048):
        batch = plan.model.collate(task, [examples[i] for i in places])
        states = plan.model.states(batch.inputs)
        fed = _fed(plan, task, [examples[places[i]] for i in batch.order], run)
        given = run[ENCODER]({name: fed[name] for name in plan.encoder.inputs})[STATES]
        below: dict[int, Tensor] = {}
        for (_, done), (floor, _) in pairwise(plan.floors):
            below[done] = given
            given = run[floor.name]({name: {**fed, BELOW: given}[name] for name in floor.inputs})[STATES]
        yield STATES, given, states.values
        yield from _exits(plan, task, batch, below, run)
        found = run[head.graph.name](head.feed(Packed(given, states.layout), batch.targets))
        for name, wanted in head.expected(states, batch.targets).items():
            yield name, found[name], wanted
        if head.walk is not None:
            for logits, wanted in head.walk(states, found, run[head.steps["step"].name]):
                yield "logits", logits, wanted


def _fed(plan: Plan, task: str, examples: Sequence[Example], run: Mapping[str, Run]) -> dict[str, Tensor]:
    """What the trunk's graphs take of a batch, laid out by the runtime's own code."""

    def of(graph: str, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = run[graph]({name: torch.from_numpy(np.asarray(value, order="C")) for name, value in fields.items()})
        return {name: value.numpy() for name, value in found.items()}

    spec = plan.model.tasks[task]
    if spec.sides:
        numbered = [{**e, SEQUENCES: own} for e, own in zip(examples, sequences(examples), strict=True)]
        examples = alone(numbered, spec.sides, spec.stems)
    fed = plan.inputs.pack([(spec.stems, {**example}) for example in examples]).inputs(of)
    return {name: torch.from_numpy(fed[name]) for name in fed}


def _exits(
    plan: Plan, task: str, batch: Batch, below: Mapping[int, Tensor], run: Mapping[str, Run]
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """As ``pairs``, of what stands between the layers. ``below``: number of layers -> the graphs' states after them."""
    own, model = plan.exits.get(task, {}), plan.model
    if own:
        for layers, states in enumerate(climb(model.trunk, model.embed(batch.inputs), batch.inputs.types), 1):
            if exit_ := own.get(layers):
                found = run[exit_.graph.name](exit_.feed(Packed(below[layers], states.layout), batch.targets))
                for name, wanted in exit_.expected(states, batch.targets).items():
                    yield name, found[name], wanted


def check(plan: Plan, run: Mapping[str, Run], data: Data, rows: int) -> dict[str, Checked]:
    """Every task's graphs against the model, on so many rows of each."""
    out = {}
    for task in plan.heads:
        examples = data.examples(plan.model, task, rows)
        out[task] = Checked(len(examples), task not in data.held, gap(plan, task, examples, run))
    return out


def demand(checked: Mapping[str, Checked]) -> None:
    """Raises ``ExportError`` where an output is not the model's."""
    wrong = {task: c for task, c in checked.items() if c.gap > EXACT}
    if wrong:
        raise ExportError(
            "\n".join(
                f'task "{task}": its graph is {c.gap:.1g} away from the model, over {EXACT:g}; nothing was written'
                for task, c in wrong.items()
            )
        )


def demand_scores(scores: Mapping[str, Scored], most: float) -> None:
    """Raises ``ExportError`` where a task loses more than ``most`` of its metric."""
    wrong = {task: s for task, s in scores.items() if s.drop > most}
    if wrong:
        raise ExportError(
            "\n".join(
                f'task "{task}": {s.metric} falls from {s.model:.4f} to {s.exported:.4f}, by more than {most:g};'
                " nothing was written"
                for task, s in wrong.items()
            )
        )
