"""sounds: an audio file, or the bytes of one -> samples of one channel at one rate, in bounded time and memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

HEADERLESS = (".raw", ".pcm")  # how the names of files without a header end
_MAGIC = (b"RIFF", b"fLaC", b"OggS")  # how WAV, FLAC and Ogg files begin; no decoder sees any other
_FORMATS = ("WAV", "WAVEX", "FLAC", "OGG")
_SUBTYPES = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS", "OPUS")
LOWEST, HIGHEST = 1_000, 192_000  # Hz
CHANNELS = 8
_CHUNKS = 64  # of a WAV file that are looked at for its samples
_EXTRA = f"{__name__.split('.')[0].replace('_', '-')}[audio]"  # of the distribution that this file came with
_BLOCK = 1 << 16  # frames decoded at once
_LOUDEST = 1e4  # where 1 is full scale
CODINGS = {"s16le": "<i2", "s16be": ">i2", "s32le": "<i4", "s32be": ">i4", "f32le": "<f4", "f32be": ">f4", "u8": "u1"}


class Pcm(Protocol):
    """How files without a header (.raw, .pcm) are to be read: nothing in them says it.

    Args:
        rate: samples a second. ``channels``: sample by sample in turn.
        coding: one of ``CODINGS``.
    """

    @property
    def rate(self) -> int: ...

    @property
    def coding(self) -> str: ...

    @property
    def channels(self) -> int: ...


class NotInstalled(ImportError):
    """A package of the extra ``audio`` is missing; the message has the command."""


class Unreadable(ValueError):
    """A sound that cannot be used. The message is the reason, in the same words for the same fault."""


def read_sound(value: Any, *, rate: int, seconds: float, pcm: Pcm | None = None) -> np.ndarray:
    """(n,) float32 samples, full scale being 1; several channels become their mean.

    Args:
        value: a file's name, its bytes, or {"path": …, "bytes": …} with either. WAV, FLAC and Ogg (Vorbis, Opus).
        rate: wanted, in Hz; others are resampled by soxr.
        seconds: longer sounds are refused, and no more of them is decoded.
        pcm: how to read a file without a header.

    Raises:
        Unreadable: not a sound of these formats, damaged, empty, or too long.
        NotInstalled: soundfile or soxr.
    """
    path, content = _place(value)
    if Path(path or "").suffix.lower() in HEADERLESS or (path is None and pcm and content[:4] not in _MAGIC):
        if pcm is None:
            raise Unreadable("a sound without a header (.raw, .pcm): say how to read it under stems: audio: pcm:")
        samples, found = _headerless(path, content, pcm, seconds), pcm.rate
    else:
        samples, found = _decoded(path, content, seconds)
    if not len(samples):
        raise Unreadable("a sound of no length")
    if not np.abs(samples).max() < _LOUDEST:  # NaN is not, either
        raise Unreadable("a sound with samples that are no numbers, or beyond all measure")
    return samples if found == rate else _resampled(samples, found, rate)


def _place(value: Any) -> tuple[str | None, bytes]:
    """(the file to open, None where the bytes are there; the bytes, or the first few of the file)."""
    if isinstance(value, Mapping):
        path, content = value.get("path"), value.get("bytes")
    else:
        path, content = (None, value) if isinstance(value, bytes) else (value, None)
    if content is not None:
        return None, bytes(content)
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise Unreadable("no sound: a file's name or its bytes")
    name = os.fspath(path)
    if not os.path.exists(name):
        raise Unreadable("the sound's file is missing")
    if not os.path.isfile(name):  # a folder, a pipe, a device
        raise Unreadable("the sound is no file")
    try:
        with open(name, "rb") as file:
            return str(name), file.read(12)
    except OSError:
        raise Unreadable("the sound's file cannot be opened") from None


def _decoded(path: str | None, content: bytes, seconds: float) -> tuple[np.ndarray, int]:
    """((n,) samples, their rate) through libsndfile."""
    if content[:4] not in _MAGIC or (content[:4] == b"RIFF" and content[8:12] != b"WAVE"):
        raise Unreadable("not a WAV, FLAC or Ogg file")
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: its library is not there
        raise NotInstalled(f"sounds are read by soundfile ({error}); pip install '{_EXTRA}'") from None
    try:
        with BytesIO(content) if path is None else open(path, "rb") as whole:
            if content[:4] == b"RIFF" and _ends_early(whole):
                raise Unreadable("a WAV file that ends before its sound does")
        with soundfile.SoundFile(BytesIO(content) if path is None else path) as file:
            if file.format not in _FORMATS or file.subtype not in _SUBTYPES:
                raise Unreadable(f"a sound coded as {file.subtype}, which is not read")
            if not LOWEST <= file.samplerate <= HIGHEST or not 1 <= file.channels <= CHANNELS:
                raise Unreadable(f"a sound not of {LOWEST} to {HIGHEST} Hz and 1 to {CHANNELS} channels")
            most, taken, blocks = int(seconds * file.samplerate), 0, []
            while len(block := file.read(min(_BLOCK, most + 1 - taken), dtype="float32", always_2d=True)):
                blocks.append(block.mean(1))
                taken += len(block)
                _not_past(taken, most, seconds)
            return np.concatenate(blocks) if blocks else np.zeros(0, np.float32), file.samplerate
    except Unreadable:
        raise
    except (RuntimeError, ValueError, TypeError, OSError, MemoryError):
        raise Unreadable("a damaged WAV, FLAC or Ogg file") from None


def _ends_early(file: BinaryIO) -> bool:
    """Whether a WAV file has less than 99 % of the samples that it promises, which libsndfile does not mind. One that
    was written while the sound went on promises nothing: its length is then beyond 2 GiB.
    """
    size, at = file.seek(0, os.SEEK_END), 12
    for _ in range(_CHUNKS):
        file.seek(at)
        if len(head := file.read(8)) < 8:
            break
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return length < 1 << 31 and size - at - 8 < 0.99 * length
        at += 8 + length + length % 2
    return False


def _headerless(path: str | None, content: bytes, pcm: Pcm, seconds: float) -> np.ndarray:
    """(n,) samples."""
    kind = np.dtype(CODINGS[pcm.coding])
    frame, most = kind.itemsize * pcm.channels, int(seconds * pcm.rate)
    if path is not None:
        with open(path, "rb") as file:
            content = file.read(frame * (most + 1))
    count = len(content) // frame  # half a frame at the end is left out
    _not_past(count, most, seconds)
    raw = np.frombuffer(content, kind, count * pcm.channels).reshape(count, pcm.channels)
    middle, full = {"u": (128, 128), "s": (0, 1 << (8 * kind.itemsize - 1)), "f": (0, 1)}[pcm.coding[0]]
    out: np.ndarray = ((raw.astype(np.float32) - middle) / np.float32(full)).mean(1)
    return out


def _not_past(count: int, most: int, seconds: float) -> None:
    if count > most:
        raise Unreadable(f"a sound of more than {seconds:g} seconds; stems: audio: seconds: allows more")


def _resampled(samples: np.ndarray, found: int, rate: int) -> np.ndarray:
    try:
        import soxr
    except ImportError as error:
        raise NotInstalled(f"sounds of another rate need soxr ({error}); pip install '{_EXTRA}'") from None
    out: np.ndarray = np.asarray(soxr.resample(samples, found, rate), np.float32)
    if not len(out):
        raise Unreadable("a sound of no length")
    return out
