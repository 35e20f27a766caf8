"""Bundle: the files of an export, from a folder or from one file, each of the bytes that the manifest vouches for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Damaged
from .manifest import IN_ONE, MANIFEST, Manifest
from .proto import Seen, look

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})  # operators that ONNX Runtime itself brings
ONE = "all"  # the name of the graph of an export that is one file
_MOST_MANIFEST = 64 << 20  # bytes
_MOST = 2 << 30  # bytes of a file; a graph of ONNX cannot be larger


@dataclass(frozen=True)
class Bundle:
    """An export, read whole.

    Args:
        graphs: name -> the bytes of its file, checked to be whole and to need nothing else.
        files: name -> text. ``card``: markdown about the model.
        one_file: its only graph, ``all``, gives what all tasks need.
    """

    manifest: Manifest
    graphs: Mapping[str, bytes]
    files: Mapping[str, str]
    card: str
    one_file: bool

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """
        Raises:
            Damaged: there is no export, or it is not as its manifest says. Nothing was run.
        """
        path = Path(path)
        try:
            return _one(path) if path.is_file() else _folder(path)
        except OSError as error:
            raise Damaged(f"{path}: {error.strerror or error}") from None


def is_export(path: str | Path) -> bool:
    """Whether the path looks like an export: a folder with a manifest, or a file ``.onnx``."""
    path = Path(path)
    return (path / MANIFEST).is_file() or (path.is_file() and path.suffix == ".onnx")


def _folder(folder: Path) -> Bundle:
    if not (folder / MANIFEST).is_file():
        raise Damaged(f"{folder}: no export here ({MANIFEST} is missing); write one with: unisono export RUN")
    text = _bytes(folder / MANIFEST, _MOST_MANIFEST)
    manifest = Manifest.read(_json(text, f"{folder}/{MANIFEST}"), f"{folder}/{MANIFEST}", one_file=False)
    graphs = {}
    for name, graph in manifest.graphs.items():
        assert graph.file is not None
        graphs[name] = _vouched(folder, graph.file, graph.sha256)
        _harmless(graphs[name], f"{folder}/{graph.file}")
    files = {name: _utf8(_vouched(folder, name, digest), folder / name) for name, digest in manifest.files.items()}
    card = folder / "README.md"
    return Bundle(manifest, graphs, files, card.read_text(encoding="utf-8") if card.is_file() else "", False)


def _one(file: Path) -> Bundle:
    content = _bytes(file, _MOST)
    seen = _harmless(content, str(file))
    if f"{IN_ONE}manifest" not in seen.metadata:
        raise Damaged(f"{file}: an ONNX file, but no export of Unisono (no manifest in it)")
    manifest = Manifest.read(_json(seen.metadata[f"{IN_ONE}manifest"].encode(), str(file)), str(file), one_file=True)
    files = {}
    for name in manifest.files:
        if f"{IN_ONE}file.{name}" not in seen.metadata:
            raise Damaged(f'{file}: "{name}" is missing in it')
        files[name] = seen.metadata[f"{IN_ONE}file.{name}"]
    return Bundle(manifest, {ONE: content}, files, seen.metadata.get(f"{IN_ONE}card", ""), True)


def _vouched(folder: Path, name: str, digest: str | None) -> bytes:
    """A file of the folder itself, if its bytes are those that the manifest vouches for."""
    if not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise Damaged(f"{folder}/{name}: leads out of the folder")
    if not (folder / name).is_file():
        raise Damaged(f"{folder}/{name}: missing; copy the export again")
    content = _bytes(folder / name, _MOST)
    if hashlib.sha256(content).hexdigest() != digest:
        raise Damaged(f"{folder}/{name}: not the file that {MANIFEST} vouches for; copy the export again")
    return content


def _harmless(content: bytes, where: str) -> Seen:
    """Makes sure that a graph needs nothing but its own bytes and the operators that ONNX Runtime brings."""
    try:
        seen = look(content)
    except (ValueError, RecursionError):
        raise Damaged(f"{where}: not an ONNX file, or cut off") from None
    if seen.elsewhere:
        raise Damaged(f"{where}: some of its weights lie in other files, which an export may not have")
    if strange := seen.domains - DOMAINS:
        raise Damaged(f'{where}: operators of "{min(strange)[:100]}", which ONNX Runtime does not bring')
    return seen


def _bytes(path: Path, most: int) -> bytes:
    if path.stat().st_size > most:
        raise Damaged(f"{path}: more than {most >> 20} MB")
    return path.read_bytes()


def _utf8(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Damaged(f"{path}: not UTF-8") from None


def _json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where}: not JSON ({str(error)[:100]})") from None
