"""``unisono predict --url``: the same lines and the same JSON as from the model's folder."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.serve.live import live
from unisono import cli
from unisono.serve.engine import ModelEngine


@pytest.fixture(scope="module")
def folder(small_model) -> Path:
    return small_model.parent


@pytest.fixture(scope="module")
def url(folder):
    with live(ModelEngine(folder / "model", threads=1)) as (url, _):
        yield url


@pytest.fixture
def ask(folder, url, monkeypatch, capsys):
    """Runs ``unisono predict`` on the folder, then on the server: two of (exit code, stdout, stderr)."""

    def run(*arguments: str, where=None) -> list[tuple[int, str, str]]:
        told = []
        for which in [where] if where else [["model"], ["--url", url]]:
            monkeypatch.chdir(folder)
            monkeypatch.setattr(sys, "argv", ["unisono", "predict", *which, *arguments])
            code = 0
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
            out, err = capsys.readouterr()
            assert "Traceback" not in err
            told.append((code, re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]):.2f}", out), err))
        return told

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ["Wake me at seven.", "Dim the light!"],
        ["Wake me at seven.", "--json"],
        ["Wake me at seven", "--task", "slots", "--json"],
        ["Wake me at seven.", "--beams", "1", "--json"],
        ["--input", "tokens=Wake me", "--task", "slots", "--json"],
        ["--text", "Wake me", "--json"],
        ["classes/train/dark/0.png", "classes/train/bright", "--json"],
        ["classes/train/dark/0.png", "nowhere.png", "--json"],
        ["0.wav", "1.wav"],
        ["--text", "room 1", "--pair", "a", "--task", "same", "--json"],
    ],
)
def test_a_server_answers_as_the_folder_does(ask, arguments):
    here, there = ask(*arguments)
    assert here[:2] == there[:2]
    assert here[2] == there[2]


def test_rows_of_tables(ask, folder):
    (folder / "tables.jsonl").write_text(
        '{"text": "room", "table": {"age": 4, "wing": null}}\n{"table": {"wing": "a"}}\n'
    )
    here, there = ask("--task", "size", "--rows", "tables.jsonl", "--json")
    assert here == there and here[0] == 0


def test_rows_of_a_file(ask, folder):
    (folder / "rows.jsonl").write_text('{"text": "Wake me", "label": "not looked at"}\n{"text": ""}\n')
    here, there = ask("--task", "intent", "--rows", "rows.jsonl", "--json")
    found = [json.loads(out) for _, out, _ in (here, there)]
    assert found[0][0] == found[1][0] and [set(one) for one in found[0]] == [set(one) for one in found[1]]
    assert here[0] == there[0] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["hello", "--task", "intnt"], 2, 'the server has no task "intnt"; it has intent'),
        (["--sequence", "CCO"], 2, 'no task asked here has the input "sequence"'),
        (["hello", "--draw", "x.png"], 2, "--draw draws on images"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_line(ask, url, arguments, code, says):
    ((found, out, err),) = ask(*arguments, where=["--url", url])
    assert (found, out) == (code, "") and says in err and err.count("\n") == 1


def test_no_server_is_told_in_a_line(ask, monkeypatch):
    monkeypatch.setattr("unisono.client.waits.time.sleep", lambda _: None)
    for url, code in (("http://127.0.0.1:1", 1), ("nowhere", 2)):
        ((found, _, err),) = ask("hello", where=["--url", url])
        assert found == code and err.startswith("error: ") and err.count("\n") == 1
