"""Freed pages are kept: training on a CPU frees and takes the same large buffers at every step.

By default glibc gives each buffer of some megabytes back to the kernel, which then clears every page of the next one:
5 to 10 % of a training step on this project's trunks.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h of glibc


def keep_pages() -> bool:
    """From now on this process keeps freed memory for its next allocation. Called once, before the first step.

    Memory in use peaks where it did before, but does not shrink between peaks.

    Returns:
        Whether the C library took the setting: false outside glibc (macOS, Windows, musl), where nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
