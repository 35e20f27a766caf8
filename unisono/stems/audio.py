"""Audio stem: sounds -> log-mel frames, kept; frames -> vectors by a small convolutional network.

The network is that of Dong et al. 2018 (Speech-Transformer, https://doi.org/10.1109/ICASSP.2018.8462506, section 3.1):
convolutions over time and bands that make the run shorter, then a linear map.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.packed import Layout
from unisono.runtime.stems.audio import Audio, Raw
from unisono.sounds import Pcm, Unreadable, filterbank, log_mel, read_sound
from unisono.stems import base
from unisono.stems.base import Stem, Tokens
from unisono.stems.hiding import MASKED, Contents, Hiding
from unisono.stems.masks import spec_augment

_STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2), 8: (2, 2, 2)}  # over time, of the layers; over bands always 2
_SAMPLE = 256  # training rows from which the mean and spread of a band are taken
_SCALE = 0.05  # of the first vectors: near those of a word table, so that positions are not drowned

HIDDEN = "hidden_steps"  # field of an example of which a part is hidden: (steps,) which vectors


class AudioOptions(base.Options):
    """What a recipe may say under ``stems: audio:``."""

    rate: int = Field(16_000, ge=4_000, le=48_000, description="samples a second; others are resampled")
    seconds: float = Field(30.0, gt=0, le=300, description="longest sound; a row with a longer one is left out")
    bands: int = Field(64, ge=8, le=256, description="mel bands")
    low: float = Field(20.0, ge=0, description="where the lowest band begins, Hz")
    high: float | None = Field(None, gt=0, description="where the highest band ends, Hz; default: half the rate")
    window: float = Field(25.0, gt=1, le=200, description="length of a frame, milliseconds")
    hop: float = Field(10.0, gt=1, le=200, description="from one frame to the next, milliseconds")
    subsample: Literal[1, 2, 4, 8] = Field(4, description="frames that become one vector")
    channels: int = Field(32, ge=1, description="channels of the convolutions")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of the vectors")
    band_masks: int = Field(2, ge=0, description="SpecAugment: masks over bands, in training")
    band_share: float = Field(0.2, ge=0, le=1, description="SpecAugment: the most bands of a mask, as a share of all")
    time_masks: int = Field(2, ge=0, description="SpecAugment: masks over time, in training")
    time_share: float = Field(0.1, ge=0, le=1, description="SpecAugment: the longest mask, as a share of the sound")
    pcm: Pcm | None = Field(None, description="how to read files without a header: {rate, coding, channels}")

    @model_validator(mode="after")
    def _makes_bands(self) -> AudioOptions:
        if not self.low < self.top <= self.rate / 2:
            raise ValueError(f"bands from {self.low:g} to {self.top:g} Hz: at {self.rate} Hz they end at half of it")
        self.filters()
        return self

    @property
    def top(self) -> float:
        return self.rate / 2 if self.high is None else self.high

    @property
    def samples(self) -> tuple[int, int, int]:
        """Samples of a window, of a hop, and of the Fourier transform: twice the window, up to a power of two."""
        window, hop = (max(1, round(self.rate * ms / 1000)) for ms in (self.window, self.hop))
        return window, hop, 1 << (2 * window - 1).bit_length()

    def filters(self) -> Tensor:
        return filterbank(self.bands, self.samples[2], self.rate, self.low, self.top)


class AudioStem(Stem, Hiding):
    """Turns sounds into vectors: one learned vector to start with, then one for every ``subsample`` frames.

    A row's ``audio`` is {"path", "bytes"}, a file's name, or its bytes. Frames are kept, not samples: they are half as
    many numbers, and need not be made again in every epoch.

    ``fitted``: ``mean`` and ``spread`` (M each): of the bands over a sample of the training rows.
    """

    Options: ClassVar[type[base.Options]] = AudioOptions
    fields = ("mel", "steps")

    def __init__(self, width: int, options: AudioOptions, fitted: Mapping[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, dict(fitted)
        self.most = self._steps(ceil(options.seconds * 1000 / options.hop) + 1)
        self._filters = options.filters()
        window, hop, _ = options.samples
        raw = Raw(**options.pcm.model_dump()) if options.pcm else None
        self.reader = Audio(
            options.rate, options.seconds, options.bands, options.low, options.top, window, hop, options.subsample, raw,
            self.most,
        )  # fmt: skip
        self.mean: Tensor  # (M,)
        self.spread: Tensor  # (M,)
        for name in ("mean", "spread"):
            self.register_buffer(name, torch.tensor(fitted[name], dtype=torch.float32), persistent=False)
        layers, bands = [], options.bands
        for at, stride in enumerate(_STRIDES[options.subsample]):
            layers.append(nn.Conv2d(options.channels if at else 1, options.channels, 3, stride=(stride, 2), padding=1))
            bands = (bands + 1) // 2
        self.layers = nn.ModuleList(layers)
        self.project = nn.Linear(options.channels * bands, width)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, _SCALE)
        self.start = nn.Parameter(torch.randn(width) * _SCALE)
        self.dropout = Dropout(options.dropout)
        self.mask: nn.Parameter | None = None

    @classmethod
    def fit(cls, values: Iterable[Any], options: AudioOptions) -> dict[str, Any]:
        """Mean and spread of each band, over sounds drawn from all (Vitter 1985, algorithm R), always the same ones."""
        draw, seen = random.Random(0), 0
        kept: list[Any] = []
        for value in values:
            if value is not None:
                seen += 1
                if len(kept) < _SAMPLE:
                    kept.append(value)
                elif (place := draw.randrange(seen)) < _SAMPLE:
                    kept[place] = value
        found = [
            frames for value in kept if not isinstance(frames := frames_of(value, options, options.filters()), str)
        ]
        if not found:
            return {"mean": [0.0] * options.bands, "spread": [1.0] * options.bands}
        frames = torch.cat(found).double()
        mean, spread = frames.mean(0), frames.std(0, correction=0).clamp(min=1e-3)
        return {"mean": [round(x, 6) for x in mean.tolist()], "spread": [round(x, 6) for x in spread.tolist()]}

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[Tokens | str]:
        """Of each row ``mel`` (T * M,) float32, frame after frame, and ``steps`` (1,) int32: how many vectors they
        become.
        """
        out: list[Tokens | str] = []
        for row in rows:
            frames = frames_of(row["audio"], self.options, self._filters)
            if isinstance(frames, str):
                out.append(frames)
                continue
            steps = self._steps(len(frames))
            if max_length is not None and steps > max_length:
                out.append(f"a sound that becomes more than {max_length} vectors (max_length)")
            else:
                out.append({"mel": frames.numpy().reshape(-1), "steps": np.array([steps], np.int32)})
        return out

    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        return int(tokens["steps"][0])

    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """``mel`` (ΣT, M) and ``frames`` (B,) int64, how many are of each row; where some are hidden, also ``hidden``
        (N,) bool.
        """
        bands = self.options.bands
        mel = torch.from_numpy(np.concatenate([t["mel"] for t in tokens])).view(-1, bands)
        out = {"mel": mel, "frames": torch.tensor([len(t["mel"]) // bands for t in tokens])}
        if any(HIDDEN in t for t in tokens):
            marks = [t[HIDDEN] if HIDDEN in t else np.zeros(self.length(t), np.uint8) for t in tokens]
            out["hidden"] = torch.from_numpy(np.concatenate(marks).astype(bool))
        return out

    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in) vectors of a pack, without padding: the place of a row's start vector is the gap before its frames,
        whose zeros are what a convolution sees at the edge of a row that lies alone.
        """
        mel, frames = fields["mel"], fields["frames"]
        total, bands = mel.shape
        device, dtype, pace = mel.device, self.project.weight.dtype, self.options.subsample
        row = torch.arange(layout.count, device=device).repeat_interleave(frames, output_size=total)  # (ΣT,)
        place = torch.arange(total, device=device) - (frames.cumsum(0) - frames)[row]
        x = (mel - self.mean.float()) / self.spread.float()
        starts = layout.starts(device)  # (B,)
        hidden = fields.get("hidden")
        if hidden is not None:  # silence of the mean for the convolutions, which look beyond the edges of a vector
            x = x.masked_fill(hidden[starts[row] + 1 + place // pace][:, None], 0.0)
        elif self.training:
            x = self._masked(x, row, place, frames)
        at = (starts[row] + 1) * pace + place  # (ΣT,)
        x = x.new_zeros(layout.total * pace, bands).index_copy(0, at, x).to(dtype)
        real = x.new_zeros(layout.total * pace).index_fill(0, at, 1.0)  # a place of a frame, not of a gap
        out = self.convolved(x.view(-1, pace, bands), real.view(-1, pace))
        if hidden is not None:
            assert self.mask is not None
            out = torch.where(hidden[:, None], self.mask.to(out.dtype), out)
        start = self.start.to(out.dtype).expand(layout.count, -1)
        placed: Tensor = self.dropout(out.index_copy(0, starts, start))
        return placed

    def convolved(self, frames: Tensor, real: Tensor) -> Tensor:
        """(N, pace, M) frames of each vector, 0 where there are none -> (N, D_in).

        Args:
            real: (N, pace), 1 at a frame, 0 at a gap: there, a convolution's output is 0, too.
        """
        x = frames.flatten(0, 1)[None, None]  # (1, 1, N * pace, M)
        for layer in self.layers:
            x = F.gelu(layer(x))  # (1, C, N * pace / 2, M / 2)
            real = real[:, :: layer.stride[0]]  # type: ignore[index]
            x = x * real.reshape(-1, 1)
        out: Tensor = self.norm(self.project(x[0].transpose(0, 1).flatten(1)))
        return out

    def _masked(self, x: Tensor, row: Tensor, place: Tensor, frames: Tensor) -> Tensor:
        o = self.options
        masks: dict[str, Any] = {"bands": o.band_masks, "times": o.time_masks}
        return spec_augment(x, row, place, frames, band_share=o.band_share, time_share=o.time_share, **masks)

    def learn_mask(self) -> None:
        if self.mask is None:
            self.mask = nn.Parameter(torch.randn(len(self.start)) * _SCALE)

    def holds(self) -> dict[str, Any]:
        return {"values": self.options.subsample * self.options.bands}

    def contents(self, tokens: Mapping[str, np.ndarray]) -> Contents:
        """The normalized frames of each vector; the last one, if it has fewer than the others, is not asked for."""
        bands, steps = self.options.bands, int(tokens["steps"][0])
        x = (tokens["mel"].reshape(-1, bands) - self.mean.cpu().numpy()) / self.spread.cpu().numpy()
        pace = self.options.subsample
        known = np.zeros((steps * pace, bands), np.float32)
        known[pace : pace + len(x)] = x
        whole = 1 + len(x) // pace
        at = np.arange(steps)
        return Contents(known.reshape(steps, -1), (at > 0) & (at < whole), np.zeros(steps, bool))

    def hide(self, tokens: Mapping[str, np.ndarray], how: np.ndarray, draw: np.random.Generator) -> Tokens:
        return {**tokens, HIDDEN: (how == MASKED).astype(np.uint8)}

    def config(self) -> dict[str, Any]:
        return {"options": self.options.model_dump(mode="json"), "fitted": self.fitted}

    def key(self) -> str:
        kept = self.options.model_dump(
            mode="json", include={"rate", "seconds", "bands", "low", "high", "window", "hop", "subsample", "pcm"}
        )
        return json.dumps(["audio", 2, kept], sort_keys=True)

    def _steps(self, frames: int) -> int:
        return 1 + ceil(frames / self.options.subsample)


def frames_of(value: Any, options: AudioOptions, filters: Tensor) -> Tensor | str:
    """(T, M) log-mel frames of a sound, or why there are none.

    Args:
        value: as ``read_sound`` takes it.
    """
    window, hop, size = options.samples
    try:
        samples = read_sound(value, rate=options.rate, seconds=options.seconds, pcm=options.pcm)
    except Unreadable as reason:
        return str(reason)
    return log_mel(torch.from_numpy(samples), filters, window=window, hop=hop, size=size)
