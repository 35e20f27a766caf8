"""heard: what a head that speaks is told about its sounds, and what it learns of them before the first step."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from pydantic import Field, model_validator

from unisono.heads import base
from unisono.heads.base import Row
from unisono.sounds import Analysis, Pcm, Unreadable

_SAMPLE = 512  # training rows from which the mean and spread of a band are taken
_FLOOR = -16.0  # natural logarithm of a band's energy: some 100 dB below a loud vowel, at the usual windows


class SpeakOptions(base.Options):
    """What a recipe may say about a head that speaks."""

    rate: int = Field(16_000, ge=4_000, le=48_000, description="samples a second; others are resampled")
    seconds: float = Field(15.0, gt=0, le=60, description="longest sound; a row with a longer one is left out")
    bands: int = Field(80, ge=8, le=256, description="mel bands")
    low: float = Field(20.0, ge=0, description="where the lowest band begins, Hz")
    high: float | None = Field(None, gt=0, description="where the highest band ends, Hz; default: half the rate")
    window: float = Field(40.0, gt=1, le=200, description="length of a frame, milliseconds")
    hop: float = Field(10.0, gt=1, le=100, description="from one frame to the next, milliseconds")
    hidden: int = Field(128, ge=8, description="width of the decoder")
    layers: int = Field(4, ge=1, description="convolutional blocks of the decoder")
    pcm: Pcm | None = Field(None, description="how to read files without a header: {rate, coding, channels}")

    @model_validator(mode="after")
    def _makes_bands(self) -> SpeakOptions:
        analysis = self.analysis()
        if not self.low < analysis.high <= self.rate / 2:
            raise ValueError(f"bands of {self.low:g} to {analysis.high:g} Hz: at {self.rate} Hz they end at half of it")
        if self.hop > self.window / 2:
            raise ValueError(f"hop {self.hop:g} ms: no sound comes back from windows that overlap by less than half")
        _ = analysis.filters
        return self

    def analysis(self) -> Analysis:
        """How the sounds are cut into frames."""
        window, hop = (max(1, round(self.rate * ms / 1000)) for ms in (self.window, self.hop))
        high = self.rate / 2 if self.high is None else self.high
        return Analysis(self.rate, self.bands, self.low, high, window, hop, _FLOOR, self.pcm)


def summary(rows: Iterable[Row], options: SpeakOptions) -> dict[str, Any]:
    """``fitted`` of the head, from a pass over the training rows; means are those of sounds drawn from all of them
    (Vitter 1985, algorithm R), always the same ones.

    Raises:
        ValueError: no row has a sound that can be read.
    """
    analysis, draw = options.analysis(), random.Random(0)
    kept: list[Any] = []
    speakers: Counter[str] = Counter()
    seen = named = 0
    for row in rows:
        if row.get("audio") is None:
            continue
        seen += 1
        if row.get("speaker") is not None:
            named += 1
            speakers[str(row["speaker"])] += 1
        if len(kept) < _SAMPLE:
            kept.append(row["audio"])
        elif (place := draw.randrange(seen)) < _SAMPLE:
            kept[place] = row["audio"]
    heard = []
    for sound in kept:
        try:
            heard.append(analysis.frames(sound, seconds=options.seconds))
        except Unreadable:
            continue  # encode will say so, once, with the row's number
    if not heard:
        raise ValueError("no training row has a sound that can be read; see where audio comes from")
    frames = torch.cat(heard).double()
    mean, spread = frames.mean(0), frames.std(0, correction=0).clamp(min=1e-2)
    return {
        "mean": [round(x, 6) for x in mean.tolist()],
        "spread": [round(x, 6) for x in spread.tolist()],
        "speakers": [name for name, _ in sorted(speakers.items(), key=lambda pair: (-pair[1], pair[0]))],
        "unnamed": named < seen,
    }
