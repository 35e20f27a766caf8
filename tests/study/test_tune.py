"""Tune: the right number of trials whatever happens to workers, and recipes that train."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from optuna.trial import TrialState  # noqa: E402

from tests.train.runs import TASKS, small  # noqa: E402
from unisono.recipe import Recipe, RecipeError, build, read  # noqa: E402
from unisono.study import storage  # noqa: E402
from unisono.study.claims import attempts  # noqa: E402
from unisono.study.errors import StudyError  # noqa: E402
from unisono.study.outcome import Outcome  # noqa: E402
from unisono.study.trial import run_trial  # noqa: E402
from unisono.study.tune import tune  # noqa: E402
from unisono.train import journal  # noqa: E402
from unisono.train.run import open_recipe, train  # noqa: E402

TWO = {name: TASKS[name] for name in ("intent", "slots")}
RATE = {"train.trunk_lr": {"log": [1e-4, 1e-2]}, "tasks.slots.weight": [0.3, 1, 3]}


def recipe(folder: Path, **section: Any) -> Recipe:
    raw = small(folder, {"intent": TASKS["intent"], "slots": TASKS["slots"]}, steps=4, evaluate_every=2).model_dump(
        mode="json"
    )
    return build({**raw, "tune": {"search": RATE, "by": "random", "trials": 5, **section}})


class Stub:
    """Runs no training: a trial's value follows from its settings."""

    def __init__(self) -> None:
        self.seen: list[Recipe] = []

    def __call__(self, own: Recipe, objectives: Any, report: Any) -> Outcome:
        self.seen.append(own)
        return Outcome("complete", (own.tasks["slots"].weight + own.train.trunk_lr,))


def test_without_a_section_it_says_what_to_write(tmp_path):
    with pytest.raises(RecipeError, match=r'x\.yaml: there is no "tune" section .*tune: \{search:'):
        tune(small(tmp_path), where="x.yaml")
    with pytest.raises(RecipeError, match="--workers 0"):
        tune(recipe(tmp_path), workers=0)


def test_a_grid_is_covered(tmp_path):
    search = {"tasks.slots.weight": [0.3, 1, 3], "train.head_lr": [1e-3, 1e-2]}
    stub = Stub()
    result = tune(recipe(tmp_path, search=search, by="grid", trials=None), run=stub)
    tried = [(own.tasks["slots"].weight, own.train.head_lr) for own in stub.seen]
    assert sorted(tried) == sorted((w, r) for w in (0.3, 1.0, 3.0) for r in (1e-3, 1e-2))
    assert (
        result["best"]["values"] == [pytest.approx(3.0, abs=0.01)]
        and result["best"]["params"]["tasks.slots.weight"] == 3
    )
    assert result["pareto"] == [result["best"]["number"]]
    assert [own.folder.name for own in stub.seen] == [f"trial-{n:04d}" for n in range(6)]
    assert result == json.loads((tmp_path / "tune" / "tune.json").read_text())
    assert max(result["importance"], key=result["importance"].get) == "tasks.slots.weight"


def test_the_count_is_kept_over_interruptions_and_the_values_do_not_depend_on_them(tmp_path):
    whole = tune(recipe(tmp_path / "whole"), run=Stub())
    stub = Stub()

    def leaving(own: Recipe, objectives: Any, report: Any) -> Outcome:
        if len(stub.seen) == 2:
            stub.seen.append(own)
            return Outcome("interrupted")
        return stub(own, objectives, report)

    with pytest.raises(KeyboardInterrupt):
        tune(recipe(tmp_path / "cut"), run=leaving)
    partly = json.loads((tmp_path / "cut" / "tune" / "tune.json").read_text())
    assert [trial["state"] for trial in partly["trials"]] == ["complete", "complete", "waiting"]
    ended: list[tuple[int, int, int]] = []
    rest = Stub()
    cut = tune(recipe(tmp_path / "cut"), run=rest, on_trial=lambda trial, n, of: ended.append((trial["number"], n, of)))
    assert len(rest.seen) == 3 and ended == [(2, 3, 5), (3, 4, 5), (4, 5, 5)]
    assert cut["trials"] == whole["trials"]
    nothing = Stub()
    assert tune(recipe(tmp_path / "cut"), run=nothing)["trials"] == whole["trials"] and not nothing.seen
    more = Stub()
    assert len(tune(recipe(tmp_path / "cut", trials=7), run=more)["trials"]) == 7 and len(more.seen) == 2


def test_a_study_of_another_recipe_is_refused_and_fresh_begins_anew(tmp_path):
    tune(recipe(tmp_path), run=Stub())
    other = recipe(tmp_path, search={**RATE, "tasks.slots.weight": [1, 2]})
    with pytest.raises(RecipeError, match=r"begun with another recipe \(tune.search.tasks.slots.weight: .*--fresh"):
        tune(other, run=Stub())
    stub = Stub()
    tune(other, run=stub, fresh=True)
    assert len(stub.seen) == 5


def test_a_trial_that_fails_is_a_trial_and_says_why(tmp_path):
    def failing(own: Recipe, objectives: Any, report: Any) -> Outcome:
        if own.tasks["slots"].weight == 3:
            return Outcome("failed", error="the loss is not finite")
        return Outcome("complete", (own.tasks["slots"].weight,))

    result = tune(recipe(tmp_path, search={"tasks.slots.weight": [0.3, 1, 3]}, by="grid", trials=None), run=failing)
    assert [trial["state"] for trial in result["trials"]] == ["complete", "complete", "failed"]
    assert result["trials"][2]["error"] == "the loss is not finite" and result["best"]["number"] == 1
    with pytest.raises(StudyError, match="none of 2 trials was completed; the first said: no"):
        tune(recipe(tmp_path / "all", trials=2), run=lambda own, objectives, report: Outcome("failed", error="no"))


def test_values_that_do_not_fit_together_are_a_failed_trial(tmp_path):
    search = {"trunk.heads": [2, 16, 32]}
    with pytest.raises(RecipeError, match="width 16 is not a multiple of heads 32"):
        tune(recipe(tmp_path, search=search, by="grid", trials=None), run=Stub())
    search = {"trunk.width": [16, 24], "trunk.heads": [2, 16]}
    result = tune(recipe(tmp_path, search=search, by="grid", trials=None), run=Stub())
    assert [trial["state"] for trial in result["trials"]] == ["complete", "complete", "complete", "failed"]
    assert "width 24 is not a multiple of heads 16" in result["trials"][3]["error"]


def test_several_objectives_give_a_front_with_a_recipe_for_each_point(tmp_path):
    def split(own: Recipe, objectives: Any, report: Any) -> Outcome:
        weight = own.tasks["slots"].weight
        return Outcome(
            "complete", (weight, 3.0 - weight if weight != 1 else 1.0)
        )  # 2 surpasses 1 in one and equals it in the other

    search = {"tasks.slots.weight": [0.3, 1, 2, 3]}
    result = tune(recipe(tmp_path, search=search, by="grid", trials=None, objective=["slots", "intent"]), run=split)
    weights = [result["trials"][number]["params"]["tasks.slots.weight"] for number in result["pareto"]]
    assert weights == [0.3, 2, 3]
    assert result["objectives"] == ["slots", "intent"]
    written = [read(path) for path in sorted((tmp_path / "tune").glob("best-*.yaml"))]
    assert [own.tasks["slots"].weight for own in written] == [0.3, 2.0, 3.0]
    assert all(own.tune is None for own in written) and len({own.folder for own in written}) == 3


def test_a_storage_that_is_none_is_refused_in_one_line(tmp_path):
    with pytest.raises(RecipeError, match=r"x.yaml: tune.storage: nonsense: cannot be used as a database") as caught:
        tune(recipe(tmp_path, storage="nonsense"), run=Stub(), where="x.yaml")
    assert len(str(caught.value).splitlines()) == 1


def test_a_study_elsewhere_is_shared_by_runs_in_different_folders(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    one, two = Stub(), Stub()
    tune(recipe(tmp_path / "a", storage=url, trials=3), run=one)
    result = tune(recipe(tmp_path / "b", storage=url, trials=5), run=two)
    assert (len(one.seen), len(two.seen), len(result["trials"])) == (3, 2, 5)


def test_a_trial_is_ended_by_its_evaluations(tmp_path):
    heard: list[tuple[int, float]] = []
    own = small(tmp_path, {"intent": TASKS["intent"]}, steps=40, evaluate_every=2)

    def report(number: int, value: float) -> bool:
        heard.append((number, value))
        return number == 2

    assert run_trial(own, ["mean"], report).state == "pruned"
    assert [number for number, _ in heard] == [1, 2] and all(0 <= value <= 1 for _, value in heard)
    steps = [event["step"] for event in journal.read(tmp_path / "events.jsonl") if event["event"] == "stepped"]
    assert steps == [1, 2, 3, 4]


def test_a_trial_gives_the_scores_of_the_model_that_its_run_keeps(tmp_path):
    own = small(tmp_path, TWO, steps=4, evaluate_every=2)
    outcome = run_trial(own, ["slots", "mean"])
    finished = json.loads((tmp_path / "finished.json").read_text())["scores"]
    slots, intent = finished["slots"]["f1"], finished["intent"]["accuracy"]
    assert outcome == Outcome("complete", (slots, pytest.approx((slots + intent) / 2)))


@pytest.mark.slow
def test_a_trial_that_goes_on_reports_what_it_had_reported(tmp_path, monkeypatch):
    from unisono.train.loop import Loop

    own = small(tmp_path, {"intent": TASKS["intent"]}, steps=6, evaluate_every=2, save_every=1)
    take, first, then = Loop._step, [], []

    def stepping(self: Loop) -> None:
        take(self)
        if self.step == 5 and not then:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Loop, "_step", stepping)
    assert run_trial(own, ["mean"], lambda *said: bool(first.append(said))).state == "interrupted"
    monkeypatch.undo()
    assert run_trial(own, ["mean"], lambda *said: bool(then.append(said))).state == "complete"
    assert [number for number, _ in then] == [1, 2, 3] and then[:2] == first


def test_a_rate_that_breaks_training_is_a_failed_trial(tmp_path):
    own = small(
        tmp_path, {"intent": TASKS["intent"]}, steps=30, evaluate_every=30, max_bad_steps=0, trunk_lr=1e38, head_lr=1e38
    )
    outcome = run_trial(own, ["mean"])
    assert outcome.state == "failed" and "not finite" in outcome.error


@pytest.mark.slow
def test_real_trials_are_pruned_and_the_best_recipe_trains(tmp_path):
    result = tune(recipe(tmp_path / "run", by="tpe", trials=4, prune="hyperband"))
    assert len(result["trials"]) == 4 and {t["state"] for t in result["trials"]} <= {"complete", "pruned"}
    trials = tmp_path / "run" / "tune"
    assert not list(trials.glob("trial-*/checkpoints"))
    best = result["best"]
    assert (trials / f"trial-{best['number']:04d}" / "model").is_dir()
    own = open_recipe(trials / "best.yaml")
    assert own.train.trunk_lr == best["params"]["train.trunk_lr"] and own.tune is None
    done = train(own)
    assert done.reason == "done"
    assert own.folder == tmp_path / "run-best"
    main = [event["mean"] for event in journal.read(own.folder / "events.jsonl") if event["event"] == "evaluated"]
    assert max(main) == pytest.approx(best["values"][0])  # the very same run


def pids(workers: Path) -> list[int]:
    """The processes that have been workers, from the names of their signs of life."""
    names = os.listdir(workers) if workers.exists() else []
    return [int(name.split("-")[-2]) for name in names if name.count("-") >= 2]


def running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to hear of it does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it has ended this moment, or there is no /proc here
        return not Path("/proc/self/stat").exists()


STUB = """
import sys, time
from pathlib import Path
from unisono.recipe import read
from unisono.study.outcome import Outcome
from unisono.study.worker import main
import unisono.study.worker as worker

def run(own, objectives, report):
    time.sleep(0.3)
    with open(Path(own.run).parent / "ends.txt", "a") as file:
        file.write(Path(own.run).name + "\\n")
    return Outcome("complete", (own.train.trunk_lr,))

work = worker.work
worker.work = lambda recipe, folder: work(recipe, folder, run=run)
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_four_workers_killed_at_random_lose_no_trial_and_count_none_twice(tmp_path):
    script = tmp_path / "stub.py"
    script.write_text(STUB)
    trials, kills = 30, 12
    wanted = recipe(tmp_path / "run", trials=trials)
    alive, killed, chance = tmp_path / "run" / "tune" / "workers", [], random.Random(1)
    over = threading.Event()

    def kill() -> None:
        while not over.wait(chance.uniform(0.05, 0.8)) and len(killed) < kills:
            living = [pid for pid in pids(alive) if pid not in killed and running(pid)]
            if living:
                killed.append(chance.choice(living))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result = tune(wanted, workers=4, command=[sys.executable, str(script)])
    finally:
        over.set()
        killer.join()
    assert killed
    assert [trial["number"] for trial in result["trials"]] == list(range(trials))
    assert all(trial["state"] == "complete" for trial in result["trials"])
    for trial in result["trials"]:
        assert trial["values"] == [trial["params"]["train.trunk_lr"]]  # its own result, not another's
    ends = (tmp_path / "run" / "tune" / "ends.txt").read_text().splitlines()
    # A worker may die between the end of a run and the study's hearing of it: only then is a run done again.
    assert len(set(ends)) == trials <= len(ends) <= trials + len(killed)
    study = storage.open_study(wanted, tmp_path / "run" / "tune")
    for number, found in attempts(study).items():
        assert sum(attempt.state == TrialState.COMPLETE for attempt in found) == 1, number
        assert (
            len({attempt.params["train.trunk_lr"] for attempt in found if attempt.params}) == 1
        )  # the same trial again
    assert sum(a.state == TrialState.COMPLETE for a in study.trials) == trials
    assert {a.state for a in study.trials} <= {TrialState.COMPLETE, TrialState.FAIL}


@pytest.mark.slow
def test_workers_leave_when_their_parent_is_killed_and_the_same_command_goes_on(tmp_path):
    script, parent = tmp_path / "stub.py", tmp_path / "parent.py"
    script.write_text(STUB.replace("time.sleep(0.5)", "time.sleep(1.5)"))
    wanted = recipe(tmp_path / "run", trials=4)
    (tmp_path / "recipe.yaml").write_text(wanted.to_yaml())
    parent.write_text(
        "import sys\nfrom unisono.recipe import read\nfrom unisono.study.tune import tune\n"
        f"tune(read({str(tmp_path / 'recipe.yaml')!r}), workers=2, command=[sys.executable, {str(script)!r}])\n"
    )
    process = subprocess.Popen([sys.executable, str(parent)])
    ends, workers = tmp_path / "run" / "tune" / "ends.txt", tmp_path / "run" / "tune" / "workers"
    deadline = time.monotonic() + 60
    while not ends.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    known = pids(workers)
    assert known
    while any(map(running, known)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(running, known))
    begun = len(ends.read_text().splitlines())
    stub = Stub()
    result = tune(wanted, run=stub)
    # A worker may have left between the end of its run and the study's hearing of it: then the run is asked once more.
    assert 4 - begun <= len(stub.seen) <= 4 - begun + 2
    assert [(t["number"], t["state"]) for t in result["trials"]] == [(k, "complete") for k in range(4)]
    study = storage.open_study(wanted, tmp_path / "run" / "tune")
    assert sum(attempt.state == TrialState.COMPLETE for attempt in study.trials) == 4
