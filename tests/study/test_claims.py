"""Claims: every trial is finished once, whoever dies, leaves, or claims it at the same moment."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from optuna.trial import TrialState  # noqa: E402

from unisono.study import claims, presence  # noqa: E402
from unisono.study.claims import Claim, Claims, attempts, end, state  # noqa: E402
from unisono.study.presence import Presence  # noqa: E402
from unisono.study.samplers import sampler  # noqa: E402


@pytest.fixture
def study(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}", direction="maximize")


def worker(study: Any, folder: Path, count: int = 3) -> Claims:
    return Claims(
        study, count, Presence(folder / "workers"),
        sampler=lambda number: sampler("random", seed=1, number=number, trials=count), given=lambda number: {},
    )  # fmt: skip


def die(one: Claims) -> None:
    """What the system does to the lock of a process that was killed."""
    os.close(one.presence._file)


def finish(one: Claims, claim: Claim, value: float = 0.5) -> bool:
    return end(one.study, claim.attempt, TrialState.COMPLETE, values=[value])


def states(study: Any, count: int = 3) -> list[str]:
    return [state(attempts(study).get(n, [])) for n in range(count)]


def test_each_trial_is_taken_once_and_then_there_are_no_more(study, tmp_path):
    one, two = worker(study, tmp_path), worker(study, tmp_path)
    taken = [one.take(), two.take(), one.take()]
    assert [claim.number for claim in taken] == [0, 1, 2]
    assert states(study) == ["running"] * 3
    for claim in taken:
        assert finish(one, claim)
    assert one.take() is None and two.take() is None
    assert states(study) == ["complete"] * 3


def test_the_trial_of_a_dead_worker_is_taken_again_with_its_settings_and_counted_once(study, tmp_path):
    one, two = worker(study, tmp_path), worker(study, tmp_path)
    first = one.take()
    x = first.attempt.suggest_float("x", 0, 1)
    die(one)
    again = two.take()
    assert again.number == first.number == 0
    assert again.attempt.suggest_float("x", 0, 1) == x
    assert finish(two, again, 0.7)
    assert not finish(one, first, 0.9)  # had it only been taken for dead: its result comes too late
    assert [(a.state, a.value) for a in attempts(study)[0]] == [(TrialState.FAIL, None), (TrialState.COMPLETE, 0.7)]


def test_a_living_worker_keeps_its_trial_however_long_it_is_silent(study, tmp_path, monkeypatch):
    one, two = worker(study, tmp_path), worker(study, tmp_path)
    claim = one.take()
    monkeypatch.setattr(presence, "GRACE", -1.0)
    assert two.take().number == 1
    assert finish(one, claim)


def test_a_worker_of_another_machine_is_judged_by_its_last_sign_of_life(study, tmp_path, monkeypatch):
    far, here = worker(study, tmp_path / "far"), worker(study, tmp_path / "here")
    claim = far.take()
    assert here.take().number == 1
    claim.attempt.set_user_attr(claims.SEEN, time.time() - presence.GRACE - 1)
    assert here.take().number == 0
    assert not finish(far, claim)


def test_signs_of_life_are_given_while_a_trial_runs(study, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.01)
    claim = worker(study, tmp_path).take()
    before = study.trials[0].user_attrs[claims.SEEN]
    with claim.alive():
        deadline = time.monotonic() + 120
        while study.trials[0].user_attrs[claims.SEEN] == before and time.monotonic() < deadline:
            time.sleep(0.01)
    assert study.trials[0].user_attrs[claims.SEEN] > before


def test_of_two_that_claim_a_trial_at_once_the_later_withdraws(study, tmp_path):
    one, two = worker(study, tmp_path), worker(study, tmp_path)
    assert one._claim(0, []) is not None
    assert two._claim(0, []) is None  # it has not seen the other when it begins
    assert two.take().number == 1
    assert [claims.WITHDRAWN in a.user_attrs for a in attempts(study)[0]] == [False, True]
    assert states(study) == ["running", "running", "waiting"]


def test_a_trial_that_was_left_is_free_and_one_that_failed_is_not(study, tmp_path):
    one = worker(study, tmp_path, 2)
    end(study, one.take().attempt, TrialState.FAIL, {claims.LEFT: True})
    again = one.take()
    assert again.number == 0
    end(study, again.attempt, TrialState.PRUNED, {claims.ERROR: "the loss is not finite"})
    assert finish(one, one.take())
    assert states(study, 2) == ["failed", "complete"] and one.take() is None


def test_a_trial_that_kills_its_workers_is_given_up(study, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "DEATHS", 3)
    for _ in range(3):
        one = worker(study, tmp_path, 2)
        assert one.take().number == 0
        die(one)
    last = worker(study, tmp_path, 2)
    assert last.take().number == 1
    assert states(study, 2) == ["failed", "running"]
    assert attempts(study)[0][-1].user_attrs[claims.ERROR] == "given up: 3 workers died of it"


def test_a_worker_waits_for_the_last_trials_of_others_and_takes_over_when_they_die(study, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "POLL", 0.01)
    one, two = worker(study, tmp_path, 1), worker(study, tmp_path, 1)
    assert one.take().number == 0
    assert two._try() == "wait"
    die(one)
    assert two.take().number == 0


def test_more_trials_can_be_asked_for_later(study, tmp_path):
    one = worker(study, tmp_path, 1)
    finish(one, one.take())
    assert one.take() is None
    assert worker(study, tmp_path, 2).take().number == 1


@pytest.mark.parametrize("by", ["random", "tpe", "gp", "nsga2"])
def test_what_a_sampler_proposes_depends_on_seed_number_and_history_alone(by, tmp_path):
    def values(seed: int) -> list[tuple]:
        study = optuna.create_study(direction="maximize")
        one = Claims(
            study, 8, Presence(tmp_path / "workers"),
            sampler=lambda number: sampler(by, seed=seed, number=number, trials=8), given=lambda number: {},
        )  # fmt: skip
        out = []
        while (claim := one.take()) is not None:
            x, c = claim.attempt.suggest_float("x", 0, 1), claim.attempt.suggest_categorical("c", ["a", "b"])
            finish(one, claim, x + (c == "a"))
            out.append((x, c))
        return out

    assert values(1) == values(1) != values(2)
    assert len(set(values(1))) == 8 or by in ("gp", "nsga2")  # which may well try again what was good
