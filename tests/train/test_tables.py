"""Tables from files to predictions: gaps, a text beside them, and what is bad goes to quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unisono
from unisono.recipe import Recipe, RecipeError
from unisono.saved import ModelError


def recipe(folder: Path, **stem: Any) -> dict[str, Any]:
    """Whether age is above 40 or the city is Rome; and how much that is, from columns, or a note, or both."""
    rng = np.random.default_rng(0)
    lines = ["age,city,note,rich,score"]
    for i in range(200):
        age, city = int(rng.integers(20, 60)), str(rng.choice(["Rome", "Oslo", "Bonn"]))
        rich = age > 40 or city == "Rome"
        shown = ("", "") if i % 10 == 9 else (str(age) if i % 7 else "", city)
        lines.append(f"{shown[0]},{shown[1]},{'has much' if rich else 'has little'},{int(rich)},{age / 10}")
    (folder / "x.csv").write_text("\n".join(lines) + "\n")
    data = {"path": str(folder / "x.csv"), "ratio": {"validation": 0.0, "test": 0.2}}
    columns = {"table": ["age", "city"], "label": "rich"}
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 32, "heads": 2, "dropout": 0.0, "vocabulary": 300},
        "stems": {"table": stem},
        "max_bad_rows": 0.2,
        "tasks": {
            "rich": {"kind": "classify", "data": data, "columns": columns},
            "score": {"kind": "regress", "data": data, "columns": {**columns, "label": "score"}},
            "both": {"kind": "classify", "data": data, "columns": {**columns, "text": "note"}},
        },
        "train": {"steps": 200, "rows_per_step": 48, "trunk_lr": 3e-3, "head_lr": 3e-3, "device": "cpu", "threads": 1},
    }


@pytest.mark.slow
def test_tables_are_learned_alone_and_beside_a_text(tmp_path):
    trained = unisono.train(recipe(tmp_path))
    scores = {name: result.scores for name, result in unisono.evaluate(trained.run).items()}
    assert scores["rich"]["accuracy"] > 0.85 and scores["score"]["spearman"] > 0.8
    assert scores["both"]["accuracy"] > 0.95
    model = unisono.load(trained.run)
    young, old = model.predict("rich", [{"table": {"age": 22, "city": "Oslo"}}, {"table": {"age": 58, "city": "Oslo"}}])
    assert (young["label"], old["label"]) == ("0", "1")


def test_bad_cells_and_rows_without_any_are_left_out_and_gaps_are_counted(tmp_path, capsys):
    settings = recipe(tmp_path)
    settings["tasks"] = {"rich": settings["tasks"]["rich"]}
    settings["train"]["steps"] = 1
    text = (tmp_path / "x.csv").read_text()
    (tmp_path / "x.csv").write_text(text + 'old,Oslo,has little,1,2\n33,Kyiv,"has much",0,1\n')
    trained = unisono.train(settings)
    model = unisono.load(trained.run)
    assert len(model.predict("rich", [{"table": {"city": "Oslo"}}, {"table": {"age": "31", "city": "Kyiv"}}])) == 2
    for bad, reason in (
        ({"ages": 3}, 'no table has the column "ages"'),
        ({"age": "", "city": None}, "no input: table"),
    ):
        with pytest.raises(ModelError, match=reason):
            model.predict("rich", [{"table": bad}])

    from unisono.show import described
    from unisono.train.check import describe

    found = describe(Recipe.model_validate(settings))["rich"]
    reasons = {reason for f in found.values() for reason in f["bad"]}
    assert reasons == {'column "age" holds numbers, and a cell that is none', "empty table"}
    assert sum(f["unknown"] for f in found.values()) == 1
    assert sum(f["gaps"]["table.age"] for f in found.values()) == sum(i % 10 != 9 for i in range(0, 200, 7))
    described({"rich": found}, as_json=False)
    shown = capsys.readouterr().out
    assert "missing cells: table.age" in shown and "1 pieces that training does not have" in shown


def test_columns_that_are_not_there_and_wrong_options_are_one_line(tmp_path):
    settings = recipe(tmp_path)
    settings["tasks"] = {"rich": settings["tasks"]["rich"]}
    settings["tasks"]["rich"]["columns"]["table"] = ["age", "town"]
    with pytest.raises(unisono.data.DataError, match="town"):
        unisono.train(settings)
    settings = {**recipe(tmp_path, numbers=["city"]), "run": str(tmp_path / "other")}
    with pytest.raises(RecipeError, match='stems.table: column "city" holds no number'):
        unisono.train(settings)
