"""Tasks: a kind = input roles + head + metrics. The registry of kinds and its plug-in entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from unisono import metrics
from unisono.data import Role
from unisono.heads import Head, Options, Prediction, Row
from unisono.heads.caption import Answer, Caption
from unisono.heads.classify import Classify
from unisono.heads.dense import Dense
from unisono.heads.detect_dense import DetectDense
from unisono.heads.mask import Mask
from unisono.heads.match import Match
from unisono.heads.regress import Regress
from unisono.heads.segment import Segment
from unisono.heads.span import Span
from unisono.heads.speak import Speak
from unisono.heads.speaker import Speaker
from unisono.heads.tag import Tag
from unisono.heads.transcribe import Transcribe
from unisono.heads.translate import Translate
from unisono.recipe import Column, Recipe, RecipeError, explain, nearest
from unisono.recipe import Task as Settings
from unisono.stems import ENCODERS, STEMS

PAIRS = ("pair", "context")  # the second half of a text
STEM_OF = {
    "text": "text",
    "tokens": "text",
    "image": "image",
    "audio": "audio",
    "sequence": "sequence",
    "record": "table",
}

Score = Callable[[Sequence[Prediction], Sequence[Row]], dict[str, float]]


@dataclass(frozen=True)
class Kind:
    """What a ``kind:`` in a recipe stands for.

    Args:
        name: as written in the recipe.
        head: the decoder; its ``Options`` are what ``head:`` may say.
        inputs: role -> what it holds, for the roles that the stem reads.
        labels: role -> what it holds, for the roles that the head learns.
        score: predictions and rows -> metrics; rows without a label are left out.
        main: the metric that decides which checkpoint is best, higher being better: the first of these that was scored.
        words: the input is already split into words.
        windows: a long context is cut into windows that overlap by the head's option ``stride``: examples of one row.
        any_input: rows bring the inputs that the recipe names columns for, in place of the required ones.
        apart: a row has two inputs, and each is a sequence of its own: they do not see each other in the trunk.
        told: role -> what it holds, for what a row may tell the head beside its inputs, also when predicting.
    """

    name: str
    head: type[Head]
    inputs: Mapping[str, Role]
    labels: Mapping[str, Role]
    score: Score
    main: tuple[str, ...]
    words: bool = False
    windows: bool = False
    any_input: bool = False
    apart: bool = False
    told: Mapping[str, Role] = field(default_factory=dict)


def builtin_kinds() -> tuple[Kind, ...]:
    text, pair = Role("text", required=True), Role("text", required=False)
    others = {kind: Role(kind, required=False) for kind in ("image", "audio", "sequence")}
    others["table"] = Role("record", required=False)
    return (
        Kind(
            "classify",
            Classify,
            {"text": text, "pair": pair, **others},
            {"label": Role("label")},
            metrics.score_labels,
            ("accuracy", "micro_f1"),
            any_input=True,
        ),
        Kind(
            "regress",
            Regress,
            {"text": text, "pair": pair, **others},
            {"label": Role("number")},
            metrics.score_numbers,
            ("spearman",),
            any_input=True,
        ),
        Kind(
            "mask",
            Mask,
            {"text": text, "pair": pair, **others},
            {},
            metrics.score_hidden,
            ("accuracy", "r2"),
            any_input=True,
        ),
        Kind(
            "tag",
            Tag,
            {"tokens": Role("tokens", required=True)},
            {"tags": Role("tags")},
            metrics.score_tags,
            ("f1", "accuracy"),
            words=True,
        ),
        Kind(
            "translate",
            Translate,
            {"source": text},
            {"target": Role("text", required=False)},
            metrics.score_text,
            ("bleu",),
        ),
        Kind(
            "caption",
            Caption,
            {**others, "image": Role("image", required=True), "text": pair, "pair": pair},
            {"caption": Role("references")},
            metrics.score_captions,
            ("bleu",),
            any_input=True,
        ),
        Kind(
            "answer",
            Answer,
            {"question": text, "context": pair, **others},
            {"answer": Role("references")},
            metrics.score_answers,
            ("exact_match",),
            any_input=True,
        ),
        Kind(
            "span",
            Span,
            {"question": text, "context": text},
            {"answers": Role("answers")},
            metrics.score_spans,
            ("f1",),
            windows=True,
        ),
        Kind(
            "detect",
            DetectDense,  # or DetectSet: see Detect.make
            {"image": Role("image", required=True)},
            {"boxes": Role("boxes")},
            metrics.score_boxes,
            ("map50",),
        ),
        Kind(
            "segment",
            Segment,
            {"image": Role("image", required=True)},
            {"mask": Role("mask")},
            metrics.score_masks,
            ("miou",),
        ),
        Kind(
            "dense",
            Dense,
            {"image": Role("image", required=True)},
            {"mask": Role("mask")},
            metrics.score_dense,
            ("r2",),
        ),
        Kind(
            "transcribe",
            Transcribe,
            {"audio": Role("audio", required=True)},
            {"text": Role("text", required=False)},
            metrics.score_transcripts,
            ("word_accuracy",),
        ),
        Kind(
            "match",
            Match,
            {"text": text, "other": text, **others},
            {"score": Role("number", required=False)},
            metrics.score_matches,
            ("recall@1", "spearman"),
            any_input=True,
            apart=True,
        ),
        Kind(
            "speaker",
            Speaker,
            {"audio": Role("audio", required=True)},
            {"label": Role("label")},
            metrics.score_speakers,
            ("accuracy",),
        ),
        Kind(
            "speak",
            Speak,
            {"text": text, "sequence": others["sequence"]},
            {"audio": Role("audio", required=False)},
            metrics.score_spoken,
            ("mel_fit",),
            any_input=True,
            told={"speaker": Role("label", required=False)},
        ),
    )


@cache
def kinds() -> dict[str, Kind]:
    """Name -> kind: ours, then those of installed packages (entry points ``unisono.kinds``)."""
    out: dict[str, Kind] = {}
    for kind in builtin_kinds():
        _register(out, kind)
    for point in entry_points(group="unisono.kinds"):
        _register(out, point.load())
    return out


def _register(registry: dict[str, Kind], kind: Kind) -> None:
    if kind.name in registry:
        raise ValueError(f'two kinds of task are named "{kind.name}": {registry[kind.name].head} and {kind.head}')
    registry[kind.name] = kind


@dataclass(frozen=True)
class Task:
    """One task of a model: its kind, its head's options, and how its input is read. Plain data; no weights."""

    name: str
    kind: Kind
    options: Options
    max_length: int | None = None
    metric: str | None = None
    weight: float = 1.0
    columns: Mapping[str, Column] = field(default_factory=dict)

    def main(self, scores: Mapping[str, float]) -> str | None:
        """The main metric, of those that were scored."""
        return next((m for m in ((self.metric,) if self.metric else self.kind.main) if m in scores), None)

    @property
    def inputs(self) -> list[str]:
        """The input roles that rows are asked for. A role that only accompanies another (``PAIRS``) does not count."""
        required = [name for name, role in self.kind.inputs.items() if role.required]
        named = [name for name in self.kind.inputs if name in self.columns and name not in PAIRS]
        return named or required if self.kind.any_input else required

    @property
    def roles(self) -> dict[str, Role]:
        """What each role of a row holds: the inputs, those with a column, and the labels. Of several inputs of which a
        row may bring any, none is required.
        """
        asked = self.inputs
        must = len(asked) == 1 or not self.kind.any_input
        roles = {
            name: Role(role.kind, required=must and name in asked)
            for name, role in self.kind.inputs.items()
            if name in asked or name in self.columns
        }
        roles.update(self.kind.told)
        roles.update(self.kind.labels)
        if getattr(self.options, "multi", False):
            roles["label"] = Role(
                "flags" if isinstance(self.columns.get("label"), (list, tuple, Mapping)) else "labels"
            )
        if getattr(self.options, "languages", None):
            roles["target"] = Role("texts")
        return roles

    @property
    def stride(self) -> int | None:
        """How many tokens neighbouring windows of a long context share; None: a row is one example."""
        return getattr(self.options, "stride", 0) if self.kind.windows else None

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems that read the inputs, in the order of the kind's roles."""
        return tuple(dict.fromkeys(STEM_OF[self.kind.inputs[name].kind] for name in self.inputs))

    @property
    def sides(self) -> dict[str, str]:
        """Input role -> its stem, where each input of a row is a sequence of its own; otherwise none."""
        return {name: STEM_OF[self.kind.inputs[name].kind] for name in self.inputs} if self.kind.apart else {}

    def roles_of(self, stem: str) -> list[str]:
        """The input roles that a stem reads."""
        return [name for name, role in self.kind.inputs.items() if STEM_OF[role.kind] == stem]

    def config(self) -> dict[str, Any]:
        """Plain JSON from which ``Task.from_config`` builds an equal task."""
        return {
            "kind": self.kind.name,
            "options": self.options.model_dump(mode="json"),
            "max_length": self.max_length,
            "metric": self.metric,
            "weight": self.weight,
            "columns": dict(self.columns),
        }

    @classmethod
    def from_config(cls, name: str, config: Mapping[str, Any]) -> Task:
        rest = {key: value for key, value in config.items() if key not in ("kind", "options")}
        kind = kinds().get(config["kind"])
        if kind is None:
            raise RecipeError(
                f'task "{name}": kind "{config["kind"]}" is not installed{nearest(config["kind"], kinds())}'
            )
        return cls(name, kind, kind.head.Options(**config["options"]), **rest)


def resolve(recipe: Recipe, where: str = "recipe") -> dict[str, Task]:
    """The recipe's tasks with kinds looked up and head options checked.

    Raises:
        RecipeError: an unknown kind, a wrong option of a head, or a column for a role that the kind does not have.
    """
    out, problems = {}, []
    for name, settings in recipe.tasks.items():
        try:
            out[name] = _resolve(name, settings, where)
        except RecipeError as error:
            problems.append(str(error))
    if problems:
        raise RecipeError("\n".join(problems))
    return out


def _resolve(name: str, settings: Settings, where: str) -> Task:
    kind = kinds().get(settings.kind)
    if kind is None:
        raise RecipeError(
            f'{where}: tasks.{name}.kind: "{settings.kind}" is not a kind of task{nearest(settings.kind, kinds())}'
            "  (unisono check --kinds lists them)"
        )
    columns = settings.all_columns()
    roles = {**kind.inputs, **kind.told, **kind.labels}
    for role in columns:
        if role not in roles:
            at = "columns." if role in settings.columns else ""
            raise RecipeError(f'{where}: tasks.{name}.{at}{role}: {kind.name} has no "{role}"{nearest(role, roles)}')
    wanted = dict(settings.head)
    target = columns.get("target")
    if isinstance(target, dict) and "languages" in kind.head.Options.model_fields:
        wanted.setdefault("languages", list(target))
    try:
        options = kind.head.Options(**wanted)
    except ValidationError as error:
        raise RecipeError("\n".join(explain(error, kind.head.Options, where, f"tasks.{name}.head"))) from None
    task = Task(name, kind, options, settings.max_length, settings.metric, settings.weight, columns)
    if kind.apart and len(task.inputs) != 2:
        raise RecipeError(
            f"{where}: tasks.{name}.columns: {kind.name} takes two inputs, named are {', '.join(task.inputs)}; "
            f"name columns for two of {', '.join(kind.inputs)}"
        )
    return task


def schema() -> dict[str, Any]:
    """JSON Schema of a recipe, with each kind's head options, for editors."""
    out = Recipe.model_json_schema()
    defs = out["$defs"]
    data = defs["Data"]
    trunk = out["properties"]["trunk"]
    out["properties"]["trunk"] = {
        "anyOf": [{"type": "string"}, {"$ref": trunk["$ref"]}],
        "description": trunk["description"],
    }
    out["properties"]["mix"] = {
        "anyOf": [{"$ref": "#/$defs/Mix"}, {"enum": data_mixes(defs)}],
        "description": "how tasks share a step",
    }
    presets = list(defs["Stage"]["properties"]["preset"]["anyOf"][0]["enum"])
    stage = {"anyOf": [{"enum": presets}, {"$ref": "#/$defs/Stage"}]}
    out["properties"]["stages"] = {
        "anyOf": [*stage["anyOf"], {"type": "array", "items": stage}],
        "description": out["properties"]["stages"]["description"],
    }
    rates = defs["Stage"]["properties"]["lr"]
    defs["Stage"]["properties"]["lr"] = {
        "anyOf": [{"type": "number", "minimum": 0}, {"$ref": rates["$ref"]}],
        "description": rates["description"],
    }
    defs["Until"]["properties"]["plateau"]["anyOf"].insert(0, {"type": "integer", "minimum": 1})
    task = defs["Task"]
    described = task["properties"]["data"].get("description", "")
    task["properties"]["data"] = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Data"}], "description": described}
    task["properties"]["kind"]["enum"] = sorted(kinds())
    rules = []
    for kind in kinds().values():
        options = kind.head.Options.model_json_schema(ref_template="#/$defs/{model}")
        defs.update(options.pop("$defs", {}))
        label = f"{kind.name}_head"
        defs[label] = {**options, "title": f"head options of {kind.name}"}
        rules.append(
            {
                "if": {"properties": {"kind": {"const": kind.name}}},
                "then": {"properties": {"head": {"$ref": f"#/$defs/{label}"}}},
            }
        )
    task["allOf"] = rules
    out["properties"]["stems"] = {
        "type": "object",
        "description": out["properties"]["stems"]["description"],
        "properties": {name: _stem_options(name, defs) for name in STEMS if name != "text"},  # text: as the trunk's
    }
    data.setdefault("description", "where the rows are")
    out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    out["title"] = "Unisono recipe"
    return out


def _stem_options(name: str, defs: dict[str, Any]) -> dict[str, Any]:
    """What ``stems: NAME:`` may say, described among ``defs``."""
    made = {f"{name}_stem": STEMS[name]}
    if name in ENCODERS:
        made[f"{name}_encoder_stem"] = ENCODERS[name]
    for label, stem in made.items():
        options = stem.Options.model_json_schema(ref_template="#/$defs/{model}")
        defs.update(options.pop("$defs", {}))
        defs[label] = {**options, "title": f"options of the stem {name}"}
    refs = [{"$ref": f"#/$defs/{label}"} for label in made]
    return refs[0] if len(refs) == 1 else {"anyOf": refs}


def data_mixes(defs: Mapping[str, Any]) -> list[str]:
    names: list[str] = defs["Mix"]["properties"]["by"]["enum"]
    return [n for n in names if n != "weights"]
