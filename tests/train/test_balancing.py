"""Balancing: captured gradients are the true ones, every method trains and resumes, heads keep what is theirs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from tests.balance.examples import EVERY
from tests.train.runs import TASKS, run, small
from tests.train.test_loop import _stop_after, tensors
from unisono.prepare import build_model, encode, read_tables
from unisono.recipe import Recipe, RecipeError, build
from unisono.train.balanced import Balanced
from unisono.train.bundles import NONE
from unisono.train.events import Bus, Gradients, Noted, Stepped
from unisono.train.loop import Loop
from unisono.train.processes import make_accelerator
from unisono.train.shared import densify, shared_layers, sparse_tables
from unisono.train.step import Around


def still(folder: Path, balance: object = "sum", **train: object) -> Recipe:
    """The small recipe without dropout, so that two ways to the same gradient can be compared."""
    tasks = {n: {**t, "head": {**t.get("head", {}), "dropout": 0}} for n, t in TASKS.items()}
    recipe = small(folder, tasks, **train)
    raw = recipe.model_dump(mode="json")
    return build({**raw, "trunk": {**raw["trunk"], "dropout": 0.0}, "balance": balance})


def loop_of(recipe: Recipe) -> Loop:
    accelerator = make_accelerator(recipe)
    tables = read_tables(recipe, run=None)
    model = build_model(recipe, tables)
    examples = encode(recipe, tables, model, ("train", "validation"))
    return Loop(recipe, tables, examples, model, Path(recipe.folder), Bus([]), accelerator)


def of_tasks(loop: Loop, rows: dict[str, list[int]]) -> dict[str, list[int]]:
    """task -> its examples among a step's rows."""
    found = {t: own for key, taken in rows.items() for t, own in loop.bundles[key].numbers(taken).items()}
    return {task: [n for n in found[task] if n != NONE] for task in loop.examples if task in found}


def reference(loop: Loop, rows: dict[str, list[int]]) -> dict[str, dict[str, torch.Tensor]]:
    """task -> parameter -> gradient of the task's mean loss, by one plain backward pass each, from full tables."""
    out = {}
    for module in loop.model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.sparse = False
    for task, own in of_tasks(loop, rows).items():
        loop.model.zero_grad(set_to_none=True)
        batch = loop.model.collate(task, [loop.examples[task]["train"][r] for r in own])
        loop.model(batch).mean().backward()
        out[task] = {n: p.grad.clone() for n, p in loop.model.named_parameters() if p.grad is not None}
    loop.model.zero_grad(set_to_none=True)
    sparse_tables(loop.model)
    return out


def flat(gradients: dict[str, torch.Tensor], names: list[str], like: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([gradients.get(n, torch.zeros_like(like[n])).flatten() for n in names]).double()


@pytest.mark.parametrize("micro_tokens", [None, 40])
@pytest.mark.parametrize("method", ["upgrad", "graddrop"])
def test_the_captured_gramian_is_the_true_one(tmp_path, micro_tokens, method):
    loop = loop_of(still(tmp_path, method, micro_tokens=micro_tokens))
    rows = loop.draw()
    true = reference(loop, rows)
    _, _, found = loop._forward_backward(rows)
    assert found.gramians is not None and found.tasks == tuple(TASKS)
    parameters = dict(loop.model.named_parameters())
    layers, _ = shared_layers(loop.model)
    known = {id(p): n for n, p in parameters.items()}
    for layer, group in layers.items():
        names = [known[id(p)] for p in group]
        matrix = torch.stack([flat(true[task], names, parameters) for task in found.tasks])
        assert_close(found.gramians[layer], matrix @ matrix.T, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["upgrad", "uncertainty", "gls", "modo"])
def test_the_update_is_the_weighted_sum_and_heads_keep_their_own(tmp_path, method):
    loop = loop_of(still(tmp_path, method))
    rows = loop.draw()
    true = reference(loop, rows)
    _, _, found = loop._forward_backward(rows)
    densify(list(loop.model.parameters()))
    for name, p in loop.model.named_parameters():
        if p.grad is None:
            continue
        if name.startswith("heads."):
            task = name.split(".")[1]
            scale = found.weights[task] if method in ("uncertainty", "gls") else 1.0
            assert_close(p.grad, scale * true[task][name], rtol=2e-3, atol=1e-5)
        else:
            parts = [found.weights[t] * g[name] for t, g in true.items() if name in g]
            assert_close(p.grad, torch.stack(parts).sum(0), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("micro_tokens", [None, 40])
@pytest.mark.parametrize("method", ["upgrad", "gls", "modo"])
def test_with_few_gradients_in_memory_a_step_is_the_same(tmp_path, method, micro_tokens):
    def step(hold: int | None) -> tuple[Loop, dict[str, torch.Tensor], Balanced]:
        balance = {"method": method, **({"hold": hold} if hold else {})}
        recipe = still(tmp_path, balance, micro_tokens=micro_tokens)
        loop = loop_of(build({**recipe.model_dump(mode="json"), "mix": {"share_rows": method == "upgrad"}}))
        _, _, found = loop._forward_backward(loop.draw())
        loop._sum_gradients()
        return loop, {n: p.grad for n, p in loop.model.named_parameters() if p.grad is not None}, found

    (_, whole, all_at_once), (loop, few, found) = step(None), step(2)
    assert loop.balancing._capture is not None and len(loop.balancing._capture._buffer) == 2  # of three tasks
    assert found.losses.keys() == all_at_once.losses.keys() and whole.keys() == few.keys()
    for task, losses in found.losses.items():
        assert_close(torch.stack(losses), torch.stack(all_at_once.losses[task]))
    assert list(found.weights.values()) == pytest.approx(list(all_at_once.weights.values()), rel=1e-3)
    for layer, gramian in all_at_once.gramians.items():
        assert_close(found.gramians[layer], gramian, rtol=1e-3, atol=1e-6)
    for name, gradient in whole.items():
        assert_close(few[name], gradient, rtol=1e-3, atol=1e-5)


def test_runs_again_draw_the_same_dropout(tmp_path):
    """With dropout, a Gramian put together from several runs is still that of some fixed gradients."""
    recipe = small(tmp_path).model_dump(mode="json")
    loops = [loop_of(build({**recipe, "balance": {"method": "mgda", "hold": hold}})) for hold in (2, 2)]
    for loop in loops:
        loop.model.train()
    rows = loops[0].draw()
    a, b = (loop._forward_backward(rows)[2] for loop in loops)
    assert a.gramians is not None and b.gramians is not None
    for layer, gramian in a.gramians.items():
        assert torch.equal(gramian, b.gramians[layer])
        assert torch.linalg.eigvalsh(gramian).min() > -1e-5 * gramian.diagonal().max()  # of other runs it would not be
    loops[0]._sum_gradients()
    shared = [p.grad for n, p in loops[0].model.named_parameters() if p.grad is not None and not n.startswith("heads.")]
    whole = torch.stack(list(a.gramians.values())).sum(0)
    weights = torch.tensor([a.weights[t] for t in a.tasks], dtype=torch.float64)
    length = torch.cat([g.flatten() for g in shared]).double().square().sum()
    assert length == pytest.approx(float(weights @ whole @ weights), rel=1e-3)  # the update is of these gradients too


def test_measuring_changes_nothing_and_is_told(tmp_path):
    plain = run(still(tmp_path / "plain"))
    told = run(still(tmp_path / "told", {"method": "sum", "conflicts": True}))
    for a, b in zip(plain.of(Stepped), told.of(Stepped), strict=True):
        assert a.losses == pytest.approx(b.losses, rel=1e-4)
    events = told.of(Gradients)
    assert [e.step for e in events] == [3, 6] and not plain.of(Gradients)
    assert set(events[0].cosines) == {"embeddings", "layer.0", "all"}
    for matrix in events[0].cosines.values():
        assert all(matrix[i][i] == pytest.approx(1) and -1.001 <= c <= 1.001 for i in range(3) for c in matrix[i])


@pytest.mark.slow
@pytest.mark.parametrize("method", EVERY)
def test_every_method_trains_and_resumes_to_the_bit(tmp_path, monkeypatch, method):
    settings = {"save_every": 1, "steps": 4, "evaluate_every": 4}

    def recipe(name: str) -> Recipe:
        return small(tmp_path / name, **settings).model_copy(update={"balance": build_balance(method)})

    whole = run(recipe("whole"))
    assert not [e.text for e in whole.of(Noted) if "balance" in e.text]
    _stop_after(2, monkeypatch)
    run(recipe("cut"))
    monkeypatch.undo()
    run(recipe("cut"))
    a, b = tensors(tmp_path / "whole"), tensors(tmp_path / "cut")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def build_balance(method: str) -> object:
    return build({"trunk": "minilm", "tasks": TASKS, "balance": method}).balance


def test_a_solver_that_fails_costs_the_balance_of_one_step(tmp_path, monkeypatch):
    from unisono.balance.gramian import ByGramian

    def fail(self: object, seen: object) -> None:
        raise ArithmeticError("no solution")

    monkeypatch.setattr(ByGramian, "weights", fail)
    broken, plain = run(still(tmp_path / "a", "upgrad")), run(still(tmp_path / "b"))
    assert any("no solution" in e.text and "plain sum" in e.text for e in broken.of(Noted))
    for a, b in zip(plain.of(Stepped), broken.of(Stepped), strict=True):
        assert a.losses == pytest.approx(b.losses, rel=1e-4)


def test_famo_looks_at_the_same_rows_after_the_update(tmp_path, monkeypatch):
    from unisono.balance.scalarized import FAMO

    looked: list[tuple[torch.Tensor, torch.Tensor]] = []
    after = FAMO.after

    def listening(self: FAMO, places: list[int], losses: torch.Tensor) -> None:
        looked.append((self.latest[list(places)].clone(), losses.clone()))
        after(self, places, losses)

    monkeypatch.setattr(FAMO, "after", listening)
    run(still(tmp_path, "famo", head_lr=1e-2, schedule="constant", warmup=0.0))
    assert len(looked) == 6
    assert all((b < a).float().mean() > 0.5 for a, b in looked)  # the same rows, after a step that lowered their losses


def test_partial_labels_leave_a_task_out_of_the_balance(tmp_path):
    loop = loop_of(still(tmp_path, "upgrad"))
    rows = loop.draw()
    passes = loop._passes(rows)
    units = {**loop._units(passes), "intent": 0}
    around = Around(loop.model.states_of, loop.model.loss_of, nullcontext, lambda loss: loss.backward())
    found = loop.balancing.take(passes, units, around, step=1)
    assert "intent" not in found.tasks and len(found.tasks) == 2


@pytest.mark.parametrize(
    ("balance", "line"),
    [
        ("upgard", 'balance: "upgard" is not a balance; did you mean "upgrad"?'),
        ({"method": "cagrad", "d": 1}, '"d" is not an option of cagrad'),
        ({"method": "cagrad", "c": "x"}, "c: 'x' is not like its default 0.5"),
        ({"method": "cagrad", "hold": 1}, "balance.hold: input should be greater than or equal to 2, found 1"),
    ],
)
def test_a_wrong_balance_is_one_line(balance, line):
    with pytest.raises(RecipeError, match=".*") as error:
        build({"trunk": "minilm", "tasks": TASKS, "balance": balance})
    assert line in str(error.value) and "\n" not in str(error.value)


def test_options_reach_the_method_and_the_resolved_recipe():
    recipe = build({"trunk": "minilm", "tasks": TASKS, "balance": "cagrad"}, overrides=["balance.c=0.25"])
    assert recipe.balance.options == {"c": 0.25}
    assert build({**recipe.model_dump(mode="json")}).balance == recipe.balance
