"""The promises of ``Head``, over every head. See ``contract.py``."""

from __future__ import annotations

import json
import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.heads.contract import CASES, WIDTH, Case
from unisono.heads import Head
from unisono.packed import Packed

torch.set_num_threads(1)  # the tensors are tiny: threads only wait for one another

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def gradients(head: Head, states: Packed, targets: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Of the mean loss, by the states (first) and all weights."""
    inputs = [states.values, *head.parameters()]
    out = torch.autograd.grad(head.loss(states, targets).mean(), inputs, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(out, inputs, strict=True)]


def alike(a: Any, b: Any) -> bool:
    """Equal, numbers up to rounding."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5) if isinstance(a, float) else bool(a == b)


def test_learns_eight_rows_by_heart(case: Case) -> None:
    head = case.build()
    states, targets = case.batch(head, case.rows)
    before = head.loss(states, targets).mean().item()
    optimizer = torch.optim.Adam([*head.parameters(), states.values], lr=0.03)
    # Smaller steps at the end: at a constant rate, where the last one happens to land would differ between processors.
    rate = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=case.steps)
    for _ in range(case.steps):
        optimizer.zero_grad()
        head.loss(states, targets).mean().backward()
        optimizer.step()
        rate.step()
    assert head.loss(states, targets).mean().item() < before
    predictions = head.predict(states, targets)
    assert [case.right(p, r) for p, r in zip(predictions, case.rows, strict=True)] == [True] * len(case.rows)


def test_missing_labels_cost_nothing(case: Case) -> None:
    head = case.build()
    plain = case.batch(head, case.rows)
    gaps = case.batch(head, [*case.rows, *case.unlabelled])
    assert_close(head.loss(*gaps), head.loss(*plain))
    ours, theirs = gradients(head, *gaps), gradients(head, *plain)
    n = plain[0].layout.total
    assert_close(ours[0][:n], theirs[0])
    assert not ours[0][n:].any()
    assert_close(ours[1:], theirs[1:])


def test_nothing_labelled_is_a_loss_of_zero(case: Case) -> None:
    head = case.build()
    states, targets = case.batch(head, case.unlabelled)
    loss = head.loss(states, targets)
    assert (loss.total.item(), loss.units, loss.mean().item()) == (0.0, 0, 0.0)
    assert loss.total.requires_grad
    assert not any(g.any() for g in gradients(head, states, targets))  # any() is true of a NaN, too


def test_units_are_what_the_loss_divides_by(case: Case) -> None:
    head = case.build()
    for rows in (case.rows, case.rows[:1], [*case.rows[:3], *case.unlabelled], case.unlabelled):
        states, targets = case.batch(head, rows)
        units = head.units(targets)
        assert isinstance(units, int)
        assert units == head.loss(states, targets).units
    assert head.units(case.batch(head, case.rows)[1]) >= len(case.rows) - 1


def test_rows_do_not_see_one_another(case: Case) -> None:
    head = case.build()
    order = np.random.default_rng(0).permutation(len(case.rows))
    states, targets = case.batch(head, case.rows)
    shuffled = case.batch(head, [case.rows[i] for i in order])
    assert_close(head.loss(*shuffled), head.loss(states, targets))
    predictions = head.predict(states, targets)
    assert alike(head.predict(*shuffled), [predictions[i] for i in order])
    assert alike([head.predict(*case.batch(head, [row]))[0] for row in case.rows], predictions)
    if case.against:
        return
    totals = [head.loss(*case.batch(head, [row])).total for row in case.rows]
    assert_close(torch.stack(totals).sum(), head.loss(states, targets).total)


def test_predictions_do_not_look_at_labels(case: Case) -> None:
    head = case.build()
    states, targets = case.batch(head, case.rows)
    bare = [{k: v for k, v in row.items() if k not in head.labels_in} for row in case.rows]
    assert head.predict(*case.batch(head, bare)) == head.predict(states, targets)


def test_predictions_are_json(case: Case) -> None:
    head = case.build()
    predictions = head.predict(*case.batch(head, [*case.rows, *case.unlabelled]))
    assert len(predictions) == len(case.rows) + len(case.unlabelled)
    assert json.loads(json.dumps(predictions, allow_nan=False)) == predictions


def test_saved_and_loaded_it_says_the_same(case: Case) -> None:
    head = case.build()
    with torch.no_grad():
        for p in head.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    options = type(case.options).model_validate_json(case.options.model_dump_json())
    again = case.head(WIDTH, options, json.loads(json.dumps(head.fitted))).eval()
    again.load_state_dict(head.state_dict())
    batch = case.batch(head, case.rows)
    assert again.predict(*batch) == head.predict(*batch)
    assert_close(again.loss(*batch), head.loss(*batch))


def test_each_weight_is_saved_under_one_name(case: Case) -> None:
    weights = case.build().state_dict().values()
    assert len({w.data_ptr() for w in weights}) == len(weights)


@pytest.mark.parametrize("how", [nullcontext(), torch.autocast("cpu", torch.bfloat16)], ids=["plain", "autocast"])
def test_takes_states_of_half_precision(case: Case, how: AbstractContextManager[None]) -> None:
    head = case.build()
    states, targets = case.batch(head, case.rows)
    exact = head.loss(states, targets).mean()
    half = states.like(states.values.detach().bfloat16().requires_grad_())
    with how:
        assert_close(head.loss(half, targets).mean().float(), exact, rtol=0.05, atol=0.05)
        assert all(g.isfinite().all() for g in gradients(head, half, targets))
        assert len(head.predict(half, targets)) == len(case.rows)


def test_a_head_of_half_precision_works(case: Case) -> None:
    head = case.build().bfloat16()
    states, targets = case.batch(head, case.rows)
    half = states.like(states.values.detach().bfloat16().requires_grad_())
    assert_close(head.loss(half, targets).mean().float(), case.build().loss(states, targets).mean(), rtol=0.1, atol=0.1)
    assert all(g.isfinite().all() for g in gradients(head, half, targets))
    assert len(head.predict(half, targets)) == len(case.rows)


def test_examples_are_flat_arrays(case: Case) -> None:
    head = case.build()
    for row in (*case.rows, *case.unlabelled):
        for name, array in head.encode(row, case.tokens(row)).items():
            assert array.ndim == 1, name
            assert array.dtype in (np.uint8, np.int32, np.float32), name


def test_options_are_described_and_reject_strangers(case: Case) -> None:
    options = type(case.options)
    assert all(field.description for field in options.model_fields.values())
    assert case.head.Options is options
    with pytest.raises(ValueError, match="no_such_option"):
        options.model_validate({"no_such_option": 1})
