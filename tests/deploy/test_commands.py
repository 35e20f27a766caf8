"""The commands: what a person types and what comes back."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from unisono.cli import app


def unisono(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_prune_writes_a_folder_that_distill_takes_on(teacher, tmp_path):
    out = tmp_path / "small"
    done = unisono("prune", teacher, out, "--layers", 2, "--heads", 0.5, "--rows", 4, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["layers"] == [4, 2] and sum(said["heads"]) == 2 and said["parameters"][0] > said["parameters"][1]
    done = unisono(
        "distill", out, "--teacher", teacher, "--set", "train.steps=2", "--set", f"run={tmp_path / 'taught'}", "--json"
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["step"] == 2
    config = json.loads((tmp_path / "taught" / "model" / "config.json").read_text())["trunk"]
    assert config["num_hidden_layers"] == 2 and config["kept_heads"] == said["heads"]


def test_prune_says_in_words_what_is_left(teacher, tmp_path):
    done = unisono("prune", teacher, tmp_path / "small", "--units", 0.5, "--rows", 2)
    assert done.exit_code == 0, done.output
    assert "4 layers -> 4" in done.stdout and "what each layer has left" in done.stdout
    assert f"unisono distill {tmp_path / 'small'} --teacher {teacher}" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("--heads", "1.5"), ("--layers", "few")])
def test_prune_needs_to_know_what_goes(teacher, tmp_path, arguments):
    done = unisono("prune", teacher, tmp_path / "small", *arguments)
    assert done.exit_code and not (tmp_path / "small").exists()
