"""Facts: read from files as they are, also half-written ones; what is broken is said in one line."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tests.report.folders import TASKS, write_events, write_run
from unisono.recipe import RecipeError
from unisono.report import read, write_report
from unisono.report.gradients import Gradients


def refused(run) -> str:
    with pytest.raises(RecipeError) as caught:
        read(run)
    said = str(caught.value)
    assert "\n" not in said
    return said


def test_what_is_not_a_run_is_refused_in_a_line(tmp_path):
    assert "no such folder; name the folder of a run" in refused(tmp_path / "nowhere")
    assert "found no events.jsonl" in refused(tmp_path)
    (tmp_path / "events.jsonl").touch()
    assert "no event yet" in refused(tmp_path)


def test_a_folder_cannot_be_the_report(tmp_path):
    write_events(tmp_path / "run", steps=2, plain=True)
    with pytest.raises(RecipeError, match="expected a file to write; say --out"):
        write_report(tmp_path / "run", tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{torn", "line 3: expected a JSON object, found '{torn'"),
        ("[1, 2]", "line 3: expected a JSON object, found '[1, 2]'"),
        ('{"event": "stepped", "step": 3}', "line 3: a \"stepped\" event that cannot be read (no 'losses')"),
        ('{"event": "stepped", "step": 3, "losses": {"ner": "low"}}', 'line 3: a "stepped" event that cannot be read'),
        ('{"event": "evaluated", "step": 3, "scores": [1]}', 'line 3: a "evaluated" event that cannot be read'),
        ('{"event": "gradients", "step": 1, "tasks": ["a", "b"], "cosines": {"all": [[1]]}}', 'a "gradients" event'),
        ('{"event": "started", "tasks": {"ner": 3}}', 'line 3: a "started" event that cannot be read'),
    ],
)
def test_a_broken_event_is_named_by_its_line(tmp_path, line, says):
    write_events(tmp_path, steps=2, plain=True)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    (tmp_path / "events.jsonl").write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    assert says in refused(tmp_path)


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    write_events(tmp_path, steps=9, plain=True)
    whole = (tmp_path / "events.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "events.jsonl").write_bytes(b"".join(lines[:5]) + lines[5][:40])
    assert read(tmp_path).training.step == 4


def test_events_of_a_later_version_are_passed_over(tmp_path):
    write_events(tmp_path, steps=2, plain=True)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "dreamt", "of": "sheep"}\n')
    assert read(tmp_path).training.step == 2


@pytest.mark.parametrize("name", ["compare", "affinity", "tune"])
def test_a_broken_study_is_named_with_the_command_that_writes_it(tmp_path, name):
    run = write_run(tmp_path / "run", steps=4)
    path = run / name / f"{name}.json"
    path.write_text("{")
    assert f"{path}: expected a JSON object; run `unisono {name}` again" in refused(run)
    path.write_text('{"tasks": ["a"]}')
    said = refused(run)
    assert "field required" in said and f"run `unisono {name}` again" in said


def test_a_matrix_that_does_not_fit_the_tasks_is_refused(tmp_path):
    run = write_run(tmp_path / "run", steps=4)
    path = run / "affinity" / "affinity.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "affinity": found["affinity"][:2]}))
    assert "affinity is not 3 x 3" in refused(run)


def test_other_broken_files(tmp_path):
    run = write_run(tmp_path / "run", steps=4)
    (run / "finished.json").write_text('{"step": "x"}')
    assert "finished.json: cannot be read" in refused(run)
    (run / "finished.json").unlink()
    (run / "recipe.yaml").write_text("a: [")
    assert "recipe.yaml: not YAML" in refused(run)
    (run / "recipe.yaml").unlink()
    (run / "quarantine.jsonl").write_text("x\n{}\n")
    assert "quarantine.jsonl line 1: expected a JSON object" in refused(run)


def test_a_resumed_run_counts_its_parts_and_its_latest_end(tmp_path):
    write_events(tmp_path, steps=6, plain=True)
    path = tmp_path / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    interrupted = json.dumps({"event": "finished", "step": 3, "seconds": 1.5, "reason": "interrupted", "scores": {}})
    note = json.dumps({"event": "noted", "step": 3, "level": "warning", "text": "slow"}) + "\n"
    path.write_text("".join(lines[:4]) + note + interrupted + "\n")
    training = read(tmp_path).training
    assert (training.ended.reason, training.resumed, training.step) == ("interrupted", 0, 3)
    path.write_text("".join(lines[:4]) + note + interrupted + "\n" + lines[0] + note + "".join(lines[4:]))
    training = read(tmp_path).training
    assert (training.ended.reason, training.resumed, training.step) == ("done", 1, 6)
    assert training.seconds == pytest.approx(6 * 0.5) and training.tokens == 6 * 4000
    assert training.notes == {("warning", "slow"): [3, 2]}


def test_values_that_are_not_finite_are_no_points(tmp_path):
    run = write_run(tmp_path / "run", steps=60)
    training = read(run).training
    assert len(training.losses["sentiment"]) == 59 and len(training.losses["ner"]) == 60
    assert math.isfinite(training.losses["sentiment"].high)


def test_mean_cosines_are_those_of_all_looks_whatever_the_order_of_tasks():
    rng = np.random.default_rng(0)
    names = ["a", "b", "c", "d"]
    gradients = Gradients()
    kept: dict[tuple[str, str], list[float]] = {}
    for step in range(20):
        order = [names[i] for i in rng.permutation(4)][: 2 + step % 3]
        matrix = rng.uniform(-1, 1, (len(order), len(order)))
        matrix = (matrix + matrix.T) / 2
        written = matrix.tolist()
        written[0][1] = written[1][0] = None if step == 7 else written[0][1]
        gradients.add(step, order, {"all": [1.0] * len(order)}, {"all": written})
        for i, one in enumerate(order):
            for j, other in enumerate(order):
                if i < j and written[i][j] is not None:
                    kept.setdefault(tuple(sorted((one, other))), []).append(written[i][j])
    for (one, other), values in kept.items():
        assert gradients.mean("all", one, other) == pytest.approx(np.mean(values))
        assert gradients.mean("all", other, one) == pytest.approx(np.mean(values))
        tally = gradients.tally("all", one, other)
        assert (tally.count, tally.opposed) == (len(values), sum(v < 0 for v in values))
    worst = min(kept, key=lambda pair: np.mean(kept[pair]))
    assert tuple(sorted(gradients.pairs()[0])) == worst


def test_a_trials_values_may_have_names(tmp_path):
    run = write_run(tmp_path / "run", steps=4)
    path = run / "tune" / "tune.json"
    found = json.loads(path.read_text())
    for trial in found["trials"]:
        if trial["values"]:
            trial["values"] = dict(zip(found["objectives"], trial["values"], strict=True))
    path.write_text(json.dumps(found))
    tune = read(run).tune
    assert [tune.values(t) for t in tune.trials[1:3]] == [[0.85, 0.25], [None, None]]


@pytest.mark.slow
def test_the_journal_of_a_real_training_is_understood(tmp_path):
    from tests.train.runs import run, small

    run(small(tmp_path / "run", steps=6, evaluate_every=3))
    facts = read(tmp_path / "run")
    assert facts.training.step == 6 and facts.finished and facts.finished.reason == "done"
    assert facts.training.tasks == ["intent", "slots", "en-de"]
    assert all(len(facts.training.losses[task]) for task in facts.training.tasks)
    assert len(facts.training.evaluations) == 2
    assert write_report(tmp_path / "run").stat().st_size > 10_000


def test_the_tasks_of_the_synthetic_run_are_the_recipes(tmp_path):
    run = write_run(tmp_path / "run", steps=4)
    assert read(run).training.tasks == list(TASKS)
