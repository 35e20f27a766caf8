"""folder: an export on the disk, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unisono import files
from unisono.deploy.errors import ExportError
from unisono.runtime.manifest import IN_ONE, MANIFEST

Content = bytes | str


def digest(content: Content) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def check_place(folder: Path) -> None:
    """Makes sure that what will be replaced is an export, or nothing.

    Raises:
        ExportError: the folder holds other things.
    """
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MANIFEST).exists())):
        raise ExportError(f"{folder}: exists and is no export (no {MANIFEST}); name another folder")


def check_file(path: Path) -> None:
    """Makes sure that a file is an export of its own, or nothing, and is named as one.

    Raises:
        ExportError: it is not.
    """
    if path.suffix != ".onnx":
        raise ExportError(f"{path}: one file is named NAME.onnx")
    if path.is_dir() or (path.exists() and f"{IN_ONE}manifest".encode() not in path.read_bytes()):
        raise ExportError(f"{path}: exists and is no export; name another file")


def write(folder: Path, contents: Mapping[str, Content], manifest: Mapping[str, Any]) -> None:
    """Writes the files and the manifest; an export that is there is replaced in one move.

    Raises:
        OSError: a full disk, say; what was there stays.
    """
    check_place(folder)
    new = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        for name, content in contents.items():
            (new / name).write_bytes(content.encode() if isinstance(content, str) else content)
        text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (new / MANIFEST).write_text(text, encoding="utf-8")
        files.replace_folder(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
