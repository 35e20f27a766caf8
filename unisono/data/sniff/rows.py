"""rows: from the first rows of a table, which columns are text, labels, lists of words or languages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unisono.data.readers.base import Column
from unisono.data.roles import Unfit, number
from unisono.data.sniff.guess import Guess
from unisono.data.sniff.sequences import is_sequence

_TEXT = (
    "text", "sentence", "sentence1", "review", "content", "body", "question", "question1", "premise", "document",
)  # fmt: skip
_PAIR = ("pair", "sentence2", "question2", "hypothesis", "text2", "text_b", "answer")
_LABEL = (
    "label", "labels", "class", "category", "intent", "sentiment", "topic", "target", "score", "rating", "y", "quality",
    "measured",
)  # fmt: skip
LANGUAGES = frozenset(
    re.findall(
        r"\w+",
        "ar bg bn ca cs da de el en es et fa fi fr ga gl gu he hi hr hu id is it ja ko lt lv mk ml mr ms mt nl no pl pt"
        " ro ru sk sl sq sr sv sw ta te th tr uk ur vi zh",
    )
)


def from_rows(said: str, name: str, rows: Sequence[Mapping[Any, Any]]) -> Guess:
    if not rows:
        return Guess(said, name, None, {}, {}, "no row could be read")
    columns = list(dict.fromkeys(c for row in rows for c in row))
    values = {c: [row.get(c) for row in rows] for c in columns}
    seen = _listed(columns)
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
    sequences = [c for c in columns if is_sequence(c, values[c])]
    flags = [c for c in labels if _is_flag(values[c])] if labels and _unnamed(labels[0], _LABEL) else []
    if (texts or sequences) and len(flags) > 2:
        several: dict[str, Any] = {"label": sorted(flags, key=columns.index), **({"text": texts[0]} if texts else {})}
        return _of_sequence(Guess(said, name, "classify", several, {}, seen, {"multi": True}), sequences)
    if sequences and labels:
        kind = "regress" if _is_measured(values[labels[0]]) else "classify"
        return _of_sequence(Guess(said, name, kind, {"label": labels[0]}, {}, seen), sequences)
    if texts and labels:
        text, label = texts[0], labels[0]
        out: dict[str, Any] = {"text": text, "label": label}
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


def _listed(columns: Sequence[Column]) -> str:
    names, more = ", ".join(str(c) for c in columns[:8]), len(columns) - 8
    return f"columns {names}" + (f" and {more} more" if more > 0 else "")


def _of_sequence(guess: Guess, sequences: Sequence[Column]) -> Guess:
    """The same learned from a sequence, where there is one: its letters, not words."""
    if not sequences:
        return guess
    columns = {"sequence": sequences[0], "label": guess.columns["label"]}
    return replace(guess, columns=columns, head=guess.head | {"pool": "mean"}, stems={"sequence": {}})


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


def _is_flag(values: Sequence[Any]) -> bool:
    """0 or 1, or unknown."""
    return {str(v) for v in _given(values)} <= {"0", "1", "0.0", "1.0", "True", "False", "true", "false"}


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
    return len(preferred) + (not set(re.split(r"[^a-z0-9]+", name)) & set(preferred))


def _unnamed(column: Column, preferred: Sequence[str]) -> bool:
    """Whether the name of a column says nothing."""
    return _rank(column, preferred) > len(preferred)


def _language(column: Column) -> str | None:
    last = re.split(r"[._-]", str(column).lower())[-1]
    return last if last in LANGUAGES else None


def _long(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0
