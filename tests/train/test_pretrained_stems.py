"""Pretrained encoders of images and sounds in a whole run: they learn or stand still, and come back with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unisono
from tests.stems.small_encoders import written
from tests.train.test_images import boxed, painted
from unisono.recipe import RecipeError

pytest.importorskip("PIL.Image")
sf = pytest.importorskip("soundfile")


def images(folder: Path) -> dict[str, Any]:
    for i in range(12):
        painted(folder / "classes" / "train" / ("bright" if i % 2 else "dark") / f"{i}.png", bool(i % 2), i, (40, 32))
    return {"kind": {"kind": "classify", "data": str(folder / "classes"), "columns": {"image": "image"}}}


def sounds(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    lines = ["audio,text"]
    for i in range(12):
        sf.write(folder / f"{i}.wav", 0.1 * rng.normal(size=rng.integers(3000, 6000)), 16000)
        lines.append(f"{i}.wav,{'ab'[i % 2]}")
    (folder / "said.csv").write_text("\n".join(lines) + "\n")
    return {"said": {"kind": "transcribe", "data": str(folder / "said.csv")}}


def recipe(folder: Path, tasks: dict[str, Any], room: str, **stem: Any) -> dict[str, Any]:
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 16, "heads": 2},
        "stems": {room: stem},
        "tasks": tasks,
        "train": {"steps": 2, "rows_per_step": 8, "device": "cpu", "threads": 1},
    }


def moved(model: Any, room: str, began: Any) -> float:
    """How far the encoder's weights lie from those that it began with."""
    before = (began.encoder if began.config.is_encoder_decoder else began).state_dict()
    after = model.stems[room].encoder.model.state_dict()
    assert set(after) <= set(before) and len(after) > 10
    return max(float((value - before[name]).abs().max()) for name, value in after.items())


@pytest.mark.parametrize(
    ("room", "name", "make"), [("image", "dinov2", images), ("audio", "whisper", sounds), ("audio", "hubert", sounds)]
)
def test_an_encoder_learns_with_the_trunk_and_comes_back(room, name, make, tmp_path):
    folder, began, _ = written(tmp_path / "encoder", name)
    trained = unisono.train(recipe(tmp_path, make(tmp_path), room, encoder=folder, lr=1e-3))
    assert trained.reason == "done"
    model = unisono.load(trained.run)
    assert moved(model, room, began) > 1e-4
    (tmp_path / "encoder").rename(tmp_path / "gone")
    task = next(iter(model.tasks))
    rows = [str(path) for path in sorted(tmp_path.rglob("*.png" if room == "image" else "*.wav"))[:3]]
    said = model.predict(task, rows)
    model.save_pretrained(tmp_path / "copy")
    assert type(model).from_pretrained(tmp_path / "copy").predict(task, rows) == said


def test_a_frozen_encoder_is_as_it_came(tmp_path):
    folder, began, _ = written(tmp_path / "encoder", "vit")
    trained = unisono.train(recipe(tmp_path, images(tmp_path), "image", encoder=folder, freeze=True))
    model = unisono.load(trained.run)
    assert moved(model, "image", began) == 0
    assert not any(p.requires_grad for p in model.stems["image"].encoder.model.parameters())


def test_boxes_do_not_lie_on_an_image_whose_middle_alone_is_seen(tmp_path):
    for i in range(12):
        boxed(tmp_path / "boxes", f"{i:02}", bool(i % 2), i)
    folder, _, _ = written(tmp_path / "encoder", "dinov2")
    where = {"where": {"kind": "detect", "data": str(tmp_path / "boxes")}}
    with pytest.raises(unisono.data.DataError, match=r"only the middle of the image is seen; stems: image: size"):
        unisono.train(recipe(tmp_path, where, "image", encoder=folder))
    again = recipe(tmp_path, where, "image", encoder=folder, size=[32, 48])
    assert unisono.train({**again, "run": str(tmp_path / "again")}).reason == "done"


def test_an_encoder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(RecipeError, match=r"stems.image: .*some/encoder") as error:
        unisono.train(recipe(tmp_path, images(tmp_path), "image", encoder="some/encoder"))
    assert "\n" not in str(error.value)
    with pytest.raises(RecipeError, match=r"stems.image.patch: .*"):
        unisono.train(recipe(tmp_path, images(tmp_path), "image", encoder="some/encoder", patch=4))


def test_the_rate_of_an_encoder_is_its_own():
    from unisono.train.optim import parameter_groups

    named = {n: torch.nn.Parameter(torch.ones(2, 2)) for n in ("stems.a.encoder.model.x", "stems.a.encoder.project.x")}
    groups = parameter_groups(named.items(), trunk_lr=1.0, head_lr=2.0, own_lrs={"stems.a.encoder.model.": 0.5})
    assert {g["name"]: g["lr"] for g in groups} == {"stems.a.encoder.model": 0.5, "stems": 1.0}
