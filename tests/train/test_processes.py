"""Several processes: the same rows, the same losses, and a checkpoint that either number of processes resumes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.train.runs import TASKS, small

pytestmark = pytest.mark.slow


def train(recipe: Path, processes: int) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *launcher, "-m", "unisono.cli", "train", str(recipe)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-3000:]


def write(path: Path, run: Path, *, balance: object = "sum", without: str = "", **settings) -> Path:
    tasks = {n: {**t, "head": {**t.get("head", {}), "dropout": 0}} for n, t in TASKS.items() if n != without}
    recipe = small(run, tasks, **settings).model_dump(mode="json")
    recipe["trunk"]["dropout"] = 0.0  # each process draws its own noise, so equality can only be had without
    path.write_text(yaml.safe_dump({**recipe, "balance": balance}))
    return path


def steps(run: Path) -> list[dict]:
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    return [e for e in events if e["event"] == "stepped"]


@pytest.mark.parametrize(
    ("balance", "without"),
    [
        ("sum", ""),
        ("upgrad", ""),
        ({"method": "upgrad", "hold": 2}, ""),
        ({"method": "upgrad", "scope": "features"}, "slots"),  # the other two label the same rows
        ("auto", ""),
    ],
)
def test_two_processes_take_the_steps_of_one(tmp_path, balance, without):
    train(write(tmp_path / "one.yaml", tmp_path / "one", balance=balance, without=without), 1)
    train(write(tmp_path / "two.yaml", tmp_path / "two", balance=balance, without=without), 2)
    one, two = steps(tmp_path / "one"), steps(tmp_path / "two")
    assert [e["rows"] for e in one] == [e["rows"] for e in two]
    assert [e["units"] for e in one] == [e["units"] for e in two]
    for a, b in zip(one, two, strict=True):
        assert a["losses"] == pytest.approx(b["losses"], rel=2e-4)


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_either_resumes_the_other(tmp_path, first, then):
    train(write(tmp_path / "whole.yaml", tmp_path / "whole"), 1)
    # The same run cut in two: the checkpoint of step 3 is all that is left when the second begins.
    recipe = write(tmp_path / "cut.yaml", tmp_path / "cut")
    train(recipe, first)
    (tmp_path / "cut" / "finished.json").unlink()
    checkpoint = tmp_path / "cut" / "checkpoints" / "step-00000006"
    for file in checkpoint.iterdir():
        file.unlink()
    checkpoint.rmdir()
    train(recipe, then)
    for a, b in zip(steps(tmp_path / "whole"), steps(tmp_path / "cut"), strict=True):
        assert a["losses"] == pytest.approx(b["losses"], rel=2e-4)


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
    for name, processes in (("one", 1), ("two", 2)):
        path = write(tmp_path / f"{name}.yaml", tmp_path / name, steps=12, evaluate_every=2)
        recipe = yaml.safe_load(path.read_text())
        recipe["tasks"]["intent"] |= {"patience": 2, "when_done": "distill"}
        path.write_text(yaml.safe_dump({**recipe, **more}))
        train(path, processes)
    one, two = steps(tmp_path / "one"), steps(tmp_path / "two")
    assert [e["rows"] for e in one] == [e["rows"] for e in two]
    for a, b in zip(one, two, strict=True):
        assert a["losses"] == pytest.approx(b["losses"], rel=2e-3, abs=1e-5)
    told = [[e for e in _events(tmp_path / run) if e["event"] in ("staged", "left")] for run in ("one", "two")]
    assert [(e["event"], e["step"]) for e in told[0]] == [(e["event"], e["step"]) for e in told[1]]
    assert {e["event"] for e in told[0]} == {"staged", "left"}


def _events(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
