"""Bodies: rows as the JSON that the server reads. Files, named or as bytes, become base64."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unisono.client.errors import Unfit

FILES = ("image", "audio")  # kinds of input that are files
_NAMED = {"audio": "sound"}
MOST = 64 << 20  # bytes of one; a server takes far less


def body(row: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """A row's values as JSON; those that are None are left out.

    Args:
        kinds: role -> what it holds.

    Raises:
        Unfit: a file that cannot be read.
    """
    out = {}
    for role, value in row.items():
        if value is None:
            continue
        if kinds.get(role) in FILES or isinstance(value, (bytes, bytearray, os.PathLike)):
            value = base64.b64encode(_content(value, role, kinds.get(role, role))).decode("ascii")
        out[role] = value
    return out


def _content(value: Any, role: str, kind: str) -> bytes:
    """The bytes of a file: given, or in a file of that name, or as a data set has them (``path`` or ``bytes``)."""
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if not isinstance(value, (str, os.PathLike)):
        raise Unfit("the name of a file or its bytes are expected", code="unfit", where=role)
    path = Path(value)
    if not path.is_file():  # a pipe or a device has no end
        raise Unfit(f"there is no such {_NAMED.get(kind, kind)} file", code="unfit", where=str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except OSError as error:
        raise Unfit(f"{error.strerror}", code="unfit", where=str(path)) from None
    if len(content) > MOST:
        raise Unfit(f"more than {MOST:,} bytes", code="unfit", where=str(path))
    return content
