"""Ema equals the average written out by hand, replaces the weights only when asked, and survives a checkpoint."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from unisono.train.ema import Ema


def wander(model: nn.Module) -> None:
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p))


def test_ema_is_the_average_by_hand():
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    ema, slow = Ema(model.named_parameters(), decay=0.5), model.weight.detach().clone()
    for n in range(20):
        wander(model)
        kept = min(0.5, (1 + n) / (10 + n))
        slow = kept * slow + (1 - kept) * model.weight.detach()
        ema.update(model.named_parameters())
    assert_close(ema.tensors()["weight"], slow)


def test_swapped_only_within_and_also_after_an_error():
    model = nn.Linear(3, 2)
    ema = Ema(model.named_parameters(), decay=0.9)
    for _ in range(3):
        wander(model)
        ema.update(model.named_parameters())
    live, mean, place = model.weight.detach().clone(), ema.tensors()["weight"].clone(), model.weight.data_ptr()

    def fail_inside() -> None:
        with ema.swapped(model.named_parameters()):
            assert_close(model.weight.detach(), mean, rtol=0, atol=0)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_inside()
    assert_close(model.weight.detach(), live, rtol=0, atol=0)
    assert_close(ema.tensors()["weight"], mean, rtol=0, atol=0)
    assert model.weight.data_ptr() == place


def test_restored_it_goes_on_to_the_bit():
    model = nn.Linear(3, 2)
    ema = Ema(model.named_parameters(), decay=0.99)
    wander(model)
    ema.update(model.named_parameters())
    saved = {k: v.clone() for k, v in ema.tensors().items()}
    other = Ema(nn.Linear(3, 2).named_parameters(), decay=0.99)
    other.load(saved)
    again = Ema(model.named_parameters(), decay=0.99)
    again.load(saved)
    wander(model)
    ema.update(model.named_parameters())
    again.update(model.named_parameters())
    assert again.updates == ema.updates == 2
    assert_close(again.tensors(), ema.tensors(), rtol=0, atol=0)
    assert_close(other.tensors(), saved, rtol=0, atol=0)


def test_a_decay_of_one_is_refused():
    with pytest.raises(ValueError, match="decay"):
        Ema([], decay=1.0)
