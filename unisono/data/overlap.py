"""overlap: held-out rows that training has seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unisono.data.rows import Rows


def overlap(train: Rows, held_out: Rows, roles: Sequence[str]) -> int:
    """How many held-out rows have the same inputs as some training row: a score on those says what was remembered.

    Files are compared by what is in them, texts as they stand. Where inputs recur by nature, as words to be spoken do,
    there is nothing to count: fewer than half of the training rows have inputs of their own.

    Args:
        roles: of the inputs. A row without any value in them is like no other.
    """
    seen = [digest for digest in _digests(train, roles) if digest]
    known = set(seen)
    if 2 * len(known) < len(seen):
        return 0
    return sum(digest in known for digest in _digests(held_out, roles))


def _digests(rows: Rows, roles: Sequence[str]) -> Iterator[bytes]:
    names = [role for role in roles if role in rows.roles]
    for row in rows:
        values = [_content(row[name]) for name in names]
        if any(value is not None for value in values):
            yield hashlib.blake2b(json.dumps(values, default=str).encode(), digest_size=16).digest()
        else:
            yield b""


def _content(value: Any) -> Any:
    """What JSON can write of a value: of a file, a digest of its bytes; of one that cannot be read, its name."""
    if not isinstance(value, Mapping) or not value.keys() <= {"path", "bytes"}:
        return value
    content = value.get("bytes")
    if content is None and value.get("path"):
        try:
            content = Path(value["path"]).read_bytes()
        except OSError:
            return value["path"]
    return content and hashlib.blake2b(content, digest_size=16).hexdigest()
