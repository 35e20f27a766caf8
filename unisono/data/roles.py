"""Role: what a value is for a task, and how a raw value of any format becomes it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from unisono.data.errors import DataError
from unisono.data.readers.base import Column

Kind = Literal[
    "text", "label", "labels", "number", "tokens", "tags", "texts", "image", "audio", "sequence", "mask", "boxes",
    "answers", "flags", "record", "references",
]  # fmt: skip
MEDIA = ("image", "audio", "mask")  # kinds whose values are files
SEVERAL = ("texts", "flags", "record")  # kinds whose values come from a column each
Columns = str | int | Mapping[str, str | int] | Sequence[str]  # what a recipe may say for one role


@dataclass(frozen=True)
class Role:
    """One named value of a task's rows.

    Args:
        kind: text (str), label (str), labels (list[str]), number (float), tokens (list[str]), tags (list[str | None]),
            texts ({language: str | None}), flags ({label: bool | None}: several labels, a column each),
            record ({column: str | None}: cells of a table, as they are written),
            image, audio and mask ({"path": str | None, "bytes": bytes | None}), sequence (str), boxes
            (list[{"label": str, "box": [left, top, right, bottom]}], in pixels of an image; none: no object), answers
            (list[{"text": str, "start": int}]: pieces of another text, each by the place of its first character; none:
            there is no answer) or references (list[str]: texts of which each would do). Every value but a required
            input may be None: a partial label costs nothing.
        required: the source must have the column, and of the input kinds each row a value.
        stem: of an input, the stem that reads it; default: that of its kind.
    """

    kind: Kind
    required: bool = True
    stem: str | None = None


class Unfit(ValueError):
    """A value that cannot be what the role asks for; the message says why, without the value."""


def columns_of(name: str, role: Role, said: Columns | None) -> dict[str, Column]:
    """The columns of a role: key -> column. The key is a language for texts, a label for flags, a name for a record, ""
    for the one of other kinds.

    Raises:
        DataError: the recipe's entry does not suit the kind.
    """
    if said is None:
        said = name
    if role.kind in SEVERAL:
        if isinstance(said, Mapping):
            return {str(k): v for k, v in said.items()}
        if isinstance(said, (str, int)):
            return {str(said): said}
        return {str(k): k for k in said}
    if not isinstance(said, (str, int)):
        raise DataError(f"columns.{name}: {said!r} — this role has one column; give its name or its number")
    return {"": said}


def arrow_type(role: Role, keys: Sequence[str]) -> pa.DataType:
    """How a role is stored."""
    if role.kind in ("text", "label", "sequence"):
        return pa.string()
    if role.kind in MEDIA:
        return pa.struct([pa.field("path", pa.string()), pa.field("bytes", pa.binary())])
    if role.kind == "number":
        return pa.float64()
    if role.kind in SEVERAL:
        return pa.struct([pa.field(k, pa.bool_() if role.kind == "flags" else pa.string()) for k in keys])
    if role.kind == "answers":
        return pa.list_(pa.struct([pa.field("text", pa.string()), pa.field("start", pa.int32())]))
    if role.kind == "boxes":
        return pa.list_(pa.struct([pa.field("label", pa.string()), pa.field("box", pa.list_(pa.float64()))]))
    return pa.list_(pa.string())


def text(value: Any) -> str | None:
    """A blank text is None."""
    if type(value) is str:
        return value if value and (not value[0].isspace() or value.strip()) else None
    if value is None:
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Unfit(f"is a {type(value).__name__}, not text")


def media(value: Any) -> dict[str, Any] | None:
    """A file by its name or its bytes: either one, or both in a mapping as Hugging Face has it."""
    if isinstance(value, Mapping):
        path, content = value.get("path"), value.get("bytes")
    elif isinstance(value, bytes):
        path, content = None, value
    else:
        path, content = text(value), None
    return None if path is None and content is None else {"path": path, "bytes": content}


def label(value: Any) -> str | None:
    """Class names as strings: 3 and 3.0 are "3", true is "true"."""
    if type(value) is str:
        return value.strip() or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int):
        return str(value)
    raise Unfit(f"is a {type(value).__name__}, not one label")


def labels(value: Any) -> list[str] | None:
    """A list, a JSON list, or names apart by | ; or comma. An empty list says that no label holds, a blank is None."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        found = _json_list(value)
        value = re.split(r"\s*[|;,]\s*", value) if found is None else found
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, (list, tuple)):
        value = [value]
    return [name for v in value if (name := label(v)) is not None]


def number(value: Any) -> float | None:
    """A finite float; NaN and blanks are None."""
    if type(value) is str:
        value = value.strip()
        if not value:
            return None
    if value is None:
        return None
    try:
        out = float(value)
    except (TypeError, ValueError, OverflowError):
        raise Unfit("is not a number") from None
    if math.isinf(out):
        raise Unfit("is infinite")
    return None if math.isnan(out) else out


def tokens(value: Any) -> list[str] | None:
    """A list of words, a JSON list, or a text cut at white space."""
    found = _words(value)
    if found is None:
        return None
    out = [v if type(v) is str else label(v) for v in found]
    if any(v is None or not v.strip() for v in out):
        raise Unfit("have an empty word")
    return [v for v in out if v is not None] or None


def tags(value: Any) -> list[str | None] | None:
    """One tag a word. A word without a tag has None; when no word has one, all is None."""
    found = _words(value)
    if found is None:
        return None
    out = [label(v) for v in found]
    return out if any(v is not None for v in out) else None


def boxes(value: Any) -> list[dict[str, Any]] | None:
    """A list of {label, box}, also as JSON in a text; an empty list says that there is no object."""
    if isinstance(value, str):
        value = _json_list(value.strip()) if value.strip() else None
        if value is None:
            raise Unfit("are a text, not a list of boxes")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, (list, tuple)):
        raise Unfit(f"are a {type(value).__name__}, not a list")
    return [_box(one) for one in value]


def _box(one: Any) -> dict[str, Any]:
    name, sides = (one.get("label"), one.get("box")) if isinstance(one, Mapping) else (None, None)
    name = label(name)
    if name is None or not isinstance(sides, (list, tuple)) or len(sides) != 4:
        raise Unfit("have one without a label or without four sides")
    box = [number(side) for side in sides]
    left, top, right, bottom = (math.nan if side is None else side for side in box)
    if not (right > left and bottom > top):
        raise Unfit("have one without an area (the sides are left, top, right, bottom)")
    return {"label": name, "box": [left, top, right, bottom]}


def references(value: Any) -> list[str] | None:
    """A text, a list of texts, or a JSON list of them. Blank ones are left out."""
    if isinstance(value, str):
        found = _json_list(value.strip())
        value = [value] if found is None else found
    if not isinstance(value, (list, tuple)):
        value = [value]
    return [said for v in value if (said := text(v)) is not None] or None


def answers(value: Any) -> list[dict[str, Any]] | None:
    """A list of {text, start}, SQuAD's {text, answer_start}, or Hugging Face's one mapping with a list of each; all of
    them also as JSON in a text.
    """
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Unfit("are a text, not a list of answers") from None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, Mapping):
        said, at = value.get("text"), value.get("start", value.get("answer_start"))
        if not isinstance(said, list) or not isinstance(at, list) or len(said) != len(at):
            raise Unfit("are a mapping without lists of texts and starts")
        value = [{"text": t, "start": s} for t, s in zip(said, at, strict=True)]
    if not isinstance(value, (list, tuple)):
        raise Unfit(f"are a {type(value).__name__}, not a list")
    return [_answer(one) for one in value]


def _answer(one: Any) -> dict[str, Any]:
    said = one.get("text") if isinstance(one, Mapping) else None
    if not isinstance(said, str) or not said.strip():
        raise Unfit("have one without a text")
    at = one.get("start", one.get("answer_start"))
    if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < 1 << 31:
        raise Unfit("have one without a place")
    return {"text": said, "start": at}


def texts(keys: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, str | None] | None]:
    """One text for each language, None where there is none."""

    def convert(values: Mapping[str, Any]) -> dict[str, str | None]:
        return {k: text(values[k]) for k in keys}

    return convert


_HOLDS = {**dict.fromkeys(("1", "1.0", "true", "yes"), True), **dict.fromkeys(("0", "0.0", "false", "no"), False)}


def flags(keys: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, bool | None] | None]:
    """Whether each label holds: 1 or 0, true or false, yes or no; None where nothing is said, for all: None."""

    def convert(values: Mapping[str, Any]) -> dict[str, bool | None] | None:
        out: dict[str, bool | None] = {}
        for key in keys:
            said = label(values[key])
            out[key] = None if said is None else _HOLDS.get(said.lower())
            if said is not None and out[key] is None:
                raise Unfit(f'"{key}" is neither 1 nor 0')
        return out if any(v is not None for v in out.values()) else None

    return convert


def record(keys: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, str | None] | None]:
    """Cells of a table, as they are written; None where there is none, for all: None."""

    def convert(values: Mapping[str, Any]) -> dict[str, str | None] | None:
        out = {key: _cell(key, values[key]) for key in keys}
        return out if any(v is not None for v in out.values()) else None

    return convert


def _cell(key: str, value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    try:
        found = label(value)
    except (Unfit, OverflowError):  # an infinite number has no integer
        found = None
    except ValueError:  # an integer of thousands of digits
        raise Unfit(f'has too long a number in column "{key}"') from None
    if found is None and value is not None and not (isinstance(value, float) and math.isnan(value)):
        raise Unfit(f'has no number or text in column "{key}"')
    return found


JOINED: dict[str, Callable[[Sequence[str]], Callable[[Mapping[str, Any]], Any]]] = {
    "texts": texts,
    "flags": flags,
    "record": record,
}
SIMPLE: dict[str, Callable[[Any], Any]] = {
    "text": text,
    "label": label,
    "labels": labels,
    "number": number,
    "tokens": tokens,
    "tags": tags,
    "image": media,
    "audio": media,
    "mask": media,
    "sequence": text,
    "answers": answers,
    "references": references,
    "boxes": boxes,
}


def _words(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        found = _json_list(value.strip())
        value = value.split() if found is None else found
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (list, tuple)):
        return list(value)
    raise Unfit(f"is a {type(value).__name__}, not a list")


def _json_list(text: str) -> list[Any] | None:
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None
