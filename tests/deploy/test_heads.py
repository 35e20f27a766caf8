"""Every head that can be exported gives by its graph what it gives by itself; of every other one line says no."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from tests.heads.contract import CASES, Case
from unisono.deploy.errors import ExportError
from unisono.deploy.heads import KNOWN, Exported, exported
from unisono.deploy.heads.base import difference
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.sessions import Session
from unisono.heads import Head

CAN = [case for case in CASES if case.head in KNOWN]
CANNOT = {case.head.__name__: case for case in CASES if case.head not in KNOWN}


@cache
def made(name: str) -> tuple[Head, Exported, Session]:
    case = next(case for case in CASES if case.name == name)
    head = case.build()
    with torch.no_grad():  # biases begin at 0, which hides mistakes
        for parameter in head.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    ready = exported(head, "head")
    return head, ready, Session(to_onnx(ready.graph))


@cache
def step_of(name: str) -> Session:
    return Session(to_onnx(made(name)[1].steps["step"]))


@pytest.mark.parametrize("case", CAN, ids=lambda case: case.name)
@pytest.mark.parametrize("rows", [1, 2, 8], ids=lambda n: f"{n} rows")
def test_the_graph_says_what_the_head_says(case: Case, rows: int):
    head, ready, run = made(case.name)
    with torch.no_grad():
        states, targets = case.batch(head, case.rows[-rows:])
        wanted = ready.expected(states, targets)
    found = run(ready.feed(states, targets))
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert difference(found[name], wanted[name]) < 1e-5, name
    if ready.walk:
        with torch.no_grad():
            steps = list(ready.walk(states, found, step_of(case.name)))
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
