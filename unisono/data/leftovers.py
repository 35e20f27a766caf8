"""leftovers: where a cache entry is built before it gets its name, and what killed processes have left there."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
import uuid
from pathlib import Path

_NAMED = re.compile(r"\.(?:rows|examples)-[0-9a-f]+\.(?:(?P<host>[\w-]*)\.(?P<process>\d+)\.)?[0-9a-f]{8}")
_DEAD = 3600  # seconds without a write, after which what a process built that is gone is taken for left behind,
_SILENT = 86400  # and after which everything is: its process may run on another machine that shares the cache


def workplace(folder: Path) -> Path:
    """A new name beside ``folder`` that says who builds there."""
    return folder.with_name(f".{folder.name}.{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}")


def sweep(cache: Path) -> None:
    """Removes what killed processes have left in a cache; what cannot be removed stays."""
    if not cache.is_dir():
        return
    for path in cache.iterdir():
        match = _NAMED.fullmatch(path.name)
        if match is None or not path.is_dir():
            continue
        idle = time.time() - _written(path)
        ours = match["host"] == _host() and not _alive(int(match["process"]))
        if idle > (_DEAD if ours else _SILENT):
            shutil.rmtree(path, ignore_errors=True)


def _host() -> str:
    return re.sub(r"[^\w-]", "-", socket.gethostname(), flags=re.ASCII)[:40]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def _written(folder: Path) -> float:
    """When something was last written there, in seconds since 1970; now, where it vanishes meanwhile."""
    try:
        return max(p.stat().st_mtime for p in (folder, *folder.iterdir()))
    except OSError:
        return time.time()
