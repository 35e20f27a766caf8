"""Several processes: the same rows, the same losses, and a checkpoint that either number of processes resumes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import unisono
from tests.train.runs import TASKS, small

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[2]


def alone(recipe: Path) -> None:
    """Trains in this process."""
    unisono.train(recipe)


def launched(*arguments: str) -> None:
    """Two processes that run a module."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    done = subprocess.run(
        [*launcher, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def together(*recipes: Path) -> None:
    """Trains recipes in turn on two processes."""
    launched("tests.train.several", *map(str, recipes))


def write(path: Path, run: Path, *, balance: object = "sum", without: str = "", **settings) -> Path:
    tasks = {n: {**t, "head": {**t.get("head", {}), "dropout": 0}} for n, t in TASKS.items() if n != without}
    recipe = small(run, tasks, **settings).model_dump(mode="json")
    recipe["trunk"]["dropout"] = 0.0  # each process draws its own noise, so equality can only be had without
    path.write_text(yaml.safe_dump({**recipe, "balance": balance}))
    return path


def steps(run: Path) -> list[dict]:
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    return [e for e in events if e["event"] == "stepped"]


BALANCES: dict[str, dict[str, object]] = {
    "sum": {},
    "upgrad": {"balance": "upgrad"},
    "hold": {"balance": {"method": "upgrad", "hold": 2}},
    # Two tasks label the same rows.
    "features": {"balance": {"method": "upgrad", "scope": "features"}, "without": "slots"},
    "auto": {"balance": "auto"},
}


def test_two_processes_take_the_steps_of_one(tmp_path):
    for name, how in BALANCES.items():
        alone(write(tmp_path / f"{name}.yaml", tmp_path / name / "one", **how))
    together(*(write(tmp_path / f"{name}.yaml", tmp_path / name / "two", **how) for name, how in BALANCES.items()))
    for name in BALANCES:
        one, two = steps(tmp_path / name / "one"), steps(tmp_path / name / "two")
        assert [e["rows"] for e in one] == [e["rows"] for e in two], name
        assert [e["units"] for e in one] == [e["units"] for e in two], name
        for a, b in zip(one, two, strict=True):
            assert a["losses"] == pytest.approx(b["losses"], rel=2e-4), name


def test_either_resumes_the_other(tmp_path):
    whole = write(tmp_path / "whole.yaml", tmp_path / "whole")
    alone(whole)
    cut = {name: write(tmp_path / f"{name}.yaml", tmp_path / name) for name in ("one", "two")}
    alone(cut["one"])
    launched("unisono.cli", "train", str(cut["two"]))
    for name in cut:  # as if the run had ended there: the checkpoint of step 3 is all that is left
        (tmp_path / name / "finished.json").unlink()
        shutil.rmtree(tmp_path / name / "checkpoints" / "step-00000006")
    launched("unisono.cli", "train", str(cut["one"]))
    alone(cut["two"])
    for name in cut:
        for a, b in zip(steps(tmp_path / "whole"), steps(tmp_path / name), strict=True):
            assert a["losses"] == pytest.approx(b["losses"], rel=2e-4), name


def test_stages_and_mixes_are_the_same_on_two_processes(tmp_path):
    """Stages, a mix that follows gradients, and a task that leaves: every process must take the same turns."""
    more = {
        "stages": [
            {"freeze": ["embeddings"], "until": {"plateau": 1}},
            {"until": {"share": 0.4}},
            {"freeze": ["trunk"]},
        ],
        "mix": {"by": "gradient-norm"},
    }
    for name, train in (("one", alone), ("two", together)):
        path = write(tmp_path / f"{name}.yaml", tmp_path / name, steps=12, evaluate_every=2)
        recipe = yaml.safe_load(path.read_text())
        recipe["tasks"]["intent"] |= {"patience": 2, "when_done": "distill"}
        path.write_text(yaml.safe_dump({**recipe, **more}))
        train(path)
    one, two = steps(tmp_path / "one"), steps(tmp_path / "two")
    assert [e["rows"] for e in one] == [e["rows"] for e in two]
    for a, b in zip(one, two, strict=True):
        assert a["losses"] == pytest.approx(b["losses"], rel=2e-3, abs=1e-5)
    told = [[e for e in _events(tmp_path / run) if e["event"] in ("staged", "left")] for run in ("one", "two")]
    assert [(e["event"], e["step"]) for e in told[0]] == [(e["event"], e["step"]) for e in told[1]]
    assert {e["event"] for e in told[0]} == {"staged", "left"}


def _events(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
