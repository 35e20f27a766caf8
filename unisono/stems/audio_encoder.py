"""Audio encoder: a pretrained encoder of speech as a stem; its last states become vectors, behind a start vector.

wav2vec 2.0 (Baevski et al. 2020) and HuBERT (Hsu et al. 2021), which convolve samples without padding, and the encoder
of Whisper (Radford et al. 2023), which sees log-mel frames of a window of fixed length; as transformers has them.
Sounds are never padded to one another: those of one length go through the encoder together, as each would alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformers import AutoFeatureExtractor
from transformers.audio_utils import mel_filter_bank

from unisono.packed import Layout
from unisono.runtime.stems.audio import Raw
from unisono.runtime.stems.samples import Samples
from unisono.sounds import Pcm
from unisono.stems.base import Stem, Tokens
from unisono.stems.pretrained import Encoder, EncoderOptions, fetching, fill, shape

_SAMPLES = ("wav2vec2", "hubert")  # families that take samples
_FAMILIES = (*_SAMPLES, "whisper")
_STRIDE = 2  # frames of a state of Whisper
_START = 0.05  # how loud the start vector begins: as the others


class AudioEncoderOptions(EncoderOptions):
    """What a recipe may say under ``stems: audio:`` with ``encoder``."""

    seconds: float = Field(
        30.0,
        gt=0,
        le=300,
        description="longest sound; a row with a longer one is left out; Whisper: at most its window",
    )
    pcm: Pcm | None = Field(None, description="how to read files without a header: {rate, coding, channels}")


class AudioEncoder(Stem):
    """Turns a sound into a learned start vector and the encoder's states: 49 or 50 a second with the usual encoders.

    Whisper's encoder always works through its whole window (30 s), with silence after the sound; the states of that
    silence are left out.

    ``fitted``: ``config``, the encoder's shape, and ``processor``, the settings of its feature extractor.
    """

    Options = AudioEncoderOptions
    fields = ("samples", "steps")

    def __init__(self, width: int, options: AudioEncoderOptions, fitted: dict[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, fitted
        self._told, self._shape = fitted["processor"], fitted["config"]
        self.rate = int(self._told["rate"])
        self.windows = self._shape["model_type"] not in _SAMPLES
        self.seconds = min(options.seconds, self._told["window"] / self.rate) if self.windows else options.seconds
        kernels, strides = (() if self.windows else tuple(self._shape[f"conv_{n}"]) for n in ("kernel", "stride"))
        raw = Raw(**options.pcm.model_dump()) if options.pcm else None
        pace = self._told["hop"] * _STRIDE if self.windows else 1
        reader = Samples(self.rate, self.seconds, kernels, strides, pace, raw, most=0)
        self.most = 1 + reader.steps(int(self.seconds * self.rate))
        self.reader = replace(reader, most=self.most)
        self.encoder = Encoder(width, self._shape, frozen=options.freeze)
        self.start = nn.Parameter(torch.randn(width) * _START)
        # SpecAugment as the encoder was trained with, where a sound is long enough for a mask.
        self._masked = bool(self._shape.get("apply_spec_augment")) and not self.windows
        self.filters: Tensor  # (F, M), of Whisper
        if self.windows:
            self.register_buffer("filters", _filters(self._told), persistent=False)

    @classmethod
    def fit(cls, values: Iterable[Any], options: AudioEncoderOptions) -> dict[str, Any]:
        """Looks at the encoder, not at the rows."""
        config = shape(options, _FAMILIES, "sounds")
        if config.get("add_adapter"):
            raise ValueError(f'"{options.encoder}" has an adapter, which makes its states fewer; that is not read')
        return {"config": config, "processor": processor(options, config)}

    def begin(self) -> None:
        fill(self.encoder.model, self.options)

    @property
    def rates(self) -> Mapping[str, float]:
        return {} if self.options.lr is None else {"encoder.model.": self.options.lr}

    def steps(self, samples: int) -> int:
        """How many states a sound has."""
        return self.reader.steps(samples)

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[Tokens | str]:
        """Of each row ``samples`` (n,) float32 at the encoder's rate and ``steps`` (1,) int32: how many vectors they
        become.
        """
        return self.reader.tokens(rows, most=max_length)

    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        return int(tokens["steps"][0])

    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """``samples`` (Σn,) and ``counts`` (B,) int64, how many are of each row."""
        samples = torch.from_numpy(np.concatenate([t["samples"] for t in tokens]))
        return {"samples": samples, "counts": torch.tensor([len(t["samples"]) for t in tokens])}

    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in) vectors of a pack."""
        vectors = self.encoder(torch.cat(self.states(fields)))  # (N - B, D_in)
        out: list[Tensor] = []
        for own in vectors.split([length - 1 for length in layout.lengths]):
            out += [self.start.to(own.dtype)[None], own]
        return torch.cat(out)

    def states(self, fields: Mapping[str, Tensor]) -> list[Tensor]:
        """Of each row (steps, E): the encoder's last hidden states."""
        counts = fields["counts"].tolist()
        sounds = fields["samples"].split(counts)
        alike: dict[int, list[int]] = {}
        for b, count in enumerate(counts):
            alike.setdefault(self._told["window"] if self.windows else count, []).append(b)
        out: list[Tensor] = [fields["samples"]] * len(counts)
        for length, rows in alike.items():
            batch = torch.stack([F.pad(sounds[b], (0, length - counts[b])) for b in rows])  # (b, length)
            found = self.encoded(batch)
            for b, one in zip(rows, found, strict=True):
                out[b] = one[: self.steps(counts[b])]
        return out

    def encoded(self, batch: Tensor) -> Tensor:
        """(b, n) samples -> (b, L, E)."""
        if self.windows:
            taken = {"input_features": log_mel(batch, self.filters, self._told)}
        else:
            if self._told["normalize"]:
                mean, spread = batch.mean(1, keepdim=True), batch.var(1, keepdim=True, correction=0)
                batch = (batch - mean) / (spread + 1e-7).sqrt()
            taken = {"input_values": batch}
            if self.training:
                long = self.steps(batch.shape[1]) > int(self._shape["mask_time_length"])
                self.encoder.model.config.apply_spec_augment = self._masked and long
        dtype = self.encoder.project.weight.dtype
        with _chance_of_torch() if self.training else nullcontext():
            return self.encoder.states(lambda m: m(**{k: v.to(dtype) for k, v in taken.items()}).last_hidden_state)

    def config(self) -> dict[str, Any]:
        return {"options": self.options.model_dump(mode="json"), "fitted": self.fitted}

    def key(self) -> str:
        kept = {name: self._shape.get(name) for name in ("model_type", "conv_kernel", "conv_stride")}
        told = [self.rate, self.seconds, self._told.get("hop"), self.options.model_dump(mode="json")["pcm"]]
        return json.dumps(["audio encoder", 1, kept, told], sort_keys=True)


def processor(options: EncoderOptions, config: Mapping[str, Any]) -> dict[str, Any]:
    """What the encoder's feature extractor does, as plain JSON: ``rate`` and ``normalize``, or for Whisper ``rate``,
    ``window`` and ``hop`` and ``size`` (of the Fourier transform) in samples, and ``bands``.

    Raises:
        OSError: not to be had. ValueError: it and the encoder do not fit together.
    """
    with fetching(options) as asked:
        told = AutoFeatureExtractor.from_pretrained(**asked).to_dict()
    rate = int(told["sampling_rate"])
    if config["model_type"] in _SAMPLES:
        return {"rate": rate, "normalize": bool(told["do_normalize"])}
    window, hop = int(told["chunk_length"]) * rate, int(told["hop_length"])
    frames, bands = config["max_source_positions"] * _STRIDE, int(told["feature_size"])
    if window // hop != frames or bands != config["num_mel_bins"]:
        raise ValueError(
            f'"{options.encoder}" takes {frames} frames of {config["num_mel_bins"]} bands, its feature extractor makes '
            f"{window // hop} of {bands}"
        )
    return {"rate": rate, "window": window, "hop": hop, "size": int(told["n_fft"]), "bands": bands}


@contextmanager
def _chance_of_torch() -> Iterator[None]:
    """Within, NumPy's generator follows from torch's: transformers draws its masks from the one, a run is seeded by the
    other.
    """
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(torch.randint(2**32, ())))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _filters(told: Mapping[str, Any]) -> Tensor:
    """(size // 2 + 1, bands) on Slaney's mel scale, each band of equal area."""
    bins = 1 + told["size"] // 2
    made = mel_filter_bank(bins, told["bands"], 0.0, 8000.0, told["rate"], norm="slaney", mel_scale="slaney")
    return torch.from_numpy(made).float()


def log_mel(samples: Tensor, filters: Tensor, told: Mapping[str, Any]) -> Tensor:
    """(b, n) samples -> (b, M, n / hop) frames as Whisper takes them: log10 of power, no more than 8 below the loudest,
    and near 0. Radford et al. 2023, section 2.2; the numbers are those of its code.
    """
    with torch.autocast(samples.device.type, enabled=False):
        window = torch.hann_window(told["size"], device=samples.device)
        found = torch.stft(samples.float(), told["size"], told["hop"], window=window, return_complex=True)
        power = found[..., :-1].abs().square()  # (b, F, T)
        bands = (filters.float().T @ power).clamp(min=1e-10).log10()  # (b, M, T)
        floor = bands.amax((1, 2), keepdim=True) - 8
        return (torch.maximum(bands, floor) + 4) / 4
