"""Texts to sounds, from files to predictions: a language of three tones in two voices is learned and spoken."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import unisono
from tests.train.test_speech import NOTES, RATE, spoken
from unisono.cli import app
from unisono.recipe import RecipeError
from unisono.saved import ModelError
from unisono.sounds import Analysis

pytest.importorskip("soundfile")


def recipe(folder: Path, rows: int = 40, **train: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for i in range(rows):
        text = "".join(rng.choice([*NOTES], size=rng.integers(1, 4)))
        part = "train" if i < 0.8 * rows else "test"
        spoken(folder / "sounds" / part / f"{text}_{'xy'[i % 2]}_{i}.wav", text, "xy"[i % 2], i)
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 32, "heads": 2, "dropout": 0.0, "vocabulary": 261},
        "tasks": {
            "say": {
                "kind": "speak",
                "data": {
                    "path": str(folder / "sounds"), "format": "recordings", "pattern": "{text}_{speaker}_{i}",
                    "ratio": {"validation": 0},
                },
                "head": {
                    "rate": RATE, "bands": 24, "window": 32, "hop": 16, "seconds": 2, "hidden": 32, "layers": 2,
                    "dropout": 0.0,
                },
            }
        },
        "train": {"steps": 250, "rows_per_step": 32, "trunk_lr": 5e-3, "head_lr": 5e-3, "threads": 1, **train},
    }  # fmt: skip


def loudest(samples: np.ndarray, low: float, high: float) -> float:
    """The frequency between two, Hz, that the samples have most of."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    at = np.fft.rfftfreq(len(samples), 1 / RATE)
    power[(at < low) | (at > high)] = 0
    return float(at[power.argmax()])


@pytest.mark.slow
def test_it_says_the_notes_one_after_the_other_in_the_voice_asked_for(tmp_path: Path) -> None:
    trained = unisono.train(recipe(tmp_path, rows=100))
    scores = unisono.evaluate(trained.run)["say"].scores
    assert scores["mel_fit"] > 0.6
    assert scores["length_error"] < 0.2
    model = unisono.load(trained.run)
    rows = [{"text": "cab", "speaker": voice} for voice in "xy"]  # a text that training may not have had
    for row, said in zip(rows, model.predict("say", rows), strict=True):
        assert said["speaker"] == row["speaker"]
        assert sum(said["durations"]) == len(said["mel"])
        assert said["seconds"] == pytest.approx(0.39, abs=0.08)  # three times 0.13
        samples = Analysis.from_config(said["analysis"]).samples(torch.tensor(said["mel"]))
        third = len(samples) / 3
        for i, letter in enumerate(row["text"]):
            tone = samples[int(third * i + 200) : int(third * i + 700)]
            assert loudest(tone, 0.8 * NOTES[letter], 1.1 * NOTES[letter]) == pytest.approx(NOTES[letter], rel=0.1)
            over = 1.5 if row["speaker"] == "x" else 1.2  # the voice's overtone
            if letter == "b":
                assert loudest(tone, 1.1 * NOTES[letter], 1.7 * NOTES[letter]) / NOTES[letter] == pytest.approx(
                    over, abs=0.12
                )


def test_broken_sounds_and_sounds_too_short_go_to_quarantine(tmp_path: Path) -> None:
    settings = {**recipe(tmp_path, rows=12, steps=1), "max_bad_rows": 0.5}
    first = next((tmp_path / "sounds" / "train").iterdir())
    first.write_bytes(b"junk")
    spoken(tmp_path / "sounds" / "train" / "abcabcabcabcabcabcabcabc_x_50.wav", "abc" * 8, "x", 0)
    spoken(tmp_path / "sounds" / "train" / "abcabcabcabcabcabcabcabc_x_51.wav", "a", "x", 0)
    assert unisono.train(settings).reason == "done"
    kept = (tmp_path / "run" / "quarantine.jsonl").read_text()
    assert "not a WAV, FLAC or Ogg file" in kept
    assert "more than 2 seconds" in kept
    assert "more pieces of text than frames of sound" in kept


def test_letters_by_the_sequence_stem_and_a_speaker_for_those_who_name_none(tmp_path: Path) -> None:
    settings = recipe(tmp_path, rows=12, steps=2)
    settings["stems"] = {"sequence": {"alphabet": "letters", "rare": 1}}
    settings["tasks"]["say"]["columns"] = {"sequence": "text"}
    model = unisono.load(unisono.train(settings).run)
    x, none, text = model.predict("say", [{"sequence": "ab", "speaker": "x"}, {"sequence": "ab"}, "ab"])
    assert none == x == text
    (y,) = model.predict("say", ["ab"], speaker="y")
    assert y["speaker"] == "y"
    assert y["mel"] != x["mel"]
    with pytest.raises(ModelError, match="row 0: a speaker whom no training row has; known: x, y"):
        model.predict("say", [{"sequence": "ab", "speaker": "z"}])
    with pytest.raises(ValueError, match='nobody in training was called "z"; known: x, y'):
        model.predict("say", ["ab"], speaker="z")
    with pytest.raises(ModelError, match='row 0: "sequence" is missing'):
        model.predict("say", [{"speaker": "x"}])
    ask = ["predict", settings["run"], "--sequence", "ab", "--input", "speaker=y", "--output", str(tmp_path / "out")]
    told = CliRunner().invoke(app, [*ask, "--json"])
    assert told.exit_code == 0, told.output
    kept = json.loads(told.stdout)[0]["say"]
    assert kept == {
        "path": str(tmp_path / "out" / "ab.wav"), "rate": RATE,
        **{name: y[name] for name in ("durations", "seconds", "speaker")},
    }  # fmt: skip
    with wave.open(kept["path"]) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(y["seconds"])
    assert "ab.wav" in CliRunner().invoke(app, ask).stdout
    stranger = CliRunner().invoke(app, [*ask[:4], "--input", "speaker=z"])
    assert stranger.exit_code == 1
    assert "a speaker whom no training row has; known: x, y" in stranger.output


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ({"hop": 30}, "hop 30 ms: no sound comes back"),
        ({"bands": 200}, "200 bands are too many"),
        ({"high": 5000}, "bands of 20 to 5000 Hz: at 8000 Hz they end at half of it"),
        ({"low": 4000}, "bands of 4000 to 4000 Hz"),
    ],
)
def test_options_that_make_no_sound_are_refused(tmp_path: Path, head: dict[str, Any], problem: str) -> None:
    settings = recipe(tmp_path, rows=0)
    settings["tasks"]["say"]["head"] |= head
    with pytest.raises(RecipeError, match=problem):
        unisono.train(settings)
