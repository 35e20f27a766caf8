"""verify: what the graphs give against what the model gives, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from unisono.deploy.encoder import STATES, encoder_feed
from unisono.deploy.errors import ExportError
from unisono.deploy.heads.base import Run, difference
from unisono.deploy.plan import ENCODER, Plan
from unisono.deploy.rows import Example
from unisono.packed import Packed, passes

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


@torch.inference_mode()
def gap(plan: Plan, task: str, examples: Sequence[Example], run: Mapping[str, Run]) -> float:
    """The greatest difference between an output of the task's graphs and the model's, over 1 or the largest output.

    Args:
        run: graph -> what runs it.
    """
    worst = 0.0
    for places in passes([plan.model.length(task, e) for e in examples], 2048):
        worst = max(worst, _gap(plan, task, [examples[i] for i in places], run))
    return worst


def _gap(plan: Plan, task: str, examples: Sequence[Example], run: Mapping[str, Run]) -> float:
    head, batch = plan.heads[task], plan.model.collate(task, examples)
    states = plan.model.states(batch.inputs)
    wanted = head.expected(states, batch.targets)
    given = run[ENCODER](encoder_feed(plan.model, batch.inputs))[STATES]
    found = run[head.graph.name](head.feed(Packed(given, states.layout), batch.targets))
    apart = [difference(given, states.values), *(difference(found[n], w) for n, w in wanted.items())]
    if head.walk is not None:
        apart.append(head.walk(states, found, run[head.steps["step"].name]))
    return max(apart)


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
