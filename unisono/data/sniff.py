"""sniff: looks at a file or folder and guesses its format, what could be learned from it, and which columns say so."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unisono.data.builtin import builtin
from unisono.data.errors import DataError
from unisono.data.locate import guess, missing
from unisono.data.readers import Settings, reader
from unisono.data.readers.base import Column, plain_file, split_of, suffix
from unisono.data.readers.parallel import languages
from unisono.data.readers.recordings import sounds_in
from unisono.data.readers.text import head
from unisono.data.roles import Role, Unfit, number

_TEXT = (
    "text", "sentence", "sentence1", "review", "content", "body", "question", "question1", "premise", "document",
    "smiles",
)  # fmt: skip
_PAIR = ("pair", "sentence2", "question2", "hypothesis", "text2", "text_b", "answer")
_LABEL = (
    "label", "labels", "class", "category", "intent", "sentiment", "topic", "target", "score", "rating", "y", "quality"
)  # fmt: skip
_LANGUAGES = frozenset(
    re.findall(
        r"\w+",
        "ar bg bn ca cs da de el en es et fa fi fr ga gl gu he hi hr hu id is it ja ko lt lv mk ml mr ms mt nl no pl pt"
        " ro ru sk sl sq sr sv sw ta te th tr uk ur vi zh",
    )
)
_PICTURES = {  # format -> kind, role of the label, what was seen
    "images": ("classify", "label", "a folder of images for each class"),
    "idx": ("classify", "label", "images and their labels, as MNIST has them"),
    "voc": ("detect", "boxes", "images and boxes, as Pascal VOC has them"),
    "coco": ("detect", "boxes", "images and boxes, as COCO has them"),
    "masks": ("segment", "mask", "a folder of images and beside it one of masks"),
}
_SPEECH = {
    "recordings": "sounds",
    "kaldi": "Kaldi's lists of sounds and texts",
    "ljspeech": "sounds and texts, as LJSpeech has them",
    "sphinx": "sounds and texts, as CMU Sphinx has them",
}
_BIO = re.compile(r"O|[BIESLU]-\S+")


@dataclass(frozen=True)
class Guess:
    """What a place seems to hold.

    Args:
        path: as given.
        format: the reader's name.
        kind: classify, regress, tag, translate or span; None when nothing suits.
        columns: role -> column, as a recipe has it under ``columns:``.
        data: what else to write under ``data:``, such as ``splits`` where names alone are ambiguous.
        why: one line: what was seen.
    """

    path: str
    format: str
    kind: str | None
    columns: dict[str, str | int] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    why: str = ""


def sniff(path: str | Path) -> Guess:
    """Guesses from names and the first few hundred rows.

    Raises:
        DataError: there is nothing at ``path``, or no reader knows it.
    """
    said = str(path)
    if said.startswith("builtin:"):
        name = said.removeprefix("builtin:")
        row = next(iter(builtin(name).rows("train", 0)))
        return _from_rows(said, "builtin", [row])
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
    if found.name in _PICTURES:
        return _pictures(said, found.name)
    if found.name == "lines" or suffix(place) in ("", ".txt", ".train"):
        return _text_file(said, place)
    return _peeked(said, found.name, place)


def _folder(said: str, root: Path) -> Guess:
    sides = languages(root)
    if sides and not any((root / name).is_file() for name in ("dataset_dict.json", "state.json")):
        found = set.intersection(*(s for s in sides.values()))
        known = sorted(found & _LANGUAGES)
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
        return Guess(said, "folders", "classify", {}, {}, "a folder of text files for each class")
    if read.name in _PICTURES:
        return _pictures(said, read.name)
    if read.name in _SPEECH:
        return _speech(said, read.name, class_folders=_labelled(root))
    sources = splits.get("train") or next(iter(splits.values()), [])
    if not sources:
        only = [p for p in root.iterdir() if p.is_file() and not p.name.startswith(".")]
        if len(only) != 1:
            return _ambiguous(said, root)
        sources = only
    one = sources[0]
    inner = _peeked(said, read.name, one) if read.name in ("saved",) else sniff(one)
    return Guess(said, inner.format, inner.kind, inner.columns, inner.data, inner.why)


def _pictures(said: str, name: str) -> Guess:
    kind, role, why = _PICTURES[name]
    return Guess(said, name, kind, {"image": "image", role: role}, {}, why)


def _speech(said: str, name: str, *, class_folders: bool) -> Guess:
    if name != "recordings":
        return Guess(said, name, "transcribe", {}, {}, _SPEECH[name])
    if class_folders:
        return Guess(
            said, name, "classify", {"audio": "audio", "label": "label"}, {}, "a folder of sounds for each class"
        )
    return Guess(said, name, None, {}, {}, "sounds; say under data: pattern: what their names tell")


def _labelled(root: Path) -> bool:
    """Whether sounds lie in folders whose names are no split's."""
    folders = [p for p in root.iterdir() if p.is_dir()]
    inner = [q for p in folders if split_of(p.name) for q in p.iterdir() if q.is_dir()]
    return any(sounds_in(p) for p in (*(f for f in folders if not split_of(f.name)), *inner))


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
    return Guess(said, inner.format, inner.kind, inner.columns, {**inner.data, "splits": splits}, inner.why)


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
    return _from_rows(said, name, reader(name).peek(source, Settings({})))


def _from_rows(said: str, name: str, rows: Sequence[Mapping[Any, Any]]) -> Guess:
    if not rows:
        return Guess(said, name, None, {}, {}, "no row could be read")
    columns = list(dict.fromkeys(c for row in rows for c in row))
    values = {c: [row.get(c) for row in rows] for c in columns}
    seen = f"columns {', '.join(str(c) for c in columns[:12])}"
    lists = [c for c in columns if _share(values[c], lambda v: isinstance(v, list) and len(v) > 0) > 0.8]
    texts = sorted(
        (c for c in columns if _is_text(values[c]) or (str(c).lower() in _TEXT and isinstance(values[c][0], str))),
        key=lambda c: _rank(c, _TEXT),
    )
    labels = sorted(
        (c for c in columns if c not in lists and _is_label(values[c])),
        key=lambda c: (_rank(c, _LABEL), _plain(values[c])),
    )
    if len(texts) > 1 and all(_language(c) for c in texts[:2]):
        source = next((c for c in texts if _language(c) == "en"), texts[0])
        target = next(c for c in texts if c != source and _language(c))
        return Guess(said, name, "translate", {"source": source, "target": target}, {}, seen)
    if texts and labels:
        text, label = texts[0], labels[0]
        out: dict[str, str | int] = {"text": text, "label": label}
        seconds = [c for c in texts[1:] if _rank(c, _PAIR) < len(_PAIR) or _shape(c) == _shape(text)]
        if seconds:
            out["pair"] = seconds[0]
        kind = "regress" if _is_measured(values[label]) else "classify"
        return Guess(said, name, kind, out, {}, seen)
    if len(lists) > 1:
        variety = {c: len({str(v) for row in values[c] if isinstance(row, list) for v in row}) for c in lists}
        tokens = max(lists, key=lambda c: (c == "tokens", variety[c]))
        same = [
            c
            for c in lists
            if c != tokens and all(_long(a) == _long(b) for a, b in zip(values[c], values[tokens], strict=True))
        ]
        if same:
            tags = min(same, key=lambda c: ("ner" not in str(c), "tag" not in str(c), variety[c]))
            return Guess(said, name, "tag", {"tokens": tokens, "tags": tags}, {}, seen)
    return Guess(said, name, None, {}, {}, f"{seen}; none looks like a text with a label")


def _share(values: Sequence[Any], fits: Any) -> float:
    return sum(map(bool, map(fits, values))) / len(values)


def _given(values: Sequence[Any]) -> list[Any]:
    return [v for v in values if v is not None and v != ""]


def _is_text(values: Sequence[Any]) -> bool:
    """Strings, mostly different, mostly of several words or long."""
    given = [v for v in _given(values) if isinstance(v, str)]
    if len(given) < len(values) / 2 or _all_numbers(given):
        return False
    long = sum(" " in v.strip() or len(v) > 24 for v in given) / len(given)
    return long > 0.5 and len(set(given)) > max(1, len(given) / 3)


def _is_label(values: Sequence[Any]) -> bool:
    """Numbers, or short strings that recur."""
    given = _given(values)
    if not given or any(isinstance(v, (list, dict)) for v in given):
        return False
    distinct = len({str(v) for v in given})
    if _all_numbers(given):
        # Counted-up whole numbers are row numbers.
        return not (distinct == len(given) > 2 and not _is_measured(given)) and distinct > 1
    return distinct <= max(2, len(given) / 4) and max(len(str(v)) for v in given) <= 60


def _is_measured(values: Sequence[Any]) -> bool:
    """Numbers that are not all whole."""
    given = _given(values)
    if not given or not _all_numbers(given):
        return False
    numbers = [n for v in given if not isinstance(v, bool) and (n := number(v)) is not None]
    return any(not n.is_integer() for n in numbers)


def _all_numbers(given: Sequence[Any]) -> bool:
    try:
        return all(number(v) is not None or isinstance(v, float) for v in given)
    except Unfit:
        return False


def _plain(values: Sequence[Any]) -> int:
    """How unlike a label, for columns whose names say nothing: measures, class numbers, words, constants."""
    given = _given(values)
    if len({str(v) for v in given}) < 2:
        return 3
    return 0 if _is_measured(given) else 1 if _all_numbers(given) else 2


def _shape(column: Column) -> str:
    """Columns that differ in a number alone, such as "#1 String" and "#2 String", are alike."""
    return re.sub(r"\d+", "#", str(column))


def _rank(column: Column, preferred: Sequence[str]) -> int:
    name = str(column).lower()
    if name in preferred:
        return preferred.index(name)
    return len(preferred) + (not any(p in name for p in preferred))


def _language(column: Column) -> str | None:
    last = re.split(r"[._-]", str(column).lower())[-1]
    return last if last in _LANGUAGES else None


def _long(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0
