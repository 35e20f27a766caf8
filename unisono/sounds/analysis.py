"""analysis: how sounds become frames of log-mel energies, and these sounds again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unisono.sounds.invert import griffin_lim, unmel
from unisono.sounds.mel import filterbank, log_mel
from unisono.sounds.read import Pcm, read_sound

MOST_FRAMES = 60_000  # turned into samples at once: ten minutes at 10 ms


@dataclass(frozen=True)
class Analysis:
    """The sizes of frames.

    Args:
        rate: samples a second.
        bands: M.
        low, high: where the first band begins and the last one ends, Hz.
        window, hop: samples of a frame, and from one to the next.
        floor: energies below it count as it, natural logarithm of power: what is quieter is not heard.
        pcm: how files without a header are read.
    """

    rate: int
    bands: int
    low: float
    high: float
    window: int
    hop: int
    floor: float
    pcm: Pcm | None = None

    @property
    def size(self) -> int:
        """Samples of the Fourier transform: twice the window, up to a power of two."""
        return 1 << (2 * self.window - 1).bit_length()

    @cached_property
    def filters(self) -> Tensor:
        """(size // 2 + 1, M)"""
        return filterbank(self.bands, self.size, self.rate, self.low, self.high)

    def seconds(self, frames: int) -> float:
        """How long a sound of so many frames is."""
        return ((frames - 1) * self.hop + self.window) / self.rate

    def frames(self, sound: Any, *, seconds: float) -> Tensor:
        """(T, M) of a sound as ``read_sound`` takes it.

        Raises:
            Unreadable: as ``read_sound``.
        """
        samples = torch.from_numpy(read_sound(sound, rate=self.rate, seconds=seconds, pcm=self.pcm))
        found = log_mel(samples, self.filters, window=self.window, hop=self.hop, size=self.size)
        return found.clamp(min=self.floor)

    def samples(self, frames: Tensor, *, steps: int = 60) -> np.ndarray:
        """(T, M) -> (n,) float32 samples within full scale. The same frames give the same samples."""
        if not 1 <= len(frames) <= MOST_FRAMES:
            raise ValueError(f"{len(frames):,} frames; 1 to {MOST_FRAMES:,} can be made a sound at once")
        frames = frames.double().nan_to_num(self.floor).clamp(max=40.0)  # above: louder than full scale in every window
        magnitude = unmel(frames.exp(), self.filters.double()).sqrt()
        out = griffin_lim(magnitude, window=self.window, hop=self.hop, size=self.size, steps=steps).numpy()
        loudest = float(np.abs(out).max())
        return (out / max(1.0, loudest / 0.99)).astype(np.float32)

    def config(self) -> dict[str, Any]:
        """Plain JSON from which ``Analysis(**config)`` is an equal one."""
        return {**asdict(self), "pcm": self.pcm.model_dump() if self.pcm else None}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Analysis:
        pcm = config.get("pcm")
        return cls(**{**config, "pcm": Pcm(**pcm) if pcm else None})
