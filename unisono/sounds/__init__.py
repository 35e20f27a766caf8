"""sounds: audio files to samples, samples to mel frames and back. Any room may import this; it knows none of them."""

from unisono.sounds.mel import count, filterbank, log_mel
from unisono.sounds.read import NotInstalled, Pcm, Unreadable, read_sound

__all__ = ["NotInstalled", "Pcm", "Unreadable", "count", "filterbank", "log_mel", "read_sound"]
