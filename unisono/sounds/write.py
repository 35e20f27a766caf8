"""write: samples to a WAV file of 16 bits, whole or not at all."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

from unisono import files


def wav_bytes(samples: np.ndarray, rate: int) -> bytes:
    """(n,) floats between -1 and 1 as the content of a WAV file, one channel, 16 bits; what is beyond is cut."""
    whole = (np.clip(np.nan_to_num(samples), -1, 1) * 32767).round().astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())
    return out.getvalue()


def write_wav(path: Path | str, samples: np.ndarray, rate: int) -> None:
    """Writes ``wav_bytes``.

    Raises:
        OSError: it could not be written; an old file is untouched.
    """
    files.write_atomic(path, wav_bytes(samples, rate))
