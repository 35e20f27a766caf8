"""audio: convolutions over the frames of a pack, a start vector before each sound."""

from __future__ import annotations

import torch
from torch import Tensor

from unisono.deploy.errors import ExportError
from unisono.deploy.graph import Dims
from unisono.deploy.stems.base import ExportedStem, Marked, as_graph
from unisono.stems import AudioEncoder, AudioStem


class _Frames(Marked):
    """``mel`` (n, pace, M), ``real`` (n, pace) and ``begins`` (n,) -> ``values``."""

    def __init__(self, stem: AudioStem, mark: Tensor | None) -> None:
        super().__init__(mark)
        self.stem = stem

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        stem, real = self.stem, fields["real"]
        mel = (fields["mel"] - stem.mean.float()) / stem.spread.float() * real[..., None]
        found = stem.convolved(mel, real)
        return torch.where(fields["begins"][:, None], stem.start, found)


def audio(stem: AudioStem, mark: Tensor | None, name: str) -> ExportedStem:
    """The graph of sounds of any length."""
    pace, bands = stem.options.subsample, stem.options.bands
    begins = torch.tensor([True, False, False, False, True, False, False])
    inputs = {"mel": torch.randn(7, pace, bands), "real": torch.ones(7, pace) * ~begins[:, None], "begins": begins}
    dims: dict[str, Dims] = {"mel": ("N", None, None), "real": ("N", None), "begins": ("N",)}
    return ExportedStem(as_graph(name, _Frames(stem, mark), inputs, dims), stem.reader)


class _Heard(Marked):
    """``samples`` (b, n) -> ``values`` (b * (1 + steps), D_in), by a pretrained encoder."""

    def __init__(self, stem: AudioEncoder, mark: Tensor | None) -> None:
        super().__init__(mark)
        self.stem = stem

    def vectors(self, fields: dict[str, Tensor]) -> Tensor:
        found = self.stem.encoder(self.stem.encoded(fields["samples"]))  # (b, steps, D_in)
        return torch.cat([self.stem.start.expand(found.shape[0], 1, -1), found], 1).flatten(0, 1)


def samples(stem: AudioEncoder, mark: Tensor | None, name: str) -> ExportedStem:
    """The graph of an encoder from the hub that convolves samples."""
    if stem.windows:
        raise ExportError(f"its {name} goes through Whisper's encoder, which cannot be exported")
    inputs = {"samples": torch.randn(2, min(stem.rate, int(stem.seconds * stem.rate)))}
    return ExportedStem(as_graph(name, _Heard(stem, mark), inputs, {"samples": ("B", "T")}), stem.reader)
