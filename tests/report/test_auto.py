"""The report's table of what balance: auto tried: true to its file, and absent without a search."""

from __future__ import annotations

import json

import pytest

from tests.report.folders import TASKS, write_run
from tests.report.test_page import anchors, parsed, section, tables, words
from unisono.recipe import RecipeError
from unisono.report import read, render

FOUND = {
    "tasks": list(TASKS), "steps": 300, "rounds": [[3, 5], [2, 10]], "share": 0.083, "seconds": 42.0, "untrained": {},
    "trials": [
        {"weights": dict(zip(TASKS, (1.0, 1.0, 1.0), strict=True)), "rate": 1.0, "losses": [], "left": [0.91, 0.8321]},
        {"weights": dict(zip(TASKS, (0.25, 1.5, 1.25), strict=True)), "rate": 1.0, "losses": [], "left": [None]},
        {"weights": dict(zip(TASKS, (2.0, 0.5, 0.5), strict=True)), "rate": 3.0, "losses": [], "left": [0.87, 0.79]},
    ],
    "chosen": 2,
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "auto").mkdir()
    (folder / "auto" / "auto.json").write_text(json.dumps(FOUND), encoding="utf-8")
    return folder


def test_every_trial_is_listed_with_what_it_left(run):
    found = section(parsed(render(read(run))), "auto")
    ((head, *rows),) = tables(found)
    assert head[:5] == ["trial", *(f"λ {task}" for task in TASKS), "rates ×"]
    assert head[5:7] == ["left after 5 steps", "left after 10 steps"]
    assert [row[0] for row in rows] == ["1", "2", "3, chosen"]
    assert rows[1][1:7] == ["0.25", "1.5", "1.25", "1", "not finite", ""]
    assert rows[2][4:7] == ["3", "87.0 %", "79.0 %"]
    assert "8.3 % of the run's steps, 42 s" in words(found)


def test_without_a_search_there_is_no_section(run):
    (run / "auto" / "auto.json").unlink()
    assert "auto" not in anchors(parsed(render(read(run))))
    (run / "auto" / "auto.json").write_text(json.dumps({**FOUND, "rounds": [], "chosen": 0}), encoding="utf-8")
    assert "auto" not in anchors(parsed(render(read(run))))


def test_a_broken_file_is_named_with_the_command_that_writes_it(run):
    (run / "auto" / "auto.json").write_text(json.dumps({**FOUND, "trials": 3}), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"auto\.json: trials: .*; run `unisono train` again"):
        read(run)
