"""Verdict: what the differences say in sentences: which tasks gained, which lost, and whether that is evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from unisono.study.conflicts import Conflict
from unisono.study.difference import LEVEL, Interval


def enough(found: Interval, seeds: int) -> bool:
    """Whether an interval lies on one side of 0. One seed is never enough: it cannot show how much chance decides."""
    return seeds > 1 and (found.low > 0 or found.high < 0)


def sentence(tasks: Mapping[str, Interval], mean: Interval, *, seeds: int) -> str:
    """The result of a comparison as a person says it."""
    gained = [name for name, found in tasks.items() if found.low > 0]
    lost = [name for name, found in tasks.items() if found.high < 0]
    unclear = [name for name in tasks if name not in gained and name not in lost]
    show = "shows" if len(unclear) == 1 else "show"
    said = [
        f"{', '.join(names)} {what}"
        for names, what in ((gained, "gained"), (lost, "lost"), (unclear, f"{show} no clear difference"))
        if names
    ]
    if not math.isfinite(mean.mean):
        return "Alone, every task scores 0, so there is nothing to compare with."
    whole = f"Learning together changed the scores by {mean.mean:+.1f} % ({_span(mean)}): {'; '.join(said)}."
    if enough(mean, seeds):
        return (
            f"{whole} The evidence is enough to say that it {'helped' if mean.low > 0 else 'hurt'} over {seeds} seeds."
        )
    if seeds == 1:
        return f"{whole} One seed is no evidence: it cannot show how much chance decides; use --seeds 3."
    return (
        f"{whole} The evidence of {seeds} seeds is not enough to say whether it helped or hurt; "
        f"more of them (--seeds {2 * seeds}) narrow the interval."
    )


def advice(
    groups: Sequence[Sequence[str]],
    *,
    among: int,
    chosen: bool,
    split: str,
    alone: Interval,
    together: Interval,
    seeds: int,
) -> str:
    """What training groups showed, as a person says it.

    Args:
        groups: the grouping that is proposed, of ``among`` that were trained.
        chosen: whether validation rows chose it; otherwise there were none.
        split: whose rows judge it.
        alone: Δm against each task alone. ``together``: against all of them together.
    """
    apart, whole = all(len(group) == 1 for group in groups), len(groups) == 1
    if whole:
        said = "Learn all of them together"
    elif apart:
        said = "Learn each task alone"
    else:
        said = f"Learn {' | '.join(', '.join(group) for group in groups)}"
    best = f"best of {among} groupings on the validation rows" if chosen else "grouping of most affinity"
    bases = [("each alone", alone)] * (not apart) + [("all together", together)] * (not whole)
    to = " and ".join(f"{_change(found)} against {base}" for base, found in bases)
    evidence = " and ".join(_evidence(found, seeds, base) for base, found in bases)
    over = f"{seeds} seeds" if seeds > 1 else "one seed"
    return f"{said}: the {best}. On the {split} rows: {to}. The evidence of {over} is {evidence}."


def _evidence(found: Interval, seeds: int, base: str) -> str:
    if not enough(found, seeds):
        return f"not enough to say whether it is better than {base}"
    return f"enough to say that it is {'better' if found.low > 0 else 'worse'} than {base}"


def warnings(tasks: Mapping[str, Interval], conflicts: Sequence[Conflict], *, measured: bool) -> list[str]:
    """A line for each task that lost, with the task and the layers that its gradient conflicts with.

    Args:
        conflicts: worst first.
        measured: whether the gradients were looked at.
    """
    out = []
    for task, found in tasks.items():
        if not math.isfinite(found.mean):
            out.append(f"{task} scores 0 alone, so its difference in percent is not known and not part of Δm")
        if not found.high < 0:
            continue
        line = f"negative transfer: {task} lost {-found.mean:.1f} % ({_span(found)})"
        against = next((c for c in conflicts if task in c.tasks), None)
        if against:
            other = next(name for name in against.tasks if name != task)
            where = f"in {', '.join(against.layers)}" if against.layers else "over all layers"
            line += f"; its gradient conflicts with that of {other} {where} (mean cosine {against.cosine:+.2f})"
        elif measured:
            line += (
                "; no conflict of gradients was measured; --grid shows whether the learning rates suit one side better"
            )
        out.append(line)
    return out


def _change(found: Interval) -> str:
    return f"{found.mean:+.1f} % ({_span(found)})"


def _span(found: Interval) -> str:
    return f"{100 * LEVEL:.0f} % interval {found.low:+.1f} to {found.high:+.1f} %"
