"""Each method against its paper's equations, by obvious code over the gradients themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, nnls
from torch.testing import assert_close

from tests.balance.examples import built, jacobian, seen, step, update_of
from unisono.balance.scalarized import adam

SEEDS = pytest.mark.parametrize("seed", range(4))


def on_simplex(vector: np.ndarray) -> np.ndarray:
    """The nearest point of the simplex, by bisection on the shift."""
    low, high = vector.min() - 1, vector.max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.maximum(vector - middle, 0).sum() > 1 else (low, middle)
    return np.maximum(vector - low, 0)


def onto_cone(vector: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The nearest point to ``vector`` that has no negative product with a gradient: vector + Jᵀ λ, λ ≥ 0."""
    multipliers, _ = nnls(gradients.T, -vector)
    return vector + gradients.T @ multipliers


@SEEDS
def test_mgda_is_the_shortest_convex_combination(seed):
    matrix = jacobian(3, seed=seed, common=0.5).numpy()
    best = minimize(
        lambda w: ((w @ matrix) ** 2).sum(), np.full(3, 1 / 3), bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    found = update_of("mgda", torch.from_numpy(matrix)) / 3
    assert float(found.norm()) <= math.sqrt(best.fun) * 1.01 + 1e-6
    assert_close(found, torch.from_numpy(best.x @ matrix), rtol=0.05, atol=0.05)


@SEEDS
def test_pcgrad_projects_in_random_order(seed):
    matrix = jacobian(4, seed=seed)
    torch.manual_seed(seed)
    total = torch.zeros(12, dtype=torch.float64)
    for i in range(4):
        own = matrix[i].clone()
        for j in torch.randperm(4):
            if j != i and own @ matrix[j] < 0:
                own = own - (own @ matrix[j]) / (matrix[j] @ matrix[j]) * matrix[j]
        total += own
    assert_close(update_of("pcgrad", matrix, seed=seed), total)


@SEEDS
def test_gradvac_turns_gradients_to_the_remembered_agreement(seed):
    beta, agreement = 0.3, torch.zeros(3, 3, dtype=torch.float64)
    method = built("gradvac", 3, beta=beta)
    for number in range(3):
        matrix = jacobian(3, seed=10 * seed + number)
        torch.manual_seed(number)
        total = torch.zeros(12, dtype=torch.float64)
        for i in range(3):
            own, others = matrix[i].clone(), [j for j in range(3) if j != i]
            for j in (others[k] for k in torch.randperm(2).tolist()):
                cosine, wanted = torch.cosine_similarity(own, matrix[j], dim=0), agreement[i, j].clone()
                if cosine < wanted:
                    up = own.norm() * (wanted * (1 - cosine**2).sqrt() - cosine * (1 - wanted**2).sqrt())
                    own = own + up / (matrix[j].norm() * (1 - wanted**2).sqrt()) * matrix[j]
                agreement[i, j] = (1 - beta) * wanted + beta * cosine
            total += own
        assert_close(step(method, seen(matrix), number)[1], total, rtol=1e-5, atol=1e-5)


@SEEDS
def test_cagrad_maximizes_the_worst_gain_near_the_mean(seed):
    matrix, c = jacobian(3, seed=seed, common=0.5).numpy(), 0.5
    mean = matrix.mean(0)
    radius = c * np.linalg.norm(mean)
    found = update_of("cagrad", torch.from_numpy(matrix), c=c).numpy() / 3
    assert np.linalg.norm(found - mean) <= radius * 1.001
    dual = minimize(
        lambda w: (w @ matrix) @ mean + radius * np.linalg.norm(w @ matrix), np.full(3, 1 / 3), bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, method="SLSQP", options={"ftol": 1e-14},
    )  # fmt: skip
    assert (matrix @ found).min() == pytest.approx(dual.fun, rel=0.02, abs=0.02)  # no gap between primal and dual


def test_graddrop_keeps_one_sign_of_each_number():
    matrix = jacobian(3, width=4000)
    update = update_of("graddrop", matrix)
    positive, negative = matrix.clamp(min=0).sum(0), matrix.clamp(max=0).sum(0)
    kept = torch.where(update > 0, positive, negative)
    assert_close(update, kept)
    purity = 0.5 * (1 + matrix.sum(0) / matrix.abs().sum(0))
    assert float((update > 0).double().mean()) == pytest.approx(float(purity.mean()), abs=0.03)


@SEEDS
def test_imtl_g_projects_alike_on_every_gradient(seed):
    matrix = jacobian(3, seed=seed, common=1.0)
    weights, update = step(built("imtl-g", 3), seen(matrix))
    shadows = matrix / matrix.norm(dim=1, keepdim=True) @ update
    assert_close(shadows, shadows[:1].expand(3), rtol=1e-6, atol=1e-8)
    assert float(weights.sum()) == pytest.approx(3)


@SEEDS
def test_nash_mtl_solves_the_bargaining_equation(seed):
    matrix = jacobian(3, seed=seed, common=1.0)
    method = built("nash-mtl", 3)
    for _ in range(3):
        weights, _ = step(method, seen(matrix))
    gramian = matrix @ matrix.T
    product = gramian @ weights * weights
    assert_close(product, torch.ones(3, dtype=torch.float64), rtol=0.05, atol=0.05)


@SEEDS
def test_aligned_mtl_brings_all_singular_values_to_the_least(seed):
    matrix = jacobian(3, seed=seed)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    aligned = values.min() * left @ right
    assert_close(update_of("aligned-mtl", matrix), aligned.sum(0))


@SEEDS
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_fairgrad_solves_its_equation(seed, alpha):
    matrix = jacobian(3, seed=seed, common=1.0)
    weights, _ = step(built("fairgrad", 3, alpha=alpha), seen(matrix))
    assert_close(matrix @ matrix.T @ weights, weights ** (-1 / alpha), rtol=2e-2, atol=2e-2)


def test_modo_takes_one_projected_step():
    matrix, weights = jacobian(3), np.full(3, 1 / 3)
    method, gramian = built("modo", 3, gamma=0.01, rho=0.2), (matrix @ matrix.T).numpy()
    for number in range(4):
        weights = on_simplex(weights - 0.01 * (gramian @ weights + 0.2 * weights))
        found, _ = step(method, seen(matrix), number)
        assert_close(found / 3, torch.from_numpy(weights))


def test_sdmgrad_descends_on_the_simplex():
    matrix, w, tilde = jacobian(3), np.full(3, 1 / 3), np.full(3, 1 / 3)
    gramian = (matrix @ matrix.T).numpy()
    scaled = gramian / (np.sqrt(np.diag(gramian)).mean() ** 2 + 1e-8)
    velocity = np.zeros(3)
    for _ in range(20):
        velocity = 0.5 * velocity + scaled @ (w + 0.3 * tilde)
        w = on_simplex(w - 10.0 * velocity)
    found, _ = step(built("sdmgrad", 3), seen(matrix))
    assert_close(found / 3, torch.from_numpy((w + 0.3 * tilde) / 1.3))


@SEEDS
def test_config_has_the_same_angle_to_every_gradient(seed):
    matrix = jacobian(3, seed=seed)
    update = update_of("config", matrix)
    unit = update / update.norm()
    angles = matrix / matrix.norm(dim=1, keepdim=True) @ unit
    assert_close(angles, angles[:1].expand(3), rtol=1e-6, atol=1e-8)
    assert float(update.norm()) == pytest.approx(float((matrix @ unit).sum()))


@SEEDS
def test_dualproj_is_the_nearest_point_that_harms_nobody(seed):
    matrix = jacobian(3, seed=seed).numpy()
    expected = onto_cone(matrix.sum(0), matrix)
    assert_close(update_of("dualproj", torch.from_numpy(matrix)), torch.from_numpy(expected), rtol=2e-2, atol=2e-2)


@SEEDS
def test_upgrad_sums_every_gradient_s_projection(seed):
    matrix = jacobian(3, seed=seed).numpy()
    expected = sum(onto_cone(gradient, matrix) for gradient in matrix)
    assert_close(update_of("upgrad", torch.from_numpy(matrix)), torch.from_numpy(expected), rtol=2e-2, atol=2e-2)


def test_uncertainty_follows_the_gradient_of_its_loss():
    losses, lr, s = torch.tensor([0.5, 2.0, 8.0], dtype=torch.float64), 0.1, torch.zeros(3, dtype=torch.float64)
    method, moments = built("uncertainty", 3, lr=lr), torch.zeros(3, 3, dtype=torch.float64)
    for _ in range(300):
        weights, _ = step(method, seen(jacobian(3), losses.tolist()))
        assert_close(weights, 0.5 * torch.exp(-s))
        s = s - lr * adam(moments, 0.5 - 0.5 * torch.exp(-s) * losses, torch.arange(3))
    assert_close(
        2 * weights * losses, torch.ones(3, dtype=torch.float64), rtol=0.02, atol=0.02
    )  # σ² = L at the optimum


def test_imtl_l_makes_all_scaled_losses_one():
    losses = [0.5, 2.0, 8.0]
    method = built("imtl-l", 3, lr=0.1)
    for _ in range(300):
        weights, _ = step(method, seen(jacobian(3), losses))
    assert_close(
        weights * torch.tensor(losses, dtype=torch.float64), torch.ones(3, dtype=torch.float64), rtol=0.02, atol=0.02
    )


def test_adam_is_torch_s():
    slopes = jacobian(5, width=3)
    number = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([number], lr=0.1)
    own, moments = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for slope in slopes:
        number.grad = slope.clone()
        optimizer.step()
        own = own - 0.1 * adam(moments, slope, torch.arange(3))
    assert_close(own, number.detach())


def test_dwa_compares_the_last_two_epochs():
    method = built("dwa", 2)  # an epoch is two steps here
    epochs = [[[4.0, 4.0], [2.0, 4.0]], [[1.0, 4.0], [2.0, 2.0]]]
    for epoch in epochs:
        for losses in epoch:
            assert_close(step(method, seen(jacobian(2), losses))[0], torch.ones(2, dtype=torch.float64))
    rates = torch.tensor([1.5 / 3.0, 3.0 / 4.0], dtype=torch.float64)
    assert_close(step(method, seen(jacobian(2), [1.0, 1.0]))[0], 2 * torch.softmax(rates / 2, 0))


def test_rlw_is_a_softmax_of_normal_draws():
    torch.manual_seed(3)
    expected = 3 * torch.softmax(torch.randn(3, dtype=torch.float64), 0)
    assert_close(step(built("rlw", 3), seen(jacobian(3)), 3)[0], expected)


def test_gls_and_stch_are_derivatives():
    losses = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)
    weights, _ = step(built("gls", 3), seen(jacobian(3), losses.tolist()))
    assert_close(weights, losses.prod() ** (1 / 3) / (3 * losses))
    weights, _ = step(built("stch", 3, mu=0.5), seen(jacobian(3), losses.tolist()))
    assert_close(weights, torch.softmax(losses / 3 / 0.5, 0) / 3)


def test_famo_follows_algorithm_1():
    method, lr, decay = built("famo", 2), 0.025, 0.001
    logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=lr, weight_decay=decay)
    losses = torch.tensor([2.0, 0.5], dtype=torch.float64)
    for fall in ([0.9, 0.5], [1.0, 0.7], [0.6, 0.9]):
        z = torch.softmax(logits, 0)
        weights = method.weights(seen(jacobian(2), losses.tolist()))
        expected = (z / losses) / (z / losses).sum()
        assert_close(weights, expected.detach())
        after = losses * torch.tensor(fall, dtype=torch.float64)
        method.after((0, 1), after)
        optimizer.zero_grad()
        (torch.softmax(logits, 0) * (losses.log() - after.log())).sum().backward()
        optimizer.step()
        losses = after


def test_gradnorm_pushes_norms_to_their_targets():
    matrix, losses = torch.diag(torch.tensor([1.0, 10.0], dtype=torch.float64)), [1.0, 1.0]
    method = built("gradnorm", 2, alpha=1.5, lr=0.01)
    for _ in range(500):
        weights, _ = step(method, seen(matrix, losses))
    sizes = weights * matrix.norm(dim=1)
    assert float(sizes[0]) == pytest.approx(float(sizes[1]), rel=0.1)  # equal rates: equal norms
    assert float(weights.sum()) == pytest.approx(2)
    slow = built("gradnorm", 2, alpha=1.5, lr=0.01)
    step(slow, seen(torch.eye(2, dtype=torch.float64), [1.0, 1.0]))
    for _ in range(500):
        weights, _ = step(slow, seen(torch.eye(2, dtype=torch.float64), [1.0, 0.5]))
    rates = torch.tensor([1.0, 0.5], dtype=torch.float64) / 0.75
    assert_close(weights / weights.mean(), rates**1.5 / (rates**1.5).mean(), rtol=0.1, atol=0.1)


def test_db_mtl_sums_running_gradients_of_one_length():
    method, kept = built("db-mtl", 2, beta=0.9, beta_sigma=0.5), torch.zeros(2, 12, dtype=torch.float64)
    for number in range(1, 5):
        matrix, losses = jacobian(2, seed=number), torch.tensor([0.5, 3.0], dtype=torch.float64)
        past = 0.9 / number**0.5
        kept = past * kept + (1 - past) * matrix / losses[:, None]
        norms = kept.norm(dim=1)
        expected = norms.max() * (kept / norms[:, None]).sum(0)
        assert_close(step(method, seen(matrix, losses.tolist()))[1], expected, rtol=1e-5, atol=1e-5)


def test_excess_mtl_takes_an_exponentiated_step():
    method, squares, first = built("excess-mtl", 2), torch.zeros(2, 12, dtype=torch.float64), None
    weights = torch.full((2,), 0.5, dtype=torch.float64)
    for number in range(3):
        matrix = jacobian(2, seed=number)
        squares += matrix**2
        risk = (matrix**2 / (squares + 1e-7).sqrt()).sum(1)
        scaled = risk if first is None else risk / (first + 1e-7)
        first = risk if first is None else first
        weights = torch.softmax(weights.log() + scaled, 0)
        assert_close(step(method, seen(matrix))[0], 2 * weights)
