"""Pairs that may change places are there both ways round in training, and as they are everywhere else."""

from __future__ import annotations

import numpy as np
import pytest

import unisono
from unisono.prepare import build_model, encode, read_tables
from unisono.recipe import Recipe, RecipeError, build


def recipe(folder, *, symmetric: bool = True, **columns) -> Recipe:
    for split, count in (("train", 9), ("validation", 4)):
        lines = [f"the {n} birds sing,{'' if n == 3 else f'{n} dogs'},{n % 2}\n" for n in range(count)]
        (folder / f"{split}.csv").write_text("one,other,label\n" + "".join(lines))
    columns = columns or {"text": "one", "pair": "other"}
    task = {"kind": "classify", "data": str(folder), "columns": {**columns, "label": "label"}, "symmetric": symmetric}
    train = {"steps": 4, "rows_per_step": 6, "device": "cpu"}
    return build({
        "run": str(folder / "run"), "cache": str(folder / "cache"), "tasks": {"same": task}, "train": train,
        "trunk": {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300},
    })  # fmt: skip


def texts(model, example) -> list[str]:
    whole = model.text.tokenizer.decode(example["ids"])
    return [part.strip() for part in whole.replace("[CLS]", "").split("[SEP]")[:-1]]


def test_training_has_pairs_both_ways_round(tmp_path):
    wanted = recipe(tmp_path)
    tables = read_tables(wanted, run=None)
    model = build_model(wanted, tables)
    split = encode(wanted, tables, model)["same"]
    assert len(split["validation"]) == 4
    train = split["train"]
    assert train.source.tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]  # row 3 is no pair
    for at, row in enumerate(train.source.tolist()):
        one, other = f"the {row} birds sing", f"{row} dogs"
        turned = at > 0 and row == train.source[at - 1]
        assert texts(model, train[at]) == ([one] if row == 3 else [other, one] if turned else [one, other])
        assert train[at]["label"].tolist() == [row % 2]
        if row != 3:  # the second text is marked as such, whichever it is
            first = train[at]["ids"].tolist().index(model.text.tokenizer.sep_token_id)
            assert np.array_equal(train[at]["types"], np.arange(len(train[at]["ids"])) > first)
    plain = recipe(tmp_path, symmetric=False)
    assert len(encode(plain, tables, model)["same"]["train"]) == 9  # another place in the cache


def test_it_trains(tmp_path):
    trained = unisono.train(recipe(tmp_path))
    assert unisono.load(trained.run).predict("same", [{"text": "the 1 birds sing", "pair": "1 dogs"}])


def test_without_two_texts_there_is_nothing_to_turn_round(tmp_path):
    with pytest.raises(
        RecipeError, match=r"^recipe: tasks.same.symmetric: is for two texts; name columns for text and"
    ):
        read_tables(recipe(tmp_path, text="one"), run=None)
