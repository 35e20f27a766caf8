"""measure: what each variant costs: size, the time of one request, requests a second, and each task's metric."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from unisono.deploy.madeup import made_up
from unisono.deploy.plan import Plan
from unisono.deploy.rows import Data, spread
from unisono.deploy.scores import Scored, asked_of, in_memory
from unisono.deploy.variant import Variant
from unisono.heads import Prediction, Row

_SINGLE = 15  # rows that are asked one by one
_MANY = 64  # rows that are asked at once
_ROUNDS = 3
PYTORCH = "PyTorch"


@dataclass(frozen=True)
class Cost:
    """One task by one variant.

    Args:
        variant: ``fp32``, ``fp16``, ``int8`` or ``PyTorch``.
        size: bytes of all weights and graphs of the variant, the other tasks' among them.
        latency: seconds of a single request, the median. ``throughput``: rows a second, asked many at once.
        metric, value: the task's main one, None where no row has a label.
    """

    variant: str
    task: str
    size: int
    latency: float
    throughput: float
    metric: str | None
    value: float | None


@dataclass(frozen=True)
class Compared:
    """All variants side by side. ``threads``: of one operator, in each of them."""

    threads: int
    costs: Sequence[Cost]


Ask = Callable[[str, Sequence[Row]], Sequence[Prediction]]


def measured(planned: Plan, variants: Sequence[Variant], data: Data) -> Compared:
    """Times all variants in turn, text to prediction, in this process; heads that write as their options say.

    Each has one thread: those of ONNX Runtime go on spinning for a while, in the way of who comes next.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return Compared(1, list(_costs(planned, variants, data)))
    finally:
        torch.set_num_threads(before)


def _costs(planned: Plan, variants: Sequence[Variant], data: Data) -> Iterator[Cost]:
    model = planned.model
    ask: dict[str, Ask] = {PYTORCH: lambda task, rows: model.predict(task, rows)}
    for variant in variants:
        runtime = in_memory(planned, variant.protos, variant.precision, 1)
        ask[variant.precision] = runtime.predict
    sizes: dict[str, int] = {v.precision: sum(proto.ByteSize() for proto in v.protos.values()) for v in variants}
    held = {id(p): p.numel() * p.element_size() for p in _parameters(planned)}
    sizes[PYTORCH] = sum(held.values())
    for task in planned.heads:
        rows = _rows(planned, data, task)
        single = dict(_in_turn(ask, task, [[row] for row in rows[:_SINGLE]]))
        many = dict(_in_turn(ask, task, [rows]))
        for name in ask:
            score = _score(variants, name, task)
            metric, value = (score[0], score[1]) if score else (None, None)
            yield Cost(name, task, sizes[name], single[name], len(rows) / many[name], metric, value)


def _parameters(planned: Plan) -> Iterator[torch.Tensor]:
    for graph in planned.graphs():
        yield from graph.module.parameters()


def _rows(planned: Plan, data: Data, task: str) -> list[Row]:
    """Rows to ask, without their labels."""
    if task not in data.held:
        return [*made_up(planned.model, task, _MANY)]
    rows = data.held[task].rows
    sources = sorted(set(data.held[task].examples.source.tolist()))
    return [asked_of(planned, task, rows[sources[at]]) for at in spread(len(sources), _MANY)]


def _in_turn(ask: Mapping[str, Ask], task: str, requests: Sequence[Sequence[Row]]) -> Iterator[tuple[str, float]]:
    """The median time of a request, for each; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in ask}
    for number in range(_ROUNDS + 1):
        for rows in requests:
            for name, answer in ask.items():
                start = time.perf_counter()
                answer(task, rows)
                if number:
                    times[name].append(time.perf_counter() - start)
    return ((name, median(own)) for name, own in times.items())


def _score(variants: Sequence[Variant], name: str, task: str) -> tuple[str, float] | None:
    scores: dict[str, Scored] = {v.precision: v.scores[task] for v in variants if task in v.scores}
    if not scores:
        return None
    any_ = next(iter(scores.values()))
    return any_.metric, any_.model if name == PYTORCH else scores[name].exported


def columns(cost: Cost) -> tuple[str, ...]:
    """A line of the table: variant, MB, ms, rows a second, metric, value."""
    return (
        cost.variant, f"{cost.size / 1e6:.1f}", f"{cost.latency * 1e3:.1f}", f"{cost.throughput:.0f}",
        cost.metric or "", "" if cost.value is None else f"{cost.value:.4f}",
    )  # fmt: skip


HEADINGS = ("variant", "MB", "p50 of one row, ms", "rows a second", "metric", "value")


def threads(compared: Compared) -> str:
    """How many, in words."""
    return "1 thread" if compared.threads == 1 else f"{compared.threads} threads"
