"""What a task holds out is told where another learns from it, and with `disjoint: true` is not learned from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import unisono
from unisono.apart import Apart
from unisono.prepare import Tables, read_tables
from unisono.recipe import Recipe, RecipeError, build
from unisono.study.variants import alone, grouped
from unisono.train.check import check, describe

TRUNK = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300}


def pairs(path: Path, numbers: range, *, turned: bool = False) -> None:
    sides = [(f"the {n} birds sing", f"{n} dogs bark") for n in numbers]
    lines = [f"{b},{a},{n % 2}\n" if turned else f"{a},{b},{n % 2}\n" for (a, b), n in zip(sides, numbers, strict=True)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("one,other,label\n" + "".join(lines))


def recipe(folder: Path, **more: Any) -> Recipe:
    """``same`` holds out pairs 40 to 49, six of which ``like`` has, turned round, among those that it learns from."""
    pairs(folder / "same" / "train.csv", range(40))
    pairs(folder / "same" / "test.csv", range(40, 50))
    pairs(folder / "like" / "train.csv", range(44, 80), turned=True)
    pairs(folder / "like" / "test.csv", range(80, 90), turned=True)
    columns = {"text": "one", "pair": "other", "label": "label"}
    tasks = {
        name: {"kind": kind, "data": {"path": str(folder / name), "ratio": {"validation": 0}}, "columns": columns}
        for name, kind in (("same", "classify"), ("like", "regress"))
    }
    train = {"steps": 2, "rows_per_step": 8, "device": "cpu"}
    return build({"run": str(folder / "run"), "cache": str(folder / "cache"), "tasks": tasks, "train": train,
                  "trunk": TRUNK, **more})  # fmt: skip


def learned(tables: Tables, task: str) -> list[str]:
    return [row["text"] for row in tables.rows[task]["train"]]


def test_what_another_task_learns_from_is_told(tmp_path):
    wanted = recipe(tmp_path)
    tables = read_tables(wanted, run=None)
    apart = Apart(tables.tasks, tables.rows)
    assert apart.seen("same", "test") == {"like": 6} and apart.seen("like", "test") == {}
    found = describe(wanted)
    assert found["same"]["test"]["seen"] == {"like": 6} and found["like"]["train"]["seen"] == {}
    (note,) = check(wanted).notes
    assert note.startswith('task "same": 6 of 10 test rows have the inputs of a training row of task "like"')


def test_disjoint_leaves_it_out_counted_and_kept(tmp_path):
    wanted = recipe(tmp_path, disjoint=True)
    unisono.train(wanted)
    kept = [json.loads(line) for line in (tmp_path / "run" / "quarantine.jsonl").read_text().splitlines()]
    assert [(one["task"], one["split"], one["row"]) for one in kept] == [("like", "train", n) for n in range(2, 8)]
    assert {one["reason"] for one in kept} == {'its inputs are in the test rows of task "same"'}
    tables = read_tables(wanted, run=None)
    assert len(learned(tables, "same")) == 40 and len(learned(tables, "like")) == 30
    assert Apart(tables.tasks, tables.rows).seen("same", "test") == {}
    assert len(tables.rows["same"]["test"]) == 10  # what is held out stays as it is


def test_evaluation_of_one_task_minds_the_others(tmp_path):
    unisono.train(recipe(tmp_path, disjoint=True))
    rows = {
        split: unisono.evaluate(tmp_path / "run", tasks=["like"], split=split)["like"].scores["rows"]
        for split in ("train", "test")
    }
    assert rows == {"train": 30, "test": 10}


def test_the_tasks_alone_and_in_groups_learn_from_the_same_rows(tmp_path):
    wanted = recipe(tmp_path, disjoint=True)
    together = learned(read_tables(wanted, run=None), "like")
    one = alone(wanted, "like", steps=2, rows=9, evaluations=1, run=tmp_path / "alone")
    assert list(one.beside) == ["same"] and learned(read_tables(one, run=None), "like") == together
    again = alone(one, "like", steps=2, rows=9, evaluations=1, run=tmp_path / "again")
    assert learned(read_tables(again, run=None), "like") == together
    some = grouped(wanted, ["like"], steps=2, rows={"like": 9}, shared={}, evaluations=1, run=tmp_path / "some")
    assert learned(read_tables(some, run=None), "like") == together


def test_a_task_of_which_nothing_is_left(tmp_path):
    pairs(tmp_path / "all" / "rows.csv", range(40, 44))
    wanted = recipe(tmp_path, disjoint=True)
    raw = wanted.model_dump(mode="json")
    raw["tasks"]["like"]["data"] |= {"path": str(tmp_path / "all" / "rows.csv")}
    with pytest.raises(RecipeError, match='task "like": disjoint: every training row has inputs that are held out'):
        read_tables(build(raw), run=None)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"beside": {"x": {"kind": "classify", "data": "x"}}}, '"beside" belongs to disjoint: true'),
        ({"disjoint": True, "beside": {"same": {"kind": "classify", "data": "x"}}}, '"same" is a task that is learned'),
    ],
)
def test_beside_is_for_other_tasks(tmp_path, more, says):
    with pytest.raises(RecipeError, match=says):
        recipe(tmp_path, **more)
