"""Standstill: runs in which a task's loss did not fall, so that a comparison with them says little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from unisono.study.budget import EVENTS
from unisono.train import journal

FEW = 40  # steps: in fewer, chance hides whether anything was learned
FALL = 0.02  # of the loss: a smaller fall from the first tenth of the steps to the last is none


def stands(run: Path, task: str) -> tuple[float, float] | None:
    """The mean loss of a task in the first and in the last tenth of its steps, if it did not fall; None if it did."""
    events = (event for event in journal.read(run / EVENTS) if event["event"] == "stepped")
    losses = [event["losses"][task] for event in events if event["losses"].get(task) is not None]
    if len(losses) < FEW:
        return None
    part = len(losses) // 10
    first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
    return (first, last) if last > first - FALL * abs(first) else None


def standstills(alone: Sequence[Mapping[str, Path]], together: Sequence[Path], rows: Mapping[str, float]) -> list[str]:
    """A warning for each task that learned nothing in some run.

    Args:
        alone: of each seed: task -> its run. ``together``: of each seed: the run of all.
        rows: task -> how many of its rows a step had.
    """
    out = []
    for task in rows:
        for how, runs in (("alone", [own[task] for own in alone]), ("together", together)):
            found = [still for run in runs if (still := stands(run, task))]
            if found:
                first, last = found[0]
                times = f"in {len(found)} of {len(runs)} runs " if len(runs) > 1 else ""
                out.append(
                    f"{task} learned nothing {how} {times}(loss {first:.3g} in the first tenth of steps, {last:.3g} in "
                    f"the last): its learning rate may not suit {rows[task]:.3g} rows a step; --grid tries others"
                )
    return out
