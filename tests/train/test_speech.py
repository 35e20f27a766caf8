"""Sounds from files to predictions: one recipe that transcribes, names voices and classifies, with one trunk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unisono
from unisono.saved import ModelError

sf = pytest.importorskip("soundfile")
pytest.importorskip("jiwer")
RATE = 8000
NOTES = {"a": 500, "b": 1000, "c": 2000}  # Hz: a language of three sounds


def spoken(path: Path, text: str, voice: str, seed: int) -> bytes:
    """Each letter a tone of a tenth of a second, a voice being the overtone; a little noise."""
    rng = np.random.default_rng(seed)
    at = np.arange(800) / RATE
    tone = {
        c: np.sin(2 * np.pi * f * at) + np.sin(2 * np.pi * f * (1.5 if voice == "x" else 1.2) * at)
        for c, f in NOTES.items()
    }
    parts = [np.concatenate([tone[c] * 0.2, np.zeros(240)]) for c in text]
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.concatenate(parts)
    sf.write(path, samples + 0.01 * rng.normal(size=len(samples)), RATE)
    return path.read_bytes()


def recipe(folder: Path, **train: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    for i in range(36):
        text = "".join(rng.choice([*NOTES], size=rng.integers(1, 4)))
        voice = "xy"[i % 2]
        spoken(folder / "sounds" / ("train" if i < 28 else "test") / f"{text}_{voice}_{i}.wav", text, voice, i)
    data = {
        "path": str(folder / "sounds"),
        "format": "recordings",
        "pattern": "{text}_{voice}_{i}",
        "ratio": {"validation": 0},
    }
    return {
        "run": str(folder / "run"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 32, "heads": 2, "dropout": 0.0},
        "stems": {"audio": {"rate": RATE, "bands": 24, "channels": 8, "seconds": 2, "time_masks": 0}},
        "tasks": {
            "write": {"kind": "transcribe", "data": data},
            "who": {"kind": "speaker", "data": data, "columns": {"label": "voice"}},
            "voice": {"kind": "classify", "data": data, "columns": {"audio": "audio", "label": "voice"}},
        },
        "train": {"steps": 150, "rows_per_step": 28, "trunk_lr": 5e-3, "head_lr": 5e-3, "threads": 1, **train},
    }  # fmt: skip


@pytest.mark.slow
def test_one_trunk_writes_down_and_knows_who(tmp_path: Path) -> None:
    trained = unisono.train(recipe(tmp_path))
    assert trained.reason == "done"
    results = unisono.evaluate(trained.run)
    assert results["write"].scores["wer"] <= 0.25
    assert results["who"].scores["accuracy"] >= 0.9
    assert results["who"].scores["eer"] <= 0.1
    assert results["voice"].scores["accuracy"] >= 0.9
    model = unisono.load(trained.run)
    content = spoken(tmp_path / "new.wav", "abc", "x", 99)
    rows = [str(tmp_path / "new.wav"), {"audio": content}, {"audio": {"path": None, "bytes": content}}]
    assert model.predict("write", rows) == [{"text": "abc"}] * 3
    assert [p["label"] for p in model.predict("who", rows)] == ["x"] * 3
    with pytest.raises(ModelError, match="row 0: not a WAV, FLAC or Ogg file"):
        model.predict("write", [{"audio": b"junk"}])


def test_a_broken_sound_goes_to_quarantine(tmp_path: Path) -> None:
    settings = {**recipe(tmp_path, steps=1), "max_bad_rows": 0.5}
    next((tmp_path / "sounds" / "train").iterdir()).write_bytes(b"junk")
    spoken(tmp_path / "sounds" / "train" / "abcabcabcabcabcabcabcabcabc_x_50.wav", "abc" * 9, "x", 0)
    assert unisono.train(settings).reason == "done"
    kept = (tmp_path / "run" / "quarantine.jsonl").read_text()
    assert "not a WAV, FLAC or Ogg file" in kept
    assert "more than 2 seconds" in kept


def test_a_sound_beside_a_text_and_either_alone(tmp_path: Path) -> None:
    settings = recipe(tmp_path, steps=2)
    sounds = sorted((tmp_path / "sounds" / "train").iterdir())
    lines = [f"{p.relative_to(tmp_path)},word {i % 3},{'xy'[i % 2]}" for i, p in enumerate(sounds)]
    lines[0], lines[1] = f",word alone,{'x'}", f"{sounds[1].relative_to(tmp_path)},,y"
    (tmp_path / "t.csv").write_text("file,word,voice\n" + "\n".join(lines) + "\n")
    both = {"audio": "file", "text": "word", "label": "voice"}
    settings["tasks"] = {"both": {"kind": "classify", "data": str(tmp_path / "t.csv"), "columns": both}}
    trained = unisono.train(settings)
    model = unisono.load(trained.run)
    rows: list[Any] = [{"text": "word 1", "audio": str(sounds[0])}, {"text": "word 1"}, {"audio": str(sounds[0])}]
    found = model.predict("both", rows)
    assert len({p["score"] for p in found}) == 3
    assert model.predict("both", rows[2:])[0]["score"] == pytest.approx(found[2]["score"], rel=1e-4)
    settings["stems"]["audio"]["seconds"] = 40
    with pytest.raises(ModelError, match=r"up to 1,0\d\d of 512 places.*audio: seconds"):
        unisono.train({**settings, "run": str(tmp_path / "long")})
