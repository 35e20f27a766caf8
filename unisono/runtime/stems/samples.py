"""samples: sounds as their samples, for a pretrained encoder; those of one length go through the graph at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np

from ..fields import Fields
from ..sounds import HIGHEST, LOWEST, Unreadable, read_sound
from .audio import Raw
from .base import Arrays, Stem, Tokens

_AT_ONCE = 1 << 20  # samples of one call


@dataclass(frozen=True)
class Samples(Stem):
    """A start vector, then the encoder's states.

    Args:
        rate: samples a second; others are resampled. ``seconds``: longer sounds are refused.
        kernels, strides: of the convolutions that make states of samples, in samples of the layer below; none where a
            state has ``pace`` samples, the last one perhaps fewer.
    """

    rate: int
    seconds: float
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    pace: int
    pcm: Raw | None
    most: int
    kind: ClassVar[str] = "samples"
    reads: ClassVar[tuple[str, ...]] = ("samples", "steps")

    @classmethod
    def of(cls, said: Fields, most: int) -> Samples:
        seconds = said.number("seconds")
        if not 0 < seconds <= 3600:
            raise said.wrong("seconds", "at most an hour")
        kernels, strides = (said.wholes(name, None, 1, 1 << 16) for name in ("kernels", "strides"))
        if len(kernels) != len(strides):
            raise said.wrong("strides", "as many as there are kernels")
        pcm = Raw.of(said.within("pcm")) if said.has("pcm") else None
        rate, pace = said.whole("rate", LOWEST, HIGHEST), said.whole("pace", 1, 1 << 20)
        return cls(rate, seconds, kernels, strides, pace, pcm, most)

    def steps(self, samples: int) -> int:
        """How many states a sound has."""
        if not self.kernels:
            return max(1, ceil(samples / self.pace))
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            samples = (samples - kernel) // stride + 1 if samples >= kernel else 0
        return samples

    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> list[Tokens | str]:
        """Of each row ``samples`` (n,) float32 at the encoder's rate and ``steps`` (1,) int32: how many vectors they
        become.
        """
        out: list[Tokens | str] = []
        for row in rows:
            try:
                samples = read_sound(row["audio"], rate=self.rate, seconds=self.seconds, pcm=self.pcm)
            except Unreadable as reason:
                out.append(str(reason))
                continue
            steps = 1 + self.steps(len(samples))
            if steps == 1:
                out.append("a sound too short for the encoder")
            elif most is not None and steps > most:
                out.append(f"a sound that becomes more than {most} vectors (max_length)")
            else:
                out.append({"samples": samples, "steps": np.array([steps], np.int32)})
        return out

    def length(self, tokens: Arrays) -> int:
        return int(tokens["steps"][0])

    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        """``samples`` (b, n): sounds of one length, as an encoder must not see what fills up a shorter one."""
        alike: dict[int, list[int]] = {}
        for number, example in enumerate(examples):
            alike.setdefault(len(example["samples"]), []).append(number)
        for count, numbers in alike.items():
            few = max(1, _AT_ONCE // count)
            for some in (numbers[at : at + few] for at in range(0, len(numbers), few)):
                yield some, {"samples": np.stack([examples[n]["samples"] for n in some])}
