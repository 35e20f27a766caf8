"""locate: from what the recipe says to a reader and the sources of each split; formats are guessed here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from unisono.data.builtin import builtin
from unisono.data.errors import DataError, nearest
from unisono.data.readers import Reader, Settings, reader, readers
from unisono.data.readers.base import plain_file, split_of, suffix
from unisono.data.readers.captions import caption_files
from unisono.data.readers.coco import coco_folder, is_coco
from unisono.data.readers.folders import class_folders
from unisono.data.readers.idx import is_idx
from unisono.data.readers.images import image_folders
from unisono.data.readers.json_array import is_array
from unisono.data.readers.masks import mask_folders
from unisono.data.readers.parallel import languages, stem_of
from unisono.data.readers.speech import speech_format
from unisono.data.readers.squad import is_squad
from unisono.data.readers.text import head
from unisono.data.readers.voc import is_voc
from unisono.data.roles import Role
from unisono.data.spec import Data


class Found(NamedTuple):
    """Where a task's rows are."""

    reader: Reader
    root: Path
    splits: dict[str, list[Path]]  # split -> sources


def locate(spec: Data, settings: Settings, roles: Mapping[str, Role]) -> Found:
    """Raises DataError when there is no such place, or nothing in it that can be read."""
    for scheme in ("builtin", "hf"):
        if spec.path.startswith(f"{scheme}:"):
            name = spec.path.removeprefix(f"{scheme}:").removeprefix("//")
            if scheme == "builtin":
                builtin(name)
            read, root = reader(scheme), Path(name)
            return Found(read, root, _given(spec, read, root) or read.splits(root, settings))
    root = Path(spec.path).expanduser()
    if spec.splits:
        return _by_splits(spec, root, settings, roles)
    if not os.path.exists(root):
        stem = os.path.isdir(root.parent) and reader("parallel").files(
            root, settings
        )  # mt/train for mt/train.en, mt/train.de
        if stem:
            return Found(reader("parallel"), root.parent, {"train": [root]})
        raise DataError(missing(root))
    plain_file(root)
    read = reader(spec.format) if spec.format else guess(root, settings, roles)
    if root.is_file():
        return Found(read, root.parent, {"train": read.pick(root, "") if read.name == "parallel" else [root]})
    splits = read.splits(root, settings)
    if not splits:
        only = [p for p in root.iterdir() if p.is_file() and suffix(p) in read.suffixes]
        if len(only) != 1:
            raise DataError(
                f"{root}: no file for {read.name} whose name speaks of train, validation or test"
                f" (it holds: {_some_names(root)}); say which is which under splits:"
            )
        splits = {"train": only}
    return Found(read, root, splits)


def guess(path: Path, settings: Settings, roles: Mapping[str, Role]) -> Reader:
    """The reader of a file or folder, from its names and, where these say nothing, from its first lines."""
    return _guess_folder(path, settings, roles) if path.is_dir() else _guess_file(path, settings, roles)


def missing(path: Path) -> str:
    """What to say of a path that is not there: how far it exists, and near names."""
    parent = path.parent
    while not os.path.exists(parent) and parent != parent.parent:
        path, parent = parent, parent.parent
    there = [p.name for p in parent.iterdir()] if os.path.isdir(parent) else []
    return f'there is no file or folder "{path}"{nearest(path.name, there)} ({parent} holds: {_some_names(parent)})'


def _by_splits(spec: Data, root: Path, settings: Settings, roles: Mapping[str, Role]) -> Found:
    root = root if root.is_dir() else root.parent
    if not root.is_dir():
        raise DataError(missing(root))
    if spec.format:
        read = reader(spec.format)
    else:
        pattern = next(iter(_patterns(spec).values()))[0]
        first = next(
            iter(sorted(root.glob(pattern)) if any(c in pattern for c in "*?[") else [root / pattern]), root / pattern
        )
        if os.path.exists(plain_file(first)):
            read = guess(first, settings, roles)
        elif reader("parallel").files(first, settings):
            read = reader("parallel")
        else:
            raise DataError(missing(first))
    return Found(read, root, _given(spec, read, root))


def _given(spec: Data, read: Reader, root: Path) -> dict[str, list[Path]]:
    out: dict[str, list[Path]] = {}
    for split, patterns in _patterns(spec).items():
        for pattern in patterns:
            found = read.pick(root, pattern)
            if not found:
                raise DataError(f"splits.{split}: nothing matches {root / pattern} ({root} holds: {_some_names(root)})")
            out.setdefault(split, []).extend(found)
    return out


def _patterns(spec: Data) -> dict[str, list[str]]:
    return {split: [said] if isinstance(said, str) else said for split, said in spec.splits.items()}


def _guess_file(path: Path, settings: Settings, roles: Mapping[str, Role]) -> Reader:
    if "images" in path.name and is_idx(path):
        return reader("idx")
    ending = suffix(path)
    if ending == ".json" and is_squad(path):
        return reader("squad")
    if ending == ".json" and is_coco(path):
        return reader("captions" if _captioned(settings) else "coco")
    if ending == ".json" and is_array(path, settings.encoding):
        return reader("array")
    if ending not in ("", ".txt"):
        for read in readers().values():
            if ending in read.suffixes:
                return read
    must = [str(c) for c, needed in settings.wanted.items() if needed]
    if any(
        stem_of(path, language) and reader("parallel").files(stem, settings)
        for language in must
        if (stem := stem_of(path, language))
    ):
        return reader("parallel")
    if any(role.kind == "tokens" for role in roles.values()):
        return reader("conll")
    sample = head(path, settings.encoding, 50)
    tabbed = bool(sample) and sum("\t" in line for line in sample) > len(sample) / 2
    return reader("csv" if len(must) > 1 or (tabbed and len(settings.wanted) > 1) or settings.delimiter else "lines")


def _guess_folder(root: Path, settings: Settings, roles: Mapping[str, Role]) -> Reader:
    if any((root / name).is_file() for name in ("dataset_dict.json", "dataset_info.json")) and "saved" in readers():
        return reader("saved")
    pictured = image_folders(root) or any(image_folders(p) for p in root.iterdir() if split_of(p.name))
    if class_folders(root) or any(class_folders(p) for p in root.iterdir() if split_of(p.name)):
        return reader("images" if pictured and "image" in settings.wanted else "folders")
    if is_voc(root):
        return reader("voc")
    if _captioned(settings) and caption_files(root):
        return reader("captions")
    if coco_folder(root):
        return reader("coco")
    if speech := speech_format(root):
        return reader(speech)
    if mask_folders(root):
        return reader("masks")
    if pictured:
        return reader("images")
    if any(is_idx(p) for p in root.iterdir() if "images" in p.name):
        return reader("idx")
    must = [str(c) for c, needed in settings.wanted.items() if needed]
    if any(must and stem_of(p, must[0]) for p in root.iterdir()) or (
        languages(root) and not any(map(_known, root.iterdir()))
    ):
        return reader("parallel")
    files = [p for p in root.iterdir() if p.is_file() and not p.name.startswith(".")]
    spoken = [p for p in files if split_of(p.name)]
    known = [p for p in spoken or files if _known(p)] or spoken
    formats = Counter(_guess_file(p, settings, roles).name for p in sorted(known)[:50])
    if not formats:
        raise DataError(
            f"{root} holds no data file that a reader knows (it holds: {_some_names(root)}); say format: and splits:"
        )
    if len(formats) > 1:
        said = ", ".join(f"{name} ({n})" for name, n in formats.most_common())
        raise DataError(
            f"{root} holds several formats: {said}; say which with format:, or name the files under splits:"
        )
    return reader(next(iter(formats)))


def _captioned(settings: Settings) -> bool:
    """Whether the recipe asks for what is said of images."""
    return not {"caption", "captions"}.isdisjoint(settings.wanted)


def _known(path: Path) -> bool:
    ending = suffix(path)
    return any(ending in read.suffixes for read in readers().values())


def _some_names(folder: Path, most: int = 12) -> str:
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    return ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "") or "nothing"
