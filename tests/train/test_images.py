"""Images from files to predictions: one recipe that classifies, draws boxes and paints masks, with one trunk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import unisono
from tests.train.test_balancing import loop_of
from unisono.recipe import RecipeError, build

Image = pytest.importorskip("PIL.Image")


def painted(path: Path, bright: bool, seed: int, size: tuple[int, int] = (16, 24)) -> np.ndarray:
    """A bright or dark square on grey noise; returns where it is."""
    rng = np.random.default_rng(seed)
    image = rng.integers(100, 140, (*size, 3), dtype=np.uint8)
    mask = np.zeros(size, np.uint8)
    y, x = rng.integers(0, size[0] - 8), rng.integers(0, size[1] - 8)
    image[y : y + 8, x : x + 8] = 255 if bright else 0
    mask[y : y + 8, x : x + 8] = 1 + bright
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return mask


def boxed(root: Path, name: str, bright: bool, seed: int) -> None:
    mask = painted(root / "JPEGImages" / f"{name}.png", bright, seed)
    y, x = (int(where.min()) for where in np.nonzero(mask))
    sides = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + 8}</xmax><ymax>{y + 8}</ymax>"
    label = "bright" if bright else "dark"
    (root / "Annotations").mkdir(exist_ok=True)
    (root / "Annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.png</filename>"
        f"<object><name>{label}</name><bndbox>{sides}</bndbox></object></annotation>"
    )


def recipe(folder: Path) -> dict:
    for i in range(24):
        bright = bool(i % 2)
        split = "train" if i < 16 else "test"
        painted(folder / "classes" / split / ("bright" if bright else "dark") / f"{i}.png", bright, i)
        mask = painted(folder / "masks" / split / f"{i}.png", bright, i, (16, 16 + 8 * (i % 3)))
        (folder / "masks" / f"{split}annot").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / "masks" / f"{split}annot" / f"{i}.png")
        boxed(folder / "boxes", f"{i:02}", bright, i)
    ratio = {"validation": 0.0, "test": 0.25}
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 32, "heads": 2, "dropout": 0.0},
        "stems": {"image": {"patch": 4, "longest": 32, "convolutions": 1, "channels": 8, "flip": True, "crop": 0.1}},
        "tasks": {
            "kind": {"kind": "classify", "data": str(folder / "classes"), "columns": {"image": "image"}},
            "where": {"kind": "detect", "data": {"path": str(folder / "boxes"), "ratio": ratio}},
            "paint": {"kind": "segment", "data": str(folder / "masks"), "head": {"doublings": 2}},
        },
        "mix": "uniform",
        "train": {"steps": 60, "rows_per_step": 24, "trunk_lr": 3e-3, "head_lr": 3e-3, "device": "cpu", "threads": 1},
    }


@pytest.mark.slow
def test_one_trunk_names_boxes_and_paints(tmp_path):
    pytest.importorskip("faster_coco_eval")
    trained = unisono.train(recipe(tmp_path))
    assert trained.reason == "done"
    results = unisono.evaluate(trained.run)
    assert results["kind"].scores["accuracy"] >= 0.9
    assert results["paint"].scores["pixel_accuracy"] >= 0.85
    assert results["where"].scores["map50"] >= 0.3
    model = unisono.load(trained.run)
    picture = tmp_path / "classes" / "test" / "bright" / "17.png"
    by_name, by_bytes = model.predict("kind", [str(picture), {"image": picture.read_bytes()}])
    assert by_name["label"] == by_bytes["label"] == "bright"
    assert model.predict("paint", [str(picture)])[0]["size"] == [16, 24]
    assert model.predict("where", [str(picture)])[0]["boxes"][0]["label"] in ("bright", "dark")


def seen_twice(folder: Path) -> dict:
    """Boxes and masks over the same images, which are moved in every way."""
    settings = recipe(folder)
    lines = []
    for i in range(12):
        mask = painted(folder / f"{i}.png", bool(i % 2), i)
        Image.fromarray(mask).save(folder / f"{i}_mask.png")
        y, x = (int(where.min()) for where in np.nonzero(mask))
        boxes = [{"label": "square", "box": [x, y, x + 8, y + 8]}]
        lines.append(json.dumps({"image": f"{i}.png", "mask": f"{i}_mask.png", "boxes": boxes}))
    (folder / "rows.jsonl").write_text("\n".join(lines))
    data = {"path": str(folder / "rows.jsonl"), "ratio": {"validation": 0.0}}
    settings["tasks"] = {
        "where": {"kind": "detect", "data": data, "head": {"turn": True}},
        "paint": {"kind": "segment", "data": data, "head": {"doublings": 2}},
    }
    settings["stems"]["image"] |= {"zoom": 0.3, "colour": 0.2}
    settings["train"] |= {"steps": 4, "rows_per_step": 6}
    return settings


def test_tasks_that_share_an_image_look_at_it_in_the_same_way(tmp_path):
    loop = loop_of(build(seen_twice(tmp_path)))
    made, examples = loop.model, loop.examples
    rows = {task: [examples[task]["train"][i] for i in range(8)] for task in examples}
    plain = made.eval().collate_shared(rows)
    torch.manual_seed(0)
    boxes, masks = made.train().collate_shared(rows)
    assert boxes.inputs is masks.inputs
    assert not torch.equal(boxes.targets["sides"], plain[0].targets["sides"])
    for b, pixels in enumerate(masks.targets["mask"].view(8, 16, 24)):
        square = (pixels > 0).float()  # of 8 x 8 pixels: 2 x 2 patches, more or less
        classes = boxes.targets["classes"].view(8, 4, 6)[b]
        covered = torch.nn.functional.avg_pool2d(square[None], 4)[0]
        assert (covered[classes == 0] > 0).all()
        assert (classes[covered == 1] != -1).all()  # an object, or its mirror image beyond an edge
    assert torch.equal(made.eval().collate_shared(rows)[1].targets["mask"], plain[1].targets["mask"])


def test_a_resumed_training_draws_the_same_views(tmp_path):
    settings = seen_twice(tmp_path)
    weights = []
    for name, stops in (("whole", [None]), ("halves", [2, None])):
        for until in stops:
            loop = loop_of(build({**settings, "run": str(tmp_path / name)}))
            loop.restore()
            loop.train(until=until)
        weights.append(loop.model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_row_longer_than_the_trunk_is_an_error_with_the_fix(tmp_path):
    settings = recipe(tmp_path)
    settings["tasks"] = {"paint": settings["tasks"]["paint"]}
    settings["stems"]["image"] = {"patch": 1, "longest": 32}
    with pytest.raises(RecipeError, match=r"task \"paint\": a row makes 513 vectors.*512 positions: set tasks.paint"):
        unisono.train(settings)
    settings["tasks"]["paint"]["max_length"] = 200
    settings["train"]["steps"] = 1
    assert unisono.train({**settings, "run": str(tmp_path / "shorter")}).reason == "done"


def test_a_broken_image_goes_to_quarantine(tmp_path):
    settings = {**recipe(tmp_path), "max_bad_rows": 0.5}
    settings["tasks"] = {"kind": settings["tasks"]["kind"]}
    settings["train"]["steps"] = 1
    (tmp_path / "classes" / "train" / "dark" / "0.png").write_bytes(b"junk")
    assert unisono.train(settings).reason == "done"
    assert "not an image of a known format" in (tmp_path / "run" / "quarantine.jsonl").read_text()


def test_an_image_beside_a_text_may_be_missing_and_so_may_the_text(tmp_path):
    painted(tmp_path / "a.png", True, 0)
    lines = ["a bright one,a.png,yes", ",a.png,yes", "no picture,,no", "a dark one,a.png,no"] * 4
    (tmp_path / "x.csv").write_text("text,image,label\n" + "\n".join(lines) + "\n")
    trained = unisono.train(
        {
            "run": str(tmp_path / "run"),
            "cache": str(tmp_path / "cache"),
            "trunk": {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300},
            "stems": {"image": {"patch": 8, "longest": 24}},
            "tasks": {
                "both": {
                    "kind": "classify",
                    "data": {"path": str(tmp_path / "x.csv"), "ratio": {"validation": 0.0}},
                    "columns": {"text": "text", "image": "image"},
                }
            },
            "train": {"steps": 2, "rows_per_step": 8, "device": "cpu", "threads": 1},
        }
    )
    model = unisono.load(trained.run)
    picture = str(tmp_path / "a.png")
    rows = [{"text": "a bright one", "image": picture}, {"image": picture}, {"text": "no picture"}]
    together = model.predict("both", rows)
    alone = [model.predict("both", [row])[0] for row in rows]
    assert [p["score"] for p in together] == pytest.approx([p["score"] for p in alone], abs=1e-5)


def test_an_image_that_becomes_as_much_as_fits_is_not_over_the_limit(tmp_path, monkeypatch):
    from unisono.recipe import build
    from unisono.stems.image import ImageStem
    from unisono.train.check import describe

    whole = build({**recipe(tmp_path), "stems": {"image": {"patch": 4, "size": [16, 24]}}})
    assert describe(whole)["kind"]["train"]["cut"] == 0
    monkeypatch.setattr(ImageStem, "cuts", True)
    facts = describe(whole)["kind"]["train"]
    assert facts["cut"] == facts["rows"] > 0  # each of them reaches the limit


def test_an_image_in_tiles_has_one_answer(tmp_path):
    """Tiles are trained as examples, and evaluated and asked as the image that they are of."""
    settings = recipe(tmp_path)
    settings["tasks"] = {"paint": {**settings["tasks"]["paint"], "head": {"doublings": 2, "tile": 32, "overlap": 8}}}
    for split in ("train", "test"):
        painted(tmp_path / "masks" / split / "large.png", True, 99, (70, 100))
        Image.fromarray(np.ones((70, 100), np.uint8)).save(tmp_path / "masks" / f"{split}annot" / "large.png")
    settings["train"] |= {"steps": 2, "rows_per_step": 4}
    trained = unisono.train(settings)
    result = unisono.evaluate(trained.run)["paint"]
    assert len(result.predictions) == 9
    model = unisono.load(trained.run)
    large = tmp_path / "masks" / "test" / "large.png"
    (encoded,) = model.encode("paint", [{"image": str(large)}])
    assert len(encoded) == 3 * 4
    answer = model.predict("paint", [str(large)])[0]
    assert answer["size"] == [70, 100] and "whole" not in answer
    assert answer in result.predictions
    (reason,) = model.encode("paint", [{"image": b"junk"}])
    assert "not an image" in reason
