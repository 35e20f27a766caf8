"""summary counts what counting the rows one by one counts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, read, write_text
from unisono.data import Role, encode, summary

ROLES = {"text": Role("text"), "label": Role("label"), "many": Role("labels"), "score": Role("number")}
some_rows = st.lists(
    st.fixed_dictionaries(
        {"text": st.sampled_from(["a", "bb c", "Ünï"])},
        optional={
            "label": st.sampled_from(["x", "y", ""]),
            "many": st.lists(st.sampled_from("pqr"), max_size=3),
            "score": st.integers(-3, 3),
        },
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=15, deadline=None)
@given(made=some_rows)
def test_against_plain_counting(made: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")
    full = {"text": "t", "label": "x", "many": ["p"], "score": 0}
    path = write_text(folder / "x.jsonl", "".join(json.dumps(r) + "\n" for r in [full, *made]))
    rows = read(folder, path, ROLES)["train"]
    found = summary(rows)
    plain = list(rows)
    assert found["rows"] == len(plain)
    assert found["missing"] == {n: sum(r[n] is None for r in plain) for n in ("label", "many", "score")}
    assert found["balance"]["label"] == dict(Counter(r["label"] for r in plain if r["label"]))
    assert found["balance"]["many"] == dict(Counter(v for r in plain for v in r["many"] or ()))
    scores = [r["score"] for r in plain if r["score"] is not None]
    assert found["numbers"]["score"] == pytest.approx({"min": min(scores), "mean": np.mean(scores), "max": max(scores)})
    assert found["lengths"]["max"] == max(len(r["text"]) for r in plain)
    assert found["lengths"]["unit"] == "characters"
    json.dumps(found)


def test_of_cut_rows_and_of_examples(loaded: Load, tmp_path: Path) -> None:
    path = write_text(
        tmp_path / "x.jsonl", "".join(f'{{"text": "{"t" * i}", "label": "{i % 2}"}}\n' for i in range(1, 41))
    )
    for rows in loaded(path, ratio={"validation": 0.3}).values():
        examples = encode(
            rows, lambda some: [{"ids": np.zeros(2 * len(r["text"]), int)} for r in some], "f", tmp_path / "c"
        )
        lengths = sorted(2 * len(r["text"]) for r in rows)
        found = summary(rows, examples)["lengths"]
        assert (found["min"], found["max"], found["unit"]) == (lengths[0], lengths[-1], "tokens")
        assert sum(summary(rows)["balance"]["label"].values()) == len(rows)


def test_languages_are_counted_apart(loaded: Load, tmp_path: Path) -> None:
    for language, text in {"en": "a\nb\n", "de": "a\n\n", "fr": "\n\n"}.items():
        write_text(tmp_path / "mt" / f"train.{language}", text)
    roles = {"source": Role("text"), "target": Role("texts", required=False)}
    rows = loaded(tmp_path / "mt", roles, {"source": "en", "target": {"german": "de", "fr": "fr"}})["train"]
    assert rows[1] == {"source": "b", "target": {"german": None, "fr": None}}
    assert summary(rows)["missing"] == {"target.german": 1, "target.fr": 2}
