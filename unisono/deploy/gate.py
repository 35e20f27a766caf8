"""gate: quantizes what may be quantized: the matrices that hurt most stay in fp32, until no task loses too much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unisono.deploy.errors import ExportError
from unisono.deploy.plan import Plan
from unisono.deploy.quantize import Ranges, candidates, to_int8
from unisono.deploy.rows import Example
from unisono.deploy.scores import Base, Scored, in_memory, scored
from unisono.deploy.sessions import Session
from unisono.deploy.verify import drift

_LOOK = 24  # examples of each task by which the harm of a matrix is measured
Told = Callable[[str], Any]


@dataclass(frozen=True)
class Gated:
    """int8 graphs that keep to the gate.

    Args:
        protos: graph -> its ``onnx.ModelProto``. ``scores``: task -> its metric.
        kept: graph -> the matrices that stayed in fp32, the most harmful first.
    """

    protos: Mapping[str, Any]
    scores: Mapping[str, Scored]
    kept: Mapping[str, tuple[str, ...]]


def gated(
    planned: Plan,
    protos: Mapping[str, Any],
    base: Mapping[str, Base],
    examples: Mapping[str, Sequence[Example]],
    *,
    most: float,
    ranges: Mapping[str, Ranges] | None,
    told: Told,
) -> Gated:
    """int8 graphs of fp32 ones.

    Matrices are put in the order of their harm: how far the outputs of the tasks that lose too much move when that
    matrix alone is quantized. Then the fewest that help are kept, found by doubling and halving.

    Args:
        base: the tasks whose loss is looked at.
        examples: task -> examples to measure harm by.
        most: what a task may lose of its main metric, as a fraction.
        ranges: graph -> ranges of activations, for static quantization.
    """

    def attempt(kept: Sequence[tuple[str, str]]) -> Gated:
        own = {graph: tuple(node for g, node in kept if g == graph) for graph in protos}
        made = {g: to_int8(p, keep=own[g], ranges=(ranges or {}).get(g)) for g, p in protos.items()}
        result = scored(planned, in_memory(planned, made, "int8"), base)
        return Gated(made, result, {graph: nodes for graph, nodes in own.items() if nodes})

    def losing(found: Gated) -> list[str]:
        return [task for task, score in found.scores.items() if score.drop > most]

    best = attempt(())
    bad = losing(best)
    if not bad:
        return best
    told(", ".join(f"{t} loses {best.scores[t].drop:.3f}" for t in bad) + ": looking for the matrices that hurt")
    order = _by_harm(planned, protos, bad, examples, ranges)
    low, high = 0, 1
    while bad := losing(best := attempt(order[:high])):
        if high == len(order):
            raise ExportError(f"{', '.join(bad)}: loses more than {most:g} with every matrix in fp32; give more --rows")
        told(f"with {high} of {len(order)} matrices in fp32: {', '.join(bad)} still lose too much")
        low, high = high, min(2 * high, len(order))
    while high - low > 1:
        middle = (low + high) // 2
        found = attempt(order[:middle])
        if losing(found):
            low = middle
        else:
            best, high = found, middle
    return best


def _by_harm(
    planned: Plan,
    protos: Mapping[str, Any],
    tasks: Sequence[str],
    examples: Mapping[str, Sequence[Example]],
    ranges: Mapping[str, Ranges] | None,
) -> list[tuple[str, str]]:
    """(graph, node) of all that may be quantized, the most harmful first."""
    plain = {name: Session(proto) for name, proto in protos.items()}
    harm: dict[tuple[str, str], float] = {}
    for graph, proto in protos.items():
        own = [t for t in tasks if graph in {g.name for g in (*planned.below(t), *planned.graphs_of(t))}]
        every = candidates(proto)
        for node in every if own else ():
            only = to_int8(proto, keep=every.keys() - {node}, ranges=(ranges or {}).get(graph))
            run = {**plain, graph: Session(only)}
            harm[graph, node] = max(drift(planned, task, examples[task][:_LOOK], run) for task in own)
    return sorted(harm, key=lambda at: -harm[at])
