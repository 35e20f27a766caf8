"""Sequences: the student reads what its teacher writes, searched once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.deploy.conftest import recipe_of
from tests.train.runs import TASKS
from unisono.deploy import sequences
from unisono.deploy.sequences import Rewritten
from unisono.deploy.taught import prepared
from unisono.prepare import encode, read_tables


@pytest.fixture(scope="module")
def made(teacher, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    recipe = recipe_of(
        folder / "run",
        trunk={"pretrained": str(teacher), "keep": 1},
        distill={"teachers": str(teacher), "sequences": 2},
    ).model_copy(update={"cache": str(folder / "cache")})
    tables = read_tables(recipe, run=None)
    return recipe, tables, prepared(recipe, tables)


def test_the_training_rows_texts_are_the_best_beams(made):
    _, before, (tables, _, lesson) = made
    old, new = before.rows["en-de"], tables.rows["en-de"]
    some = list(old["train"])[:4]
    said = [p["text"] for p in lesson.teachers["en-de"].predict("en-de", some, beams=2)]
    assert [row["target"] for row in new["train"]][:4] == said == [new["train"][i]["target"] for i in range(4)]
    assert [{**row, "target": ""} for row in new["train"]] == [{**row, "target": ""} for row in old["train"]]
    assert new["validation"] is old["validation"] and tables.rows["slots"] is before.rows["slots"]


def test_they_are_what_is_encoded_and_other_rows_in_the_cache_stay(made):
    recipe, before, (tables, model, _) = made
    one, other = (encode(recipe, t, model, ("train",))["en-de"]["train"] for t in (before, tables))
    assert len(one) == len(other)
    assert any(set(one[i]) == set(other[i]) and not _equal(one[i], other[i]) for i in range(len(one)))
    assert all((one[i]["ids"] == other[i]["ids"]).all() for i in range(len(one)))


def _equal(one, other) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_they_are_searched_once(made, monkeypatch):
    recipe, before, (tables, _, _) = made
    monkeypatch.setattr(sequences, "_written", lambda *_: pytest.fail("searched again"))
    again, _, _ = prepared(recipe, before)
    assert list(again.rows["en-de"]["train"]) == list(tables.rows["en-de"]["train"])


def test_rewritten_rows_are_rows(made):
    rows = made[1].rows["en-de"]["train"]
    own = Rewritten(rows, "target", [None if i % 3 else f"Satz {i}" for i in range(len(rows))], "x")
    assert own.fingerprint != rows.fingerprint and (own.places() == rows.places()).all()
    for at, (new, old) in enumerate(zip(own, rows, strict=True)):
        assert new == (old if at % 3 else {**old, "target": f"Satz {at}"}) == own[at]
    some = own.select(np.array([9, 3, 4]))
    assert list(some) == [own[3], own[4], own[9]] and list(pickle.loads(pickle.dumps(some))) == list(some)


def test_tasks_that_write_are_known_by_their_kind(made):
    tables = made[1]
    assert [n for n, t in tables.tasks.items() if sequences.role_of(t)] == ["en-de"]
    assert TASKS["en-de"]["kind"] == "translate"
