"""Several labels from a column each: ones, zeros and gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.conftest import Load, read, real, write_text
from unisono.data import Quarantine, Role, summary
from unisono.heads.classify import Classify, ClassifyOptions
from unisono.recipe import build
from unisono.tasks import resolve

ROLES = {"sequence": Role("sequence"), "label": Role("flags")}
FILE = "smiles,a,b,c\nC,1,0,\nCC,,,\nCCC,0.0,true,No\n"


def test_ones_zeros_and_gaps(loaded: Load, tmp_path: Path) -> None:
    rows = loaded(write_text(tmp_path / "x.csv", FILE), ROLES, {"sequence": "smiles", "label": ["a", "b"]})["train"]
    assert [r["label"] for r in rows] == [{"a": True, "b": False}, None, {"a": False, "b": True}]
    named = loaded(tmp_path / "x.csv", ROLES, {"sequence": "smiles", "label": {"toxic": "b", "last": 3}})["train"]
    assert [r["label"] for r in named][::2] == [{"toxic": False, "last": None}, {"toxic": True, "last": False}]
    found = summary(rows)
    assert found["missing"] == {"label.a": 1, "label.b": 1} and found["balance"] == {"label": {"a": 1, "b": 1}}
    assert Classify.fit(iter(rows), ClassifyOptions(multi=True)) == {
        "labels": ["a", "b"], "counts": [1, 1], "known": [2, 2],
    }  # fmt: skip


def test_what_is_neither_goes_to_quarantine(tmp_path: Path) -> None:
    kept = Quarantine(tmp_path / "q.jsonl", 1.0)
    path = write_text(tmp_path / "x.csv", FILE.replace("0.0", "2"))
    rows = read(tmp_path, path, ROLES, {"sequence": "smiles", "label": ["a", "b"]}, quarantine=kept)["train"]
    assert len(rows) == 2 and kept.counts["toy"]["train"] == {'label "a" is neither 1 nor 0': 1}


def test_a_recipe_says_it_by_a_list() -> None:
    task = {
        "kind": "classify",
        "data": "x.csv",
        "columns": {"sequence": "smiles", "label": ["a", "b"]},
        "head": {"multi": True},
    }
    made = resolve(build({"trunk": "minilm", "tasks": {"t": task}}))["t"]
    assert made.roles["label"].kind == "flags" and made.stems == ("sequence",)
    assert type(made).from_config("t", made.config()).roles == made.roles


def test_tox21_has_gaps(loaded: Load) -> None:
    path = real("molecules/moleculenet") / "tox21.csv"
    rows = loaded(path, ROLES, {"sequence": "smiles", "label": ["NR-AR", "SR-p53"]})["train"]
    missing = sum(r["label"] is None or r["label"]["SR-p53"] is None for r in rows)
    assert len(rows) == 7831 and missing == pytest.approx(1057, abs=1)
