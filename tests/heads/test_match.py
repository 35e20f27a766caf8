"""match: the loss against its definition, pairs that must not be held against each other, the temperature's limit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from unisono.heads.match import Match, MatchOptions
from unisono.packed import Layout, Packed

Rows = list[dict[str, Any]]
CAPTIONS: Rows = [  # two images of two captions each, one of which they share, and a row that lacks its image
    {"image": {"path": "a.png", "bytes": None}, "text": "a dog"},
    {"image": {"path": "a.png", "bytes": None}, "text": "an animal"},
    {"text": "nobody saw this"},
    {"image": {"path": "b.png", "bytes": None}, "text": "an animal"},
    {"image": {"path": "b.png", "bytes": None}, "text": "a cat"},
]


def build(rows: Rows, **options: float) -> Match:
    torch.manual_seed(0)
    chosen = MatchOptions.model_validate({"size": 6, **options})
    return Match(8, chosen, Match.fit(rows, chosen)).eval()


def batch(head: Match, rows: Rows) -> tuple[Packed, dict[str, torch.Tensor]]:
    """Two states an input, the same for equal inputs, laid the second side first."""
    numbers = np.full((len(rows), 2), -1, np.int32)
    states = []
    for side in (1, 0):
        for at, row in enumerate(rows):
            if head.sides[side] in row:
                numbers[at, side] = len(states)
                noise = torch.Generator().manual_seed(sum(map(ord, str(row[head.sides[side]]))))
                states.append(torch.randn(2, 8, generator=noise))
    examples = [{**head.encode(row, {}), "sequences": n} for row, n in zip(rows, numbers, strict=True)]
    return Packed(torch.cat(states), Layout([2] * len(states))), head.collate(examples)


def slow(head: Match, rows: Rows) -> float:
    """The loss by its definition: for each pair and way, -log of the partner's share among it and all strangers."""
    vectors = [p["vectors"] for p in head.predict(*batch(head, rows))]
    pairs = [i for i, row in enumerate(rows) if len(vectors[i]) == 2]
    total = 0.0
    for asked, sought in (head.sides, head.sides[::-1]):
        for i in pairs:
            logits = {j: np.dot(vectors[i][asked], vectors[j][sought]) / 0.07 for j in pairs}
            others = [
                logits[j]
                for j in pairs
                if j != i and rows[j][asked] != rows[i][asked] and rows[j][sought] != rows[i][sought]
            ]
            total += math.log(sum(math.exp(x) for x in [logits[i], *others])) - logits[i]
    return total / 2


def test_the_loss_is_that_of_its_definition() -> None:
    head = build(CAPTIONS)
    loss = head.loss(*batch(head, CAPTIONS))
    assert loss.units == 4
    assert loss.total.item() == pytest.approx(slow(head, CAPTIONS), rel=1e-4)


def test_rows_that_share_an_input_are_not_held_against_each_other() -> None:
    head = build(CAPTIONS)
    assert head.loss(*batch(head, CAPTIONS[:2])).total.item() == pytest.approx(0, abs=1e-6)  # one image
    assert head.loss(*batch(head, [CAPTIONS[1], CAPTIONS[3]])).total.item() == pytest.approx(0, abs=1e-6)  # one text
    assert head.loss(*batch(head, [CAPTIONS[0], CAPTIONS[4]])).total.item() > 0.1


def test_files_are_equal_by_their_bytes() -> None:
    head = build(CAPTIONS)
    one, other = (head.encode({"image": {"path": path, "bytes": b"x"}, "text": path}, {})["same"] for path in "ab")
    assert (one == other).tolist() == [False, False, True, True]  # text, image


def test_rows_of_another_task_in_the_same_pack_are_not_pairs() -> None:
    head = build(CAPTIONS)
    states, targets = batch(head, CAPTIONS)
    ours = [head.encode(row, {}) if i < 2 else head.encode({}, {}) for i, row in enumerate(CAPTIONS)]
    numbers = targets["sequences"].numpy().astype(np.int32)
    shared = head.collate([{**e, "sequences": n} for e, n in zip(ours, numbers, strict=True)])
    assert head.loss(states, shared).units == head.units(shared) == 2


def test_two_texts_share_a_projection_and_a_text_has_one_vector_on_either_side() -> None:
    rows = [{"text": "a", "other": "b"}, {"text": "b", "other": "c"}]
    head = build(rows)
    assert len(head.projections) == 1
    first, second = head.predict(*batch(head, rows))
    assert first["vectors"]["other"] == pytest.approx(second["vectors"]["text"])
    assert len(build(CAPTIONS).projections) == 2


def test_vectors_have_length_one_and_similarity_is_their_product() -> None:
    head = build(CAPTIONS)
    for said, row in zip(head.predict(*batch(head, CAPTIONS)), CAPTIONS, strict=True):
        assert said["vectors"].keys() == row.keys()
        assert all(np.linalg.norm(v) == pytest.approx(1, abs=1e-5) for v in said["vectors"].values())
        product = np.dot(*said["vectors"].values()) if len(row) == 2 else None
        assert said["similarity"] == (None if product is None else pytest.approx(product, abs=1e-5))


def test_the_scale_stops_at_a_hundred_and_can_come_back() -> None:
    head = build(CAPTIONS)
    loss = {}
    for scale in (math.log(100), 6.0, 9.0):
        with torch.no_grad():
            head.scale.fill_(scale)
        loss[scale] = head.loss(*batch(head, CAPTIONS)).total
    assert_close(loss[6.0], loss[math.log(100)])
    (gradient,) = torch.autograd.grad(loss[9.0], head.scale)
    assert gradient.item() != 0


def test_scores_are_learned_between_the_lowest_and_the_highest() -> None:
    rows = [{"text": t, "other": t.upper(), "score": s} for t, s in (("a", 1.0), ("b", 5.0), ("c", 4.0), ("d", None))]
    head = build(rows)
    states, targets = batch(head, rows)
    assert targets["score"][:3].tolist() == [0, 1, 0.75] and head.units(targets) == 3
    cosines = [p["similarity"] for p in head.predict(states, targets)]
    expected = sum((c - g) ** 2 for c, g in zip(cosines, (0, 1, 0.75), strict=False))
    assert head.loss(states, targets).total.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "rows", [CAPTIONS, [{"text": "a", "other": "b", "score": 1.0}, {"text": "c", "other": "d", "score": 2.0}]]
)
def test_a_teacher_of_the_same_weights_has_nothing_to_teach(rows: Rows) -> None:
    head, other = build(rows), build(rows)
    states, targets = batch(head, rows)
    same = head.distill(states, targets, other, states)
    assert same.total.item() == pytest.approx(0, abs=1e-5) and same.units == head.units(targets)
    with torch.no_grad():
        for p in other.projections.parameters():
            p.add_(torch.randn_like(p))
    assert head.distill(states, targets, other, states).total.item() > 1e-3


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"text": "a"}, {"text": "b"}], "have text, never two in one row"),
        ([{"text": "a"}, {"other": "b"}], "have text and other, never two in one row"),
        ([{}], "have no input"),
    ],
)
def test_rows_that_teach_nothing_are_refused(rows: Rows, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Match.fit(rows, MatchOptions())
