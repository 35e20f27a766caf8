"""Matching from files to vectors: inputs of a row do not see each other, one may be missing, pairs are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import unisono
from tests.train.runs import TRUNK, run, small
from unisono.model import MultiTaskModel
from unisono.prepare import build_model, encode, labelled, read_tables
from unisono.recipe import RecipeError, build
from unisono.saved import ModelError
from unisono.tasks import resolve
from unisono.train.bundles import Bundles
from unisono.train.check import describe

Image = pytest.importorskip("PIL.Image")
COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "grey": (90, 90, 90)}


def captioned(folder: Path) -> dict[str, Any]:
    """A recipe of images of one colour and two captions each; some rows lack one of the two."""
    rows: list[dict[str, Any]] = []
    for i, (name, colour) in enumerate(COLOURS.items()):
        Image.new("RGB", (8, 8 + 4 * (i % 2)), colour).save(folder / f"{name}.png")
        rows += [{"file": f"{name}.png", "said": said} for said in (f"it is {name}", f"a {name} field of some width")]
    rows += [{"said": "nobody painted this"}, {"file": "red.png"}, {"file": "blue.png", "said": None}]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "run": str(folder / "run"), "cache": str(folder / "cache"), "trunk": {**TRUNK, "dropout": 0.0},
        "stems": {"image": {"patch": 4, "longest": 16}},
        "tasks": {"caption": {"kind": "match", "data": {"path": str(folder), "ratio": {"validation": 0.0}},
                              "columns": {"image": "file", "text": "said"}, "head": {"size": 8, "dropout": 0.0}}},
        "train": {"steps": 60, "rows_per_step": 8, "trunk_lr": 3e-3, "head_lr": 3e-3, "device": "cpu", "threads": 1},
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captions")


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[Any, MultiTaskModel, Any]:
    recipe = build(captioned(folder))
    tables = read_tables(recipe, run=None)
    model = build_model(recipe, tables).eval()
    return tables, model, encode(recipe, tables, model)["caption"]["train"]


def test_each_input_is_a_sequence_that_sees_itself_alone(made):
    _, model, examples = made
    batch = model.collate("caption", [examples[i] for i in range(len(examples))])
    numbers = batch.targets["sequences"]
    assert batch.inputs.layout.count == int((numbers >= 0).sum()) == 19
    assert list(batch.inputs.layout.lengths) == sorted(batch.inputs.layout.lengths)
    with torch.no_grad():
        together = model.states(batch.inputs).split()
        for at, i in enumerate(batch.order):
            alone = model.collate("caption", [examples[i]])
            own = model.states(alone.inputs).split()
            for one, number in zip(alone.targets["sequences"][0].tolist(), numbers[at].tolist(), strict=True):
                assert (one < 0) == (number < 0)
                if one >= 0:
                    assert_close(together[number], own[one], rtol=1e-4, atol=1e-5)


def test_an_input_has_the_same_vector_whether_or_not_its_partner_is_there(made, folder):
    _, model, _ = made
    image = str(folder / "red.png")
    pair, text, picture = model.predict("caption", [{"image": image, "text": "red"}, {"text": "red"}, {"image": image}])
    assert text["vectors"]["text"] == pytest.approx(pair["vectors"]["text"], abs=1e-5)
    assert picture["vectors"]["image"] == pytest.approx(pair["vectors"]["image"], abs=1e-5)
    assert text["similarity"] is None and picture["vectors"].keys() == {"image"}
    assert unisono.vectors(model, "caption", [image, image], role="image") == pytest.approx(
        np.array([pair["vectors"]["image"]] * 2), abs=1e-5
    )


def test_rows_without_a_partner_are_not_drawn(made):
    tables, _, examples = made
    drawn = labelled(tables.tasks["caption"], tables.rows["caption"]["train"], examples)
    assert drawn.tolist() == list(range(8))


def test_a_description_counts_rows_without_a_partner_and_inputs_that_are_cut(folder):
    recipe = captioned(folder)
    recipe["tasks"]["caption"]["max_length"] = 10
    facts = describe(build(recipe))["caption"]["train"]
    assert facts["missing"] == {"partner": 3}
    assert facts["cut"] == 1 and facts["lengths"]["max"] > 10  # of two inputs together


def test_packed_rows_give_the_loss_and_gradients_of_a_shuffled_pack(made):
    _, model, examples = made
    found = []
    for order in (range(11), [7, 3, 10, 0, 5, 1, 8, 2, 9, 4, 6], range(8)):
        model.zero_grad()
        loss = model(model.collate("caption", [examples[i] for i in order]))
        loss.mean().backward()
        found.append([loss.total.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
        assert loss.units == 8
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_what_cannot_be_asked_is_explained(made):
    _, model, _ = made
    with pytest.raises(ModelError, match='has no "other"; it matches text and image'):
        unisono.vectors(model, "caption", ["a"], role="other")
    with pytest.raises(ModelError, match="text and image are missing"):
        model.predict("caption", [{"image": None}])


@pytest.mark.parametrize("columns", [{"text": "a"}, {"text": "a", "image": "b", "audio": "c"}])
def test_it_takes_two_inputs(columns):
    recipe = {"trunk": TRUNK, "tasks": {"m": {"kind": "match", "data": "x.jsonl", "columns": columns}}}
    with pytest.raises(RecipeError, match="tasks.m.columns: match takes two inputs, named are"):
        resolve(build(recipe))


def test_two_texts_train_resume_and_keep_their_vectors(tmp_path):
    everyday = {"path": "builtin:everyday", "limit": {"train": 60, "validation": 12}}
    tasks = {
        "pairs": {"kind": "match", "data": everyday, "columns": {"text": "text", "other": "german"}},
        "both": {"kind": "classify", "data": everyday, "columns": {"pair": "german", "label": "intent"}},
    }
    recipe = small(tmp_path / "run", tasks, steps=2, evaluate_every=2)
    heard = run(recipe)
    assert heard.events
    model = unisono.load(tmp_path / "run")
    scores = unisono.evaluate(tmp_path / "run", split="validation")["pairs"].scores
    assert {"recall@1", "recall@10/text-other", "median_rank/other-text"} <= scores.keys() and scores["rows"] == 12
    one = unisono.vectors(model, "pairs", ["Wake me up.", "Hi"])
    assert one.shape == (2, 128) and one.dtype == np.float32
    assert unisono.vectors(model, "pairs", ["Hi"], role="other")[0] == pytest.approx(one[1], abs=1e-5)
    with pytest.raises(ModelError, match='task "both" is of kind "classify"'):
        unisono.vectors(model, "both", ["a"])
    tables = read_tables(recipe, run=None)
    examples = encode(recipe, tables, model)
    bundles = Bundles(recipe, tables, examples)  # one sequence of a pair is not two sequences: no pass serves both
    assert [b.tasks for b in bundles.split(["pairs", "both"])] == [("pairs",), ("both",)]


@pytest.mark.slow
def test_captions_find_their_images(folder):
    trained = unisono.train(captioned(folder))
    scores = unisono.evaluate(trained.run, split="train")["caption"].scores
    assert scores["recall@1"] == 1 and scores["rows"] == 8
    model = unisono.load(trained.run)
    images = unisono.vectors(model, "caption", [str(folder / f"{name}.png") for name in COLOURS], role="image")
    asked = unisono.vectors(model, "caption", [f"it is {name}" for name in COLOURS])
    assert (asked @ images.T).argmax(1).tolist() == [0, 1, 2, 3]
