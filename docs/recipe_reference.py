"""Writes docs/recipe.md, the reference of the recipe, from the schema that recipes are checked with: ``make docs``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("recipe.md")

OPENING = """# The recipe

*Made from the code by `make docs`; change the descriptions there.*

A recipe is one YAML file. Unknown keys are errors, with the nearest valid name. `unisono schema` prints a JSON Schema,
with which an editor completes and checks as you type (for VS Code's YAML extension, as the first line of a recipe:
`# yaml-language-server: $schema=recipe.schema.json`, after `unisono schema > recipe.schema.json`).

- Any setting can be overridden on the command line: `unisono train recipe.yaml --set train.epochs=2`.
- `${NAME}` and `${NAME:-default}` in a text stand for environment variables.
- A relative path is looked for beside the recipe first, then from where the command runs.

"""


def render(schema: Mapping[str, Any]) -> str:
    """The page as Markdown."""
    defs = schema["$defs"]
    parts = [
        OPENING,
        _section("The whole", "", schema, defs),
        _section("trunk", "A plain text stands for `{pretrained: text}`.", defs["Trunk"], defs),
        _section("trunk.lora", defs["Lora"]["description"], defs["Lora"], defs),
        _section("tasks", "A name for each task: letters, digits, `-` and `_`.", defs["Task"], defs),
        _section("tasks.NAME.data", "A plain text stands for `{path: text}`.", defs["Data"], defs),
        _section("tasks.NAME.data.ratio", "", defs["Ratio"], defs),
        *(
            _section(f"tasks.NAME.head, of kind {name.removesuffix('_head')}", "", section, defs)
            for name, section in defs.items()
            if name.endswith("_head")
        ),
        *(
            _section(f"stems.{name.removesuffix('_stem').replace('_encoder', ' with encoder')}", "", section, defs)
            for name, section in defs.items()
            if name.endswith("_stem")
        ),
        _section(
            "balance",
            "A plain text stands for `{method: text}`; a method's options ([balance.md](balance.md)) stand beside it.",
            defs["Balance"],
            defs,
        ),
        _section("distill", "Made for [distillation](distill.md).", defs["Distill"], defs),
        _section("mix", "A plain text stands for `{by: text}`.", defs["Mix"], defs),
        _section(
            "stages.N",
            "A preset's name stands for `{preset: name}`, and one stage for a list of one.",
            defs["Stage"],
            defs,
        ),
        _section("stages.N.lr", "A plain number stands for both.", defs["Rates"], defs),
        _section("stages.N.until", defs["Until"]["description"], defs["Until"], defs),
        _section("stages.N.until.plateau", "A plain number stands for `{patience: number}`.", defs["Plateau"], defs),
        _section("train", defs["Train"].get("description", ""), defs["Train"], defs),
        _section("tune", defs["Tune"]["description"], defs["Tune"], defs),
    ]
    return "\n".join(parts)


def _section(title: str, note: str, section: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    required = section.get("required", ())
    lines = [f"## {title}", ""]
    if note:
        lines += [note, ""]
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in section["properties"].items():
        default = "**needed**" if key in required else _default(value)
        cells = (f"`{key}`", _type(value), default, value.get("description", ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return "mapping"
    if "anyOf" in value:
        kinds = dict.fromkeys(_type(one) for one in value["anyOf"] if one.get("type") != "null")
        return " or ".join(kinds)
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    kind = value.get("type", "anything")
    if kind == "array":
        return f"list of {_type(value['items'] if 'items' in value else value['prefixItems'][0])}"
    if kind == "object":
        return "mapping"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    return names.get(kind, kind) + _bounds(value)


def _bounds(value: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {value[name]:g}" for name, sign in signs.items() if name in value and value[name] < 2**31]
    return f" {' and '.join(bounds)}" if bounds else ""


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    if default is None or default in ({}, []):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


if __name__ == "__main__":
    from unisono.schema import schema

    PAGE.write_text(render(schema()), encoding="utf-8")
