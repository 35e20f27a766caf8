"""Every head that can be exported gives by its graph what it gives by itself; of every other one line says no."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from tests.heads.contract import CASES, WIDTH, Case
from unisono.deploy.errors import ExportError
from unisono.deploy.heads import KNOWN, Exported, exported
from unisono.deploy.heads.base import Run, difference
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.sessions import Session
from unisono.heads import Head
from unisono.heads.detect_dense import DetectDense
from unisono.packed import Layout, Packed

CAN = [case for case in CASES if case.head in KNOWN]
CANNOT = {case.head.__name__: case for case in CASES if case.head not in KNOWN}


@cache
def made(name: str) -> tuple[Head, Exported]:
    case = next(case for case in CASES if case.name == name)
    head = case.build()
    with torch.no_grad():  # biases begin at 0, which hides mistakes
        for parameter in head.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    return head, exported(head, "head")


def check(case: Case, graph: Run, step: Run | None) -> None:
    """The graph, on one row and on several, against the head."""
    head, ready = made(case.name)
    for rows in (1, 2, 8):
        states, targets = case.batch(head, case.rows[-rows:])
        with torch.no_grad():
            wanted, found = ready.expected(states, targets), graph(ready.feed(states, targets))
            assert found.keys() == wanted.keys()
            for name in wanted:
                assert difference(found[name], wanted[name]) < 1e-5, (rows, name)
            if ready.walk:
                assert step
                steps = list(ready.walk(states, found, step))
                assert steps and all(difference(*pair) < 1e-5 for pair in steps), rows


@pytest.mark.parametrize("case", CAN, ids=lambda case: case.name)
def test_what_is_traced_says_what_the_head_says(case: Case):
    _, ready = made(case.name)
    check(case, ready.graph.module, ready.steps["step"].module if ready.steps else None)


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=[pytest.mark.slow] * (c.name != "tag, BIO")) for c in CAN],
    ids=lambda case: case.name,
)
def test_the_graph_says_what_the_head_says(case: Case):
    _, ready = made(case.name)
    check(case, Session(to_onnx(ready.graph)), Session(to_onnx(ready.steps["step"])) if ready.steps else None)


@pytest.mark.parametrize("case", CAN, ids=lambda case: case.name)
@pytest.mark.parametrize("lengths", [[1], [1, 1], [1, 7, 3]], ids=str)
def test_sequences_of_one_token_are_sequences_too(case: Case, lengths: list[int]):
    head, ready = made(case.name)
    if ready.reads == "patches" or isinstance(head, DetectDense):
        lengths = [1 + n for n in lengths]  # a start vector, and the patches of an image one of them high
    states = Packed(torch.randn(sum(lengths), WIDTH), Layout(lengths))
    every = torch.arange(sum(lengths))
    targets = {
        "index": every[None] if case.name.startswith("span") else every,
        "grid": torch.tensor([[1, n - 1, 2, 2 * n - 2] for n in lengths]),
    }
    with torch.no_grad():
        wanted, found = ready.expected(states, targets), ready.graph.module(ready.feed(states, targets))
        assert wanted and all(difference(found[name], wanted[name]) < 1e-5 for name in wanted)
        if ready.walk:
            steps = list(ready.walk(states, found, ready.steps["step"].module))
            assert steps and all(difference(*pair) < 1e-5 for pair in steps)


@pytest.mark.parametrize("name", sorted(CANNOT))
def test_a_head_that_cannot_be_exported_says_so(name: str):
    with pytest.raises(ExportError, match=f"^{name} cannot be exported$"):
        exported(CANNOT[name].build(), "head")


def test_a_head_that_extends_a_known_one_is_not_taken_for_it():
    case = next(case for case in CASES if case.name == "classify")
    head = case.build()
    head.__class__ = type("Other", (case.head,), {})
    with pytest.raises(ExportError, match="Other cannot be exported"):
        exported(head, "head")
