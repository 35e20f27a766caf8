"""What `unisono init` writes can be read, and tried, as it stands: every kind of data, the real ones included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import real
from unisono.begin import write_recipe
from unisono.data import DataError
from unisono.prepare import read_tables
from unisono.recipe import Recipe, read
from unisono.train.check import check

FRESH = ["trunk={layers: 1, width: 16, heads: 2, vocabulary: 300}"]


def begun(folder: Path, *places: str | Path, overrides: list[str] | None = None) -> Recipe:
    write_recipe(places, folder / "recipe.yaml")
    return read(folder / "recipe.yaml", [*(overrides or []), f"cache={folder / 'cache'}"])


def images(folder: Path, *names: str, side: int = 20, count: int = 6) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).mkdir()
        for at in range(count):
            pixels = np.random.default_rng(at).integers(0, 255, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{at}.png")


@pytest.mark.parametrize(
    ("place", "kind", "stem", "least"),
    [
        ("qa/xquad/xquad.en.json", "span", None, 1000),
        ("glue/mrpc", "classify", None, 3500),
        ("crosslingual/massive-de/Intents", "classify", None, 10000),
        ("vision/mnist-t10k", "classify", "image", 9000),
        ("vision/coco-mini", "detect", "image", 70),
        ("detection/bccd", "detect", "image", 100),
        ("segmentation/camvid-21", "segment", "image", 10),
        ("segmentation/isbi2012-em", "segment", "image", 15),
        ("speech/fsdd", "classify", "audio", 900),
        ("speech/ljspeech-20", "transcribe", "audio", 5),
        ("molecules/moleculenet/tox21.csv", "classify", "sequence", 7000),
        ("molecules/moleculenet/BBBP.csv", "classify", "sequence", 1800),
        ("molecules/moleculenet/delaney-processed.csv", "regress", "sequence", 1000),
        ("dna/uci-promoters/promoters.data", "classify", "sequence", 90),
    ],
)
def test_real_data_can_be_read_as_written(tmp_path, place, kind, stem, least):
    recipe = begun(tmp_path, real(place))
    ((name, task),) = recipe.tasks.items()
    assert task.kind == kind and list(recipe.stems) == [stem] * (stem is not None)
    assert (recipe.trunk.pretrained == "minilm") == (stem is None)
    assert len(read_tables(recipe, run=None).rows[name]["train"]) >= least


def test_labels_that_are_several_columns_are_learned_together(tmp_path):
    (task,) = begun(tmp_path, real("molecules/moleculenet/sider.csv")).tasks.values()
    assert task.columns["sequence"] == "smiles" and len(task.columns["label"]) == 27 and task.head["multi"] is True
    (task,) = begun(tmp_path / "esol", real("molecules/moleculenet/delaney-processed.csv")).tasks.values()
    assert task.columns["label"] == "measured log solubility in mols per litre"  # not what a formula predicted


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("multimodal/easy-vqa", 'images in one folder, "images", where each class would have its own'),
        ("crosslingual/massive-de", "several data sets; name one of them, or a file: Intents, Seq"),
        ("molecules/moleculenet", "no file of rows whose name speaks of train .*; name a file"),
    ],
)
def test_what_cannot_be_guessed_is_said(tmp_path, place, says):
    with pytest.raises(DataError, match=says):
        begun(tmp_path, real(place))


def test_small_images_are_cut_into_small_patches(tmp_path):
    images(tmp_path / "small", "cat", "dog")
    recipe = begun(tmp_path, tmp_path / "small")
    assert recipe.stems["image"]["patch"] == 8
    assert [task.loss > 0 for task in check(recipe).tasks] == [True]
    images(tmp_path / "large", "cat", "dog", side=90)
    assert begun(tmp_path / "other", tmp_path / "large").stems["image"]["patch"] == 16


def test_a_column_that_is_called_as_its_role_is_still_read(tmp_path):
    rows = "".join(f"{'acgt'[i % 4] * 3}{'tgca'[i % 3] * 9},{i % 2}\n" for i in range(40))
    (tmp_path / "dna.csv").write_text("sequence,label\n" + rows)
    recipe = begun(tmp_path, tmp_path / "dna.csv")
    assert list(recipe.stems) == ["sequence"] and [one.loss > 0 for one in check(recipe).tasks] == [True]


@pytest.mark.parametrize("names", [("train.csv",), ("train.csv", "val.csv", "dev.csv")])  # the latter need splits:
def test_molecules_in_a_folder_of_splits(tmp_path, names):
    rows = "".join(f"C{'C' * (i % 7)}(=O)O{i % 3}C,{i % 2},{i % 2},{(i + 1) % 2}\n" for i in range(40))
    for name in names:
        (tmp_path / "mols").mkdir(exist_ok=True)
        (tmp_path / "mols" / name).write_text("smiles,a,b,c\n" + rows)
    recipe = begun(tmp_path, tmp_path / "mols")
    (task,) = recipe.tasks.values()
    assert list(recipe.stems) == ["sequence"] and task.columns["label"] == ["a", "b", "c"] and task.head["multi"]
    assert bool(task.data.splits) == (len(names) > 1)


def test_text_and_images_share_a_trunk_that_knows_words(tmp_path):
    images(tmp_path / "pets", "cat", "dog")
    (tmp_path / "said.csv").write_text("text,label\n" + "".join(f"row {i} it is,{i % 2}\n" for i in range(20)))
    recipe = begun(tmp_path, tmp_path / "pets", tmp_path / "said.csv")
    assert recipe.trunk.pretrained == "minilm" and list(recipe.stems) == ["image"]
    assert len(check(begun(tmp_path / "x", tmp_path / "pets", tmp_path / "said.csv", overrides=FRESH)).tasks) == 2
