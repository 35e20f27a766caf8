"""How much time and memory an attack may take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.data.hostile import no_longer_than

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(name: str) -> int:
    """MB of this process: ``VmRSS`` now, ``VmHWM`` at its highest; 0 where the system does not tell."""
    found = re.search(rf"{name}:\s+(\d+)", _STATUS.read_text()) if _STATUS.exists() else None
    return int(found[1]) // 1024 if found else 0


@contextmanager
def bounded(*, seconds: int = 10, megabytes: int = 200) -> Iterator[None]:
    """Fails where what is inside takes longer (it is interrupted), or more memory than there was before."""
    try:
        _RESET.write_text("5")  # the highest begins anew
    except OSError:  # another system, or not allowed
        megabytes = 1 << 30
    before = memory("VmRSS")
    with no_longer_than(seconds):
        yield
    grown = memory("VmHWM") - before
    assert grown < megabytes, f"{grown} MB"
