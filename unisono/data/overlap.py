"""overlap: rows with the same inputs, of which one is held out and another learned from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unisono.data.rows import Rows


def digests(rows: Rows, roles: Sequence[str]) -> list[bytes]:
    """Of each row 16 bytes, the same for the same inputs in whatever order; b"" for a row without any.

    Texts are taken as they stand, words as a text with blanks between, files by what is in them.

    Args:
        roles: of the inputs.
    """
    names = [role for role in roles if role in rows.roles]
    out = []
    for row in rows:
        values = sorted(json.dumps(_content(value), default=str) for role in names if (value := row[role]) is not None)
        out.append(hashlib.blake2b("\n".join(values).encode(), digest_size=16).digest() if values else b"")
    return out


def recur(found: Sequence[bytes]) -> bool:
    """Whether inputs recur by nature, as words to be spoken do: not half of the rows have their own."""
    return 2 * len(set(found)) < len(found)


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
