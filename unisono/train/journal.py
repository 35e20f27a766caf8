"""The journal of a run: every event as one JSON line, whole after any kill, no step twice after any resume."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unisono import files
from unisono.train.events import Event

EVENTS = "events.jsonl"  # in the folder of a run


class Journal:
    """Appends events to a file of JSON lines: ``event`` (``stepped``, ...), ``time`` (Unix seconds), and its fields.

    Args:
        path: the file; made if absent.
        step: the step that training goes on from. What an earlier process wrote of later steps is cut off, and so
            is the torn last line of one that was killed. 0 begins anew.
    """

    def __init__(self, path: Path, *, step: int = 0) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut(path, step)
        # Unbuffered: one line is one write, which a kill either lets happen or does not.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __call__(self, event: Event) -> None:
        fields = {"event": type(event).__name__.lower(), "time": round(time.time(), 3)} | dataclasses.asdict(event)
        line = (json.dumps(_finite(fields), ensure_ascii=False, default=_plain) + "\n").encode()
        before = os.fstat(self._file).st_size
        if os.write(self._file, line) < len(line):
            os.ftruncate(self._file, before)
            raise OSError(errno.ENOSPC, "the disk is full, so the journal has a gap")

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a journal, also while it is being written; a torn line is left out."""
    with Path(path).open("rb") as file:
        for line in file:
            if (event := _parsed(line)) is not None:
                yield event


def _cut(path: Path, step: int) -> None:
    """Keeps the whole lines of steps up to ``step``. Lines are in order, so the first later step ends what is kept."""
    if not path.exists():
        return
    kept: list[bytes] = []
    if step:
        with path.open("rb") as file:
            for line in file:
                event = _parsed(line)
                if event is not None and event.get("step", 0) > step:
                    break
                if event is not None:
                    kept.append(line)
    content = b"".join(kept)
    if path.stat().st_size != len(content):
        files.write_atomic(path, content)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null, so that every reader can read the line."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    """A NumPy or PyTorch number as a Python one; a path as text."""
    return value.item() if hasattr(value, "item") else str(value)
