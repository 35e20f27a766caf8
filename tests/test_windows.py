"""Rows of several examples: trained, evaluated and asked, a row has one answer however many windows it became."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import unisono
from unisono.evaluate import evaluate
from unisono.model import MultiTaskModel
from unisono.prepare import build_model, encode, read_tables
from unisono.recipe import Recipe, parse
from unisono.saved import ModelError
from unisono.train.bundles import Bundles

WORDS = ("red", "green", "blue", "pink", "grey", "teal", "gold", "rust", "navy", "plum")


def paragraph(number: int) -> dict:
    """Three questions about a context of 41 words and one that has no answer."""
    context = (
        " ".join(f"{WORDS[(number + i) % 10]} box {i} ." for i in range(8)) + " the end of paragraph " + str(number)
    )
    asked = [
        {
            "id": f"{number}-{i}",
            "question": f"box {i} ?",
            "answers": [{"text": f"box {i}", "answer_start": context.index(f"box {i}")}],
        }
        for i in (0, 4, 7)
    ]
    return {
        "context": context,
        "qas": [*asked, {"id": f"{number}-no", "question": "who ?", "answers": [], "is_impossible": True}],
    }


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    folder = tmp_path_factory.mktemp("qa")
    (folder / "x.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph(n) for n in range(20)]}]}))
    return parse(f"""
        run: {folder}/run
        cache: {folder}/cache
        trunk: {{layers: 1, width: 32, heads: 2, vocabulary: 300}}
        tasks:
          qa:
            kind: span
            data: {{path: {folder}/x.json, ratio: {{validation: 0.2, by: context}}}}
            max_length: 32
            head: {{stride: 8}}
        train: {{steps: 4, tokens_per_step: 400, warmup: 0}}
    """)


@pytest.fixture(scope="module")
def folder(recipe) -> Path:
    unisono.train(recipe)
    return Path(recipe.run)


def test_a_row_becomes_windows_under_its_own_number(recipe):
    tables = read_tables(recipe, run=None)
    model = build_model(recipe, tables)
    examples = encode(recipe, tables, model)["qa"]["train"]
    rows = tables.rows["qa"]["train"]
    assert len(rows) == 64 and len(examples) > 2 * len(rows)
    assert np.array_equal(np.unique(examples.source), np.arange(64))
    assert (np.diff(examples.source) >= 0).all() and examples.lengths.max() <= 32
    row, own = rows[1], np.flatnonzero(examples.source == 1)
    (right,) = row["answers"]
    holding = [examples[int(i)] for i in own if examples[int(i)]["answer"][0] > 0]
    assert 1 <= len(holding) < len(own)
    for example in holding:
        first, last = example["answer"] - 1
        assert row["context"][example["begins"][first] : example["ends"][last]] == right["text"]


def test_windows_of_one_row_are_not_taken_for_shared_rows(recipe):
    two = recipe.model_copy(update={"tasks": {"qa": recipe.tasks["qa"], "other": recipe.tasks["qa"]}})
    tables = read_tables(two, run=None)
    bundles = Bundles(two, tables, encode(two, tables, build_model(two, tables)))
    assert [b.tasks for b in bundles.split(["qa", "other"])] == [("qa",), ("other",)]


def test_every_row_is_scored_once(recipe, folder):
    (result,) = unisono.evaluate(folder).values()
    assert result.source == list(range(16)) and result.scores["rows"] == 16
    assert {"f1", "exact_match", "f1/answerable", "f1/unanswerable"} <= result.scores.keys()
    rows = read_tables(recipe, run=None).rows["qa"]["validation"]
    for at, said in zip(result.source, result.predictions, strict=True):
        if said["start"] is not None:
            assert said["text"] == rows[at]["context"][said["start"] : said["end"]] != ""
    asked = unisono.load(folder).predict("qa", [rows[at] for at in result.source], tokens_per_batch=100)
    for ours, theirs in zip(asked, result.predictions, strict=True):
        assert ours["text"] == theirs["text"] and ours["score"] == pytest.approx(theirs["score"], abs=1e-4)


def test_a_limit_counts_rows_and_parts_come_together(recipe, folder):
    model = unisono.load(folder)
    tables = read_tables(recipe, run=None)
    rows, examples = tables.rows["qa"]["validation"], encode(recipe, tables, model)["qa"]["validation"]
    whole = evaluate(model, "qa", rows, examples)
    few = evaluate(model, "qa", rows, examples, limit=4)
    assert few.source == [0, 4, 8, 12]
    assert [p["text"] for p in few.predictions] == [whole.predictions[at]["text"] for at in few.source]
    parts: list = []
    for rank in range(2):  # two processes, each with some of a row's windows
        evaluate(
            model,
            "qa",
            rows,
            examples,
            rank=rank,
            world=2,
            tokens_per_batch=64,
            gather=lambda own: parts.extend(own) or own,
        )
    again = evaluate(model, "qa", rows, examples, tokens_per_batch=64, gather=lambda own: parts)
    assert [p["text"] for p in again.predictions] == [p["text"] for p in whole.predictions]


def test_a_saved_model_gives_the_same_answer(folder, tmp_path):
    model = unisono.load(folder)
    row = {"question": "box 7 ?", "context": paragraph(3)["context"]}
    model.save_pretrained(tmp_path / "m")
    again = MultiTaskModel.from_pretrained(tmp_path / "m")
    assert again.predict("qa", [row]) == model.predict("qa", [row])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question": "box ?"}, 'row 1: "context" is missing or empty'),
        ({"context": "a box"}, 'row 1: "question" is missing or empty'),
        ("box ?", 'row 1: "context" is missing or empty'),
        ({}, "row 1: question and context are missing or empty"),
    ],
)
def test_both_inputs_are_asked_for(folder, row, says):
    good = {"question": "box ?", "context": "a box"}
    with pytest.raises(ModelError, match=says):
        unisono.load(folder).predict("qa", [good, row])


def test_questions_are_not_asked_of_single_sentences(folder):
    model = unisono.load(folder)
    assert model.text_tasks == []
    with pytest.raises(ModelError, match="ask one by its name, with rows: qa"):
        model.predict_all("a box")
    assert 'model.predict("qa", [{"question": ..., "context": ...}])' in model.card
