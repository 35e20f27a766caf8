"""The commands: what a person types and what comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.commands import unisono
from tests.train.runs import TASKS, small
from unisono.study import tables


def write(folder: Path, **more) -> str:
    raw = small(folder / "run", {n: TASKS[n] for n in ("intent", "slots")}, steps=2, evaluate_every=2).model_dump(
        mode="json"
    )
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**raw, **more}))
    return str(folder / "recipe.yaml")


@pytest.mark.slow
def test_compare(tmp_path):
    path = write(tmp_path)
    done = unisono("compare", path, "--seeds", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert "run 1 of 3: joint-seed1" in done.stderr
    assert json.loads(done.stdout)["tasks"] == ["intent", "slots"]
    done = unisono("compare", path, "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert "Δm" in done.stdout and "learned alone and together" in done.stdout


@pytest.mark.slow
def test_tune(tmp_path):
    pytest.importorskip("optuna")
    path = write(tmp_path, tune={"search": {"train.trunk_lr": [1e-3, 1e-2]}, "by": "grid"})
    done = unisono("tune", path, "--json", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"^trial (\d)  \(", done.stderr, re.M)) == ["0", "1"]  # whichever worker is first
    assert re.findall(r"\((\d of 2)\)", done.stderr) == ["1 of 2", "2 of 2"]
    assert len(json.loads(done.stdout)["trials"]) == 2
    done = unisono("tune", path)
    assert (
        "2 trials, the best first" in done.stdout
        and f"next: unisono train {tmp_path / 'run' / 'tune' / 'best.yaml'}" in done.stdout
    )


def test_tables_show_what_is_unknown_as_unknown():
    from rich.console import Console

    unknown, gain = {"mean": None, "low": None, "high": None}, {"mean": 2.0, "low": 1.0, "high": 3.0}
    result = {
        "tasks": ["a", "b"], "seeds": [1, 2], "metric": {"a": "f1", "b": "bleu"}, "split": {"a": "test", "b": "test"},
        "alone": {"a": [0.5, 0.6], "b": [0.0, 0.0]}, "joint": {"a": [0.6, 0.6], "b": [1.0, 2.0]},
        "delta": {"a": gain, "b": unknown}, "delta_m": {**gain, "enough": True}, "sentence": "So it is.",
        "warnings": ["beware"], "budget": {t: {"steps": [1, 1], "rows": [1000, 1001]} for t in "ab"},
    }  # fmt: skip
    console = Console(width=160)
    with console.capture() as capture:
        for part in tables.compared(result):
            console.print(part)
    text = capture.get()
    assert "0.5500 ± 0.0707" in text and "1.50 ± 0.71" in text and "+2.0 %" in text and "+1.0 to +3.0 %" in text
    assert "So it is." in text and "warning: beware" in text and "1,000" in text
    assert "–" in next(line for line in text.splitlines() if "bleu" in line)
