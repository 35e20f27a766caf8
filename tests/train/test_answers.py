"""Texts about images: answers where the question or the image may be missing, captions where no task reads text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import unisono

Image = pytest.importorskip("PIL.Image")

COLOURS = {"red": (250, 20, 20), "blue": (20, 20, 250)}


def rows(folder: Path, *, missing: bool = True) -> str:
    """A question that names a side, an image whose sides have colours; or one of both, which leaves no doubt."""
    out = []
    for i in range(16):
        left, right = list(COLOURS) if i % 2 else list(reversed(COLOURS))
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[:, :4], pixels[:, 4:] = COLOURS[left], COLOURS[right]
        Image.fromarray(pixels).save(folder / f"{i}.png")
        question, answer = ("left?", left) if i % 4 < 2 else ("right?", right)
        out.append([question, answer, i, [f"{left} {right}", "colours"]])
    if missing:
        out += [["sky?", "blue", None, None], [None, "both", 3, None]] * 2
    (folder / "train.json").write_text(json.dumps(out))
    return str(folder)


def recipe(folder: Path, tasks: dict) -> dict:
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 32, "heads": 2, "dropout": 0.0, "vocabulary": 300},
        "stems": {"image": {"patch": 4, "size": [8, 8]}},
        "tasks": tasks,
        "train": {"steps": 60, "rows_per_step": 16, "trunk_lr": 4e-3, "head_lr": 4e-3, "device": "cpu", "threads": 1},
    }


def task(folder: Path, kind: str, **columns: int) -> dict:
    data = {"path": rows(folder, missing=kind == "answer"), "files": {"2": "{}.png"}, "ratio": {"validation": 0.0}}
    head = {"layers": 1, "vocabulary": 300, "max_length": 24, "label_smoothing": 0.0, "dropout": 0.0}
    return {"kind": kind, "data": data, "columns": {"image": 2, **columns}, "head": head}


@pytest.mark.slow
def test_answers_from_a_question_an_image_or_both(tmp_path: Path) -> None:
    trained = unisono.train(recipe(tmp_path, {"reply": task(tmp_path, "answer", question=0, answer=1)}))
    model = unisono.load(trained.run)
    image = str(tmp_path / "1.png")  # red to the left
    asked = [{"question": "left?", "image": image}, {"question": "right?", "image": image}, {"question": "sky?"}]
    found = [p["text"] for p in model.predict("reply", [*asked, {"image": image}])]
    assert found[2:] == ["blue", "both"]
    assert set(found[:2]) <= {"red", "blue"}


@pytest.mark.slow
def test_captions_where_nothing_reads_text(tmp_path: Path) -> None:
    trained = unisono.train(recipe(tmp_path, {"alt": task(tmp_path, "caption", caption=3)}))
    model = unisono.load(trained.run)
    assert "text" not in model.stems
    (said,) = model.predict("alt", [{"image": str(tmp_path / "1.png")}], beams=1)
    assert said["text"] in ("red blue", "colours")
    scores = unisono.evaluate(trained.run, split="train")["alt"].scores
    assert scores["bleu"] >= 0 and scores["rows"] == 16
