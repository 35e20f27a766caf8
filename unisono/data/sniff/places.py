"""places: a file or folder -> its format, what could be learned from it, and which columns say so."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from unisono.data.builtin import builtin
from unisono.data.errors import DataError
from unisono.data.locate import guess, missing
from unisono.data.readers import Settings, reader
from unisono.data.readers.base import plain_file, split_of, suffix
from unisono.data.readers.folders import class_folders
from unisono.data.readers.parallel import languages
from unisono.data.readers.text import head
from unisono.data.roles import Role
from unisono.data.sniff import media
from unisono.data.sniff.guess import Guess
from unisono.data.sniff.rows import LANGUAGES, from_rows

_BIO = re.compile(r"O|[BIESLU]-\S+")


def sniff(path: str | Path) -> Guess:
    """Guesses from names and the first few hundred rows.

    Raises:
        DataError: there is nothing at ``path``, or no reader knows it.
    """
    said = str(path)
    if said.startswith("builtin:"):
        name = said.removeprefix("builtin:")
        row = next(iter(builtin(name).rows("train", 0)))
        return from_rows(said, "builtin", [row])
    if said.startswith("hf:"):
        root = Path(said.removeprefix("hf:").removeprefix("//"))
        return _peeked(said, "hf", next(iter(reader("hf").splits(root, Settings({})).values()))[0])
    place = Path(said).expanduser()
    if not os.path.exists(place):
        raise DataError(missing(place))
    plain_file(place)
    if place.is_dir():
        return _folder(said, place)
    found = guess(place, Settings({}), {})
    if found.name == "squad":
        return Guess(said, "squad", "span", {}, {}, "questions about paragraphs, in the form of SQuAD")
    if found.name in media.PICTURES:
        return media.pictures(said, found.name, place)
    if found.name == "lines" or suffix(place) in ("", ".txt", ".train"):
        return _text_file(said, place)
    return _peeked(said, found.name, place)


def _folder(said: str, root: Path) -> Guess:
    sides = languages(root)
    if sides and not any((root / name).is_file() for name in ("dataset_dict.json", "state.json")):
        found = set.intersection(*(s for s in sides.values()))
        known = sorted(found & LANGUAGES)
        if len(known) > 1:
            source = "en" if "en" in known else known[0]
            target = next(k for k in known if k != source)
            why = f"line-aligned files in {', '.join(known)}"
            return Guess(said, "parallel", "translate", {"source": source, "target": target}, {}, why)
    try:
        read = guess(root, Settings({}), {})
        splits = read.splits(root, Settings({}))
    except DataError:
        return _ambiguous(said, root)
    if read.name == "folders":
        _told_apart(root)
        return Guess(said, "folders", "classify", {}, {}, "a folder of text files for each class")
    if read.name in media.PICTURES:
        return media.pictures(said, read.name, next((s for found in splits.values() for s in found), None))
    if read.name in media.SPEECH:
        return media.sounds(said, read.name, root)
    sources = splits.get("train") or next(iter(splits.values()), [])
    if not sources:
        only = [p for p in root.iterdir() if p.is_file() and not p.name.startswith(".")]
        if len(only) != 1:
            return _ambiguous(said, root)
        sources = only
    one = sources[0]
    inner = _peeked(said, read.name, one) if read.name in ("saved",) else sniff(one)
    return replace(inner, path=said)


def _told_apart(root: Path) -> None:
    """Raises DataError where what look like classes are data sets, each with its own splits."""
    names = class_folders(root)
    if names and all(split_of(p.name) for name in names for p in (root / name).iterdir() if p.is_file()):
        raise DataError(f"{root}: several data sets; name one of them, or a file: {', '.join(names)}")


def _ambiguous(said: str, root: Path) -> Guess:
    """Takes the first file that speaks of each split, of the commonest format."""
    files = sorted(p for p in root.iterdir() if p.is_file() and split_of(p.name))
    splits: dict[str, str] = {}
    for p in files:
        splits.setdefault(str(split_of(p.name)), p.name)
    if "train" not in splits:
        names = ", ".join(sorted(p.name for p in root.iterdir())[:12])
        raise DataError(
            f"{root}: no file of rows whose name speaks of train (it holds: {names or 'nothing'}); name a file"
        )
    inner = sniff(root / splits["train"])
    return replace(inner, path=said, data={**inner.data, "splits": splits})


def _text_file(said: str, place: Path) -> Guess:
    """A .txt may be anything: words in columns, a table, or plain lines."""
    sample = head(place, count=400)
    widths = {len(line.split()) for line in sample if line.strip() and not line.startswith("-DOCSTART-")}
    if any(not line.strip() for line in sample) and len(widths) == 1 and (width := widths.pop()) > 1:
        words = [line.split() for line in sample if line.strip()]
        column = max(range(1, width), key=lambda i: (sum(bool(_BIO.fullmatch(w[i])) for w in words if len(w) > i), i))
        return Guess(
            said, "conll", "tag", {"tokens": 0, "tags": column}, {}, f"{width} columns a word, blank lines between"
        )
    if sum("\t" in line for line in sample) > len(sample) / 2:
        return _peeked(said, "csv", place)
    other = guess(place, Settings({}), {"label": Role("label")})
    if other.name == "csv":
        return _peeked(said, "csv", place)
    first = [line.split(" ", 1) for line in sample if line.strip()]
    if first and all(len(f) == 2 for f in first) and 1 < len({f[0] for f in first}) <= max(2, len(first) / 10):
        data = {"format": "csv", "delimiter": " "}
        return Guess(said, "csv", "classify", {"text": 1, "label": 0}, data, "a label and a text on each line")
    return Guess(said, "lines", None, {}, {}, "plain lines of text, without labels")


def _peeked(said: str, name: str, source: Path) -> Guess:
    if name == "conllu":
        return Guess(
            said, name, "tag", {"tokens": "form", "tags": "upos"}, {}, "Universal Dependencies: parts of speech"
        )
    if name == "conll":
        return _text_file(said, source)
    return from_rows(said, name, reader(name).peek(source, Settings({})))
