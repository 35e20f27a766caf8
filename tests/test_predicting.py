"""``unisono predict`` as a newcomer types it: sentences, files, folders, inputs by role; answers, pictures, errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.train.runs import ROWS
from tests.train.test_images import recipe
from unisono import cli
from unisono.prepare import build_model, read_tables
from unisono.recipe import build
from unisono.sounds import read_sound, write_wav

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("soundfile")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An untrained model of five tasks: of an image its class, boxes and a mask; a text's intent; text and image."""
    folder = tmp_path_factory.mktemp("asked")
    content = recipe(folder)
    table = [
        f"is it bright?,{'yes' if i % 2 else 'no'},classes/train/{'bright' if i % 2 else 'dark'}/{i}.png"
        for i in range(16)
    ]
    (folder / "asked.csv").write_text("question,answer,photo\n" + "\n".join(table) + "\n")
    content["tasks"]["intent"] = {"kind": "classify", "data": ROWS, "columns": {"label": "intent"}}
    content["tasks"]["asked"] = {
        "kind": "classify", "data": {"path": str(folder / "asked.csv"), "ratio": {"validation": 0.0}},
        "columns": {"text": "question", "label": "answer", "image": "photo"},
    }  # fmt: skip
    spoken = "text,file\n"
    for i, text in enumerate(["one", "two", "three"]):
        write_wav(folder / f"{i}.wav", np.sin(np.arange(4000) * 0.1 * (i + 1)), 8000)
        spoken += f"{text},{i}.wav\n"
    (folder / "spoken.csv").write_text(spoken)
    content["tasks"]["say"] = {
        "kind": "speak", "data": {"path": str(folder / "spoken.csv"), "ratio": {"validation": 0.0}},
        "columns": {"text": "text", "audio": "file"}, "head": {"rate": 8000, "bands": 20, "hidden": 16},
    }  # fmt: skip
    content["trunk"].update(vocabulary=300, max_length=96)
    content["tasks"]["where"]["head"] = {"threshold": 0.0}
    made = build(content)
    build_model(made, read_tables(made, run=None)).save_pretrained(folder / "model")
    (folder / "photos").mkdir()
    for i in range(2):
        Image.fromarray(np.full((12, 16, 3), 100 * i, np.uint8)).save(folder / "photos" / f"{i}.jpg")
    (folder / "photos" / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def ask(folder, monkeypatch, capsys):
    """Runs ``unisono predict`` here: (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["unisono", "predict", "model", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


def test_a_sentence_is_answered_by_the_tasks_that_take_one(ask):
    code, out, _ = ask("Wake me at seven", "--json")
    assert code == 0 and json.loads(out)[0].keys() == {"input", "intent", "say"}
    code, out, _ = ask("Wake me at seven")
    assert out.startswith("Wake me at seven\n  intent       ") and "\x1b" not in out
    assert "\x1b[1mWake me at seven" in ask("Wake me at seven", "--color")[1]


def test_a_file_is_answered_by_the_tasks_that_take_an_image(ask):
    code, out, _ = ask("photos/0.jpg", "--json")
    (found,) = json.loads(out)
    assert code == 0 and found.keys() == {"input", "kind", "where", "paint"}
    assert found["input"] == "photos/0.jpg" and found["paint"]["size"] == [12, 16]
    assert json.loads(ask("photos/0.jpg", "--task", "kind", "--json")[1])[0].keys() == {"input", "kind"}


def test_a_folder_stands_for_its_images_in_the_order_of_their_names(ask):
    _, out, _ = ask("photos", "Dim the light", "--json")
    assert [f["input"] for f in json.loads(out)] == ["photos/0.jpg", "photos/1.jpg", "Dim the light"]


def test_inputs_by_role_go_together(ask):
    (one,) = json.loads(ask("photos/0.jpg", "--text", "is it bright?", "--json")[1])
    assert one.keys() == {"input", "asked"} and one["input"] == {"text": "is it bright?", "image": "photos/0.jpg"}
    other = json.loads(ask("is it bright?", "--image", "photos/0.jpg", "--image", "photos/1.jpg", "--json")[1])
    assert (
        other[0]["asked"]["score"] == pytest.approx(one["asked"]["score"])
        and other[1]["input"]["image"] == "photos/1.jpg"
    )
    named = json.loads(ask("--input", "text=is it bright?", "--image", "photos/0.jpg", "--json")[1])
    assert named == [one]
    code, _, err = ask("--text", "a", "--text", "b", "--image", "1", "--image", "2", "--image", "3")
    assert code == 2 and err.strip() == (
        "error: 2 of --text, 3 of --image: give each once for all, or as often as the others"
    )


def test_a_task_of_several_inputs_may_be_asked_with_some_of_them(ask):
    (found,) = json.loads(ask("photos/0.jpg", "--task", "asked", "--json")[1])
    assert found["asked"]["label"] in ("yes", "no")


def test_rows_of_a_file_are_one_task_s_input(ask, folder):
    rows = folder / "rows.jsonl"
    rows.write_text('{"image": "photos/0.jpg", "label": "not looked at"}\n')
    assert json.loads(ask("--task", "kind", "--rows", str(rows), "--json")[1])[0]["kind"]["label"] in ("bright", "dark")
    code, _, err = ask("--rows", str(rows))
    assert code == 2 and "--rows needs --task" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere.jpg"], 1, "nowhere.jpg: there is no such image file"),
        (["photos", "--task", "intnt"], 1, 'this model has no task "intnt"; did you mean "intent"?'),
        (["photos/0.jpg", "--task", "intent"], 2, "photos/0.jpg is an image, and no task asked here reads one"),
        (["boxes"], 2, "boxes: no file in this folder is an image (.bmp "),
        (["--txt", "x"], 2, "No such option: --txt"),
        (["--sequence", "CCO"], 2, 'no task asked here has the input "sequence"; valid: '),
        (["--text", "a", "--task", "where"], 2, 'no task asked here has the input "text"'),
        (["--input", "text"], 2, "say it as ROLE=VALUE"),
        (["a b", "--image", "photos/0.jpg", "--text", "c"], 2, "no task asked here takes a text and text and image. "),
        (["a sentence", "--draw", "x.png"], 2, "--draw draws on images, and none is given"),
        (
            ["a sentence", "--task", "intent", "--output", "x.wav"],
            2,
            "--output is for what a task speaks, and no task asked here does",
        ),
        (["photos", "--draw", "x.png"], 2, "x.png: one file for 2 inputs; name a folder"),
        (["photos/0.jpg", "--draw", "x.gif"], 2, "x.gif: what is written are .png files"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(ask, arguments, code, says):
    found, out, err = ask(*arguments)
    assert (found, out) == (code, "") and says in err
    assert says.startswith(("No such option", "say it as")) or len(err.splitlines()) == 1


def test_one_broken_image_does_not_spoil_the_others(ask, folder):
    broken = folder / "some"
    broken.mkdir()
    (broken / "1.png").write_bytes(b"\x89PNG broken")
    Image.new("RGB", (9, 9)).save(broken / "2.png")
    code, out, err = ask("some", "--task", "kind", "--draw", "some_drawn")
    assert code == 1 and "some/2.png\n  kind " in out and "1.png" not in out
    assert err.startswith("error: some/1.png: ") and len(err.splitlines()) == 1
    assert [p.name for p in (folder / "some_drawn").iterdir()] == ["2.png"]
    assert ["error" in f for f in json.loads(ask("some", "--task", "kind", "--json")[1])] == [True, False]


def test_pictures_of_one_image(ask, folder):
    code, out, err = ask("photos/0.jpg", "--draw", "seen.png", "--least", "0")
    assert code == 0, err
    assert "  written      seen.where.png\n  written      seen.paint.png\n" in out
    masked = np.asarray(Image.open(folder / "seen.paint.png"))
    assert masked.shape[1] == 320 and masked.shape[0] > 240  # twenty times as large, and a legend
    ask("photos/0.jpg", "--draw", "boxes.png", "--task", "where", "--least", "0")
    assert (np.asarray(Image.open(folder / "boxes.png"))[:240] != 0).any()
    ask("photos/0.jpg", "--draw", "words.png", "--text", "is it bright?")
    assert not np.asarray(Image.open(folder / "words.png"))[:240].any()


def test_a_folder_of_images_becomes_a_folder_of_pictures(ask, folder):
    code, out, err = ask("photos", "--task", "paint", "--draw", "drawn", "--json")
    assert code == 0, err
    assert len(json.loads(out)) == 2
    assert sorted(p.name for p in (folder / "drawn").iterdir()) == ["0.png", "1.png"]


def test_what_is_spoken_becomes_sounds(ask, folder):
    code, out, err = ask("one", "two", "--task", "say", "--output", "said")
    assert code == 0, err
    assert "s of sound\n  written      said/one.wav\n" in out
    assert sorted(p.name for p in (folder / "said").iterdir()) == ["one.wav", "two.wav"]
    assert len(read_sound(folder / "said" / "one.wav", rate=8000, seconds=60)) > 100
