"""Checkpoints that are whole or absent: written aside, fsynced, renamed, and every byte vouched for by a manifest.

A checkpoint is a folder ``step-00001234`` with one safetensors file per group of tensors (model, optimizer, ema),
``state.json``, texts such as ``recipe.yaml``, and ``manifest.json``: size and SHA-256 of each file, and of itself.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from unisono import files
from unisono.train import tensorfile

MANIFEST, STATE = "manifest.json", "state.json"
_NAME = re.compile(r"step-(\d{8,})")
_ASIDE = re.compile(r"\.(step-\d{8,})\.replaced")
_LEFTOVER = re.compile(r"\.step-\d{8,}\.(replaced|[0-9a-f]{8}\.(writing|removed))")
_PATIENCE = 60.0  # seconds to wait for another process that is saving into the same folder


class BrokenCheckpoint(ValueError):
    """A checkpoint that is not what was saved; the message lists every problem found."""


@dataclass(frozen=True)
class Loaded:
    """What ``save`` was given. Tensors are on the CPU."""

    step: int
    tensors: dict[str, dict[str, Tensor]]  # group -> name -> tensor
    state: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A checkpoint that ``latest`` passed over, and why."""

    path: Path
    problems: list[str]


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Writes ``folder/step-<step>``. Killed at any moment, what was there is there still, or the new one is, whole.

    Args:
        folder: holds the checkpoints of one run; made if absent.
        tensors: group -> name -> tensor, from any device; a group becomes one safetensors file.
        state: JSON; floats come back bit-equal.
        texts: file name -> content.

    Raises:
        OSError: it could not be written (disk full, no permission); older ones are untouched, nothing is left over.
    """
    names = [MANIFEST, STATE, *(f"{group}.safetensors" for group in tensors), *(texts or {})]
    for name in names:
        if names.count(name) > 1 or Path(name).name != name or name.startswith("."):
            raise ValueError(f"checkpoint: {name!r} cannot be the name of a file in it, or is there twice")
    written = json.dumps(state, indent=1).encode()  # before any file is made: a state that is not JSON fails here
    folder = Path(folder)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        files.fsync(folder.parent)
    final = folder / f"step-{step:08d}"
    temporary = _hidden(final, "writing")
    with _alone(folder) as alone:
        if alone:
            _clean(folder)
        try:
            temporary.mkdir()
            listed: dict[str, dict[str, Any]] = {}
            for group, named in tensors.items():
                digest, size = tensorfile.write(temporary / f"{group}.safetensors", named)
                listed[f"{group}.safetensors"] = {"bytes": size, "sha256": digest}
            contents = {STATE: written} | {name: text.encode() for name, text in (texts or {}).items()}
            for name, content in contents.items():
                (temporary / name).write_bytes(content)
                listed[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            (temporary / MANIFEST).write_bytes(_manifest({"format": 1, "step": step, "files": listed}))
            files.replace_folder(temporary, final)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise _explained(error, folder, step) from error
        except BaseException:  # Ctrl-C included
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return final


def problems(path: Path) -> list[str]:
    """What is wrong with a checkpoint, from reading all of it; empty when every byte is as it was saved."""
    listed, found = _listed(Path(path))
    for name, facts in listed.items():
        found += _size_problem(Path(path, name), facts) or _hash_problem(Path(path, name), facts)
    return found


def load(path: Path) -> Loaded:
    """Reads a checkpoint and verifies every byte of it.

    Raises:
        BrokenCheckpoint: it is not what was saved.
    """
    path = Path(path)
    if found := problems(path):
        raise BrokenCheckpoint(f"{path}: " + "; ".join(found))
    listed = _listed(path)[0]
    tensors = {name[: -len(".safetensors")]: tensorfile.read(path / name) for name in listed if _is_tensors(name)}
    texts = {name: (path / name).read_text("utf-8") for name in listed if name != STATE and not _is_tensors(name)}
    step = json.loads((path / MANIFEST).read_bytes())["step"]
    return Loaded(step, tensors, json.loads((path / STATE).read_bytes()), texts)


def latest(folder: Path) -> tuple[Path | None, list[Skipped]]:
    """The newest sound checkpoint of a run, or None, and the broken ones newer than it."""
    skipped: list[Skipped] = []
    if Path(folder).is_dir():
        _recover(Path(folder))
    for path in reversed(steps(folder)):
        if not (found := problems(path)):
            return path, skipped
        skipped.append(Skipped(path, found))
    return None, skipped


def steps(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first, sound or not."""
    if not Path(folder).is_dir():
        return []
    return sorted((p for p in Path(folder).iterdir() if _NAME.fullmatch(p.name)), key=step_of)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name."""
    return int(path.name.removeprefix("step-"))


def prune(folder: Path, keep: int, protect: Set[int] = frozenset()) -> list[Path]:
    """Deletes all but the ``keep`` (1 or more) newest checkpoints and those of the steps in ``protect`` (the best one).

    Only checkpoints whose manifest and sizes are right count as kept, so a damaged newest one never costs its elders; a
    damaged one is deleted once ``keep`` good ones are newer. Returns what was deleted.
    """
    if keep < 1:
        raise ValueError(f"at least one checkpoint must be kept, got keep={keep}")
    good, gone = 0, []
    with _alone(Path(folder)) as alone:
        for path in reversed(steps(folder)):
            if good >= keep and step_of(path) not in protect:
                hidden = _hidden(path, "removed")  # out of sight in one move, so a kill leaves no half of it behind
                os.rename(path, hidden)
                shutil.rmtree(hidden, ignore_errors=True)
                gone.append(path)
            else:
                good += _looks_whole(path)
        if alone:
            _clean(Path(folder))
    return gone


def _manifest(body: dict[str, Any]) -> bytes:
    own = hashlib.sha256(_canonical(body)).hexdigest()
    return _canonical(body | {"sha256": own})


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, indent=1, sort_keys=True).encode()


def _listed(path: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The files that a manifest lists, and what is wrong with the manifest itself (then it is not believed at all)."""
    try:
        found = (path / MANIFEST).read_bytes()
        body = json.loads(found)
        body.pop("sha256")
        # Written again from what was read, it must come out the same to the byte: not even a changed blank can hide.
        if _manifest(body) != found:
            return {}, [f"{MANIFEST} has been changed"]
    except OSError as error:
        return {}, [f"{MANIFEST}: {error.strerror}"]
    except (ValueError, AttributeError, KeyError, TypeError):
        return {}, [f"{MANIFEST} is damaged"]
    if _NAME.fullmatch(path.name) and step_of(path) != body["step"]:
        return {}, [f"{MANIFEST} is of step {body['step']}"]
    return body["files"], []


def _size_problem(path: Path, facts: Mapping[str, Any]) -> list[str]:
    try:
        size = path.stat().st_size
    except OSError as error:
        return [f"{path.name}: {error.strerror}"]
    return [] if size == facts["bytes"] else [f"{path.name} has {size} bytes, expected {facts['bytes']}"]


def _hash_problem(path: Path, facts: Mapping[str, Any]) -> list[str]:
    try:
        return [] if files.sha256(path) == facts["sha256"] else [f"{path.name} has been changed: its SHA-256 is wrong"]
    except OSError as error:
        return [f"{path.name}: {error.strerror}"]


def _looks_whole(path: Path) -> bool:
    listed, found = _listed(path)
    return not found and not any(_size_problem(path / name, facts) for name, facts in listed.items())


def _is_tensors(name: str) -> bool:
    return name.endswith(".safetensors")


def _hidden(path: Path, why: str) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.{why}")


def _recover(folder: Path) -> None:
    """Gives a checkpoint its name back when a save of the same step was killed between its two renames."""
    for path in folder.iterdir():
        if (match := _ASIDE.fullmatch(path.name)) and not (folder / match[1]).exists():
            os.rename(path, folder / match[1])


def _clean(folder: Path) -> None:
    """Removes what killed saves left. Only under the folder's lock: nobody can then be writing what is removed."""
    _recover(folder)
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Holds the folder's lock, which the system drops when its holder dies. False where the disk knows no locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        deadline, locked = time.monotonic() + _PATIENCE, None
        while locked is None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"{folder}: another process has been saving here for {_PATIENCE:.0f} s; "
                        "stop it, or train into another folder"
                    ) from None
                time.sleep(0.05)
            except OSError:
                locked = False
        yield locked
    finally:
        os.close(descriptor)


def _explained(error: OSError, folder: Path, step: int) -> OSError:
    what = f"checkpoint of step {step} could not be saved in {folder}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(folder).free / 1e6  # MB
        what += f" ({free:.0f} MB free). Older checkpoints are untouched; free some space, or keep fewer of them"
    return type(error)(error.errno, what) if error.errno else error
