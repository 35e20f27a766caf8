"""Distilling: a head that says what its teacher says pays nothing, and one that does not is drawn there."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from tests.heads.contract import CASES, Case
from unisono.heads import distill
from unisono.heads.base import Head
from unisono.heads.distill import TEMPERATURE, soft_classes, soft_labels, soft_tokens

torch.set_num_threads(1)  # the tensors are tiny: threads only wait for one another

# fields of targets that hold a label, by head
LABELS = ("label", "value", "tags", "labels", "mask", "classes", "answer", "characters", "heard", "text_known")
# heads of numbers and sounds, which no temperature softens
MEASURED = {"regress", "regress, huber", "dense", "dense, berhu", "speak", "match, scored"}
every_head = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def teacher_of(case: Case) -> Head:
    """Another head than ``case.build()``, of the same kind."""
    head = case.build()
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in head.parameters():
            p.add_(torch.randn(p.shape, generator=noise) * 0.3)
    return head.requires_grad_(False)


@every_head
def test_who_says_the_same_pays_nothing_and_stays(case: Case) -> None:
    head = case.build()
    states, targets = case.batch(head, case.rows)
    loss = head.distill(states, targets, case.build(), states.like(states.values.detach()))
    assert abs(loss.total.item()) < 1e-5
    loss.total.backward()
    assert all(p.grad is None or p.grad.abs().max() < 3e-5 for p in head.parameters())


@every_head
def test_the_teacher_is_reached(case: Case) -> None:
    """All labels are replaced by another row's, where the head does not read them: they must not matter."""
    head, teacher = case.build(), teacher_of(case)
    states, targets = case.batch(head, case.rows)
    taught = states.like(states.values.detach())
    optimizer = torch.optim.Adam([*head.parameters(), states.values], lr=0.03)
    first = head.distill(states, targets, teacher, taught)
    assert first.total.item() > 0.01
    for _ in range(100):
        optimizer.zero_grad()
        loss = head.distill(states, targets, teacher, taught)
        loss.total.backward()
        optimizer.step()
    assert loss.total.item() < 0.2 * first.total.item()
    assert all(p.grad is None for p in teacher.parameters())


@every_head
def test_units_are_those_of_the_loss_and_missing_labels_cost_nothing(case: Case) -> None:
    head, teacher = case.build(), teacher_of(case)
    rows = [*case.rows, *case.unlabelled]
    whole, plain = case.batch(head, rows), case.batch(head, case.rows)
    found = head.distill(*whole, teacher, whole[0].like(whole[0].values.detach()))
    alone = head.distill(*plain, teacher, plain[0].like(plain[0].values.detach()))
    assert found.units == head.units(whole[1]) == alone.units
    assert_close(found.total, alone.total, rtol=1e-4, atol=1e-5)
    nothing = case.batch(head, case.unlabelled)
    assert head.distill(*nothing, teacher, nothing[0].like(nothing[0].values.detach())).total.item() == 0


@every_head
def test_a_unit_that_is_supposed_to_have_a_label_is_taught_like_one_that_has(case: Case) -> None:
    head, teacher = case.build(), teacher_of(case)
    states, targets = case.batch(head, [*case.rows, *case.unlabelled])
    supposed, taught = head.supposed(targets), states.like(states.values.detach())
    if type(head).supposed is Head.supposed:
        assert supposed is targets
        return
    assert head.units(supposed) > head.units(targets)
    again = head.supposed(supposed)
    assert head.units(again) == head.units(supposed)
    whole = head.distill(states, supposed, teacher, taught)
    part = head.distill(states, targets, teacher, taught)
    assert whole.units > part.units and whole.total > part.total > 0


@every_head
def test_the_temperature_is_heard(case: Case) -> None:
    """Where an output is a probability, another temperature makes another loss."""
    head, teacher = case.build(), teacher_of(case)
    states, targets = case.batch(head, case.rows)
    taught = states.like(states.values.detach())
    cold, hot = (head.distill(states, targets, teacher, taught, temperature=t).total for t in (1.0, 1000.0))
    assert torch.isfinite(hot)
    if case.name not in MEASURED:
        assert not torch.allclose(cold, hot, rtol=1e-3)


@every_head
def test_a_wrong_label_makes_no_difference(case: Case) -> None:
    head, teacher = case.build(), teacher_of(case)
    states, targets = case.batch(head, case.rows)
    taught = states.like(states.values.detach())
    role = next(
        (
            r
            for r in (
                "label",
                "value",
                "tags",
                "labels",
                "mask",
                "classes",
                "answer",
                "characters",
                "heard",
                "text_known",
            )
            if r in targets
        ),
        None,
    )
    if role is None:
        pytest.skip("its rows need no label")
    if getattr(case.options, "decoder", None) == "attention":
        pytest.skip("its decoder reads the label, as one that writes does")
    known = targets[role] != -100 if targets[role].dtype == torch.int64 else ~targets[role].isnan()
    wrong = {**targets, role: torch.where(known, torch.zeros_like(targets[role]), targets[role])}
    assert_close(
        head.distill(states, wrong, teacher, taught).total, head.distill(states, targets, teacher, taught).total
    )


def test_soft_losses_are_divergences_of_softened_probabilities():
    torch.manual_seed(0)
    ours, theirs = torch.randn(5, 7), torch.randn(5, 7)
    p, q = ((x / TEMPERATURE).softmax(-1) for x in (theirs, ours))
    assert_close(soft_classes(ours, theirs), (p * (p / q).log()).sum(-1) * TEMPERATURE**2)
    p, q = ((x / TEMPERATURE).sigmoid() for x in (theirs, ours))
    by_hand = F.binary_cross_entropy(q, p, reduction="none") - F.binary_cross_entropy(p, p, reduction="none")
    assert_close(soft_labels(ours, theirs), by_hand * TEMPERATURE**2)


def test_tokens_in_pieces_are_tokens_at_once(monkeypatch):
    torch.manual_seed(0)
    hidden, vectors = torch.randn(50, 6, requires_grad=True), torch.randn(30, 6, requires_grad=True)
    taught, taught_vectors = torch.randn(50, 4), torch.randn(30, 4)
    whole = soft_classes(hidden @ vectors.t(), taught @ taught_vectors.t()).sum()
    wanted = torch.autograd.grad(whole, [hidden, vectors])
    monkeypatch.setattr(distill, "_AT_ONCE", 16 * 30)
    pieces = soft_tokens(hidden, vectors, taught, taught_vectors)
    assert_close(pieces, whole)
    assert_close(torch.autograd.grad(pieces, [hidden, vectors]), wanted)


def test_a_head_without_it_says_so():
    class Plain(type(CASES[0].build())):
        distill = Head.distill

    case = replace(CASES[0], head=Plain)
    head = case.build()
    states, targets = case.batch(head, case.rows)
    with pytest.raises(NotImplementedError, match="Plain cannot be distilled"):
        head.distill(states, targets, head, states)
