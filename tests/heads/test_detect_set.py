"""detect by set prediction: its loss against plain loops, in any order of the objects; packs of several sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from unisono.heads import UnfitRow
from unisono.heads.boxes import edges, giou
from unisono.heads.detect import Detect, DetectOptions
from unisono.heads.detect_set import DetectSet
from unisono.heads.queries import Queries, places
from unisono.packed import Layout, Packed
from unisono.views import view

LABELS = {"labels": ["cell", "dust"]}
SMALL = {"decoder": "set", "queries": 5, "layers": 2, "heads": 2, "feedforward": 16}
GRIDS = [[2, 3, 16, 24], [4, 2, 40, 16], [2, 3, 20, 30], [1, 1, 8, 8]]  # down, across, height, width


def head(**options) -> DetectSet:
    torch.manual_seed(0)
    made = Detect.make(8, DetectOptions(**{**SMALL, **options}), LABELS)
    assert isinstance(made, DetectSet)
    return made.eval()


def cell(*box: float, label: str = "cell") -> dict:
    return {"label": label, "box": list(box)}


BOXES = [
    [cell(0, 0, 8, 8), cell(4, 2, 20, 14, label="dust"), cell(16, 8, 24, 16)],
    [],
    None,
    [cell(1, 1, 7, 5, label="dust")],
]


def batch(made: DetectSet, boxes=BOXES, grids=GRIDS) -> tuple[Packed, dict[str, torch.Tensor]]:
    examples = []
    for said, grid in zip(boxes, grids, strict=True):
        seen = {"grid": np.array(grid, np.int32)}
        examples.append({**seen, **made.encode({"boxes": said}, seen)})
    lengths = [1 + down * across for down, across, *_ in grids]
    states = torch.randn(sum(lengths), 8, generator=torch.Generator().manual_seed(1))
    return Packed(states.requires_grad_(), Layout(lengths)), made.collate(examples)


def test_the_loss_is_that_of_plain_loops():
    made = head()
    states, targets = batch(made)
    logits, guesses = made.guesses(states, targets)
    total = torch.zeros(())
    for b, said in enumerate(BOXES):
        if said is None:
            continue
        height, width = GRIDS[b][2:]
        goals = [torch.tensor(one["box"]) / torch.tensor([width, height] * 2) for one in said]
        for layer in range(2):
            # With so few objects, every way to hand them out can be tried.
            costs = torch.zeros(5, len(said))
            for q in range(5):
                box = guesses[layer, b, q]
                for n, one in enumerate(said):
                    goal = torch.cat([(goals[n][:2] + goals[n][2:]) / 2, goals[n][2:] - goals[n][:2]])
                    overlap = giou(edges(box)[None], goals[n][None])[0]
                    p = logits[layer, b, q].softmax(-1)[LABELS["labels"].index(one["label"])]
                    costs[q, n] = 5 * (box - goal).abs().sum() - 2 * overlap - p
            best, chosen = float("inf"), ()
            for ways in np.ndindex(*[5] * len(said)):
                cost = sum(costs[q, n].item() for n, q in enumerate(ways))
                if len(set(ways)) == len(ways) and cost < best:
                    best, chosen = cost, ways
            wanted = torch.full((5,), 2)
            for n, q in enumerate(chosen):
                wanted[q] = LABELS["labels"].index(said[n]["label"])
                p = logits[layer, b, q].softmax(-1)[wanted[q]]
                total = total + (costs[q, n] + p + 2) / len(said)  # the box's share of the cost, GIoU from 1
            total = total + F.cross_entropy(logits[layer, b], wanted, torch.tensor([1.0, 1.0, 0.1]))
    loss = made.loss(states, targets)
    assert loss.units == 3
    assert_close(loss.total, total)


def test_the_order_of_the_objects_does_not_matter():
    made = head()
    states, targets = batch(made)
    turned = batch(made, [said and said[::-1] for said in BOXES])[1]
    assert_close(made.loss(states, turned).total, made.loss(states, targets).total)


def test_every_attention_of_every_layer_is_taught():
    made = head()
    made.loss(*batch(made)).total.backward()
    first, second = made.decoder.layers  # before the first layer all answers are alike: nothing to see among them
    weights = [part.weight for at in (first, second) for part in (at.ask_q, at.ask_k, at.ask_v, at.up)]
    assert all(weight.grad.abs().sum() > 0 for weight in [*weights, second.own_qk.weight, second.own_v.weight])
    assert made.decoder.vectors.grad.abs().sum() > 0


def test_images_of_several_sizes_in_one_pack_are_decoded_as_alone():
    torch.manual_seed(0)
    decoder = Queries(3, width=8, layers=2, heads=2, feedforward=16).double().eval()
    lengths, grids = [6, 8, 1], [(2, 3), (4, 2), (1, 1)]
    states = torch.randn(15, 8, dtype=torch.float64)
    where = places(grids, 8).double()
    together = decoder(Packed(states, Layout(lengths)), where)  # (R, B, Q, D)
    assert together.shape == (2, 3, 3, 8)
    parts = zip(states.split(lengths), where.split(lengths), strict=True)
    for b, (one, there) in enumerate(parts):
        assert_close(decoder(Packed(one, Layout([len(one)])), there)[:, 0], together[:, b])


def test_answers_know_where_a_state_lies_but_not_in_which_order_states_come():
    torch.manual_seed(0)
    decoder = Queries(3, width=8, layers=1, heads=2, feedforward=16).eval()
    states, where, layout = torch.randn(6, 8), places([(2, 3)], 8), Layout([6])
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    plain = decoder(Packed(states, layout), where)
    assert_close(decoder(Packed(states[order], layout), where[order]), plain)
    assert not torch.allclose(decoder(Packed(states[order], layout), where), plain)


@pytest.mark.parametrize("width", [8, 10, 13])
def test_no_two_patches_have_the_same_place(width):
    where = places([(5, 7)], width)
    assert where.shape == (35, width)
    assert (torch.cdist(where, where) + torch.eye(35) > 1e-2).all()


def test_boxes_are_cut_off_at_the_sides_of_the_image():
    seen = {"grid": np.array([2, 2, 10, 20], np.int32)}
    found = head().encode({"boxes": [cell(-10, 5, 10, 30)]}, seen)
    (box,) = head().collate([{**seen, **found}])["boxes"]
    np.testing.assert_allclose(box, [0.25, 0.75, 0.5, 0.5])
    with pytest.raises(UnfitRow, match="outside the image"):
        head().encode({"boxes": [cell(30, 0, 40, 5)]}, seen)


def test_boxes_follow_the_view_of_their_image():
    """What is seen of them, and no object of which next to nothing is."""
    seen = {"grid": np.array([2, 4, 16, 32], np.int32)}
    example = {**seen, **head().encode({"boxes": [cell(0, 0, 8, 16, label="dust"), cell(16, 4, 28, 8)]}, seen)}
    mirrored = view((16, 32), mirror=True, quarters=0, scale=1.0, right=0.0, down=0.0)
    found = head().collate([{**example, "view": mirrored}])
    assert_close(edges(found["boxes"]) * 32, torch.tensor([[24.0, 0, 32, 32], [4, 8, 16, 16]]))
    assert found["classes"].tolist() == [1, 0]
    left = view((16, 32), mirror=False, quarters=0, scale=1.0, right=-7 / 32, down=0.0)
    found = head().collate([{**example, "view": left}])
    assert found["classes"].tolist() == [0]
    assert found["counts"].tolist() == [1]


def test_boxes_lie_in_the_image_best_first_and_are_bounded():
    made = head(threshold=0.0, most=3)
    states, targets = batch(made)
    for found, (_, _, height, width) in zip(made.predict(states, targets), GRIDS, strict=True):
        assert len(found["boxes"]) == 3
        scores = [b["score"] for b in found["boxes"]]
        assert scores == sorted(scores, reverse=True)
        for x0, y0, x1, y1 in (b["box"] for b in found["boxes"]):
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height


def test_more_objects_than_queries_are_an_error_with_the_fix():
    with pytest.raises(ValueError, match=r"an image has 6 objects, and head.queries is 5: ask for more"):
        Detect.fit([{"boxes": [cell(0, 0, 1, 1)] * 6}], DetectOptions(**SMALL))
    made = head(queries=2)  # of a test row, as many as can be matched
    assert made.loss(*batch(made)).total.isfinite()


def test_the_teacher_itself_is_not_far_away():
    made = head()
    states, targets = batch(made)
    assert made.distill(states, targets, made, states).total.item() == pytest.approx(0.0, abs=1e-4)
    away = states.like(states.values + 0.5 * torch.randn_like(states.values))
    assert made.distill(states, targets, made, away).total.item() > 0.01
