"""Molecules from files to predictions: labels with gaps, numbers, and text beside SMILES, with one trunk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unisono
from unisono.recipe import RecipeError
from unisono.runtime.stems.molecules import spellings
from unisono.saved import ModelError

ATOMS = ["C", "N", "O", "C(C)", "c1ccccc1", "C(=O)"]


def recipe(folder: Path, **stem: Any) -> dict[str, Any]:
    """Does it hold an N, a Br, a ring; how many symbols; and one task that has a text, a molecule or both."""
    rng = np.random.default_rng(0)
    chains = ["".join(rng.choice(ATOMS, rng.integers(2, 6))) + rng.choice(["", "Br"]) for _ in range(240)]
    rows = [f"{s},{int('N' in s)},{int('Br' in s) if i % 3 else ''},{len(s) / 10}" for i, s in enumerate(chains)]
    (folder / "x.csv").write_text("smiles,n,br,size\n" + "\n".join(rows) + "\n")
    texts = ["with nitrogen" if "N" in s else "without any" for s in chains]
    both = [
        f"{'' if i % 4 == 0 else s},{'' if i % 4 == 1 else t},{int('N' in s)}"
        for i, (s, t) in enumerate(zip(chains, texts, strict=True))
    ]
    (folder / "both.csv").write_text("smiles,note,n\n" + "\n".join(both) + "\n")
    ratio = {"validation": 0.0, "test": 0.2}
    data = {"path": str(folder / "x.csv"), "ratio": ratio}
    several = {"multi": True, "pool": "mean"}
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 32, "heads": 2, "dropout": 0.0, "vocabulary": 300},
        "stems": {"sequence": {"max_length": 64, **stem}},
        "tasks": {
            "has": {
                "kind": "classify", "data": data, "columns": {"sequence": "smiles", "label": {"N": "n", "Br": "br"}},
                "head": several, "metric": "roc_auc",
            },
            "size": {
                "kind": "regress", "data": data, "columns": {"sequence": "smiles", "label": "size"},
                "head": {"pool": "mean"},
            },
            "either": {
                "kind": "classify", "data": {**data, "path": str(folder / "both.csv")},
                "columns": {"sequence": "smiles", "text": "note", "label": "n"}, "metric": "roc_auc",
            },
        },
        "train": {"steps": 200, "rows_per_step": 48, "trunk_lr": 3e-3, "head_lr": 3e-3, "device": "cpu", "threads": 1},
    }  # fmt: skip


@pytest.mark.slow
def test_labels_with_gaps_numbers_and_missing_inputs_are_learned(tmp_path):
    pytest.importorskip("rdkit")
    trained = unisono.train(recipe(tmp_path, randomise=4))
    scores = {name: result.scores for name, result in unisono.evaluate(trained.run).items()}
    assert scores["has"]["roc_auc"] > 0.85 and scores["has"]["roc_auc/Br"] > 0.8
    assert scores["either"]["roc_auc"] > 0.9 and scores["size"]["rmse"] < 0.4
    model = unisono.load(trained.run)
    assert model.predict("has", ["CNCBr"]) == model.predict("has", [{"sequence": "C(NC)Br"}]), (
        "one molecule, one spelling"
    )
    said = model.predict(
        "either", [{"sequence": "CNC"}, {"text": "with nitrogen"}, {"sequence": "CNC", "text": "with nitrogen"}]
    )
    assert [one["label"] for one in said] == ["1"] * 3
    with pytest.raises(ModelError, match="RDKit reads no molecule"):
        model.predict("has", ["c1cc"])


def test_contradictions_of_the_stem_are_one_line(tmp_path):
    with pytest.raises(RecipeError, match=r'stems.sequence: "reverse_complement" needs "alphabet: dna"'):
        unisono.train(recipe(tmp_path, reverse_complement=True))


def test_without_rdkit_the_recipe_is_told_the_command(tmp_path, monkeypatch):
    spellings.cache_clear()  # what another test has asked for needs no RDKit
    monkeypatch.setitem(sys.modules, "rdkit.RDLogger", None)
    with pytest.raises(
        RecipeError, match=r"stems.sequence: RDKit is not installed; run: pip install 'unisono\[molecules\]'"
    ):
        unisono.train(recipe(tmp_path, canonical=True))
