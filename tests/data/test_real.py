"""Real data: every row of well-known files is found."""

from __future__ import annotations

import pytest

from tests.data.conftest import CLASSIFY, TAG, TRANSLATE, Load, real
from unisono.data import Role


def counts(splits: dict[str, object]) -> dict[str, int]:
    return {s: len(rows) for s, rows in splits.items()}  # type: ignore[arg-type]


def test_conll2003(loaded: Load) -> None:
    splits = loaded(real("ner/conll2003"), TAG, {"tokens": 0, "tags": 3})
    assert counts(splits) == {"train": 14_041, "validation": 3_250}
    assert splits["train"][0] == {
        "tokens": ["EU", "rejects", "German", "call", "to", "boycott", "British", "lamb", "."],
        "tags": ["B-ORG", "O", "B-MISC", "O", "O", "O", "B-MISC", "O", "O"],
    }
    assert splits["train"].origin(0) == ("train.txt", 3)


def test_multi30k(loaded: Load) -> None:
    splits = loaded(real("mt/multi30k"), TRANSLATE, {"source": "en", "target": "de"})
    assert counts(splits) == {"train": 29_000, "validation": 1_014}
    assert splits["train"][0]["target"] == "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche."
    roles = {"source": Role("text"), "target": Role("texts")}
    several = loaded(real("mt/multi30k"), roles, {"source": "en", "target": ["de", "fr", "cs"]})
    assert counts(several) == counts(splits)
    assert set(several["train"][0]["target"]) == {"de", "fr", "cs"}


def test_imdb(loaded: Load) -> None:
    splits = loaded(real("sentiment/imdb/aclImdb"), {**CLASSIFY, "rating": Role("number")})
    assert counts(splits) == {"train": 4_000, "test": 1_000}
    assert all((r["rating"] > 5) == (r["label"] == "pos") for r in splits["train"])
    assert counts(loaded(real("sentiment/imdb/aclImdb"), ratio={})) == {
        "train": 3_600,
        "validation": 400,
        "test": 1_000,
    }


@pytest.mark.parametrize(
    ("part", "spec", "columns", "expected"),
    [
        ("glue/cola", {"splits": {"train": "train.tsv", "validation": "val.tsv", "test": "dev.tsv"}},
         {"text": 3, "label": 1}, {"train": 7250, "validation": 1301, "test": 1043}),
        ("glue/mrpc", {}, {"text": "#1 String", "label": "Quality"}, {"train": 4076, "test": 1725}),
        ("glue/stsbenchmark", {}, {"text": 5, "label": 4}, {"train": 5749, "validation": 1500}),
        ("topic/ag_news_small", {}, {"text": 0, "label": 1}, {"train": 5000, "validation": 1000, "test": 1000}),
        ("sentiment/sst", {"format": "csv", "delimiter": " ",
                           "splits": {"train": "stsa.binary.train", "validation": "stsa.binary.dev"}},
         {"text": 1, "label": 0}, {"train": 6920, "validation": 872}),
        ("medical-text/symptom2disease/Symptom2Disease.csv", {}, {}, {"train": 1200}),
        ("molecules/moleculenet/tox21.csv", {}, {"text": "smiles", "label": "SR-p53"}, {"train": 7831}),
        ("crosslingual/massive-de/Intents", {}, {"text": 0, "label": 1},
         {"train": 13_382, "validation": 1487, "test": 1652}),
    ],
)  # fmt: skip
def test_tables(loaded: Load, part: str, spec: dict, columns: dict, expected: dict) -> None:  # type: ignore[type-arg]
    assert counts(loaded(real(part), columns=columns, **spec)) == expected


def test_universal_dependencies(loaded: Load) -> None:
    splits = {"train": "en*train*", "validation": "en*dev*", "test": "en*test*"}
    found = loaded(real("pos/ud-partut"), TAG, splits=splits)
    assert counts(found) == {"train": 1781, "validation": 156, "test": 153}


def test_slots_and_intents_are_cut_alike(loaded: Load) -> None:
    """Two tasks over line-aligned files: sentence i of one is text i of the other, in every split."""
    slots = loaded(real("crosslingual/massive-de/Seq"), TAG, splits={"train": "train.txt"}, ratio={"validation": 0.1})
    intents = loaded(
        real("crosslingual/massive-de/Intents"),
        columns={"text": 0, "label": 1},
        splits={"train": "train.txt"},
        ratio={"validation": 0.1},
    )
    for split in ("train", "validation"):
        for i in range(0, len(slots[split]), 997):
            assert " ".join(slots[split][i]["tokens"]) == intents[split][i]["text"]
