"""The sequence stem: symbols of each alphabet, other spellings of a row, and what every stem keeps."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from unisono.packed import Layout
from unisono.runtime.stems.symbols import Unreadable, clean, guess, reverse_complement, symbols
from unisono.stems import SequenceStem, find_stem
from unisono.stems.hiding import MASKED, SWAPPED

SMILES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "C1CCCCC1",
    "[Na+].[Cl-]",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "BrCC%10CCl.C%10",
    "C/C=C\\C",
]
DNA = ["ACGTACGT", "ttgacaNN", "GATTACA", "CCCCC"]


def build(values, **options) -> SequenceStem:
    torch.manual_seed(0)
    chosen = SequenceStem.Options(**options)
    fitted = json.loads(json.dumps(SequenceStem.fit(iter(values), chosen)))
    return SequenceStem(8, chosen, fitted)


def read(stem, values):
    return stem.tokens([{"sequence": v} for v in values])


def embedded(stem, tokens):
    return stem.embed(stem.collate(tokens), Layout(stem.length(t) for t in tokens))


# -- symbols ---------------------------------------------------------------------------------------------------------


def test_smiles_by_hand():
    assert symbols("C[C@@H](Br)Cl.[nH]1c%12", "smiles") == [
        "C", "[C@@H]", "(", "Br", ")", "Cl", ".", "[nH]", "1", "c", "%12",
    ]  # fmt: skip
    assert [symbols(s, "smiles", most=3) for s in SMILES[:2]] == [["C", "C", "("], ["C", "1", "C"]]


@pytest.mark.parametrize("smiles", SMILES)
def test_symbols_of_smiles_spell_it(smiles):
    assert "".join(symbols(smiles, "smiles")) == smiles


@pytest.mark.parametrize(
    ("smiles", "sign"), [("CCX", "X"), ("C[", r"\["), ("Hello", "H"), ("C\0", r"\\x00"), ("C]", "]")]
)
def test_a_sign_that_smiles_does_not_have(smiles, sign):
    with pytest.raises(Unreadable, match=f"'{sign}' is no sign of SMILES"):
        symbols(smiles, "smiles")


def test_letters_are_cleaned():
    assert clean("  CCO ethanol\n", "smiles") == "CCO" and clean(" \n", "smiles") == ""
    assert clean("\tacg tN\n", "dna") == "ACGTN" and clean(" a B", "letters") == "aB"
    with pytest.raises(Unreadable, match="'J' is no letter of DNA"):
        symbols("ACJ", "dna")


@given(text=st.text("ACGTN", min_size=1, max_size=30), k=st.integers(1, 4), most=st.integers(1, 12))
def test_k_mers_overlap_and_are_cut(text, k, most):
    slow = [text[i : i + k] for i in range(len(text)) if i + k <= len(text)] or [text]
    assert symbols(text, "dna", k) == slow and symbols(text, "dna", k, most) == slow[:most]


@given(st.text("ACGTRYSWKMBDHVN-", max_size=30))
def test_the_other_strand_of_the_other_strand(text):
    pairs = dict(zip("ACGTRYSWKMBDHVN-", "TGCAYRSWMKVHDBN-", strict=True))
    assert reverse_complement(text, "dna") == "".join(pairs[c] for c in reversed(text))
    assert reverse_complement(reverse_complement(text, "dna"), "dna") == text
    rna = text.replace("T", "U")
    assert reverse_complement(rna, "rna") == reverse_complement(text, "dna").replace("T", "U")


def test_alphabets_are_told_from_rows():
    assert guess(DNA) == "dna" and guess(["ACGU", "UUU"]) == "rna"
    assert guess(["MKTAYIAKQR", "GSHM*"]) == "protein" and guess(SMILES) == "smiles" and guess([]) == "smiles"
    assert build(SMILES).fitted["alphabet"] == "smiles" and build([None, *DNA]).fitted["alphabet"] == "dna"


# -- the stem --------------------------------------------------------------------------------------------------------


def test_tokens_by_hand():
    stem = build(DNA, rare=2)
    assert find_stem("sequence") is SequenceStem and stem.fitted["symbols"] == ["A", "C", "G", "N", "T"]
    tokens, unknown = read(stem, [" acgtn\n", "RA"])
    assert tokens["symbols"].tolist() == [0, 2, 3, 4, 6, 5] and tokens["symbols"].dtype == np.int32
    assert unknown["symbols"].tolist() == [0, 1, 2] and stem.length(unknown) == 3
    assert [len(t["symbols"]) for t in stem.tokens([{"sequence": DNA[0]}], max_length=4)] == [4]


def test_what_cannot_be_read_has_a_reason():
    stem = build(DNA, alphabet="dna")
    assert read(stem, ["ACGT", "E", " "])[1:] == ["'E' is no letter of DNA", "an empty sequence"]


CASES = {
    "smiles": (SMILES, {}),
    "dna": (DNA, {"alphabet": "dna", "k": 3, "rare": 1, "reverse_complement": True, "drop": 0.3}),
    "protein": (["MKTAYIAKQR", "GSHM"], {}),
    "letters": (["any thing", "Größe"], {"alphabet": "letters", "rare": 1}),
    "aligned": (["ACGTAC", "CCC", "GGGTTT"], {"alphabet": "dna", "rare": 1, "aligned": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pack_is_embedded_as_each_row_alone_and_evaluation_is_without_chance(case):
    values, options = CASES[case]
    stem = build(values, **options).eval()
    tokens = read(stem, values)
    whole = embedded(stem, tokens)
    assert torch.equal(whole, torch.cat([embedded(stem, [t]) for t in tokens])) and torch.equal(
        whole, embedded(stem, tokens)
    )
    apart = len(stem.fitted["symbols"]) + 2 if case == "aligned" else 0  # numbers from one place's table to the next's
    numbers = [n + at * apart for t in tokens for at, n in enumerate(t["symbols"].tolist())]
    assert torch.equal(whole, stem.embedding.weight[numbers])


def test_behind_the_longest_training_row_aligned_symbols_are_read_as_at_its_end():
    stem = build(["ACGT", "CA"], alphabet="dna", rare=1, aligned=True)
    assert stem.fitted["places"] == 5 and stem.embedding.num_embeddings == 5 * 6
    values = embedded(stem, read(stem, ["AAAAAA"]))
    assert torch.equal(values[5:], values[[4, 4]]) and len(torch.unique(values[1:5], dim=0)) == 4


def test_what_is_hidden_of_aligned_symbols_is_swapped_within_the_vocabulary():
    stem = build(["ACGT" * 9], alphabet="dna", rare=1, aligned=True)
    stem.learn_mask()
    (tokens,) = read(stem, ["ACGT" * 9])
    how = np.full(37, SWAPPED)
    how[:2] = 0, MASKED
    hidden = stem.hide(tokens, how, np.random.default_rng(0))
    assert hidden["symbols"][2:].min() >= 2 and hidden["symbols"].max() < 6
    values = embedded(stem, [hidden])
    assert torch.equal(values[1], stem.mask) and values.shape == (37, 8)


def test_training_sees_each_strand_half_of_the_time():
    stem = build(DNA, alphabet="dna", rare=1, reverse_complement=True).train()
    tokens = read(stem, ["ACGTT", "GG", "A"])
    fields, layout = stem.collate(tokens), Layout([6, 3, 2])
    seen = [tuple("?".join(_letters(stem, v)) for v in stem._draw(fields, layout).split([6, 3, 2])) for _ in range(400)]
    for place, strands in enumerate([{"A?C?G?T?T", "A?A?C?G?T"}, {"G?G", "C?C"}, {"A", "T"}]):
        found = [row[place] for row in seen]
        assert set(found) == strands and 140 < found.count(min(strands)) < 260
    assert len(set(seen)) == 8, "each row by itself"


def test_dropped_symbols_are_unknown_and_never_the_start():
    stem = build(["ACGT" * 50], rare=1, drop=0.4).train()
    tokens = read(stem, ["ACGT" * 50])
    values = embedded(stem, tokens)
    hidden = (values == stem.embedding.weight[1]).all(1)
    assert not hidden[0] and 50 < int(hidden.sum()) < 110


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reverse_complement": True}, "alphabet: dna"),
        ({"randomise": 3, "alphabet": "dna"}, "are for molecules"),
        ({"k": 3, "alphabet": "smiles"}, "not all of one letter"),
        ({"alphabet": "dna", "aligned": True, "reverse_complement": True}, '"aligned" rows have no other spelling'),
        ({"alphabet": "sneezes"}, "smiles"),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(ValidationError, match=message):
        SequenceStem.Options(**options)


def _letters(stem, numbers):
    names = ["", "?", *stem.fitted["symbols"]]
    return [names[i] for i in numbers.tolist()[1:]]


# -- with RDKit ------------------------------------------------------------------------------------------------------


def test_other_spellings_are_the_same_molecule():
    chem = pytest.importorskip("rdkit.Chem")
    stem = build(SMILES, randomise=6, rare=1)
    names = ["", "?", *stem.fitted["symbols"]]
    several = 0
    for smiles, tokens in zip(SMILES, read(stem, SMILES), strict=True):
        length = stem.length(tokens)
        others = tokens.get("others", np.zeros(0, np.int32)).reshape(-1, length)
        spelt = {"".join(names[i] for i in row[1:]) for row in [tokens["symbols"], *others]}
        assert len(spelt) == 1 + len(others) <= 7, "distinct"
        assert {chem.CanonSmiles(s) for s in spelt} == {chem.CanonSmiles(smiles)}
        several += len(others) > 1
    assert several > 2
    assert all(np.array_equal(a[f], b[f]) for a, b in zip(*(read(stem, SMILES) for _ in "ab"), strict=True) for f in a)


def test_what_is_drawn_is_one_of_the_spellings():
    pytest.importorskip("rdkit")
    stem = build(SMILES, randomise=6, rare=1).train()
    tokens = read(stem, SMILES)
    lengths = [stem.length(t) for t in tokens]
    others = [t.get("others", np.zeros(0, np.int32)).reshape(-1, n) for t, n in zip(tokens, lengths, strict=True)]
    known = [{tuple(t["symbols"]), *map(tuple, o)} for t, o in zip(tokens, others, strict=True)]
    seen = [set() for _ in tokens]
    for _ in range(200):
        for at, row in enumerate(stem._draw(stem.collate(tokens), Layout(lengths)).split(lengths)):
            seen[at].add(tuple(row.tolist()))
    assert seen == known


@pytest.mark.parametrize("smiles", ["c1ccccc", "C(C", "C1CC", "CC(C)(C)(C)(C)C", "C" * 5000, "."])
def test_rdkit_names_what_is_no_molecule(smiles):
    pytest.importorskip("rdkit")
    stem = build(SMILES, canonical=True)
    (reason,) = read(stem, [smiles])
    assert isinstance(reason, str) and ("RDKit reads no molecule" in reason or "more than 4,096" in reason)


def test_one_molecule_has_one_canonical_spelling():
    pytest.importorskip("rdkit")
    stem = build(SMILES, canonical=True, rare=1)
    one, two = read(stem, ["C1=CC=CC=C1O", "Oc1ccccc1"])
    assert one["symbols"].tolist() == two["symbols"].tolist() and "others" not in one


def test_without_rdkit_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit.RDLogger", None)
    with pytest.raises(ImportError, match=r"pip install 'unisono\[molecules\]'"):
        build(["CCN(CC)CCCl"], canonical=True)


@pytest.mark.parametrize("name", ["BBBP", "sider", "tox21", "delaney-processed"])
def test_every_real_molecule_is_cut_into_known_signs(real_data, name):
    with (real_data / "molecules" / "moleculenet" / f"{name}.csv").open(encoding="utf-8") as file:
        values = [row["smiles"] for row in csv.DictReader(file)]
    stem = build(values)
    assert not [t for t in read(stem, values) if isinstance(t, str)]
    assert all("".join(symbols(clean(v, "smiles"), "smiles")) == clean(v, "smiles") for v in values)
    assert 25 < len(stem.fitted["symbols"]) < 120
