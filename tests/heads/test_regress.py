"""regress: targets are standardised for the loss and come back in their own units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from unisono.heads import Targets, UnfitRow
from unisono.heads.regress import Regress, RegressOptions
from unisono.packed import Layout, Packed

WIDTH = 8


def build(labels: list[Any], **options: Any) -> Regress:
    torch.manual_seed(0)
    chosen = RegressOptions(**options)
    return Regress(WIDTH, chosen, Regress.fit(({"label": x} for x in labels), chosen)).eval()


def batch(head: Regress, labels: list[Any]) -> tuple[Packed, Targets]:
    layout = Layout([2] * len(labels))
    states = torch.randn(layout.total, WIDTH, generator=torch.Generator().manual_seed(1))
    return Packed(states, layout), head.collate([head.encode({"label": x}, {}) for x in labels])


def test_fit_is_mean_and_deviation_of_the_known() -> None:
    labels = [1.0, 2.0, 4.5, None, math.nan]
    assert Regress.fit([{"label": x} for x in labels], RegressOptions()) == {
        "mean": pytest.approx(np.mean(labels[:3])),
        "deviation": pytest.approx(np.std(labels[:3])),
    }


def test_a_constant_target_is_only_shifted() -> None:
    assert build([3.0, 3.0]).fitted == {"mean": 3.0, "deviation": 1.0}


def test_fit_without_numbers_says_so() -> None:
    with pytest.raises(ValueError, match="no training row has a number"):
        build([None])


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_loss_is_in_deviations_and_predictions_in_units(loss: str) -> None:
    labels = [100.0, 140.0, 120.0, 90.0]
    head = build(labels, loss=loss)
    states, targets = batch(head, [*labels, None])
    said = torch.tensor([p["value"] for p in head.predict(states, targets)])[:4]
    measure = F.mse_loss if loss == "mse" else F.huber_loss
    spread = torch.tensor(labels).std(correction=0)
    mean = torch.tensor(labels).mean()
    assert_close(
        head.loss(states, targets).mean(), measure((said - mean) / spread, (torch.tensor(labels) - mean) / spread)
    )


def test_without_scale_targets_are_as_they_are() -> None:
    head = build([100.0, 140.0], scale=False)
    assert head.encode({"label": 140.0}, {})["value"].tolist() == [140.0]


def test_large_means_do_not_eat_the_digits() -> None:
    labels = [1e9 + x for x in (0.0, 1.0, 2.0, 3.0)]
    head = build(labels)
    values = np.concatenate([head.encode({"label": x}, {})["value"] for x in labels])
    assert values == pytest.approx((np.arange(4) - 1.5) / np.std(np.arange(4)), rel=1e-6)


@pytest.mark.parametrize("label", ["high", math.inf, [1.0]])
def test_unfit_rows_say_why(label: Any) -> None:
    with pytest.raises(UnfitRow, match="expected a"):
        build([1.0, 2.0]).encode({"label": label}, {})


@pytest.mark.parametrize("label", [None, math.nan])
def test_missing_targets(label: Any) -> None:
    head = build([1.0, 2.0])
    assert head.units(batch(head, [label, 1.0])[1]) == 1
