"""Every recipe of the project is valid, says how to run it and what to expect; the quickstart keeps its word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import unisono
from unisono.recipe import read
from unisono.tasks import resolve

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_recipe_is_valid_and_opens_with_its_command_and_what_to_expect(path, monkeypatch):
    monkeypatch.setenv("UNISONO_DATA", "/data")
    first, second = path.read_text(encoding="utf-8").splitlines()[:2]
    assert first.startswith(f"# unisono train {path.relative_to(ROOT)} "), first
    assert second.startswith("# expect ")
    assert resolve(read(path)).keys() == read(path).tasks.keys()


def test_the_readme_shows_a_valid_recipe():
    from unisono.recipe import parse

    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert blocks
    for block in blocks:
        assert resolve(parse(block))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_quickstart_reaches_what_it_promises(tmp_path):
    trained = unisono.train(ROOT / "recipes" / "quickstart.yaml", overrides=[f"run={tmp_path / 'run'}"])
    results = unisono.evaluate(trained.run)
    assert {r.split for r in results.values()} == {"test"}
    assert results["intent"].scores["accuracy"] >= 0.97
    assert results["slots"].scores["f1"] >= 0.97
    assert results["en-de"].scores["bleu"] >= 60
    found = unisono.load(trained.run).predict_all("Wake me up on Friday at half past six, please.")
    assert found["intent"]["label"] == "set_alarm"
    assert [e["type"] for e in found["slots"]["entities"]] == ["DATE", "TIME"]
    json.dumps(found)


def test_the_real_recipe_can_run(real_data, tmp_path):
    from unisono.train.check import check

    recipe = read(ROOT / "recipes" / "nlp" / "imdb_conll_multi30k.yaml")
    report = check(recipe)
    assert [t.rows for t in report.tasks] == [3800, 14041, 29000]
