"""Splits by scaffold: whole groups, the rarest in test, the same as MoleculeNet's own way of cutting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.conftest import CLASSIFY, Load, real, write_text
from unisono.data import DataError, Role

pytest.importorskip("rdkit")

ROLES = {"sequence": Role("sequence"), "label": Role("label", required=False)}
RINGS = {"c1ccccc1": 6, "c1ccncc1": 2, "C1CCCCC1": 1, "c1ccoc1": 1}


def moleculenet(scaffolds: list[str], train: float, validation: float) -> dict[str, set[int]]:
    """ScaffoldSplitter of DeepChem, written out."""
    groups: dict[str, list[int]] = {}
    for at, name in enumerate(scaffolds):
        groups.setdefault(name, []).append(at)
    out: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for group in sorted(groups.values(), key=lambda g: (len(g), g[0]), reverse=True):
        if len(out["train"]) + len(group) > train * len(scaffolds):
            full = len(out["train"]) + len(out["validation"]) + len(group) > (train + validation) * len(scaffolds)
            out["test" if full else "validation"] += group
        else:
            out["train"] += group
    return {split: set(places) for split, places in out.items()}


def cut(loaded: Load, path: Path, **ratio: float) -> dict[str, list[str]]:
    splits = loaded(path, ROLES, {"sequence": "smiles"}, ratio={**ratio, "by": "scaffold"})
    return {split: [row["sequence"] for row in rows] for split, rows in splits.items()}


def molecules(path: Path) -> Path:
    rows = [f"{'C' * (1 + i)}{ring},1" for ring, count in RINGS.items() for i in range(count)]
    return write_text(path, "smiles,label\n" + "\n".join(rows) + "\n")


def test_molecules_of_a_scaffold_stay_together_and_the_rarest_are_for_the_test(loaded: Load, tmp_path: Path) -> None:
    parts = cut(loaded, molecules(tmp_path / "x.csv"), validation=0.2, test=0.2)
    assert all(s.endswith("c1ccccc1") for s in parts["train"]) and len(parts["train"]) == 6
    assert parts["validation"] == ["Cc1ccncc1", "CCc1ccncc1"]
    assert parts["test"] == ["CC1CCCCC1", "Cc1ccoc1"]


def test_a_common_scaffold_may_be_more_than_its_share(loaded: Load, tmp_path: Path) -> None:
    parts = cut(loaded, molecules(tmp_path / "x.csv"), validation=0.0, test=0.7)
    assert len(parts["train"]) == 6 and len(parts["test"]) == 4


def test_only_molecules_have_scaffolds(loaded: Load, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.csv", "text,label\na,1\nb,0\n")
    with pytest.raises(DataError, match="is for molecules"):
        loaded(path, CLASSIFY, {}, ratio={"test": 0.5, "by": "scaffold"})


def test_real_molecules_are_cut_as_moleculenet_cuts_them(loaded: Load) -> None:
    from rdkit import Chem
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    path = real("molecules/moleculenet") / "delaney-processed.csv"
    splits = loaded(path, ROLES, {"sequence": "smiles"}, ratio={"validation": 0.1, "test": 0.1, "by": "scaffold"})
    whole = loaded(path, ROLES, {"sequence": "smiles"})["train"]
    told = moleculenet([MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(r["sequence"].strip())) for r in whole], 0.8, 0.1)
    for split, rows in splits.items():
        assert {rows.origin(i)[1] for i in range(len(rows))} == {whole.origin(i)[1] for i in told[split]}
