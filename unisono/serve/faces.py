"""Faces: what a task looks like from outside, as JSON: its inputs, its options, an example."""

from __future__ import annotations

import base64
import binascii
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, create_model

from unisono.runtime.heads import Head as RuntimeHead
from unisono.runtime.questions import Question
from unisono.runtime.text import PAIRS

if TYPE_CHECKING:
    from unisono.heads import Head
    from unisono.tasks import Task

MOST_TEXT = 100_000  # characters of one text
MOST_WORDS = 20_000
MOST_CELLS = 10_000
FILES = ("image", "audio")  # inputs that are files: base64 in JSON
_OPTIONS: Mapping[str, tuple[Any, Any, str]] = {
    "beams": (
        Annotated[int, Field(ge=1, le=16, strict=True)] | None,
        None,
        "breadth of the search; 1 is greedy and the fastest",
    ),
    "max_new": (Annotated[int, Field(ge=1, le=1024, strict=True)] | None, None, "the most tokens to produce"),
    "min_new": (Annotated[int, Field(ge=0, le=1024, strict=True)], 0, "the fewest tokens to produce"),
}
_EXAMPLES: Mapping[str, Any] = {
    "text": "Berlin is lovely in spring.",
    "tokens": ["Berlin", "is", "lovely", "."],
    "sequence": "CCC",  # in every alphabet
    "image": "<base64 of a PNG or JPEG>",
    "audio": "<base64 of a WAV, FLAC or OGG>",
    "record": {"column": 1.5, "another": "Oslo"},
}


def _decoded(value: Any) -> bytes:
    """Bytes of base64, with or without the head of a data URL; a bare body has no need of it."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("a string of base64 is expected")
    if value.startswith("data:"):
        value = value.partition(",")[2]
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    return content


_Text = Annotated[str, Field(min_length=1, max_length=MOST_TEXT, pattern=r"\S")]
_Words = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=1000)]], Field(min_length=1, max_length=MOST_WORDS)
]
_File = Annotated[
    bytes,
    Field(min_length=1),
    BeforeValidator(_decoded, json_schema_input_type=Annotated[str, Field(json_schema_extra={"format": "byte"})]),
]
_Name = Annotated[str, Field(min_length=1, max_length=1000)]
_Cells = Annotated[dict[_Name, _Name | FiniteFloat | bool | None], Field(min_length=1, max_length=MOST_CELLS)]
_TYPES: Mapping[str, Any] = {
    "text": _Text, "tokens": _Words, "sequence": _Text, "image": _File, "audio": _File, "record": _Cells,
    "label": _Name,
}  # fmt: skip


class Ask(BaseModel):
    """A request's body; each task extends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AskAll(Ask):
    """One input or several, for every task that can do with them."""

    text: _Text | None = None
    sequence: _Text | None = None
    image: _File | None = None
    audio: _File | None = None


@dataclass(frozen=True)
class Face:
    """A task as the server shows it.

    Args:
        inputs: role -> what it holds. ``required``: of these, the ones without which there is no answer; if none, any.
        ask: validates a request's body. ``example``: one such body.
        stepwise: its answers can be streamed as they grow.
        told: role -> what it holds, for what a row may say beside its inputs, such as a speaker.
    """

    task: str
    kind: str
    inputs: Mapping[str, str]
    required: tuple[str, ...]
    ask: type[Ask]
    example: Mapping[str, Any]
    stepwise: bool
    options: tuple[str, ...]
    told: Mapping[str, str] = field(default_factory=dict)

    def question(self, asked: Ask, *, partial: bool = False) -> Question:
        """
        Raises:
            ValueError: nothing was given that the task could look at.
        """
        given = asked.model_dump(exclude_none=True)
        options = {name: given[name] for name in self.options if name in given and name in asked.model_fields_set}
        row = {name: _value(kind, given[name]) for name, kind in self.inputs.items() if name in given}
        if "text" in given and "text" not in self.inputs and "tokens" in self.inputs:
            row = {"tokens": given["text"]}
        if not row:
            raise ValueError(f"nothing to look at: give {' or '.join(self.inputs)}")
        row |= {name: given[name] for name in self.told if name in given}
        return Question(self.task, row, options, partial)

    def question_from(self, given: AskAll, *, partial: bool = False) -> Question | None:
        """What this task is asked when inputs are given without saying for whom; None: it cannot do with them."""
        asked = {r: kind for r, kind in self.inputs.items() if r in self.required or r not in PAIRS}
        kinds = list(asked.values())
        if any(kinds.count(kind) > 1 for kind in kinds):
            return None
        row: dict[str, Any] = {}
        for role, kind in asked.items():
            value = getattr(given, "text" if kind == "tokens" else kind, None)  # a table is not asked of all
            if value is not None:
                row[role] = _value(kind, value)
        if not row or any(role not in row for role in self.required):
            return None
        return Question(self.task, row, partial=partial)


def face_of(name: str, task: Task, head: type[Head]) -> Face:
    """The face of a model's task."""
    inputs = {role: task.kind.inputs[role].kind for role in task.inputs if task.kind.inputs[role].kind in _TYPES}
    beside = [role for role in PAIRS if role in task.kind.inputs and role in task.columns and role not in inputs]
    required = tuple(inputs) if not task.kind.any_input or len(inputs) == 1 else ()
    told = {role: known.kind for role, known in task.kind.told.items() if known.kind in _TYPES}
    takes = [p.name for p in inspect.signature(head.predict).parameters.values() if p.kind is p.KEYWORD_ONLY]
    languages = getattr(task.options, "languages", None) or ()
    return _face(
        name, task.kind.name, inputs, beside, required, told, _options(takes, languages), stepwise=head.stepwise
    )


def face_of_export(head: RuntimeHead) -> Face:
    """The face of an export's task; the same as that of the model's."""
    task = head.task
    inputs = {role: task.holds(role) for role in task.inputs}
    beside = [role for role in PAIRS if role in task.optional]
    options = _options(head.options, getattr(head, "languages", ()))
    return _face(task.name, task.kind, inputs, beside, task.required, {}, options, stepwise=head.stepwise)


def _face(
    name: str,
    kind: str,
    inputs: Mapping[str, str],
    beside: Sequence[str],
    required: tuple[str, ...],
    told: Mapping[str, str],
    options: Mapping[str, Any],
    *,
    stepwise: bool,
) -> Face:
    every = {**inputs, **dict.fromkeys(beside, "text")}
    fields: dict[str, Any] = {}
    for role, what in every.items():
        must = role in required and what != "tokens"
        fields[role] = (_TYPES[what] if must else _TYPES[what] | None, ... if must else None)
    fields |= {role: (_TYPES[what] | None, None) for role, what in told.items()}
    if "tokens" in inputs:
        fields["text"] = (_Text | None, Field(None, description="in place of tokens: a text, split into words here"))
    fields |= options
    ask = create_model(f"Ask_{name}", __base__=Ask, __doc__=f"A request to {name}, {kind}.", **fields)
    example = {role: _EXAMPLES[what] for role, what in inputs.items()}
    return Face(name, kind, every, required, ask, example, stepwise, tuple(options), told)


def _options(takes: Iterable[str], languages: Sequence[str]) -> dict[str, Any]:
    """Of what a head can be told, that which a request may say."""
    out: dict[str, Any] = {}
    for name in takes:
        if name in _OPTIONS:
            kind, default, told = _OPTIONS[name]
            out[name] = (kind, Field(default, description=told))
        elif name == "language" and languages:
            out[name] = (Literal[tuple(languages)] | None, Field(None, description="the language to translate into"))
    return out


def _value(kind: str, value: Any) -> Any:
    return {"path": None, "bytes": value} if kind in FILES else value


def cost(question: Question) -> int:
    """About how much work a question is, in characters of text."""
    total = 32
    for value in question.row.values():
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):  # a file
            total += 1024 + len(value["bytes"]) // 64
        elif isinstance(value, Mapping):  # a table's row: about a token a cell
            total += 4 * len(value)
        else:
            total += sum(len(word) + 1 for word in value)
    return total
