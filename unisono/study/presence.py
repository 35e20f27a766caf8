"""Presence: how workers know which of them live: each holds the lock of a file, which the system frees at its death."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GRACE = 300.0  # seconds without a sign of life, for a worker whose file is not here: it runs on another machine


class Presence:
    """A worker's sign of life.

    Args:
        folder: where the workers of a study keep their files; made if absent.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._file = os.open(folder / self.name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a disk that knows no locks: others go by the signs of life in the study
            (folder / self.name).unlink()

    def __enter__(self) -> Presence:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:  # nothing is under way; otherwise the file stays, unlocked, and says that its worker is gone
            (self.folder / self.name).unlink(missing_ok=True)
        os.close(self._file)

    def lost(self, name: str, seen: float) -> bool:
        """Whether another worker is dead.

        Args:
            seen: its last sign of life in the study, in Unix seconds.
        """
        if name == self.name:
            return False
        dead = _dead(self.folder / name)
        return time.time() - seen > GRACE if dead is None else dead


def _dead(file: Path) -> bool | None:
    """Whether nobody holds the file's lock; None where that cannot be known."""
    try:
        descriptor = os.open(file, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    finally:
        os.close(descriptor)


@contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Waits until no other process of this machine is in here. It saves trouble; nothing may depend on it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
