"""Affinity: the look ahead is what it says, leaves no trace, and the groups are the best ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.train.runs import run
from tests.train.test_balancing import loop_of, of_tasks, still
from tests.train.test_loop import tensors
from unisono.study import grouping
from unisono.study.affinity import affinity
from unisono.train.events import Affinity, Stepped

WANTED = {"method": "sum", "affinity": True}


@pytest.mark.parametrize("method", ["sum", "graddrop", "modo"])
def test_a_look_ahead_is_a_step_and_back(tmp_path, method):
    loop = loop_of(still(tmp_path, method))
    rows, rate = loop.draw(), 0.05
    before = {name: p.detach().clone() for name, p in loop.model.named_parameters()}
    _, _, found = loop._forward_backward(rows, ahead=rate)
    own_rows = of_tasks(loop, rows)
    assert all(torch.equal(p, before[name]) for name, p in loop.model.named_parameters())
    assert found.affinity is not None

    def means() -> torch.Tensor:
        out = []
        for task, own in own_rows.items():
            batch = loop.model.collate(task, [loop.examples[task]["train"][r] for r in own])
            out.append(loop.model(batch).mean().detach().double())
        return torch.stack(out)

    base, table = means(), loop.model.text.embedding
    table.sparse = False
    for at, (task, own) in enumerate(own_rows.items()):
        loop.model.zero_grad(set_to_none=True)
        batch = loop.model.collate(task, [loop.examples[task]["train"][r] for r in own])
        loop.model(batch).mean().backward()
        with torch.no_grad():
            for name, p in loop.model.named_parameters():
                if p.grad is not None and not name.startswith("heads."):
                    p -= rate * p.grad
            assert_close(found.affinity[at], 1 - means() / base, rtol=1e-2, atol=1e-5)
            for name, p in loop.model.named_parameters():
                p.copy_(before[name])


def test_looking_changes_no_bit_of_the_run(tmp_path):
    looked = run(still(tmp_path / "a", {**WANTED, "conflicts": True}))
    measured = run(still(tmp_path / "b", {"method": "sum", "conflicts": True}))
    assert [e.losses for e in looked.of(Stepped)] == [e.losses for e in measured.of(Stepped)]
    a, b = tensors(tmp_path / "a"), tensors(tmp_path / "b")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert [e.step for e in looked.of(Affinity)] == [3, 6]


def test_the_study_reads_its_run_and_runs_it_once(tmp_path):
    recipe = still(tmp_path)
    result = affinity(recipe)
    assert json.loads((tmp_path / "affinity" / "affinity.json").read_text()) == result
    assert result["looks"] == 2 and sorted(t for g in result["groups"] for t in g) == sorted(recipe.tasks)
    matrix = np.array(result["affinity"])
    assert (matrix.diagonal() > 0).all()  # a step on a task lowers its own loss
    assert np.allclose(np.array(result["cosines"]["all"]).diagonal(), 1, atol=1e-5)
    stamp = (tmp_path / "affinity" / "joint" / "events.jsonl").stat().st_mtime_ns
    assert affinity(recipe) == result
    assert (tmp_path / "affinity" / "joint" / "events.jsonl").stat().st_mtime_ns == stamp


def test_groups_of_friends_are_found():
    friends = np.full((5, 5), -1.0)
    for group in ([0, 3], [1, 2, 4]):
        friends[np.ix_(group, group)] = 1.0
    assert sorted(map(sorted, grouping.best(friends))) == [[0, 3], [1, 2, 4]]
    assert grouping.worth(friends, [[0, 3], [1, 2, 4]]) == 5
    assert sorted(map(sorted, grouping.best(-np.ones((3, 3))))) == [[0], [1], [2]]
    assert grouping.best(np.ones((3, 3))) == [[0, 1, 2]]


def test_the_heuristic_above_ten_tasks_never_mixes_clear_groups():
    draw = np.random.default_rng(0)
    count, groups = 12, [[0, 5, 7, 11], [1, 2, 3], [4, 6, 8, 9, 10]]
    matrix = draw.normal(-1, 0.1, (count, count))
    for group in groups:
        matrix[np.ix_(group, group)] = draw.normal(1, 0.1, (len(group), len(group)))
    found = grouping.best(matrix)
    assert all(any(set(group) <= set(friends) for friends in groups) for group in found)
    assert grouping.worth(matrix, found) >= 0.95 * grouping.worth(matrix, groups)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_every_partition_is_seen_once(count):
    found = [tuple(sorted(tuple(sorted(g)) for g in p)) for p in grouping.partitions(list(range(count)))]
    assert len(found) == len(set(found)) == [1, 2, 5, 15, 52][count - 1]  # Bell numbers
