"""madeup: rows like a task's where none are at hand: random words, pixels, tones, symbols and cells."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from unisono.model import MultiTaskModel
from unisono.sounds import wav_bytes
from unisono.stems import AudioStem, ImageStem, Stem
from unisono.tasks import stem_of

_WORDS = "a we they ship 1999 blue quickly naïve don't Zürich — , . ? ( ) % the and"
_SIZES = (1, 6, 30, 90)  # words, or what is like them, of every fourth row at most


def made_up(model: MultiTaskModel, task: str, count: int) -> list[dict[str, Any]]:
    """Rows of random content, from very short to long; the same for the same count."""
    draw = random.Random(count)
    spec, stems = model.tasks[task], model.stems_of(task)
    roles = {r: stem_of(told) for r, told in spec.kind.inputs.items() if r in spec.roles and stem_of(told) in stems}
    out = []
    for at in range(count):
        most = _SIZES[at % len(_SIZES)]
        row = {role: _MADE[stem](stems[stem], most, draw) for role, stem in roles.items()}
        out.append({"tokens": row["tokens"].split()} if spec.kind.words else row)
    return out


def _text(stem: Stem, most: int, draw: random.Random) -> str:
    return " ".join(draw.choices(_WORDS.split(), k=draw.randint(1, most)))


def _image(stem: Stem, most: int, draw: random.Random) -> dict[str, Any]:
    """Noise."""
    assert isinstance(stem, ImageStem)
    height, width = (draw.randint(1, 2 * stem.options.patch * min(most, 8)) for _ in range(2))
    return {"path": None, "bytes": b"P6\n%d %d\n255\n" % (width, height) + draw.randbytes(3 * height * width)}


def _sequence(stem: Stem, most: int, draw: random.Random) -> str:
    """Symbols of the vocabulary; carbon where it has none."""
    return "".join(draw.choices(stem.config()["fitted"]["symbols"] or ["C"], k=draw.randint(1, most)))


def _audio(stem: Stem, most: int, draw: random.Random) -> dict[str, Any]:
    """Noise, at most a second of it."""
    assert isinstance(stem, AudioStem)
    count = round(stem.options.rate * min(1.0, stem.options.seconds) * draw.uniform(0.01, most / _SIZES[-1]))
    samples = np.frombuffer(draw.randbytes(2 * max(count, 1)), "<i2") / 32768
    return {"path": None, "bytes": wav_bytes(samples, stem.options.rate)}


def _table(stem: Stem, most: int, draw: random.Random) -> dict[str, Any]:
    """Cells of one of the tables, some of them missing."""
    fitted = stem.config()["fitted"]
    names = draw.choice(fitted["tables"])
    row = {name: _cell(fitted["columns"][name], draw) for name in names if draw.random() < 0.8}
    return row or {names[0]: _cell(fitted["columns"][names[0]], draw)}


def _cell(told: Mapping[str, Any], draw: random.Random) -> str | float:
    if "categories" in told:
        return str(draw.choice([*told["categories"], "of another kind"]))
    return draw.choice(told["knots"]) if "knots" in told else draw.gauss(told["mean"], told["spread"])


_MADE: Mapping[str, Callable[[Any, int, random.Random], Any]] = {
    "text": _text,
    "image": _image,
    "sequence": _sequence,
    "audio": _audio,
    "table": _table,
}
