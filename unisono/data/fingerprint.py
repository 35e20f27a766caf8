"""fingerprint: a short name for the content of files and everything else that decides what is made of them."""

from __future__ import annotations

import hashlib
import json
import os
import stat as modes
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError

_WHOLE = 1 << 20  # bytes; larger files are known by size, time, beginning and end
_ENDS = 64 << 10
_MANY = 64  # files; of more than that, content is not read


def fingerprint(*parts: Any, files: Sequence[tuple[str, Path]] = ()) -> str:
    """Hex SHA-256.

    Args:
        parts: anything that JSON can write.
        files: (name, path); the name counts, where the file lies does not.
    """
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode())
    for name, path in files:
        try:
            digest.update(f"\0{name}\0".encode("utf-8", "surrogateescape"))
            digest.update(_file(path, content=len(files) <= _MANY))
        except OSError as e:
            raise DataError(f"{path} cannot be read: {e.strerror or e}") from e
    return digest.hexdigest()


def files_state(paths: Iterable[str]) -> str:
    """Hex SHA-256 of names, sizes and times of files that may be many, absent, or no files; none is opened."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            stat = os.stat(path)
            said = f"{stat.st_size} {stat.st_mtime_ns}"
        except (OSError, ValueError):  # ValueError: a null character in the name
            said = "absent"
        digest.update(f"{path}\0{said}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _file(path: Path, *, content: bool) -> bytes:
    stat = path.stat()
    if not modes.S_ISREG(stat.st_mode):  # a pipe would wait for its other end, a device may have none
        raise OSError(f"it is no file but a {'folder' if modes.S_ISDIR(stat.st_mode) else 'pipe or a device'}")
    digest = hashlib.sha256(str(stat.st_size).encode())
    if not content or stat.st_size > _WHOLE:
        digest.update(str(stat.st_mtime_ns).encode())
    if content:
        with path.open("rb") as f:
            if stat.st_size <= _WHOLE:
                digest.update(f.read())
            else:
                digest.update(f.read(_ENDS))
                f.seek(-_ENDS, 2)
                digest.update(f.read())
    return digest.digest()
