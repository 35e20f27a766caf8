"""Boxes, masks, maps, transcripts and voices: an export answers what its model answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.conftest import Shipped, in_torch
from tests.runtime.twins import alike
from tests.train.runs import TRUNK
from unisono import together
from unisono.deploy.export import Done, Settings, export
from unisono.model import MultiTaskModel
from unisono.prepare import build_model, read_tables
from unisono.recipe import Recipe, build
from unisono.runtime import BadInput, ExportedError, Question, Runtime
from unisono.sounds import write_wav

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("soundfile")

SIZES = [(16, 16), (20, 70), (48, 12)]
BOXED = ("dense", "set")


def write(folder: Path) -> Recipe:
    """Images with boxes, masks and maps of numbers, sounds with what is said and who says it."""
    draw, rows = np.random.default_rng(0), []
    for i in range(12):
        height, width = SIZES[i % 3]
        colours = draw.integers(0, 255, (height, width, 3), np.uint8)
        for name, pixels in (("image", colours), ("mask", draw.choice([0, 3, 9], (height, width)).astype(np.uint8))):
            Image.fromarray(pixels).save(folder / f"{i}.{name}.png")
        write_wav(folder / f"{i}.wav", draw.normal(0, 0.1, 600 + 300 * (i % 4)), 4000)
        boxes = [{"label": "ab"[i % 2], "box": [1, 2, 7, 8]}][: i % 4]
        spoken = {"audio": f"{i}.wav", "said": "ab ba"[: 1 + i % 4].strip(), "who": "xyz"[i % 3]}
        rows.append({"image": f"{i}.image.png", "mask": f"{i}.mask.png", "boxes": boxes, **spoken})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"path": str(folder / "rows.jsonl")}

    def seen(kind: str, label: str, **head: Any) -> dict[str, Any]:
        return {"kind": kind, "data": data, "columns": {"image": "image", label: label}, "head": head}

    def heard(kind: str, label: str, column: str, **head: Any) -> dict[str, Any]:
        return {"kind": kind, "data": data, "columns": {"audio": "audio", label: column}, "head": head}

    tasks = {
        "dense": seen("detect", "boxes", most=9),
        "set": seen("detect", "boxes", decoder="set", queries=5, layers=1, heads=2, feedforward=16),
        "paint": seen("segment", "mask", doublings=1, hidden=16, void=[9]),
        "tiles": seen("segment", "mask", doublings=0, hidden=16, tile=32, overlap=8),
        "depth": seen("dense", "mask", doublings=1, hidden=16),
        "letters": heard("transcribe", "text", "said", beams=4),
        "spelled": heard("transcribe", "text", "said", decoder="attention", max_length=6, decoder_layers=1, beams=2),
        "voice": heard("speaker", "label", "who", size=4),
    }
    stems = {
        "image": {"patch": 4, "longest": 16, "convolutions": 1, "channels": 4},
        "audio": {"rate": 4000, "bands": 8, "seconds": 1, "channels": 3},
    }
    trunk = {**TRUNK, "max_length": 64}
    return build({"run": str(folder / "run"), "trunk": trunk, "stems": stems, "tasks": tasks, "max_bad_rows": 1.0})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("seen")


@pytest.fixture(scope="module")
def recipe(folder) -> Recipe:
    return write(folder)


@pytest.fixture(scope="module")
def model(recipe) -> MultiTaskModel:
    """Before training: its weights are as good as others to be compared."""
    return build_model(recipe, read_tables(recipe, run=None)).eval()


@pytest.fixture(scope="module")
def done(model, recipe, folder) -> Done:
    return export(model, folder / "exported", Settings(rows=4), source="run", recipe=recipe)


@pytest.fixture(scope="module", params=["in PyTorch", pytest.param("exported", marks=pytest.mark.slow)])
def shipped(request, model) -> Shipped:
    if request.param == "exported":
        return Shipped(model, Runtime.load(request.getfixturevalue("done").path, threads=1))
    return in_torch(model)


@pytest.fixture(scope="module")
def rows(model, folder) -> dict[str, list[str]]:
    image, sound = ([str(folder / f"{i}.{end}") for i in range(5)] for end in ("image.png", "wav"))
    return {name: image if "image" in task.inputs else sound for name, task in model.tasks.items()}


def same(task: str, found: list[Any], wanted: list[Any]) -> bool:
    """Sides of boxes are told in hundredths of a pixel, of which rounding may make one more or less."""
    if task not in BOXED:
        return alike(found, wanted, apart=1e-4)
    ours, theirs = ([box for one in all_ for box in one["boxes"]] for all_ in (found, wanted))
    bare = [[{**box, "box": None} for box in boxes] for boxes in (ours, theirs)]
    return alike(*bare, apart=1e-4) and np.allclose(
        *([b["box"] for b in boxes] for boxes in (ours, theirs)), atol=0.011
    )


TASKS = ["dense", "set", "paint", "tiles", "depth", "letters", "spelled", "voice"]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_answers_what_the_model_answers(shipped, rows, task):
    wanted = shipped.model.predict(task, rows[task])
    assert same(task, shipped.runtime.predict(task, rows[task]), wanted)
    for row, alone in zip(rows[task][:2], wanted, strict=False):  # and a row alone what it answers among others
        assert same(task, shipped.runtime.predict(task, [row]), [alone])


def test_there_is_something_to_compare(shipped, rows):
    found = {task: shipped.runtime.predict(task, rows[task]) for task in TASKS}
    assert all(one["boxes"] for task in BOXED for one in found[task])
    assert all(any(len(one["runs"]) > 2 for one in found[task]) for task in ("paint", "tiles"))
    assert [one["size"] for one in found["tiles"]] == [list(SIZES[i % 3]) for i in range(5)]
    assert any(one["text"] for one in found["letters"]) and any(one["text"] for one in found["spelled"])


@pytest.mark.parametrize("task", ["letters", "spelled"])
def test_the_breadth_of_a_search_may_be_told(shipped, rows, task):
    wanted = shipped.model.predict(task, rows[task], beams=1)
    assert shipped.runtime.predict(task, rows[task], beams=1) == wanted
    with pytest.raises(ExportedError, match="has no option"):
        shipped.runtime.predict("voice", rows["voice"], beams=1)


def test_questions_of_all_tasks_in_one_pack(shipped, rows):
    questions = [Question(t, {shipped.model.tasks[t].inputs[0]: row}) for t in TASKS for row in rows[t]]
    ours, theirs = [None] * len(questions), [None] * len(questions)
    for out, given in (
        (ours, shipped.runtime.answers(questions)),
        (theirs, together.answers(shipped.model, questions)),
    ):
        for answer in given:
            if answer is not None and answer.last:
                out[answer.at] = answer.found
    for number, question in enumerate(questions):
        assert same(question.task, [ours[number]], [theirs[number]])


def test_an_image_that_is_none_is_told_as_the_model_tells_it(shipped, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no image")
    for task in ("dense", "tiles"):
        with pytest.raises(Exception) as theirs:
            shipped.model.predict(task, [str(tmp_path / "no.png")])
        with pytest.raises(BadInput) as ours:
            shipped.runtime.predict(task, [str(tmp_path / "no.png")])
        assert str(ours.value) == str(theirs.value)


@pytest.mark.slow
def test_it_was_checked_on_held_out_rows(done):
    assert set(done.tasks) == set(TASKS)
    assert all(found.rows > 0 and not found.made_up and found.gap < 1e-5 for found in done.tasks.values())


@pytest.mark.slow
def test_what_is_exported_in_eight_bits_says_nearly_the_same(model, recipe, rows, tmp_path):
    names = ["paint", "set", "voice"]
    export(model, tmp_path / "out", Settings(names, "int8", rows=4, max_drop=1.0), source="run", recipe=recipe)
    runtime = Runtime.load(tmp_path / "out", threads=1)
    painted = zip(runtime.predict("paint", rows["paint"]), model.predict("paint", rows["paint"]), strict=True)
    for ours, theirs in painted:
        assert ours["size"] == theirs["size"]
        assert all(abs(ours["shares"][name] - share) < 0.2 for name, share in theirs["shares"].items())
    voices = zip(runtime.predict("voice", rows["voice"]), model.predict("voice", rows["voice"]), strict=True)
    assert all(np.dot(ours["vector"], theirs["vector"]) > 0.95 for ours, theirs in voices)
