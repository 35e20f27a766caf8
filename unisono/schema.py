"""Schema: the JSON Schema of a recipe, with what is registered: kinds, their heads' options, stems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unisono.kinds import kinds
from unisono.recipe import Recipe
from unisono.stems import ENCODERS, STEMS


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
