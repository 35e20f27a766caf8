"""overlap: rows with the same inputs, of which one is held out and another learned from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unisono.data.rows import Rows


def digests(rows: Rows, roles: Sequence[str]) -> np.ndarray:
    """(n,) uint64, the same for the same inputs in whatever order; 0 for a row without any.

    Texts are taken as they stand, words as a text with blanks between, files by what is in them. That two of n other
    inputs get the same number has the chance n² / 2⁶⁵.

    Args:
        roles: of the inputs.
    """
    names = [role for role in roles if role in rows.roles]
    return np.fromiter((_digest([row[role] for role in names]) for row in rows), np.uint64, len(rows))


def recur(found: np.ndarray) -> bool:
    """Whether inputs recur by nature, as words to be spoken do: not half of the rows have their own."""
    return 2 * len(np.unique(found)) < len(found)


def _digest(values: Iterable[Any]) -> int:
    parts = sorted(json.dumps(_content(value), default=str) for value in values if value is not None)
    return int.from_bytes(hashlib.blake2b("\n".join(parts).encode(), digest_size=8).digest(), "big") if parts else 0


def _content(value: Any) -> Any:
    """What JSON can write of a value: of a file, a digest of its bytes; of one that cannot be read, its name."""
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    if not isinstance(value, Mapping) or not value.keys() <= {"path", "bytes"}:
        return value
    content = value.get("bytes")
    if content is None and value.get("path"):
        try:
            content = Path(value["path"]).read_bytes()
        except OSError:
            return value["path"]
    return content and hashlib.blake2b(content, digest_size=16).hexdigest()
