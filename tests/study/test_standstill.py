"""Standstill: a run that learned nothing is named, whatever its losses do between its ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unisono.study.standstill import FEW, stands, standstills


def journal(folder: Path, losses: list[float | None]) -> Path:
    """A run's journal; None: a step without the task."""
    folder.mkdir(parents=True)
    lines = [
        json.dumps({"event": "stepped", "step": step, "losses": {} if loss is None else {"a": loss}})
        for step, loss in enumerate(losses, 1)
    ]
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_loss_that_stays_or_rises_stands_still_and_one_that_falls_does_not():
    steps = 100
    assert stands([0.7, 0.69] * (steps // 2)) == pytest.approx((0.695, 0.695))
    assert stands([0.5 + step / steps for step in range(steps)])
    assert not stands([1.5 - step / steps for step in range(steps)])
    assert not stands([-1 - step / steps for step in range(steps)])
    assert not stands([0.7] * (FEW - 1))


def test_steps_without_the_task_do_not_count(tmp_path):
    sparse = journal(tmp_path / "sparse", [0.7, None] * FEW)
    assert standstills([], [sparse], {"a": 4.0})
    assert not standstills([], [journal(tmp_path / "few", [0.7, None] * (FEW - 1))], {"a": 4.0})


def test_the_warning_says_where_and_what_to_do(tmp_path):
    flat, falling = journal(tmp_path / "flat", [0.7] * 50), journal(tmp_path / "falling", [1 / n for n in range(1, 51)])
    (line,) = standstills([{"a": flat}, {"a": falling}], [falling, falling], {"a": 4.74})
    assert line.startswith("a learned nothing alone in 1 of 2 runs (loss 0.7 in the first tenth of steps, 0.7 in")
    assert "4.74 rows a step; --grid" in line
    (line,) = standstills([{"a": falling}], [flat], {"a": 4.0})
    assert line.startswith("a learned nothing together (loss")
