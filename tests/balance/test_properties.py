"""What every method promises, over the whole registry, and what some claim of themselves."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from tests.balance.examples import AGGREGATIONS, EVERY, RANDOM, built, jacobian, seen, step, update_of
from unisono.balance.make import make
from unisono.balance.methods import METHODS, SUMS

WANTED = [
    "fixed", "auto", "uncertainty", "dwa", "rlw", "gls", "famo", "imtl-l", "stch", "gradnorm", "db-mtl", "excess-mtl",
    "sum", "mgda", "pcgrad", "gradvac", "cagrad", "graddrop", "imtl-g", "nash-mtl", "aligned-mtl", "fairgrad",
    "sdmgrad", "modo", "config", "dualproj", "upgrad"
]  # fmt: skip


def test_all_methods_are_there():
    assert set(WANTED) == set(METHODS)


@pytest.mark.parametrize("name", EVERY)
def test_a_step_gives_finite_weights_and_an_update(name):
    weights, update = step(built(name, 4), seen(jacobian(4)))
    assert weights.shape == (4,) and update.shape == (12,)
    assert torch.isfinite(weights).all() and torch.isfinite(update).all()


@pytest.mark.parametrize("name", EVERY)
def test_what_is_remembered_survives_saving(name):
    one, other = built(name, 3), built(name, 3)
    for number in range(5):
        step(one, seen(jacobian(3, seed=number), [1 / (number + 1), 2.0, 3.0 / (number + 1)]), number)
    other.load_state_dict({key: value.clone() for key, value in one.state_dict().items()})
    for number in range(5, 8):
        shown = seen(jacobian(3, seed=number), [0.3, 2.0, 0.5])
        a, b = step(one, shown, number), step(other, shown, number)
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert one.state_dict().keys() == other.state_dict().keys()


@pytest.mark.parametrize("name", EVERY)
def test_a_step_may_show_a_part_of_the_tasks(name):
    method = built(name, 4)
    step(method, seen(jacobian(4)))
    weights, update = step(method, seen(jacobian(2, seed=5), places=[1, 3]))
    assert weights.shape == (2,) and torch.isfinite(update).all()
    weights, _ = step(method, seen(jacobian(1, seed=6), places=[2]))
    assert weights.shape == (1,)
    weights, _ = step(method, seen(jacobian(4, seed=7)))
    assert torch.isfinite(weights).all()


@pytest.mark.parametrize("name", [n for n in EVERY if n not in RANDOM])
def test_the_order_of_the_tasks_does_not_matter(name):
    matrix, losses, order = jacobian(4, common=0.5), [0.5, 1.0, 2.0, 4.0], [2, 0, 3, 1]
    straight = update_of(name, matrix, losses=losses)
    turned = update_of(name, matrix[order], losses=[losses[i] for i in order])
    assert_close(straight, turned, rtol=2e-3, atol=2e-3)


# gls, stch and famo weigh by losses, cagrad and the solvers' tolerances are relative to the Gramian's size.
@pytest.mark.parametrize("name", [n for n in AGGREGATIONS if n not in ("modo",)])
def test_larger_gradients_do_not_turn_the_update(name):
    matrix = jacobian(3, common=1.0)
    one, large = update_of(name, matrix), update_of(name, 20 * matrix)
    assert_close(one / one.norm(), large / large.norm(), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["imtl-g", "config", "nash-mtl"])
def test_a_task_s_scale_does_not_turn_the_update(name):
    matrix = jacobian(3, common=1.0)
    scaled = matrix * torch.tensor([[1.0], [30.0], [0.2]], dtype=torch.float64)
    one, other = update_of(name, matrix), update_of(name, scaled)
    assert torch.cosine_similarity(one, other, dim=0) > 0.999


@pytest.mark.parametrize("name", ["mgda", "upgrad", "dualproj", "nash-mtl", "fairgrad", "config", "imtl-g"])
@pytest.mark.parametrize("seed", range(8))
def test_no_task_gets_worse(name, seed):
    """The update's inner product with every gradient is not negative."""
    matrix = jacobian(3, seed=seed)
    update = update_of(name, matrix)
    gains = matrix @ update / (matrix.norm(dim=1) * update.norm().clamp(min=1e-12))
    assert gains.min() > -2e-3, gains


@pytest.mark.parametrize("name", ["mgda", "upgrad", "dualproj", "pcgrad"])
def test_where_no_direction_helps_all_the_update_is_zero(name):
    """Two opposed gradients: every point of the segment between them is Pareto stationary."""
    gradient = jacobian(1)[0]
    update = update_of(name, torch.stack([gradient, -2 * gradient]))
    assert update.norm() < 0.02 * gradient.norm()


@pytest.mark.parametrize("name", [n for n in AGGREGATIONS if n not in ("graddrop",)])
def test_gradients_that_do_not_conflict_give_their_sum(name):
    """Orthogonal and of the same length: nothing is to be balanced; so a learning rate need not follow the method."""
    matrix = torch.eye(3, 12, dtype=torch.float64)
    update = update_of(name, matrix)
    direction = update / update.norm()
    assert_close(direction, matrix.sum(0) / math.sqrt(3), rtol=1e-2, atol=1e-2)
    low, high = (0.5, 1.6)  # cagrad goes 1 + c, nash-mtl and fairgrad by their own normalisation
    assert low < float(update.norm()) / math.sqrt(3) < high


@pytest.mark.parametrize("name", SUMS)
def test_the_plain_sum_needs_no_method(name):
    assert make(name, 3) is None and METHODS[name].kind == "weighting"
