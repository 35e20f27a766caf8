"""Matching against all permutations."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from unisono.heads.matching import match


@pytest.mark.parametrize(("guesses", "things"), [(5, 3), (4, 4), (2, 4), (1, 1)])
def test_no_assignment_is_cheaper(guesses, things):
    cost = torch.randn(6, guesses, things + 2, generator=torch.Generator().manual_seed(guesses * things))
    found = match(cost, [things] * 6)
    for problem in range(6):
        at = found.problem == problem
        pairs = list(zip(found.guess[at].tolist(), found.thing[at].tolist(), strict=True))
        few, many = sorted((guesses, things))
        assert len({g for g, _ in pairs}) == len({t for _, t in pairs}) == len(pairs) == few
        table = cost[problem, :, :things] if guesses >= things else cost[problem, :, :things].T
        best = min(sum(table[m, f].item() for f, m in enumerate(chosen)) for chosen in permutations(range(many), few))
        assert sum(cost[problem, g, t].item() for g, t in pairs) == pytest.approx(best)


def test_problems_may_have_different_numbers_of_things_or_none():
    found = match(torch.zeros(3, 4, 2), [0, 2, 1])
    assert found.problem.tolist() == [1, 1, 2]
    assert match(torch.zeros(2, 4, 0), [0, 0]).guess.tolist() == []


def test_where_training_ran_into_nan_there_are_pairs_still():
    assert len(match(torch.full((1, 4, 2), float("nan")), [2]).guess) == 2
