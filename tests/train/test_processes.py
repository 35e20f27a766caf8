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


def write(path: Path, run: Path, **settings) -> Path:
    tasks = {n: {**t, "head": {**t.get("head", {}), "dropout": 0}} for n, t in TASKS.items()}
    recipe = small(run, tasks, **settings).model_dump(mode="json")
    recipe["trunk"]["dropout"] = 0.0  # each process draws its own noise, so equality can only be had without
    path.write_text(yaml.safe_dump(recipe))
    return path


def steps(run: Path) -> list[dict]:
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    return [e for e in events if e["event"] == "stepped"]


def test_two_processes_take_the_steps_of_one(tmp_path):
    train(write(tmp_path / "one.yaml", tmp_path / "one"), 1)
    train(write(tmp_path / "two.yaml", tmp_path / "two"), 2)
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
