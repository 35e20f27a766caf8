"""audio: sounds as log-mel frames, laid out so that convolutions over the pack see each sound as if it lay alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, ClassVar

import numpy as np

from ..fields import Fields
from ..mel import filterbank, log_mel
from ..sounds import CHANNELS, CODINGS, HIGHEST, LOWEST, Unreadable, read_sound
from .base import Arrays, Stem, Tokens


@dataclass(frozen=True)
class Raw:
    """How files without a header are read; see ``sounds.Pcm``."""

    rate: int
    coding: str
    channels: int

    @classmethod
    def of(cls, said: Fields) -> Raw:
        rate, channels = said.whole("rate", LOWEST, HIGHEST), said.whole("channels", 1, CHANNELS)
        return cls(rate, said.text("coding", CODINGS), channels)


@dataclass(frozen=True)
class Audio(Stem):
    """A start vector, then one for every ``pace`` frames.

    Args:
        rate: samples a second; others are resampled. ``seconds``: longer sounds are refused.
        bands, low, high: how many mel bands, and where the first begins and the last ends, Hz.
        window, hop: samples of a frame, and from one to the next.
    """

    rate: int
    seconds: float
    bands: int
    low: float
    high: float
    window: int
    hop: int
    pace: int
    pcm: Raw | None
    most: int
    kind: ClassVar[str] = "audio"
    reads: ClassVar[tuple[str, ...]] = ("mel", "steps")

    @classmethod
    def of(cls, said: Fields, most: int) -> Audio:
        rate = said.whole("rate", LOWEST, HIGHEST)
        low, high, seconds = said.number("low"), said.number("high"), said.number("seconds")
        if not 0 <= low < high <= rate / 2 or not 0 < seconds <= 3600:
            raise said.wrong("high", f"a band between 0 and {rate / 2:g} Hz, of at most an hour of sound")
        pcm = Raw.of(said.within("pcm")) if said.has("pcm") else None
        return cls(
            rate, seconds, said.whole("bands", 1, 1024), low, high, said.whole("window", 1, rate),
            said.whole("hop", 1, rate), said.whole("pace", 1, 64), pcm, most,
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Samples of the Fourier transform: twice the window, up to a power of two."""
        return 1 << (2 * self.window - 1).bit_length()

    @cached_property
    def _filters(self) -> np.ndarray:
        return filterbank(self.bands, self.size, self.rate, self.low, self.high)

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> list[Tokens | str]:
        """Of each row ``mel`` (T * M,) float32, frame after frame, and ``steps`` (1,) int32: how many vectors they
        become.

        Args:
            rows: each with ``audio``: a file's name or its bytes, or a mapping with ``path`` or ``bytes``.
        """
        out: list[Tokens | str] = []
        for row in rows:
            try:
                samples = read_sound(row["audio"], rate=self.rate, seconds=self.seconds, pcm=self.pcm)
            except Unreadable as reason:
                out.append(str(reason))
                continue
            frames = log_mel(samples, self._filters, window=self.window, hop=self.hop, size=self.size)
            steps = 1 + ceil(len(frames) / self.pace)
            if most is not None and steps > most:
                out.append(f"a sound that becomes more than {most} vectors (max_length)")
            else:
                out.append({"mel": frames.reshape(-1), "steps": np.array([steps], np.int32)})
        return out

    def length(self, tokens: Arrays) -> int:
        return int(tokens["steps"][0])

    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        """``mel`` (n, pace, M): the frames of each vector, any where it has none, as the start vector; ``real``
        (n, pace) float32, 1 at a frame, else 0; ``begins`` (n,) bool: it is a start vector.
        """
        lengths = np.array([self.length(e) for e in examples])
        starts = np.cumsum(lengths) - lengths
        mel = np.zeros((int(lengths.sum()), self.pace, self.bands), np.float32)
        real = np.zeros((len(mel), self.pace), np.float32)
        begins = np.zeros(len(mel), bool)
        begins[starts] = True
        flat, places = mel.reshape(-1, self.bands), real.reshape(-1)
        for start, example in zip(((starts + 1) * self.pace).tolist(), examples, strict=True):
            frames = example["mel"].reshape(-1, self.bands)
            flat[start : start + len(frames)] = frames
            places[start : start + len(frames)] = 1
        yield list(range(len(examples))), {"mel": mel, "real": real, "begins": begins}
