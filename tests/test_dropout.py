"""Dropout: right on average, independent, repeatable from the seed, and its own gradient mask."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from unisono.dropout import Dropout, draw, dropout, kept

N = 400_000


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_mean_and_variance_are_those_of_dropout(p):
    torch.manual_seed(0)
    y = dropout(torch.ones(N), p)
    kept = (y != 0).double().mean().item()
    bound = 5 * (p * (1 - p) / N) ** 0.5
    assert abs(kept - (1 - p)) < bound
    assert abs(y.mean().item() - 1) < bound / (1 - p) + 1e-5
    assert_close(y.unique(), torch.tensor([0.0, 1 / (1 - p)]))
    assert_close(y.var().item(), p / (1 - p), rtol=0.03, atol=0)


def test_places_and_draws_are_independent():
    torch.manual_seed(0)
    mask = kept(draw((N,)), 0.3).double() - 0.7
    bound = 5 * 0.21 / N**0.5
    for lag in (1, 2, 3, 4, 5, 8, 64):  # four elements share one 64-bit draw
        assert abs((mask[lag:] * mask[:-lag]).mean().item()) < bound, lag
    again = kept(draw((N,)), 0.3).double() - 0.7
    assert abs((mask * again).mean().item()) < bound
    by_place = kept(draw((N // 4, 4)), 0.3).double().mean(0)
    assert ((by_place - 0.7).abs() < 5 * (0.21 / (N // 4)) ** 0.5).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(7, 5), (3,), (1,), (2, 3, 4), (0, 4)])
def test_the_gradient_has_the_mask_of_the_value(dtype, shape):
    x = (torch.rand(shape) + 0.5).to(dtype).requires_grad_()
    y = dropout(x, 0.4)
    assert y.dtype == dtype and y.shape == shape
    up = torch.rand(shape).to(dtype)
    y.backward(up)
    assert_close(
        x.grad,
        up * (y != 0) / 0.6,
        atol=1e-6 if dtype.itemsize > 2 else 2e-2,
        rtol=2e-2 if dtype.itemsize == 2 else 1e-6,
    )


def test_finite_differences():
    x = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)

    def once(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return dropout(x, 0.3)

    assert torch.autograd.gradcheck(once, x)


def test_the_seed_decides():
    x = torch.ones(1000)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, two = dropout(x, 0.5), dropout(x, 0.5)
    torch.set_rng_state(state)
    assert torch.equal(dropout(x, 0.5), one) and torch.equal(dropout(x, 0.5), two)
    assert not torch.equal(one, two)


def test_nothing_happens_without_training_or_probability():
    x = torch.randn(10)
    state = torch.get_rng_state()
    assert dropout(x, 0.0) is x and dropout(x, 0.5, training=False) is x
    assert Dropout(0.5).eval()(x) is x
    assert torch.equal(torch.get_rng_state(), state), "no random number was drawn"
    assert not torch.equal(Dropout(0.5).train()(x), x)


def test_strided_values_and_extreme_probabilities():
    x = torch.arange(12.0).view(3, 4).t().add(1).requires_grad_()
    y = dropout(x, 0.5)
    assert_close(y, torch.where(y != 0, x * 2, 0.0))
    assert (dropout(torch.ones(100), 0.9999999) == 0).sum() >= 99
    assert (dropout(torch.ones(100), 1e-9) != 0).all()


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5])
def test_a_probability_is_one(p):
    with pytest.raises(ValueError, match="probability"):
        Dropout(p)


def test_it_is_a_module_with_a_printed_p():
    assert isinstance(Dropout(0.25), nn.Module)
    assert repr(Dropout(0.25)) == "Dropout(p=0.25)"
