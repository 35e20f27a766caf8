"""sounds: audio files to samples, samples to mel frames and back. Any room may import this; it knows none of them."""

from unisono.sounds.analysis import MOST_FRAMES, Analysis
from unisono.sounds.keep import kept
from unisono.sounds.mel import count, filterbank, log_mel
from unisono.sounds.read import NotInstalled, Pcm, Unreadable, read_sound
from unisono.sounds.write import wav_bytes, write_wav

__all__ = [
    "MOST_FRAMES",
    "Analysis",
    "NotInstalled",
    "Pcm",
    "Unreadable",
    "count",
    "filterbank",
    "kept",
    "log_mel",
    "read_sound",
    "wav_bytes",
    "write_wav",
]
