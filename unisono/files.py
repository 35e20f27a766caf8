"""Files that are whole or absent: atomic writing, atomic replacement of a folder, SHA-256. Any room may import this."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from pathlib import Path

CHUNK = 1 << 22  # bytes read at a time when hashing


def write_atomic(path: Path | str, content: bytes | str) -> None:
    """Writes a file so that, whatever happens, a reader sees the old content or the new, never a part. Text is UTF-8.

    Raises:
        OSError: the content could not be written (a full disk, say); the old file is untouched, nothing is left over.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.writing")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync(path.parent)


def read_text(path: Path | str, most: int) -> str:
    """A text that a person or a program wrote, UTF-8. What has no end (a pipe, a device) is not begun with.

    Args:
        most: bytes.

    Raises:
        OSError: no such file, not a regular one, or a larger one. UnicodeDecodeError: not UTF-8.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a file", str(path))
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"more than {most:,} bytes", str(path))
    return content.decode("utf-8")


def replace_folder(temporary: Path | str, final: Path | str) -> None:
    """Makes a finished folder appear under its final name, in one move and lasting through a power cut.

    Every file of ``temporary`` and the folders themselves are fsynced, then it is renamed. A folder already at
    ``final`` is set aside first, as ``set_aside(final)``, and deleted after: a kill between leaves it there, whole.
    """
    temporary, final = Path(temporary), Path(final)
    for folder, _, names in os.walk(temporary, topdown=False):
        for name in names:
            fsync(Path(folder, name))
        fsync(Path(folder))
    aside = set_aside(final)
    if final.exists():
        if aside.exists():
            shutil.rmtree(aside)
        os.rename(final, aside)
    try:
        os.rename(temporary, final)
    except BaseException:
        if aside.exists() and not final.exists():
            os.rename(aside, final)
        raise
    fsync(final.parent)
    shutil.rmtree(aside, ignore_errors=True)


def set_aside(final: Path) -> Path:
    """Where ``replace_folder`` keeps the old folder while the new one takes its name."""
    return final.with_name(f".{final.name}.replaced")


def fsync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's content, in hexadecimal; read in pieces, so any size will do."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()
