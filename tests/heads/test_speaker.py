"""speaker: the margin against angles themselves, strangers, and what training does to vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from unisono.heads import MISSING
from unisono.heads.speaker import Speaker, SpeakerOptions, with_margin
from unisono.packed import Layout, Packed

NONE: dict[str, np.ndarray] = {}


def build(names: list[str | None], **options: float) -> Speaker:
    torch.manual_seed(0)
    chosen = SpeakerOptions.model_validate(options)
    return Speaker(8, chosen, Speaker.fit([{"label": n} for n in names], chosen)).eval()


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5])
def test_the_margin_turns_the_angle(margin: float) -> None:
    angles = torch.linspace(0.01, math.pi - 0.01, 200, dtype=torch.float64)
    cosines = torch.stack([angles.cos(), torch.full_like(angles, 0.3)], 1)
    out = with_margin(cosines, torch.zeros(200, dtype=torch.long), margin)
    below = angles + margin < math.pi
    assert_close(out[below, 0], (angles[below] + margin).cos(), atol=1e-6, rtol=1e-6)
    assert (out[:, 0].diff() < 1e-9).all()  # farther is never better, beyond π - margin too
    assert_close(out[:, 1], cosines[:, 1])


def test_rows_without_a_label_have_no_margin_and_gradients_are_finite_at_the_ends() -> None:
    cosines = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]], requires_grad=True)
    out = with_margin(cosines, torch.tensor([0, 0, MISSING]), 0.2)
    assert_close(out[2], cosines[2])
    out.sum().backward()
    assert cosines.grad is not None and cosines.grad.isfinite().all()


def test_without_a_margin_it_is_a_softmax_over_cosines() -> None:
    head = build(["a", "b", "c"], margin=0, scale=7)
    states = Packed(torch.randn(9, 8), Layout([3, 3, 3]))
    targets = head.collate([head.encode({"label": n}, NONE) for n in "cab"])
    expected = torch.nn.functional.cross_entropy(head.cosines(states) * 7, torch.tensor([2, 0, 1]), reduction="sum")
    assert_close(head.loss(states, targets).total, expected)
    harder = build(["a", "b", "c"], margin=0.3, scale=7).loss(states, targets).total
    assert harder > expected


def test_strangers_have_no_class_and_a_vector() -> None:
    head = build(["a", "b", None])
    assert head.encode({"label": "z"}, NONE)["label"].tolist() == [MISSING]
    assert head.fitted == {"labels": ["a", "b"]}
    states = Packed(torch.randn(6, 8), Layout([2, 4]))
    for prediction in head.predict(states, head.collate([head.encode({"label": "z"}, NONE)] * 2)):
        assert sum(x * x for x in prediction["vector"]) == pytest.approx(1, abs=1e-4)
        assert sum(prediction["scores"].values()) == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="nobody to tell apart"):
        build(["a", "a", None])


def test_learned_vectors_of_one_speaker_lie_closer_by_the_margin() -> None:
    head = build([*"abcd"], margin=0.4, dropout=0.0)
    centres = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    names = [*"abcd"] * 8
    rows = torch.stack([centres["abcd".index(n)] for n in names])
    states = Packed(rows + 0.3 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(2)), Layout([1] * 32))
    targets = head.collate([head.encode({"label": n}, NONE) for n in names])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        head.loss(states, targets).mean().backward()
        optimizer.step()
    vectors = head.vectors(states)
    alike = vectors @ vectors.t()
    same = torch.tensor([[a == b for b in names] for a in names])
    assert alike[same].min() > alike[~same].max()
